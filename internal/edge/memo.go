package edge

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// A memo remembers which policy and which key requests were routed to, so that
// what is asked for often is not matched and sorted again. It has a fixed size
// and no pointers, and allocates nothing once it is made.
//
// Whatever a route depends on is in a spot, or it must not be remembered: a
// policy chosen by the client's address, a cookie or chance is not.
//
// Any goroutine may read and write. A slot is a sequence lock: its writer makes
// seq odd, stores, and makes it even again; a reader that sees seq odd, or
// another one behind its reading than before, has read nothing. All of it is
// read and stored atomically.
type memo struct {
	seed  maphash.Seed
	slots []slot          // sets of memoWays
	sets  uint64          // their number less one; a power of two less one
	door  []atomic.Uint32 // what was seen once, by hash: only the second sight takes a slot
}

const (
	memoSlots = 4096 // by default
	memoWays  = 4
	memoText  = 384 // bytes of a slot's text
	spotMax   = 256 // of host and target together
	doors     = 4   // for each slot
)

// A slot is what is remembered of one spot. Its phases: empty (seq 0), being
// written (odd), readable (even).
type slot struct {
	seq    atomic.Uint32
	asked  atomic.Uint32 // found since its set was last swept
	hash   atomic.Uint64 // of the spot
	number atomic.Uint64
	shape  atomic.Uint64 // sizes, scheme, method, the choice's number: shapeOf
	key    [2]atomic.Uint64
	text   [memoText / 8]atomic.Uint64 // host, target, key, each padded
}

// A spot is where a request goes, before it is routed.
type spot struct {
	number       uint64 // of the site's compiled form, which routes it
	secure       bool
	method       wire.Method // where routes depend on it, else OtherMethod
	host, target []byte
}

// A routing is what became of a spot.
type routing struct {
	choice int
	hash   store.Hash // of the whole key
	origin int        // engine.Route.Origin
	key    []byte
	tail   bool // the target is behind key
}

// newMemo returns a memo of n slots or a few more.
func newMemo(n int) *memo {
	sets := 1 << bits.Len(uint((n-1)/memoWays))
	return &memo{
		seed: maphash.MakeSeed(), sets: uint64(sets - 1),
		slots: make([]slot, sets*memoWays), door: make([]atomic.Uint32, sets*memoWays*doors),
	}
}

// fits reports whether a spot can be remembered.
func (p *spot) fits() bool { return len(p.host)+len(p.target) <= spotMax }

func (m *memo) hash(p *spot) uint64 {
	h := maphash.Bytes(m.seed, p.target)
	if len(p.host) > 0 {
		h = bits.RotateLeft64(h, 23) ^ maphash.Bytes(m.seed, p.host)
	}
	return h
}

// shapeOf packs what a slot holds beside text and hashes: of the spot 10 bits
// for the host's length, 10 for the target's, 1 for the scheme and 5 for the
// method; of the routing 10 for the key's length, 1 for its tail, 10 for the
// origin's and 17 for the choice.
func shapeOf(p *spot, r *routing) uint64 {
	s := uint64(len(p.host)) | uint64(len(p.target))<<10 | uint64(p.method)<<21 | uint64(len(r.key))<<26 | uint64(r.origin)<<37 | uint64(r.choice)<<47
	if p.secure {
		s |= 1 << 20
	}
	if r.tail {
		s |= 1 << 36
	}
	return s
}

const spotShape = 1<<26 - 1 // the part of a shape that is the spot's

// find fills r with what is remembered of p, whose hash is h; r's key is used
// again.
func (m *memo) find(p *spot, h uint64, r *routing) bool {
	want := shapeOf(p, &routing{})
	set := m.set(h)
	for i := range set {
		s := &set[i]
		seq := s.seq.Load()
		if seq&1 != 0 || s.hash.Load() != h || s.number.Load() != p.number {
			continue
		}
		shape := s.shape.Load()
		if shape&spotShape != want || !s.holds(p) {
			continue
		}
		r.choice, r.origin, r.tail = int(shape>>47), int(shape>>37&0x3ff), shape>>36&1 != 0
		r.hash = store.Hash{s.key[0].Load(), s.key[1].Load()}
		r.key = s.appendKey(r.key[:0], p, int(shape>>26&0x3ff))
		if s.seq.Load() != seq {
			return false // it is being written: as good as forgotten
		}
		if s.asked.Load() == 0 { // a store would take the line from other readers
			s.asked.Store(1)
		}
		return true
	}
	return false
}

func (m *memo) set(h uint64) []slot {
	i := (h & m.sets) * memoWays
	return m.slots[i : i+memoWays : i+memoWays]
}

// seen reports whether the spot with hash h was seen before, as far as is
// remembered, and remembers it.
func (m *memo) seen(h uint64) bool {
	d := &m.door[h%uint64(len(m.door))]
	mark := uint32(h>>32) | 1
	if d.Load() == mark {
		return true
	}
	d.Store(mark)
	return false
}

// keep remembers that p, whose hash is h, was routed to r, in place of what its
// set has not been asked for.
func (m *memo) keep(p *spot, h uint64, r *routing) {
	if !p.fits() || words(p.host)+words(p.target)+words(r.key) > memoText/8 || r.choice >= 1<<17 || r.origin >= 1<<10 {
		return
	}
	s := m.victim(h)
	seq := s.seq.Load()
	if seq&1 != 0 || !s.seq.CompareAndSwap(seq, seq+1) {
		return // somebody else writes here
	}
	s.hash.Store(h)
	s.number.Store(p.number)
	s.shape.Store(shapeOf(p, r))
	s.key[0].Store(r.hash[0])
	s.key[1].Store(r.hash[1])
	at := s.put(0, p.host)
	at = s.put(at, p.target)
	s.put(at, r.key)
	s.asked.Store(0)
	s.seq.Store(seq + 2)
}

// victim chooses the slot to be written: an empty one, else one that was not
// found since its set was swept. Another site's is as good as this one's: many
// sites would drive each other out. What no site has any more is not found.
func (m *memo) victim(h uint64) *slot {
	set := m.set(h)
	first := int(h >> 62) // so that not always the same one goes
	for i := range set {
		if s := &set[i]; s.seq.Load() == 0 {
			return s
		}
	}
	for i := range set {
		if s := &set[(first+i)%memoWays]; s.asked.Load() == 0 {
			return s
		}
	}
	for i := range set {
		set[i].asked.Store(0)
	}
	return &set[first]
}

// words is how many words of a text b takes.
func words(b []byte) int { return (len(b) + 7) / 8 }

// word returns up to 8 bytes at the start of b.
func word(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var last [8]byte
	copy(last[:], b)
	return binary.LittleEndian.Uint64(last[:])
}

// put stores b from word at on and returns the word behind it.
func (s *slot) put(at int, b []byte) int {
	for i := 0; i < len(b); i += 8 {
		s.text[at].Store(word(b[i:]))
		at++
	}
	return at
}

// holds reports whether the text is p's.
func (s *slot) holds(p *spot) bool {
	at, ok := s.equal(0, p.host)
	if ok {
		_, ok = s.equal(at, p.target)
	}
	return ok
}

func (s *slot) equal(at int, b []byte) (int, bool) {
	for i := 0; i < len(b); i += 8 {
		if s.text[at].Load() != word(b[i:]) {
			return at, false
		}
		at++
	}
	return at, true
}

// appendKey appends the n bytes behind p in the text.
func (s *slot) appendKey(dst []byte, p *spot, n int) []byte {
	from := len(dst)
	for at := words(p.host) + words(p.target); len(dst) < from+n && at < len(s.text); at++ {
		dst = binary.LittleEndian.AppendUint64(dst, s.text[at].Load())
	}
	return dst[:min(from+n, len(dst))]
}
