package store

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// A Count is how many objects a purge hits. That is known at once for a key
// and for everything; else when all that was stored before the purge has been
// looked at (sweep). Until then Hits grows.
type Count struct {
	hits    atomic.Int64
	partial atomic.Bool // some of them were not counted
	done    chan struct{}

	mu   sync.Mutex // guards the fields below
	seed maphash.Seed
	seen map[uint64]struct{} // hit already; nil: no object is met twice
}

// countedMost bounds the objects that a Count tells apart. Of more it says that
// it is not all.
const countedMost = 1 << 20

// NewCount returns a Count for one Purge.
func NewCount() *Count { return &Count{done: make(chan struct{})} }

// Done is closed when Hits will not grow any more.
func (c *Count) Done() <-chan struct{} { return c.done }

// Hits returns how many objects were hit till now. It is exact when Done is
// closed and there was nothing that could not be looked at; else they are at least as many.
func (c *Count) Hits() (n int64, exact bool) {
	n = c.hits.Load()
	select {
	case <-c.done:
		return n, !c.partial.Load()
	default:
		return n, false
	}
}

// end says that Hits is final: n more, or (Unknown) what was counted is at least it.
func (c *Count) end(n int) {
	if c == nil {
		return
	}
	if n == Unknown {
		c.partial.Store(true)
	} else {
		c.hits.Add(int64(n))
	}
	close(c.done)
}

// tellApart has an object that is in two tiers count once.
func (c *Count) tellApart() {
	if c != nil {
		c.seed, c.seen = maphash.MakeSeed(), map[uint64]struct{}{}
	}
}

// hit counts the object under key.
func (c *Count) hit(key []byte) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen != nil {
		k := maphash.Bytes(c.seed, key)
		if _, met := c.seen[k]; met {
			return
		}
		if len(c.seen) == countedMost {
			c.partial.Store(true)
			return
		}
		c.seen[k] = struct{}{}
	}
	c.hits.Add(1)
}

// unsure: an object is dropped unread that some of the bans may have hit.
func (b *bans) unsure(c *diskCell) {
	if c.kind() != Object {
		return
	}
	for _, d := range b.list[b.upTo(max(c.checked(), c.born())):] {
		if d.count != nil {
			d.count.partial.Store(true)
		}
	}
}

// tell counts a record that was dropped, or has to be validated, because of
// the bans after the given sequences: for each that hit it while it was there.
func (b *bans) tell(f face, hardFrom, softFrom Seq) {
	hardFrom, softFrom = max(hardFrom, f.born), max(softFrom, f.validated)
	from := min(hardFrom, softFrom)
	first := len(b.list)
	for first > 0 && b.list[first-1].seq > from {
		first--
	}
	for i := first; i < len(b.list); i++ {
		d := &b.list[i]
		past := hardFrom
		if d.soft {
			past = softFrom
		}
		if d.seq <= past || !d.hits(&f) {
			continue
		}
		d.count.hit(f.key)
		if !d.soft {
			return // the later ones found nothing any more
		}
	}
}
