package engine

import (
	"fmt"
	"time"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// errPart: the content of a 206 is not as long as its Content-Range says.
var errPart = &wire.Error{Side: wire.Upstream, Status: 502,
	Err: fmt.Errorf("%w: content is not what Content-Range says", origin.BadResponse)}

// receivePart decides what becomes of a 206: kept as a part, joined with the
// part that is stored when both are of the same content, or handed to one. It
// reports whether the upstream has to be asked again, for the whole: what was
// missing of a stored part did not come.
func (f *fetch) receivePart(resp *wire.Response, asked, answered time.Time) (again bool) {
	defer closeIfPanics(resp)
	if why := f.admitPart(resp, asked, answered); why != 0 {
		if f.want.kind == theMissing {
			closeBody(resp)
			f.startOver(why)
			return true
		}
		f.refuse(resp, why)
		return false
	}
	if f.old != nil && f.want.kind == theMissing && f.have == nil {
		f.e.store.Remove(f.old.hash, f.old.key) // of other content
	}
	if f.want.kind == theSegments && f.have == nil {
		f.receiveSegments(resp)
		return false
	}
	f.exact = true
	f.grows(f.part.Size())
	f.fill(resp)
	return false
}

// receiveSegments takes what was asked for in whole segments: more than one
// segment's content is spread, what has all is taken for the whole (RFC 9110,
// 15.3.7.3). The rest is a part like any.
func (f *fetch) receiveSegments(resp *wire.Response) {
	p, size := f.part, f.head.facts.Length
	if f.spreading {
		var ok bool
		if p, ok = f.aligned(resp, p); !ok {
			closeBody(resp)
			f.fail(OriginBroken, errPart)
			return
		}
		if f.enroll(p) {
			f.window = max(f.pol.ahead(f.e), f.e.segment)
		} else if p.Size() > f.e.maxObject {
			f.refuse(resp, TooLarge)
			return
		}
		f.part = p
	}
	f.exact = true
	if f.crew == nil && p.Size() == size {
		f.partial = false
		f.head.facts.AsWhole()
		if f.full != nil {
			f.full.facts.AsWhole()
		}
	}
	f.grows(p.Size())
	f.fill(resp)
}

// admitPart returns why a 206 is not for the store, 0 when it is. A part that
// belongs to what is stored updates its fields (RFC 9111, 3.4).
func (f *fetch) admitPart(resp *wire.Response, asked, answered time.Time) Reason {
	var answer storedHead
	full := answer.digest(resp, asked, answered, f.pol)
	p, length, ok := partOf(resp)
	if !ok || f.query != nil {
		return PartialContent
	}
	answer.facts.AsPartial(length)
	if full != nil {
		full.facts.AsPartial(length)
	}
	f.head, f.full, f.have = answer, full, nil
	if f.old != nil && f.old.head.facts.Partial() && sameContent(&f.old.head, &answer) && f.old.head.covers(&answer) && f.joinTags() {
		f.head, f.full = f.old.head.freshened(resp, &answer, f.pol)
		f.have = f.old.head.runs
	} else if f.want.only != nil {
		// Who sends If-Range has the fields already, and the answer may leave
		// out some of them (RFC 9110, 15.3.7).
		return PartialContent
	}
	f.spreading = f.want.kind == theSegments && f.have == nil && f.e.spreadable(&f.head, length) &&
		(p.First == f.want.span.First || f.want.span.First < 0)
	if p.Size() > f.e.maxObject && !f.spreading {
		return TooLarge
	}
	if why := f.admit(resp); why != 0 {
		return why
	}
	f.part, f.partial = p, true
	return 0
}

// partOf returns which part a 206 has, and the complete length. It is not ok
// when that can not be known, or is not what the response's length says: then
// nothing can be joined with it (RFC 9110, 14.4 and 15.3.7).
func partOf(resp *wire.Response) (p rfc9111.Part, length int64, ok bool) {
	lines := 0
	for value := range resp.Values("Content-Range") {
		p, length, ok = rfc9111.ParseContentRange(value)
		lines++
	}
	if !ok || lines != 1 || length == rfc9111.Absent || resp.Body == nil {
		return p, 0, false
	}
	return p, length, resp.Length == wire.Unknown || resp.Length == p.Size()
}

// startOver has the whole asked for, as if nothing were stored: what is, is
// not what the upstream has, unless only the request is the reason.
func (f *fetch) startOver(why Reason) {
	if !ofRequest(why) {
		f.e.store.Remove(f.old.hash, f.old.key)
	}
	f.old, f.want, f.have = nil, want{}, nil
	f.unconditional()
}

// unconditional takes the conditions from the request; a client's range is
// still asked for.
func (f *fetch) unconditional() {
	for _, name := range conditions {
		f.req.Del(name)
	}
	if f.want.kind == theRange || f.want.kind == theSegments {
		f.want.ask(&f.req, nil)
	}
}

// rangeOnly reports whether the response says nothing about requests for
// anything but the range that was asked for.
func (f *fetch) rangeOnly(resp *wire.Response, why Reason) bool {
	return f.want.kind == theHole || (f.want.kind == theRange || f.want.kind == theSegments) && (resp.Status == 416 || resp.Status == 206 && (why == PartialContent || why == TooLarge)) ||
		why == TooLarge && f.old != nil && f.old.head.facts.Partial()
}

// keepPart stores a complete part, with what is there of the same content. A
// whole response stays, and of other content the younger (RFC 9111, 4).
func (f *fetch) keepPart() Reason {
	if f.length > f.saved {
		if why := f.saveSegment(f.length - f.saved); why != 0 {
			return why
		}
	}
	e, rec := f.e, f.record()
	mu := e.combining.of(rec.Hash)
	mu.Lock()
	defer mu.Unlock()
	head := f.head // readers look at f.head
	mine := run{f.part, f.part.First, f.version}
	head.runs = runs{mine}
	var now store.Entry
	e.store.Lookup(rec.Hash, rec.Key, e.now().UnixMilli(), &now)
	defer now.Release()
	var there storedHead
	if now.Kind == store.Object && there.read(now.Meta) == nil {
		there.sized(now.Size)
		same, younger := sameContent(&there, &head), there.facts.Date > head.facts.Date
		switch {
		case same && there.facts.Partial():
			if younger {
				head.facts, head.names, head.block = there.facts, there.names, there.block
			}
			// Its fields may be what the head has now: what purges that must purge this.
			rec.Tags = merged(rec.Tags, e.store.AppendTags(nil, rec.Hash, rec.Key))
			rs := e.present(there.runs, rfc9111.Part{First: 0, Last: head.facts.Length - 1})
			head.runs = rs.with(mine).bounded(e.maxObject, mine)
		case same, younger:
			return 0
		}
	}
	if length := head.facts.Length; length <= store.WholeMax && head.runs.size() == length {
		whole := head
		whole.facts.AsWhole()
		rec := rec
		rec.Size, rec.Meta = length, whole.appendMeta(nil)
		if ok, why := f.putJoined(&rec, head.runs); ok {
			return why
		}
	}
	rec.Meta = head.appendMeta(nil)
	return f.put(&rec)
}

// putJoined stores the record with the content that rs have. It reports false
// when a piece of that is gone.
func (f *fetch) putJoined(rec *store.Record, rs runs) (ok bool, why Reason) {
	var pins []wire.Span
	defer func() {
		for i := range pins {
			pins[i].Release()
		}
	}()
	for _, r := range rs {
		for from := r.First; from <= r.Last; {
			off := (from - r.base) % f.e.segment
			n := min(f.e.segment-off, r.Last-from+1)
			s, ok := f.e.store.Segment(r.version, int((from-r.base)/f.e.segment), int(off), int(n))
			if !ok {
				return false, 0
			}
			pins = append(pins, s)
			b := s.Mem
			if b == nil { // all of them are a record long at most
				b = make([]byte, s.N)
				if s.Copy(b) != nil {
					return false, 0
				}
			}
			rec.Body = append(rec.Body, b)
			from += int64(s.N)
		}
	}
	return true, f.put(rec)
}
