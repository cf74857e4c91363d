package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// A site may have what nobody asked for during some time dropped, as nginx's
// inactive does. No entry has room for a time, and no hit should write one: a
// volume that has such a site counts, in four bits beside each entry, the
// rounds through which nobody asked for it. A hit clears them, once a round at
// most; a walk through the index, an eighth of the time apart, counts and drops.

const (
	// idleParts is how many rounds fit into the time of a site.
	idleParts = 8
	// idleRound is the shortest round.
	idleRound = time.Second
	idleMax   = 15
	idleBits  = 4
	// idleAnew is that an entry's rounds are counted from this one on.
	idleAnew = idleMax
)

// idle are the counts of an index, eight of a bucket in a word; nil until a
// site needs them.
type idle struct {
	words atomic.Pointer[[]atomic.Uint32]
}

// begin makes the counts of so many buckets, unless they are there.
func (t *idle) begin(buckets int) {
	if t.words.Load() == nil {
		words := make([]atomic.Uint32, buckets)
		t.words.CompareAndSwap(nil, &words)
	}
}

// asked notes that somebody asked for the entry at a place of the index.
func (t *idle) asked(at int) {
	words := t.words.Load()
	if words == nil {
		return
	}
	w, mask := &(*words)[at/bucketWords], uint32(idleMax)<<(at%bucketWords*idleBits)
	if w.Load()&mask != 0 {
		w.And(^mask)
	}
}

// falls counts a round, and reports whether through so many before it nobody has
// asked for the entry; first: there was none before it.
func (t *idle) falls(at, drops int) (falls, first bool) {
	if drops == idleAnew {
		t.asked(at)
	}
	n := t.rounds(at)
	return n >= drops, n == 0
}

// rounds returns through how many rounds nobody has asked for the entry, and
// counts this one.
func (t *idle) rounds(at int) int {
	words := t.words.Load()
	if words == nil {
		return 0
	}
	w, shift := &(*words)[at/bucketWords], at%bucketWords*idleBits
	for {
		v := w.Load()
		n := int(v >> shift & idleMax)
		if n == idleMax || w.CompareAndSwap(v, v+1<<shift) {
			return n
		}
	}
}

// bytes is what the counts take.
func (t *idle) bytes() int64 {
	if words := t.words.Load(); words != nil {
		return int64(len(*words)) * 4
	}
	return 0
}

// inactivity is which sites have what nobody asks for dropped.
type inactivity struct {
	running sync.Once
	closing sync.Once
	wake    chan struct{}
	quit    chan struct{}
	ended   chan struct{} // nil: it was never begun

	mu    sync.Mutex // guards the field below
	sites map[uint16]*inactive
}

// An inactive is a site's time.
type inactive struct {
	after, round time.Duration
	next         time.Time
	counted      bool // some rounds; what is counted before the first is of others
}

// drops returns after how many rounds without a request an entry falls.
func (s *inactive) drops() int { return int((s.after + s.round - 1) / s.round) }

// dueSites is what a walk is for: for each account, how many rounds it takes
// for an entry to fall, or idleAnew; 0: it is not due.
type dueSites [maxSites]uint8

// SetInactive has what is stored for the site dropped, markers apart, when
// nobody asked for it for d, at the latest an eighth of that (but a second)
// later; 0: never. Times count from now on, so that nothing falls before d has
// passed since the zone was opened. A site without an account gets one.
func (z *Zone) SetInactive(site uint64, d time.Duration) error {
	n, opened, err := z.openAccount(site, nil)
	if err != nil {
		return err
	}
	if opened {
		z.shareAsOthers(n)
	}
	t := &z.inactivity
	t.mu.Lock()
	defer t.mu.Unlock()
	if d <= 0 {
		delete(t.sites, n)
		return nil
	}
	if s := t.sites[n]; s != nil && s.after == d {
		return nil
	}
	z.countIdle()
	if t.sites == nil {
		t.sites = map[uint16]*inactive{}
	}
	s := &inactive{after: d, round: max(d/idleParts, idleRound)}
	s.next = time.Now().Add(s.round)
	t.sites[n] = s
	t.running.Do(func() {
		t.wake, t.quit, t.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go z.dropInactive()
	})
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return nil
}

// countIdle has all volumes count.
func (z *Zone) countIdle() {
	if z.memory != nil {
		z.memory.index.idle.begin(z.memory.index.rows())
	}
	for _, d := range z.disks {
		d.index.idle.begin(d.index.rows())
	}
}

// stop ends the walks.
func (t *inactivity) stop() {
	t.mu.Lock()
	ended := t.ended
	t.mu.Unlock()
	if ended != nil {
		t.closing.Do(func() { close(t.quit) })
		<-ended
	}
}

// due returns which accounts a walk is due for, nil for none, and when the next is.
func (t *inactivity) due(now time.Time) (r *dueSites, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait = time.Hour
	for n, s := range t.sites {
		if !now.Before(s.next) {
			if r == nil {
				r = new(dueSites)
			}
			r[n] = uint8(min(s.drops(), idleMax-1))
			if !s.counted {
				r[n], s.counted = idleAnew, true
			}
			s.next = now.Add(s.round)
		}
		wait = min(wait, s.next.Sub(now))
	}
	return r, wait
}

// dropInactive walks whenever it is time, until stop.
func (z *Zone) dropInactive() {
	t := &z.inactivity
	defer close(t.ended)
	for {
		due, wait := t.due(time.Now())
		if due != nil {
			if !z.walkIdle(due) {
				return
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-t.quit:
			timer.Stop()
			return
		case <-t.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// walkIdle counts a round in all volumes; false: it was stopped. Memory is
// first: what is asked for there is asked for on disk, too.
func (z *Zone) walkIdle(due *dueSites) bool {
	if z.memory != nil && !z.memory.walkIdle(due, z.inactivity.quit, z.askedOnDisk) {
		return false
	}
	for _, d := range z.disks {
		if !d.walkIdle(due, z.inactivity.quit) {
			return false
		}
	}
	return true
}

// askedOnDisk notes that what is under h was asked for in memory.
func (z *Zone) askedOnDisk(h Hash) {
	if z.disks == nil {
		return
	}
	var c diskCell
	if d := z.disk(h); d.index.load(h, &c.cell) {
		d.index.idle.asked(c.at)
	}
}

// step walks in strides of buckets, with a pause behind each.
func step(buckets, stride int, quit <-chan struct{}, look func(from, to int)) bool {
	for from := 0; from < buckets; from += stride {
		look(from, min(from+stride, buckets))
		timer := time.NewTimer(sweepPause)
		select {
		case <-quit:
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
	return true
}

func (m *Memory) walkIdle(due *dueSites, quit <-chan struct{}, asked func(Hash)) bool {
	var inUse []Hash
	return step(m.index.rows(), sweepStride, quit, func(from, to int) {
		inUse = inUse[:0]
		for n := from; n < to; n++ {
			m.index.bucket(n, func(c *cell) {
				if !c.stored() {
					return
				}
				d := m.directory(c.slab())
				drops := int(due[d.site(c.listing())])
				if drops == 0 {
					return
				}
				var l listing
				switch falls, first := m.index.idle.falls(c.at, drops); {
				case falls:
					m.dropLocked(c, Inactive)
				case first && l.decode(d.at(c.listing()), m.space.size):
					inUse = append(inUse, l.hash)
				}
			})
		}
		for _, h := range inUse {
			asked(h)
		}
	})
}

func (d *Disk) walkIdle(due *dueSites, quit <-chan struct{}) bool {
	return step(d.index.rows(), sweepStride, quit, func(from, to int) {
		for n := from; n < to && !d.down(); n += trimBuckets {
			d.dropTold(n, min(n+trimBuckets, to), Inactive, func(c *diskCell) bool {
				drops := int(due[c.account()])
				if drops == 0 {
					return false
				}
				falls, _ := d.index.idle.falls(c.at, drops)
				return falls
			})
		}
	})
}

// rows is how many buckets the index has.
func (x *index) rows() int { return len(x.words) / bucketWords }
