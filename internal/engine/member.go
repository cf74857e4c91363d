package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/store"
)

// This is a reader as a member of the crew (crew.go): which fetch it is attached
// to, what it has asked for, when it leaves.

// brought reports whether f has brought the byte at pos.
func (f *fetch) brought(pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.part.First <= pos && pos < f.part.First+f.length
}

// reach notes that a reader has come to the byte at pos. It reports false when
// f brings nothing from there on.
func (f *fetch) reach(pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at := min(pos-f.part.First, f.length); at > f.reached {
		f.reached = at
		f.quicken()
	}
	return (f.phase <= growing || f.phase == handed) && pos <= f.last || f.changedLocked() // nobody is to ask again
}

// worker returns the fetch that brings the byte at from; nil when that is there
// by now, or none is to bring it.
func (c *call) worker(from, to int64) (f *fetch, there bool) {
	if on := c.spread.on; on != nil {
		if on.serves(from) {
			return on, false
		}
		c.quit()
	}
	beside := c.besides(from, to)
	if c.alone() || c.spread.beside+beside > c.window() || !c.enlist() {
		return nil, false
	}
	var mine bool
	if c.spread.on, mine, there = c.hire(from, to+c.spread.ahead, nil); mine {
		c.spread.beside += beside
	}
	return c.spread.on, there
}

// besides returns how much more than the bytes [from, to], of one of several
// ranges, the segments have that it is in. All ranges of a request together may
// cost the origin as much as is read ahead of one: else a few bytes of each of
// many segments have all of these fetched.
func (c *call) besides(from, to int64) int64 {
	if c.multi == nil {
		return 0
	}
	seg := c.e.segment
	return from%seg + c.e.segmentEnd(to, c.spread.length) - to
}

// changed reports whether f has found other content at the origin.
func (f *fetch) changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changedLocked()
}

func (f *fetch) changedLocked() bool { return f.phase == failed && f.why == ContentChanged }

// serves reports whether f, to which a reader is attached, has the byte at pos
// for it or will have it.
func (f *fetch) serves(pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := pos - f.part.First
	return f.changedLocked() || (f.phase <= growing || f.phase == handed || at < f.length) && at >= f.base && pos <= f.last
}

// refused reports that the origin has refused the request that f was made for.
func (f *fetch) refused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.anyone && f.why == NotShareable
}

// enlist makes the call one of the crew. It reports false when the record is
// gone: then what is missing can not be stored under it.
func (c *call) enlist() bool {
	sp := &c.spread
	switch {
	case sp.crew != nil:
		return true
	case sp.old == nil:
		c.e.store.Lookup(c.at, c.atKey, c.e.now().UnixMilli(), &c.entry)
		defer c.entry.Release()
		if c.entry.Kind != store.Object || c.entry.Version != sp.version || c.head.read(c.entry.Meta) != nil || c.length() != sp.length {
			return false
		}
		sp.old = c.keepOld()
	}
	sp.crew = c.e.crews.join(sp.version)
	return true
}

// quit leaves the fetch that the call is attached to.
func (c *call) quit() {
	if c.spread.on != nil {
		c.spread.on.leave(c)
		c.spread.on = nil
	}
}

// quitEnded leaves f when it has nothing more to bring.
func (c *call) quitEnded(f *fetch) {
	f.mu.Lock()
	ended := f.phase > growing
	f.mu.Unlock()
	if ended {
		c.quit()
	}
}

// disband leaves fetch and crew.
func (c *call) disband() {
	c.quit()
	if c.spread.crew != nil {
		c.e.crews.leave(c.spread.crew)
	}
	c.spread = spread{}
}

// readOn has what follows the byte at last asked for, for who reads on: when
// half of what is to be ahead is missing. It goes on without readers.
func (c *call) readOn(last int64) {
	sp := &c.spread
	if sp.ahead == 0 {
		return
	}
	end := min(last+sp.ahead, sp.length-1)
	if sp.on != nil {
		sp.on.wants(c.e.segmentEnd(end, sp.length))
		c.quit()
	}
	p, ok := c.holeIn(rfc9111.Part{First: last + 1, Last: end}, sp.ahead/2)
	if !ok || c.alone() || !c.enlist() {
		return
	}
	if f, mine, _ := c.hire(p.First, end, nil); f != nil {
		if mine {
			f.wants(c.e.segmentEnd(end, sp.length))
		}
		f.leave(c)
	}
}

// wants has f go on to the byte at pos without readers.
func (f *fetch) wants(pos int64) {
	f.mu.Lock()
	f.goal = max(f.goal, pos)
	f.mu.Unlock()
}
