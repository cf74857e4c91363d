package engine

import (
	"bytes"
	"context"
	"errors"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// This is the side of the request of spread content (crew.go); hole.go has
// that of the fetch, reader.go goes through the content. A hole near the beginning is asked for before the head goes out, so that an
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
	beside  int64  // bytes that were fetched for one of several ranges, and are in none
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
