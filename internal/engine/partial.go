package engine

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// What is stored may be a part: a 206 is kept as a 200 of which only some
// ranges came (RFC 9111, 3.3). A request whose bytes are all there is answered
// as from any stored response. For one that lacks some, the fetch asks for
// those alone, from the first to the last, under the strong validator (3.4),
// and the answer is what is stored and what comes, in one stream. This is the
// side of the request; part.go has that of the fetch.

// A want is what of a response a fetch asks for.
type want struct {
	kind  wantKind
	span  rfc9111.Part // theMissing: these bytes
	value []byte       // theRange: the Range of the client
	only  []byte       // theRange: the If-Range of the client, nil without one
	anew  bool         // what is stored is not to be validated: it does not have the bytes
	apart bool         // theSegments: found by those who want the same ones alone
}

type wantKind uint8

const (
	theWhole    wantKind = iota
	theRange             // what the client asks for (Policy.PassRange)
	theMissing           // what a stored part lacks
	theSegments          // the segments that have the client's range; First < 0: as many bytes of the end as Last says
	theHole              // segments that spread content lacks
)

// usual is what the call's request asks the upstream for when nothing that is
// stored helps.
func (c *call) usual() want {
	switch {
	case c.r.Method != wire.GET:
		return want{}
	case !c.pol.PassRange:
		w := c.segments()
		w.apart = c.apart && w.kind == theSegments
		return w
	case !c.ask.Ranged():
		return want{}
	}
	w := want{kind: theRange, value: c.r.Get(wire.Range)}
	for value := range c.r.Values("If-Range") {
		if w.only != nil {
			return want{} // with two lines the condition is false (RFC 9110, 13.1.5)
		}
		w.only = value
	}
	return w
}

// segments is what has the range, or the first of several: whole segments, so
// that what fits into one comes whole, and what is larger can be joined.
func (c *call) segments() want {
	if c.pol.FetchWhole || !c.ask.Ranged() && !c.ask.ManyRanges() {
		return want{}
	}
	seg, p := c.e.segment, c.ask.FirstRange()
	switch {
	case p.Last > math.MaxInt64-2*seg:
		p = rfc9111.Part{First: max(p.First, 0), Last: math.MaxInt64} // so many bytes of the end are all
	case p.First < 0:
		p.Last += seg - 1 // a border of segments is in it, or the first byte
	default:
		p.Last += seg - 1 - p.Last%seg
	}
	if p.First > 0 {
		p.First -= p.First % seg
	}
	return want{kind: theSegments, span: p}
}

// open reports whether w brings what any request for the resource may join.
func (w *want) open() bool { return w.kind == theWhole || w.kind == theSegments && !w.apart }

// goApart has the call look again for a fetch of the segments that it wants: the
// one it has joined brings others, and nothing joins the two without a strong
// validator. It reports false when it has done so, or there are none.
func (c *call) goApart() bool {
	if w := c.usual(); c.apart || w.kind != theSegments {
		return false
	}
	c.apart = true
	return true
}

// passesRanges reports whether the request is for ranges that no want can say:
// several, or those of a QUERY. With PassRange it is handed on, and what comes
// is not kept, since its client is not to wait for the whole.
func (c *call) passesRanges() bool {
	return c.pol.PassRange && (c.ask.ManyRanges() || c.r.Method == wire.QUERY && c.ask.Ranged())
}

// stray reports whether a 206 that f brings is nothing for the call's client:
// its If-Range, which says whether it may have a part at all, went nowhere.
func (c *call) stray(f *fetch, status int) bool {
	return status == 206 && (f.want.only == nil && c.r.Has(wire.IfRange) || f.want.kind == theSegments || f.want.kind == theHole)
}

// flight is where newcomers find the fetch that the call wants: the whole where
// it will be stored, ranges each for themselves. version is that of the stored
// part that is to be completed or validated, 0 without one.
func (c *call) flight(version uint64) store.Hash {
	w := &c.want
	if w.open() {
		return c.at
	}
	b := make([]byte, 0, 128)
	for _, n := range [...]uint64{c.at[0], c.at[1], uint64(w.kind), version, uint64(w.span.First), uint64(w.span.Last), uint64(len(w.value))} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return c.e.store.Hash(append(append(b, w.value...), w.only...))
}

// own returns w with memory of its own.
func (w want) own() want {
	w.value, w.only = bytes.Clone(w.value), bytes.Clone(w.only)
	return w
}

// ask puts what is wanted into the request of the fetch.
func (w *want) ask(r *wire.Request, stale *old) {
	switch w.kind {
	case theRange:
		r.Add(wire.Range, w.value)
		if w.only != nil {
			r.Add(wire.IfRange, w.only)
		}
	case theSegments:
		r.Add(wire.Range, rangeOf(w.span))
	case theHole:
		r.Add(wire.Range, rangeOf(w.span))
		r.Add(wire.IfRange, stale.head.strongValidator())
	case theMissing:
		b := append(make([]byte, 0, 48), "bytes="...)
		b = append(strconv.AppendInt(b, w.span.First, 10), '-')
		if w.span.Last < stale.head.facts.Length-1 {
			b = strconv.AppendInt(b, w.span.Last, 10)
		}
		r.Add(wire.Range, b)
		r.Add(wire.IfRange, stale.head.strongValidator())
	}
}

// rangeOf returns the Range field that asks for p, as theSegments has it.
func rangeOf(p rfc9111.Part) []byte {
	b := append(make([]byte, 0, 48), "bytes="...)
	if p.First >= 0 {
		b = strconv.AppendInt(b, p.First, 10)
	}
	b = append(b, '-')
	if p.Last < math.MaxInt64 {
		b = strconv.AppendInt(b, p.Last, 10)
	}
	return b
}

// validates reports whether the fetch may ask whether the stored response is
// current. A part without a strong validator can not be joined with anything:
// it is replaced.
func (w *want) validates(stale *old) bool {
	return stale != nil && w.kind != theMissing && w.kind != theHole && !w.anew &&
		(!stale.head.facts.Partial() || stale.head.strongValidator() != nil)
}

// length returns the complete length of the content of the entry whose head
// was read.
func (c *call) length() int64 {
	c.head.sized(c.entry.Size)
	return c.head.facts.Length
}

// sized notes that the record of h has content of size bytes: all that there
// is, unless it is a part's, which has none of its own.
func (h *storedHead) sized(size int64) {
	if !h.facts.Partial() {
		h.facts.Length = size
	}
}

// needs calls each for the parts of the content that the selection s of a
// response with length bytes takes. Of parts only a 200 and a 206 have any.
func (c *call) needs(s rfc9111.Selection, length int64, each func(rfc9111.Part)) {
	switch {
	case c.r.Method == wire.HEAD || s.Status != 200 && s.Status != 206:
	case s.Parts > 1:
		var list [rfc9111.MaxRanges]rfc9111.Part
		for _, p := range list[:c.ask.Parts(length, &list)] {
			each(p)
		}
	case s.Status == 206:
		each(rfc9111.Part{First: s.First, Last: s.Last})
	default:
		each(rfc9111.Part{First: 0, Last: length - 1})
	}
}

// lack returns what rs lack for the selection: from the first missing byte to
// the last.
func (c *call) lack(s rfc9111.Selection, length int64, rs runs) (span rfc9111.Part, ok bool) {
	span = rfc9111.Part{First: math.MaxInt64, Last: -1}
	c.needs(s, length, func(p rfc9111.Part) {
		if p, missing := rs.lack(p); missing {
			ok = true
			span = rfc9111.Part{First: min(span.First, p.First), Last: max(span.Last, p.Last)}
		}
	})
	return span, ok
}

// holds reports whether the stored part has all bytes of the selection. It
// leaves in c.head.runs what is there and in c.want.span what is not.
func (c *call) holds(s rfc9111.Selection) bool {
	length := c.head.facts.Length
	c.needs(s, length, func(p rfc9111.Part) { c.head.runs = c.e.present(c.head.runs, p) })
	span, missing := c.lack(s, length, c.head.runs)
	c.want.span = span
	return !missing
}

// present returns rs without the bytes of p that the store has lost.
func (e *Engine) present(rs runs, p rfc9111.Part) runs {
	var lost []rfc9111.Part
	for _, r := range rs {
		for from := max(r.First, p.First); from <= min(r.Last, p.Last); {
			n := (from - r.base) / e.segment
			last := r.base + min(r.Last-r.base, (n+1)*e.segment-1) // base may lie at the end of all numbers
			if !e.store.Has(r.version, int(n)) {
				lost = append(lost, rfc9111.Part{First: max(r.First, r.base+n*e.segment), Last: last})
			}
			from = last + 1
		}
	}
	for _, p := range lost {
		rs = rs.without(p)
	}
	return rs
}

// fetchMissing has the request answered by the stored part, which lacks some
// of the bytes, and a fetch of those; without a strong validator to join them
// under, and when they are more than is stored, by another fetch alone.
func (c *call) fetchMissing() bool {
	if c.ask.OnlyIfCached() {
		c.entry.Release()
		c.refuse(Reason(rfc9111.WhyOnlyIfCached))
		return true
	}
	if c.noStore {
		c.spare = c.keepOld()
		c.entry.Release()
		c.pass(ForPartial, NoStoreCondition)
		return true
	}
	c.want.kind = theMissing
	if c.head.strongValidator() == nil || c.want.span.Size() > c.e.maxObject {
		if c.passesRanges() {
			c.entry.Release()
			c.pass(ForPartial, Reason(rfc9111.WhyRangeRequest))
			return true
		}
		c.want = c.usual()
		if c.want.kind == theSegments && !c.ask.Ranged() {
			c.want = want{} // nothing could be joined to the first of several
		}
		c.want.anew = true
	}
	stale := c.keepOld()
	c.entry.Release()
	c.out.Forward, c.out.Why = ForPartial, 0
	return c.collapse(stale)
}

// deliverPart answers from a stored part that has all bytes of the answer.
func (c *call) deliverPart(v rfc9111.Verdict) bool {
	c.out.fresh(v)
	c.out.Tier = c.entry.Tier
	c.startStored(&c.head, v, c.head.facts.Length)
	have := c.head.runs
	c.tag, c.size = append(c.tag[:0], c.head.strongValidator()...), c.head.facts.Length
	c.entry.Release()
	c.sendPart(nil, have, v.Selection, c.head.facts.Length)
	return true
}

// sendPart sends the content of an answer from what is stored and from what f
// (nil: nothing) brings, and ends it. It reports whether it went out.
func (c *call) sendPart(f *fetch, have runs, s rfc9111.Selection, length int64) bool {
	if s.Parts > 1 && c.r.Method != wire.HEAD {
		return c.sendParts(func(from, to int64) bool { return c.copyPart(f, have, from, to) })
	}
	whole := true
	c.needs(s, length, func(p rfc9111.Part) { whole = c.copyPart(f, have, p.First, p.Last) })
	if whole {
		c.end(nil)
	}
	return whole && c.p.Err == nil
}

// copyPart sends the content [from, to]. It reports false when the answer has
// ended.
func (c *call) copyPart(f *fetch, have runs, from, to int64) bool {
	for from <= to && c.p.Err == nil {
		if f != nil && f.part.First <= from && from <= f.part.Last {
			last := min(to, f.part.Last)
			if !c.copyGrowing(f, from-f.part.First, last-f.part.First) {
				return false
			}
			from = last + 1
			continue
		}
		n := int64(0)
		if r, ok := have.at(from); ok {
			n = c.sendSegment(r.version, from-r.base, min(to, r.Last)-r.base)
		}
		if n == 0 {
			c.out.Why = SegmentGone
			return c.resume(c.tag, from, to)
		}
		from += n
	}
	return true
}

// followPart answers from a fetch that brings a part. It reports false, with
// nothing sent, when the request has to look again. The response to the call's
// own request goes out as it came when it does not have what was asked for.
func (c *call) followPart(f *fetch, stale *old, mine bool) bool {
	f.mu.Lock()
	stored, head := f.stored, f.headForLocked(c)
	reach := f.part.First + f.length + f.ahead
	pulls := f.ahead > 0 && f.phase == growing && !mine && !f.want.apart
	f.mu.Unlock()
	length := f.head.facts.Length
	v := rfc9111.Verdict{Selection: rfc9111.Select(&f.head.facts, &c.ask, length)}
	_, missing := c.lack(v.Selection, length, f.have.with(run{Part: f.part}))
	switch {
	case missing && f.want.kind == theMissing:
		return c.outlast(f)
	case missing && !mine && c.goApart(), pulls && v.Status == 206 && v.First > reach && c.goApart():
		return false
	case missing && f.want.kind == theSegments:
		c.pass(c.out.Forward, PartialContent)
		return true
	case missing && mine && !c.stray(f, 206):
		v.Selection = rfc9111.Selection{Status: 206, First: f.part.First, Last: f.part.Last, Parts: 1}
	case missing, pulls && v.Status == 206 && v.First > reach:
		c.pass(c.out.Forward, NotShareable)
		return true
	}
	c.tellFetched(f, stale, stored)
	c.startStored(head, v, length)
	c.tag, c.size = append(c.tag[:0], f.head.strongValidator()...), length
	if c.sendPart(f, f.have, v.Selection, length) {
		f.finishes() // its reader has what it came for
	}
	c.tellKept(f)
	return true
}

// outlast waits for the end of a fetch that brings something else than what
// was asked for, so that another look finds what it has stored. It reports
// whether the request was answered: by its client's leaving.
func (c *call) outlast(f *fetch) bool {
	f.finishes()
	if s := c.next(f, math.MaxInt64, true); s.why == ClientGone {
		c.abort(s.why, s.err)
		return true
	}
	return false
}

// sameContent reports whether bytes of the two responses may be joined: they
// have the same strong validator and length (RFC 9111, 3.4).
func sameContent(a, b *storedHead) bool {
	tag := a.strongValidator()
	return tag != nil && bytes.Equal(tag, b.strongValidator()) && a.facts.Length == b.facts.Length
}
