package telemetry

import (
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// topKeys is how many keys each ranking follows.
	topKeys = 512
	// topText is how much of a key's text is kept.
	topText = 240
	// topPace is how many requests a second are counted at most; a quarter of
	// it or less, and more of them are.
	topPace = 1024
	// topHalving is how often weights are halved, so that what was asked for
	// once makes room for what is asked for now.
	topHalving = 300 // seconds
)

// TopBy is what keys are ranked by.
type TopBy uint8

// The rankings.
const (
	ByHits  TopBy = iota // answers that came from here
	ByBytes              // content bytes given to clients
	numBy   int   = iota
)

// A TopKey is what is known of a key that is asked for often. Its numbers
// begin at Since, when it was first followed: they never count too much but
// for chance, and are exact unless Estimated.
type TopKey struct {
	Key       string    `json:"key"`
	Cut       bool      `json:"cut,omitempty"` // Key is the beginning of it
	Site      string    `json:"site"`
	Requests  uint64    `json:"requests"`
	Hits      uint64    `json:"hits"`
	Bytes     uint64    `json:"bytes"`
	Since     time.Time `json:"since"`
	Estimated bool      `json:"estimated,omitempty"` // some of it was counted from one request in so many
}

// top follows the keys that are asked for most, in fixed memory: space-saving
// (Metwally, Agrawal, El Abbadi 2005), fed with one request in every, a power
// of two that follows the load. At under a thousand requests a second all are
// counted, and a key that is followed has its true number; above that a
// request nearly always pays for one random number alone.
type top struct {
	every atomic.Uint32 // one request in so many is counted

	mu     sync.Mutex // guards the fields below
	second int64      // Unix time of the newest request counted
	paced  int        // counted in that second
	halved int64      // when weights were halved last
	seed   maphash.Seed
	by     [numBy]ranking
}

func newTop() *top {
	t := &top{seed: maphash.MakeSeed()}
	t.every.Store(1)
	for i := range t.by {
		t.by[i].init()
	}
	return t
}

// note counts a request, or leaves it to another one to count for it.
func (t *top) note(r *Record, hit bool) {
	every := t.every.Load()
	if len(r.Key) == 0 || every > 1 && rand.Uint32()&(every-1) != 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paceLocked(r.Time.Unix(), every)
	s := sighting{
		hash: maphash.Bytes(t.seed, r.Key), key: r.Key, origin: r.Origin, time: r.Time,
		every: every, bytes: uint64(max(r.Bytes, 0)) * uint64(every),
	}
	if hit {
		s.hits = uint64(every)
	}
	t.by[ByHits].count(&s, s.hits)
	t.by[ByBytes].count(&s, s.bytes)
}

// paceLocked follows the load, and time.
func (t *top) paceLocked(now int64, every uint32) {
	if now > t.second {
		if t.paced < topPace/4 {
			t.every.Store(max(every>>min(now-t.second, 31), 1))
		}
		t.second, t.paced = now, 0
	}
	if t.paced++; t.paced >= topPace && every < 1<<16 {
		t.every.Store(every * 2)
		t.paced = 0
	}
	if now-t.halved >= topHalving {
		t.halved = now
		for i := range t.by {
			t.by[i].halve()
		}
	}
}

// list returns the first n keys of a ranking. floor is what a key that is not
// followed can have had at most, in the ranking's unit and lately.
func (t *top) list(by TopBy, n int) (keys []TopKey, floor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.by[by]
	if len(r.heap) == topKeys {
		floor = r.seats[r.heap[0]].weight
	}
	order := slices.Clone(r.heap)
	slices.SortFunc(order, func(a, b int32) int { return int(int64(r.seats[b].weight) - int64(r.seats[a].weight)) })
	for _, i := range order[:min(n, len(order))] {
		keys = append(keys, r.seats[i].tell())
	}
	return keys, floor
}

// find returns what is known of a key; false when it is not followed.
func (t *top) find(key []byte) (TopKey, bool) {
	h := maphash.Bytes(t.seed, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *seat
	for i := range t.by {
		if at := t.by[i].find(h); at >= 0 {
			if s := &t.by[i].seats[at]; best == nil || s.since.Before(best.since) {
				best = s
			}
		}
	}
	if best == nil {
		return TopKey{}, false
	}
	return best.tell(), true
}

// A sighting is a request that is counted, for every requests.
type sighting struct {
	hash        uint64
	key         []byte
	origin      int
	time        time.Time
	every       uint32
	hits, bytes uint64
}

// A ranking follows topKeys keys. Its heap has the lightest first: a key that
// is not followed takes its place and its weight.
type ranking struct {
	seats []seat
	heap  []int32            // seats by weight, the lightest first
	table [topKeys * 4]int32 // seat+1 by hash, 0: none; linear probing
}

// A seat is a key that is followed.
type seat struct {
	hash      uint64
	weight    uint64 // what ranks it: halved from time to time, with what it took over
	at        int32  // in the heap
	n, origin int    // of text
	cut       bool
	estimated bool
	since     time.Time

	requests, hits, bytes uint64

	text [topText]byte
}

func (s *seat) tell() TopKey {
	return TopKey{
		Key: string(s.text[:s.n]), Cut: s.cut, Site: string(s.text[:min(s.origin, s.n)]), Since: s.since,
		Requests: s.requests, Hits: s.hits, Bytes: s.bytes, Estimated: s.estimated,
	}
}

func (r *ranking) init() {
	r.seats, r.heap = make([]seat, 0, topKeys), make([]int32, 0, topKeys)
}

// count adds a sighting of so much weight. One without weight counts for keys
// that are followed, but brings none in.
func (r *ranking) count(s *sighting, weight uint64) {
	i := r.find(s.hash)
	if i < 0 {
		if weight == 0 {
			return
		}
		i = r.seat(s)
	}
	at := &r.seats[i]
	at.requests += uint64(s.every)
	at.hits += s.hits
	at.bytes += s.bytes
	at.estimated = at.estimated || s.every > 1
	at.weight += weight
	r.sink(int(at.at))
}

// seat gives a key a seat: a free one, or the lightest key's.
func (r *ranking) seat(s *sighting) int32 {
	var i int32
	var inherited uint64
	if len(r.seats) < topKeys {
		i = int32(len(r.seats))
		r.seats = r.seats[:i+1]
		r.heap = append(r.heap, i)
		r.seats[i].at = int32(len(r.heap) - 1)
	} else {
		i = r.heap[0]
		inherited = r.seats[i].weight
		r.remove(r.seats[i].hash)
	}
	at := &r.seats[i]
	*at = seat{hash: s.hash, weight: inherited, at: at.at, origin: s.origin, cut: len(s.key) > topText, since: s.time}
	at.n = copy(at.text[:], s.key)
	r.insert(s.hash, i)
	if inherited == 0 { // a free seat stands last, and weighs least
		r.rise(int(at.at))
	}
	return i
}

func (r *ranking) halve() {
	for i := range r.seats {
		r.seats[i].weight /= 2 // keeps the order of the heap
	}
}

func (r *ranking) lighter(a, b int) bool {
	return r.seats[r.heap[a]].weight < r.seats[r.heap[b]].weight
}

func (r *ranking) swap(a, b int) {
	r.heap[a], r.heap[b] = r.heap[b], r.heap[a]
	r.seats[r.heap[a]].at, r.seats[r.heap[b]].at = int32(a), int32(b)
}

// sink moves what has become heavier to its place.
func (r *ranking) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.heap); child++ {
			if r.lighter(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		r.swap(i, least)
		i = least
	}
}

// rise moves what is light to its place.
func (r *ranking) rise(i int) {
	for i > 0 && r.lighter(i, (i-1)/2) {
		r.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

// slot is where the search for a hash begins.
func slot(hash uint64) int { return int(hash % (topKeys * 4)) }

// find returns the seat of a hash, -1 when there is none.
func (r *ranking) find(hash uint64) int32 {
	for at := slot(hash); r.table[at] != 0; at = (at + 1) % len(r.table) {
		if i := r.table[at] - 1; r.seats[i].hash == hash {
			return i
		}
	}
	return -1
}

func (r *ranking) insert(hash uint64, seat int32) {
	at := slot(hash)
	for r.table[at] != 0 {
		at = (at + 1) % len(r.table)
	}
	r.table[at] = seat + 1
}

// remove takes a hash out, and moves up what stood behind it for want of room.
func (r *ranking) remove(hash uint64) {
	at := slot(hash)
	for r.seats[r.table[at]-1].hash != hash {
		at = (at + 1) % len(r.table)
	}
	r.table[at] = 0
	for next := (at + 1) % len(r.table); r.table[next] != 0; next = (next + 1) % len(r.table) {
		seat := r.table[next]
		r.table[next] = 0
		r.insert(r.seats[seat-1].hash, seat-1)
	}
}
