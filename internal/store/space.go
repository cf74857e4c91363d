package store

import (
	"slices"
	"sync"
	"sync/atomic"
)

// openSlabs is how many slabs a queue fills at a time. With one, a record
// that does not fit wastes the rest of it, which costs 2 to 9 points of hit
// ratio in a mix of sizes.
const openSlabs = 2

// smallPart is the part of a volume in memory that the small queue may keep.
const smallPart = 20

// mostPassed is how many slabs of its queue may be sealed before one that
// stays open for its room.
const mostPassed = 8

// reserve is how many free slabs only the reclaimer may take: what it copies
// forward needs room before its victim becomes free.
const reserve = 1

// space is which slab is where.
type space struct {
	size       int // bytes of a slab
	listings   int // entries of a directory
	smallMost  int // slabs that the small queue may keep when room is needed
	asideMost  int // slabs set aside above which readers are asked to yield
	wantedFree int // free slabs that the background keeps

	yield atomic.Uint64 // slabs wanted before this are to be yielded

	// stage gives a slab that is opened the buffer it is filled in, and counts
	// the writer (slab.writers) that will bring it to the device; false: there
	// are not more than keep of them. Nil for slabs in memory. It is called with
	// mu held.
	stage func(s *slab, keep int) bool

	mu sync.Mutex // guards the fields below, and used, records and passed of each slab

	free  []*slab
	small queue
	main  queue
	aside []*slab // pinned victims, longest wanted first
	order uint64  // of the last slab set aside

	// Of slabs with a stage: those sealed since, which wait for their last
	// writer to be brought to the device, and those that could not be.
	filled, broken []*slab
}

// A queue is the slabs of one of S3-FIFO's two queues.
type queue struct {
	open   []*slab
	sealed []*slab // oldest first
}

func (q *queue) slabs() int { return len(q.open) + len(q.sealed) }

// claim takes room for a record of n bytes in an open slab of the queue: the
// fullest that takes it. A fresh slab is opened when none does and more than
// keep are free and one can be staged. low reports that the free slabs are getting few.
func (p *space) claim(main bool, n, keep int) (c claim, low, ok bool) {
	n = aligned(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.small
	if main {
		q = &p.main
	}
	s := p.fullest(q.open, n)
	fresh := s == nil
	if fresh {
		if len(p.free) <= keep {
			return claim{}, true, false
		}
		if s = p.openLocked(q, main, keep); s == nil {
			return claim{}, false, false
		}
	}
	c = claim{s: s, off: s.used, listing: s.records, fresh: fresh}
	s.used += n
	s.records++
	s.writers.Add(1)
	p.sealLocked(q)
	return c, len(p.free) < p.wantedFree, true
}

// fullest returns the fullest of the slabs that takes n more bytes.
func (p *space) fullest(open []*slab, n int) (best *slab) {
	for _, s := range open {
		if s.used+n <= p.size && s.records < p.listings && (best == nil || s.used > best.used) {
			best = s
		}
	}
	return best
}

func (p *space) openLocked(q *queue, main bool, keep int) *slab {
	s := p.free[len(p.free)-1]
	if p.stage != nil && !p.stage(s, keep) {
		return nil
	}
	p.free = p.free[:len(p.free)-1]
	s.main.Store(main)
	q.open = append(q.open, s)
	return s
}

// sealLocked closes a slab when one too many is open.
func (p *space) sealLocked(q *queue) {
	if len(q.open) <= openSlabs {
		return
	}
	p.closeLocked(q, p.ripeLocked(q.open))
	for _, s := range q.open {
		s.passed++
	}
}

// closeLocked seals the i-th open slab of a queue.
func (p *space) closeLocked(q *queue, i int) {
	s := q.open[i]
	q.sealed = append(q.sealed, s)
	q.open = slices.Delete(q.open, i, i+1)
	if p.stage != nil {
		s.sealed.Store(true)
		p.filled = append(p.filled, s)
	}
}

// ripeLocked is the oldest slab that is nearly full or was passed over too
// often: a little room that nothing fits must not keep old records in. Else
// it is the fullest, which a large record may just have opened.
func (p *space) ripeLocked(open []*slab) (full int) {
	for i, s := range open {
		if s.records == p.listings || s.used >= p.size/8*7 || s.passed >= mostPassed {
			return i
		}
		if s.used > open[full].used {
			full = i
		}
	}
	return full
}

// victim takes the slab to empty next out of its queue; nil when all are
// free, open, being written or set aside. One with under a quarter of live
// bytes goes first, then the oldest of the small queue while that is above
// its share, then the oldest of the main queue.
func (p *space) victim() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	order := [2]*queue{&p.main, &p.small}
	if p.small.slabs() > p.smallMost {
		order = [2]*queue{&p.small, &p.main}
	}
	sparse := func(s *slab) bool { return s.live.Load() < int64(p.size/4) }
	for _, fits := range []func(*slab) bool{sparse, func(*slab) bool { return true }} {
		for _, q := range order {
			for i, s := range q.sealed {
				if fits(s) && p.evictableLocked(s) {
					q.sealed = slices.Delete(q.sealed, i, i+1)
					return s
				}
			}
		}
	}
	return nil
}

// evictableLocked: a slab that is being written never is. One that is pinned
// is set aside, which frees nothing now; so once twice as many as readers are
// asked to yield for wait already, pinned slabs stay in their queue.
func (p *space) evictableLocked(s *slab) bool {
	if s.writers.Load() != 0 {
		return false
	}
	return s.pins.Load() == 0 || len(p.aside) < 2*p.asideMost
}

// setAside keeps a pinned victim for its readers.
func (p *space) setAside(s *slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order++
	s.wanted.Store(p.order)
	p.aside = append(p.aside, s)
	p.yieldLocked()
}

// unpinned takes a slab whose readers are gone off those set aside; nil when
// there is none.
func (p *space) unpinned() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.aside {
		if s.pins.Load() == 0 {
			p.aside = slices.Delete(p.aside, i, i+1)
			s.wanted.Store(0)
			p.yieldLocked()
			return s
		}
	}
	return nil
}

func (p *space) yieldLocked() {
	if over := len(p.aside) - p.asideMost; over > 0 {
		p.yield.Store(p.aside[over-1].wanted.Load() + 1)
	} else {
		p.yield.Store(0)
	}
}

func (p *space) put(s *slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.used, s.records, s.passed = 0, 0, 0
	s.sealed.Store(false)
	p.free = append(p.free, s)
}

// mainShort reports whether the main queue has less than four fifths of the slabs
// in use, so that the small one keeps more than it should.
func (p *space) mainShort() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.main.slabs() < 4*p.small.slabs()
}

func (p *space) numFree() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}
