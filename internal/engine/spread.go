package engine

import (
	"bytes"
	"context"
	"errors"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// This is the side of the request of spread content (crew.go); hole.go has
// that of the fetch. An answer is sent from front to back: what is stored from
// the store, what is not from the fetch that brings it, at the reader's pace.
// A hole near the beginning is asked for before the head goes out, so that an
// origin which has something else by now gives another answer, not one cut short.

// A spread is the content of which a call sends something.
type spread struct {
	version uint64
	length  int64
	old     *old   // its record; nil: to be looked up when a hole is met
	crew    *crew  // nil: no hole was met
	on      *fetch // attached to: it brings what comes next, or soon
	ahead   int64  // how far behind the range is to be read ahead
	aged    bool   // the head of the answer is an earlier response's though it is no hit
	sent    int64  // bytes of it since the store heard that it is in use
}

// spreadable reports whether content with that head may be asked for in pieces.
func (e *Engine) spreadable(h *storedHead, length int64) bool {
	return length > e.segment && h.facts.Status == 200 && h.strongValidator() != nil
}

// deliverSpread answers from the entry, of which segments may be missing. It
// reports false, with nothing sent, when the request has to look again.
func (c *call) deliverSpread(v rfc9111.Verdict) bool {
	ent := &c.entry
	if c.ask.OnlyIfCached() && c.needsContent(v.Selection) && !c.hasSegments(v) {
		ent.Release()
		c.refuse(Reason(rfc9111.WhyOnlyIfCached))
		return true
	}
	c.takeUp(&spread{version: ent.Version, length: ent.Size}, v.Selection)
	c.tag = append(c.tag[:0], c.head.strongValidator()...)
	if p, ok := c.firstHole(v.Selection); ok {
		return c.deliverHole(v, p)
	}
	var first wire.Span
	if c.needsContent(v.Selection) {
		var ok bool
		if first, ok = c.firstSegment(v); !ok {
			return c.passInstead()
		}
	}
	c.out.fresh(v)
	c.startStored(&c.head, v, ent.Size)
	ent.Release()
	c.sendSpread(v.Selection, first)
	return true
}

// takeUp makes s what the call sends. Who goes on where an answer ended has
// more to come.
func (c *call) takeUp(s *spread, sel rfc9111.Selection) {
	c.spread, c.size = *s, s.length
	if sel.Parts == 1 && sel.First > 0 && c.e.strides.has(stride{s.version, sel.First}) {
		c.spread.ahead = c.pol.ahead(c.e)
	}
}

// firstHole returns what is missing near the beginning of what is to be sent:
// from there to the end of that range.
func (c *call) firstHole(s rfc9111.Selection) (hole rfc9111.Part, ok bool) {
	first := true
	c.needs(s, c.spread.length, func(p rfc9111.Part) {
		if first {
			hole, ok = c.holeIn(p, c.window())
			first = false
		}
	})
	return hole, ok
}

// holeIn returns the first missing piece within the first near bytes of p,
// with all that comes behind.
func (c *call) holeIn(p rfc9111.Part, near int64) (hole rfc9111.Part, ok bool) {
	seg := c.e.segment
	for at := p.First; at <= p.Last && at-p.First <= near; at += seg - at%seg {
		if !c.e.store.Has(c.spread.version, int(at/seg)) {
			return rfc9111.Part{First: at, Last: p.Last}, true
		}
	}
	return hole, false
}

// deliverHole is deliverSpread when a hole is near: it waits for the origin to
// say that it still has that content.
func (c *call) deliverHole(v rfc9111.Verdict, hole rfc9111.Part) bool {
	if c.alone() {
		c.entry.Release()
		c.pass(ForPartial, 0)
		return true
	}
	c.spread.old = c.keepOld()
	c.entry.Release()
	c.enlist()
	defer c.disband()
	f, mine, there := c.hire(hole.First, hole.Last+c.spread.ahead, c)
	if there {
		return false
	}
	if f == nil {
		c.pass(ForPartial, NotShareable)
		return true
	}
	c.spread.on = f
	c.out.Status, c.out.Forward, c.out.Why, c.out.Collapsed = NoStatus, ForPartial, 0, !mine
	if mine {
		c.pol.Trace.fetch(ForPartial, 0)
	} else {
		c.pol.Trace.waiting()
	}
	since := c.e.now()
	p, left := c.await(f, mine)
	c.now = c.e.now()
	c.out.Waited = c.now.Sub(since)
	if left {
		c.abort(ClientGone, context.Canceled)
		return true
	}
	return c.fillHole(f, p, v, mine)
}

// fillHole goes on from where the fetch of the first hole stands.
func (c *call) fillHole(f *fetch, p phase, v rfc9111.Verdict, mine bool) bool {
	f.mu.Lock()
	c.out.Upstream = f.upstream
	why, err, anyone := f.why, f.err, f.anyone
	f.mu.Unlock()
	switch {
	case p == growing, p == done, p == handed && anyone:
		c.startSpread(f, nil, v)
		c.sendSpread(v.Selection, wire.Span{})
		c.tellKept(f)
		return true
	case p == handed:
		return c.handedOver(f, why, mine, nil)
	case p == failed && (why == ContentChanged || errors.Is(err, errElsewhere)):
		return false
	case p == failed:
		c.out.Why, c.out.Err = why, err
		return c.fail(err)
	}
	if c.now.Sub(c.since) >= c.pol.lockTimeout() {
		c.pass(ForPartial, LockTimedOut)
		return true
	}
	return false
}

// followSpread answers from a fetch whose content has become spread.
func (c *call) followSpread(f *fetch, stale *old) bool {
	length := f.made.head.facts.Length
	v := rfc9111.Verdict{Selection: rfc9111.Select(&f.made.head.facts, &c.ask, length)}
	c.takeUp(&spread{version: f.made.version, length: length, old: f.made}, v.Selection)
	c.enlist()
	defer c.disband()
	if f.attach() {
		c.spread.on = f
	}
	c.tag = append(c.tag[:0], f.made.head.strongValidator()...)
	c.startSpread(f, stale, v)
	c.sendSpread(v.Selection, wire.Span{})
	c.tellKept(f)
	return true
}

// startSpread begins the answer that f brings some of, with the head of the
// record as that is now: f is one of several that may have updated it. The
// leader's own goes before, where there is one.
func (c *call) startSpread(f *fetch, stale *old, v rfc9111.Verdict) {
	f.mu.Lock()
	stored, head := f.stored, f.headForLocked(c)
	c.spread.aged = f.asWas
	f.mu.Unlock()
	c.tellFetched(f, stale, stored)
	defer c.entry.Release()
	if head == &f.head && c.e.storedUnder(c.spread.old, &c.entry) && c.head.read(c.entry.Meta) == nil {
		c.length()
		if c.head.facts != head.facts || !bytes.Equal(c.head.block, head.block) {
			c.spread.aged, head = true, &c.head
			c.out.TTL = rfc9111.Judge(&head.facts, &c.ask, &c.pol.Rules, c.now.UnixMilli()).TTL
		}
	}
	c.startStored(head, v, c.spread.length)
}

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

// brought reports whether f has brought the byte at pos.
func (f *fetch) brought(pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.part.First <= pos && pos < f.part.First+f.length
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
	if c.alone() || !c.enlist() {
		return nil, false
	}
	c.spread.on, _, there = c.hire(from, to+c.spread.ahead, nil)
	return c.spread.on, there
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
