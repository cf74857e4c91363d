package engine

import (
	"errors"
	"strconv"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// deliver answers from the entry that lookup pinned. It reports false, with
// nothing sent, when a segment of the content is gone.
func (c *call) deliver(v rfc9111.Verdict) bool {
	if c.head.facts.Partial() {
		return c.deliverPart(v)
	}
	ent := &c.entry
	whole := ent.Size <= store.WholeMax
	if !whole && c.e.spreadable(&c.head, ent.Size) {
		return c.deliverSpread(v)
	}
	var first wire.Span
	if !whole && c.needsContent(v.Selection) {
		if !c.hasSegments(v) {
			ent.Release()
			c.e.store.Remove(c.at, c.atKey)
			return false
		}
		var ok bool
		if first, ok = c.firstSegment(v); !ok {
			return c.passInstead()
		}
	}
	c.out.fresh(v)
	c.out.Tier = ent.Tier
	if first.N > 0 && first.Mem == nil { // it is sent from a file
		c.out.Tier = store.OnDisk
	}
	c.startStored(&c.head, v, ent.Size)
	switch {
	case c.r.Method == wire.HEAD || v.Status != 206 && v.Status != c.head.facts.Status:
		ent.Release()
	case whole && v.Parts > 1:
		c.sendParts(func(from, to int64) bool {
			_, _ = c.p.Write(ent.Body.Mem[from : to+1]) // the Reply keeps the error
			return true
		})
		ent.Release()
		return true
	case whole:
		body := ent.Body
		if v.Status == 206 {
			body = body.Slice(int(v.First), int(v.Last-v.First+1))
		}
		if body.N == 0 {
			ent.Release()
			break
		}
		_ = c.p.Span(body) // carries the pin; the Reply keeps the error
	default:
		version, tag := ent.Version, c.head.strongValidator()
		c.size = ent.Size
		if tag != nil { // in the store's memory, which is about to be released
			c.tag = append(c.tag[:0], tag...)
			tag = c.tag
		}
		part := span(v, ent.Size)
		ent.Release()
		if v.Parts > 1 {
			c.sendParts(func(from, to int64) bool { return c.sendSegments(version, tag, from, to) })
		} else if c.sendSegments(version, tag, part.First+c.sendSpan(first), part.Last) {
			break
		}
		return true
	}
	c.end(nil)
	return true
}

// span returns the content bytes that an answer carries.
func span(v rfc9111.Verdict, size int64) rfc9111.Part {
	if v.Status == 206 {
		return rfc9111.Part{First: v.First, Last: v.Last}
	}
	return rfc9111.Part{First: 0, Last: size - 1}
}

// hasAll reports whether all the content that the answer needs is there.
func (c *call) hasAll(v rfc9111.Verdict) bool {
	if c.head.facts.Partial() {
		return c.holds(v.Selection)
	}
	return c.entry.Size <= store.WholeMax || !c.needsContent(v.Selection) || c.hasSegments(v)
}

// hasSegments reports whether all the content that the answer needs is there
// now: a hole that is known is a miss, not an answer cut short.
func (c *call) hasSegments(v rfc9111.Verdict) bool {
	if v.Parts <= 1 {
		return c.e.hasSegments(c.entry.Version, span(v, c.entry.Size))
	}
	var list [rfc9111.MaxRanges]rfc9111.Part
	for _, p := range list[:c.ask.Parts(c.entry.Size, &list)] {
		if !c.e.hasSegments(c.entry.Version, p) {
			return false
		}
	}
	return true
}

func (e *Engine) hasSegments(version uint64, p rfc9111.Part) bool {
	for n := p.First / e.segment; n <= p.Last/e.segment; n++ {
		if !e.store.Has(version, int(n)) {
			return false
		}
	}
	return true
}

// needsContent reports whether the answer carries stored content.
func (c *call) needsContent(s rfc9111.Selection) bool {
	return c.r.Method != wire.HEAD && (s.Status == 200 || s.Status == 206 || s.Status == c.head.facts.Status)
}

// sendSegments sends the content [from, to]. It reports false when the answer
// ended without all of it.
func (c *call) sendSegments(version uint64, tag []byte, from, to int64) bool {
	for from <= to && c.p.Err == nil {
		n := c.sendSegment(version, from, to)
		if n == 0 {
			c.out.Why = SegmentGone
			return c.resume(tag, from, to)
		}
		from += n
	}
	return true
}

// firstSegment has the beginning of an answer of one part in hand before its
// head goes out: what a disk does not give is then nothing that was promised.
func (c *call) firstSegment(v rfc9111.Verdict) (s wire.Span, ok bool) {
	if v.Parts > 1 {
		return s, true
	}
	p := span(v, c.entry.Size)
	return c.segment(c.entry.Version, p.First, p.Last)
}

// passInstead answers from the upstream because the store can not now give
// what it has. That stays: the next request may find it.
func (c *call) passInstead() bool {
	c.entry.Release()
	if c.ask.OnlyIfCached() {
		c.refuse(SegmentGone)
	} else {
		c.pass(ForPartial, SegmentGone)
	}
	return true
}

// segment returns what the segment at from holds up to to.
func (c *call) segment(version uint64, from, to int64) (wire.Span, bool) {
	off := from % c.e.segment
	return c.e.store.Segment(version, int(from/c.e.segment), int(off), int(min(c.e.segment-off, to-from+1)))
}

// sendSegment sends what the segment at from holds up to to, and returns how
// many bytes that were: 0 when the segment is gone.
func (c *call) sendSegment(version uint64, from, to int64) int64 {
	if s, ok := c.segment(version, from, to); ok {
		return c.sendSpan(s)
	}
	return 0
}

// sendSpan sends s and returns how many bytes of it went out, as far as that
// depends on s: where a disk does not give the rest, others may.
func (c *call) sendSpan(s wire.Span) int64 {
	before := c.p.Sent
	if err := c.p.Span(s); errors.Is(err, wire.ErrLost) {
		return c.p.Sent - before
	}
	return int64(s.N) // the Reply keeps other errors
}

// startStored composes and starts the head of an answer from a stored or
// growing response of size bytes (Unknown while that is not known).
func (c *call) startStored(h *storedHead, v rfc9111.Verdict, size int64) {
	p := c.p
	p.Status = v.Status
	p.Length = size
	c.names = h.names
	switch v.Status {
	case h.facts.Status:
		p.Fields = h.appendBlock(p.Fields, wire.NameSet{})
	case 206:
		if v.Parts > 1 {
			c.appendMulti(h, size)
			break
		}
		p.Fields = h.appendBlock(p.Fields, notIn206)
		p.Fields = appendContentRange(p.Fields, v.First, v.Last, size)
		p.Length = v.Last - v.First + 1
	case 304:
		p.Fields = h.appendBlock(p.Fields, notIn304)
		p.Length = wire.Unknown
	default: // 416, the cache's own
		p.Fields = append(p.Fields, "Content-Range: bytes */"...)
		p.Fields = append(strconv.AppendInt(p.Fields, size, 10), "\r\n"...)
		p.Length = 0
	}
	// What another request fetched was not generated for this one, either (RFC
	// 9111, 5.1).
	if c.out.Status.FromStore() || c.out.Collapsed || c.spread.aged || h.facts.AgeValue > 0 {
		c.out.Age = rfc9111.CurrentAge(&h.facts, c.now.UnixMilli())
		p.Fields = append(p.Fields, "Age: "...)
		p.Fields = strconv.AppendInt(p.Fields, c.out.Age, 10)
		p.Fields = append(p.Fields, "\r\n"...)
	}
	c.begin()
}

// begin adds what tells of the outcome, has the fields changed as the policy
// and the guide say, and starts the answer.
func (c *call) begin() {
	if c.pol.Told != nil && c.tellsFreshness() {
		c.p.Fields = c.pol.Told.apply(c.p.Fields, c.names, c.now)
	}
	if !c.pol.Hidden {
		var key []byte
		if c.pol.TellKey {
			key = c.ownKey()
		}
		c.p.Fields = c.out.appendFields(c.p.Fields, c.e.name, key, c.pol.TellTier)
	}
	if c.pol.ProxyStatus && c.out.troubled() {
		c.p.Fields = c.out.appendProxyStatus(c.p.Fields, c.e.name, c.pol.NextHop)
	}
	if c.guide != nil {
		c.p.Fields = c.guide.Answer(c.p.Fields, c.p.Status, c.names.Union(ownNames))
	}
	c.pol.Trace.began(&c.out)
	_ = c.p.Start() // the Reply keeps the error
}

// end completes the answer.
func (c *call) end(trailer *wire.Head) {
	_ = c.p.End(trailer)
	if c.out.Err == nil {
		c.out.Err = c.p.Err
	}
}

// abort leaves the answer visibly incomplete.
func (c *call) abort(why Reason, err error) {
	c.out.Why, c.out.Err = why, err
	c.p.Abort()
}
