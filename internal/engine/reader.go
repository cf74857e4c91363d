package engine

import (
	"context"
	"errors"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// This is a reader of spread content (spread.go), who goes through it from front
// to back: what is stored comes from the store, what is not from the fetch that
// brings it.

// sendSpread sends the content of an answer whose head is out, and ends it.
// first is its beginning, as far as that is in hand.
func (c *call) sendSpread(s rfc9111.Selection, first wire.Span) {
	defer c.disband()
	if s.Parts > 1 && c.r.Method != wire.HEAD {
		c.sendParts(c.copySpread)
		return
	}
	whole, sent := true, int64(0)
	if first.N > 0 {
		sent = c.sendSpan(first)
	}
	c.needs(s, c.spread.length, func(p rfc9111.Part) { whole = c.copySpread(p.First+sent, p.Last) })
	if !whole {
		return
	}
	c.end(nil)
	if c.p.Err == nil && s.Status == 206 {
		c.e.strides.note(stride{c.spread.version, s.Last + 1})
		c.readOn(s.Last)
	}
}

// maxTries is how often a reader looks for a piece that it does not find
// although it is or was there, before it asks for it itself.
const maxTries = 2

// copySpread sends the content [from, to]. It reports false when the answer has
// ended without it.
func (c *call) copySpread(from, to int64) bool {
	for tries := 0; from <= to && c.p.Err == nil; {
		if on := c.spread.on; on != nil && on.changed() {
			c.abort(ContentChanged, errChanged)
			return false
		}
		n := c.sendStored(from, to)
		if n > 0 {
			c.inUse(n)
			c.lookOut(from+n, to)
		} else {
			var ok bool
			if n, ok = c.copyHole(from, to, tries < maxTries); !ok {
				return false
			}
		}
		if from += n; n > 0 {
			tries = 0
		} else {
			tries++
		}
	}
	return true
}

// sendStored sends what the segment at from holds up to to, and returns how
// many bytes that were. What the call has had fetched is not asked for again by
// that: who reads content once is not to have all of it kept.
func (c *call) sendStored(from, to int64) int64 {
	if on := c.spread.on; on == nil || !on.brought(from) {
		return c.sendSegment(c.spread.version, from, to)
	}
	seg := c.e.segment
	off := from % seg
	if s, ok := c.e.store.Relay(c.spread.version, int(from/seg), int(off), int(min(seg-off, to-from+1))); ok {
		return c.sendSpan(s)
	}
	return 0
}

// useEvery is how much content is sent between two looks at its record.
const useEvery = 4 << 20

// inUse has the store know that the record is in use while its content is sent:
// that takes long, and much else, of this content too, wants to be stored.
func (c *call) inUse(n int64) {
	sp := &c.spread
	if sp.sent += n; sp.sent >= useEvery && sp.old != nil {
		sp.sent = 0
		var e store.Entry
		c.e.store.Lookup(sp.old.hash, sp.old.key, c.e.now().UnixMilli(), &e)
		e.Release()
	}
}

// lookOut has what is missing soon behind from asked for: it is there then when
// the reader is.
func (c *call) lookOut(from, to int64) {
	if on := c.spread.on; on != nil {
		if on.reach(from) {
			return
		}
		if !on.brought(from) {
			c.quit()
		}
	}
	if p, ok := c.holeIn(rfc9111.Part{First: from, Last: to}, c.window()); ok {
		c.worker(p.First, to)
	}
}

// copyHole sends what is missing at from, up to what is stored or to, and
// returns how many bytes that were. It is not ok when the answer has ended
// without it.
func (c *call) copyHole(from, to int64, joins bool) (n int64, ok bool) {
	var f *fetch
	var there bool
	if joins {
		f, there = c.worker(from, to)
	}
	switch {
	case there:
		return 0, true
	case f == nil:
		c.out.Why = SegmentGone
		last := c.holeEnd(from, to)
		return last - from + 1, c.resume(c.tag, from, last)
	}
	if !c.settled(f) {
		c.abort(ClientGone, context.Canceled)
		return 0, false
	}
	at := from
	for at <= to && c.p.Err == nil {
		off := at - f.part.First
		s := c.next(f, off, false)
		if s.idle() {
			_ = c.p.Flush() // what came so far is to be seen while we wait
			s = c.next(f, off, true)
		}
		switch {
		case s.block != nil:
			n, _ := c.p.Write(s.data[:min(int64(len(s.data)), to-at+1)])
			at += int64(n)
			c.inUse(int64(n))
			c.e.staging.put(s.block)
			f.reach(at)
		case s.rest && f.refused(): // it may be another client that the origin refuses
			c.quitEnded(f)
			return at - from, true
		case s.rest:
			last := min(to, f.part.Last)
			return last - from + 1, c.takeHole(f, off, last-f.part.First)
		case s.end, s.behind, errors.Is(s.err, errElsewhere):
			c.quitEnded(f)
			return at - from, true
		default:
			c.abort(s.why, s.err)
			return at - from, false
		}
	}
	return at - from, true
}

// holeEnd returns the end of what is missing at from, at most to.
func (c *call) holeEnd(from, to int64) int64 {
	seg := c.e.segment
	for at, n := from+seg-from%seg, 0; at <= to && n < maxStretch; at, n = at+seg, n+1 {
		if c.e.store.Has(c.spread.version, int(at/seg)) {
			return at - 1
		}
	}
	return to
}

// settled waits for the head of f: what it brings is known then. It reports
// false when the client has left.
func (c *call) settled(f *fetch) bool {
	for {
		f.mu.Lock()
		if f.phase != asking {
			f.mu.Unlock()
			return true
		}
		f.waiters++
		wake := f.wake
		f.mu.Unlock()
		_ = c.p.Flush()
		select {
		case <-wake:
		case <-c.leaving():
			return false
		}
	}
}

// takeHole goes on with what f has handed over. What the origin sent in place
// of the hole is nothing for an answer under way.
func (c *call) takeHole(f *fetch, from, to int64) bool {
	f.mu.Lock()
	anyone, why := f.anyone, f.why
	f.mu.Unlock()
	if !anyone {
		c.abort(why, errNotHole)
		return false
	}
	return c.takeRest(f, from, to)
}
