package engine

import (
	"errors"
	"fmt"
	"io"
	"time"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// This is the side of the fetch of spread content (crew.go): one that makes it
// so, and one that brings what is missing of it.

var (
	errChanged   = errors.New("the origin has other content by now")
	errNotHole   = errors.New("the origin did not send the missing bytes")
	errElsewhere = errors.New("another fetch brings all of it")
)

// enroll has the content of f, of which p comes, spread: its segments are from
// now on found under a record, that of the same content when there is one. It
// reports false when the store does not take it.
func (f *fetch) enroll(p rfc9111.Part) bool {
	e := f.e
	head := f.head // readers look at f.head
	head.facts.AsWhole()
	head.runs = nil
	version, rec, made := f.register(&head)
	if version == 0 {
		return false
	}
	o := &old{head: head, version: version, validated: f.seq, hash: rec.Hash, key: rec.Key}
	cr := e.crews.join(version)
	f.mu.Lock()
	f.made, f.crew, f.version, f.mine = o, cr, version, made
	f.part, f.last, f.goal = p, p.Last, e.segmentEnd(p.First, head.facts.Length)
	f.head.facts.AsWhole()
	if f.full != nil {
		f.full.facts.AsWhole()
	}
	f.firstSegment = p.First / e.segment
	f.mu.Unlock()
	cr.enter(f)
	return true
}

// register returns under which version the segments are found, 0 for none: that
// of what is stored when it is the same content, and was not fetched after f
// began (there may have been a purge between); else that of a record that it
// has made.
func (f *fetch) register(head *storedHead) (version uint64, rec store.Record, made bool) {
	e := f.e
	rec = f.record()
	mu := e.combining.of(rec.Hash)
	mu.Lock()
	defer mu.Unlock()
	rec.Size, rec.Meta = head.facts.Length, head.appendMeta(nil)
	var now store.Entry
	e.store.Lookup(rec.Hash, rec.Key, e.now().UnixMilli(), &now)
	defer now.Release()
	var there storedHead
	if now.Kind == store.Object && now.Born <= f.seq && there.read(now.Meta) == nil && !there.facts.Partial() {
		there.sized(now.Size)
		if sameContent(&there, head) && there.covers(head) && there.facts.Status == 200 && f.tagged.within(e.store.AppendTags(nil, rec.Hash, rec.Key)) {
			_ = e.store.Freshen(rec.Hash, rec.Key, now.Version, rec.Meta, f.seq) // one that is younger stays
			return now.Version, rec, false
		}
	}
	rec.Version = e.store.Version()
	if why := f.put(&rec); why != 0 {
		return 0, rec, false
	}
	return rec.Version, rec, true
}

// receiveHole takes what came in place of a hole: only more of the same content
// is of use. It is of use, too, when it is all of that: then the origin ignores
// ranges, and f goes on as its one stream.
func (f *fetch) receiveHole(resp *wire.Response, asked, answered time.Time) {
	defer closeIfPanics(resp)
	switch { // what is stored stays
	case serverFailed(resp.Status):
		f.refuse(resp, OriginStatus)
		return
	case resp.Status == 304: // nobody has asked whether it is
		closeBody(resp)
		f.fail(OriginBroken, &wire.Error{Side: wire.Upstream, Status: 502, Err: fmt.Errorf("%w: %w", origin.BadResponse, errUnasked304)})
		return
	case !tells(resp.Status):
		f.refuse(resp, NotShareable)
		return
	}
	var answer storedHead
	answer.digest(resp, asked, answered, f.pol)
	p, length, ok := rfc9111.Part{Last: resp.Length - 1}, resp.Length, resp.Length > 0 && resp.Body != nil
	if resp.Status == 206 {
		p, length, ok = partOf(resp)
		if !ok || p.First != f.want.span.First {
			f.refuse(resp, PartialContent)
			return
		}
	}
	answer.facts.Length = length
	if !ok || resp.Status != 206 && resp.Status != 200 || !f.freshens(resp, &answer) {
		closeBody(resp)
		f.forget()
		f.fail(ContentChanged, errChanged)
		return
	}
	if resp.Status == 200 && !f.crew.streams(f) {
		closeBody(resp)
		f.fail(NotShareable, errElsewhere)
		return
	}
	f.mu.Lock()
	f.part, f.last = p, min(f.last, p.Last)
	if resp.Status == 200 { // it would have to begin anew for what comes later
		f.last = p.Last
		if f.keepsOn = p.Size() <= f.e.maxObject; f.keepsOn {
			f.window = 0
		}
	}
	f.partial, f.firstSegment = true, p.First/f.e.segment
	f.mu.Unlock()
	if resp.Status == 206 {
		f.crew.enter(f)
	}
	f.exact = true
	f.grows(p.Size())
	f.fill(resp)
}

// tells reports that a status says something of the content: that it is there,
// or gone, or shorter. Others are about the request, a redirect to where one
// logs in as well: another client may fare better.
func tells(status int) bool {
	switch status {
	case 200, 206, 404, 410, 416:
		return true
	}
	return false
}

// freshens updates the record by the head of a response with the same content.
// It reports false when that is not the same, or not to be kept.
func (f *fetch) freshens(resp *wire.Response, answer *storedHead) bool {
	f.old = f.e.current(f.old)
	was := &f.old.head
	if !sameContent(was, answer) || !was.covers(answer) {
		return false
	}
	f.head, f.full = was.freshened(resp, answer, f.pol)
	if rfc9111.Storable(&f.head.facts, &f.ask, &f.pol.Rules) != rfc9111.OK {
		return false
	}
	if resp.Status == 200 { // no update of what is stored (RFC 9111, 3.2 and 3.4): only its bytes are of use
		f.head, f.full = *was, nil
		f.mu.Lock()
		f.asWas = true
		f.mu.Unlock()
		return true
	}
	if !f.tagged.within(f.e.store.AppendTags(nil, f.old.hash, f.old.key)) {
		// A purge by the tag that it lacks would miss the record. The bytes are
		// the same, so whoever is being answered gets them.
		f.forget()
		return true
	}
	_ = f.e.store.Freshen(f.old.hash, f.old.key, f.old.version, f.head.appendMeta(nil), f.seq) // one that is gone is not missed
	return true
}

// forget drops the record: its content is not what the origin has, or not to be
// trusted. Another's stays.
func (f *fetch) forget() {
	o := f.old
	if f.made != nil {
		o = f.made
	}
	var now store.Entry
	if f.e.storedUnder(o, &now) {
		f.e.drop(o.hash, o.key, o.version)
	}
	now.Release()
}

// aligned drops what comes before the first segment that p, which resp brings,
// has from its beginning: an origin's answer to a range at the end of what it
// has. It reports false when there is none.
func (f *fetch) aligned(resp *wire.Response, p rfc9111.Part) (rfc9111.Part, bool) {
	if rest := p.First % f.e.segment; rest > 0 {
		skip := f.e.segment - rest
		if skip >= p.Size() {
			return p, false
		}
		if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
			return p, false
		}
		p.First += skip
	}
	return p, true
}

// enough reports whether f has brought what it is to: all up to where another
// fetch goes on, or what its readers wanted before they left.
func (f *fetch) enough() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.part.First+f.length > f.last {
		return true
	}
	f.given = f.given || f.idleLocked()
	return f.given
}

// idleLocked reports whether nobody waits for what is still to come.
func (f *fetch) idleLocked() bool {
	if f.crew == nil || f.readers > 0 || f.keepsOn || f.phase > growing {
		return false
	}
	if f.reached > 0 {
		at := f.part.First + f.reached - 1
		f.goal = max(f.goal, at-at%f.e.segment+f.e.segment-1)
	}
	return f.part.First+f.length > f.goal
}

// completeSpread ends a fetch of spread content: what fills segments is stored,
// the last one when the content ends with it. Readers find it there.
func (f *fetch) completeSpread() {
	var why Reason
	if f.length > f.saved && f.part.First+f.length == f.head.facts.Length {
		why = f.saveSegment(f.length - f.saved)
	}
	f.restore()
	f.pol.Trace.kept(why)
	f.mu.Lock()
	if why != 0 {
		f.why, f.stored = why, false
		f.e.Stats.Refused.Add(1)
	}
	f.phase = done
	if f.length == f.saved || why == 0 && f.part.First+f.length == f.head.facts.Length {
		f.dropBlocksLocked()
	}
	f.publishLocked()
	f.mu.Unlock()
}

// restore puts the record again that f has made, when it was evicted by its own
// content: it is as old as f, so that purges since then count.
func (f *fetch) restore() {
	if f.made == nil {
		return
	}
	mu := f.e.combining.of(f.made.hash)
	mu.Lock()
	defer mu.Unlock()
	var now store.Entry
	f.e.store.Lookup(f.made.hash, f.made.key, f.e.now().UnixMilli(), &now)
	defer now.Release()
	if now.Kind != store.Nothing || !f.mine || f.e.crews.wasDropped(f.crew) {
		return
	}
	rec := f.record()
	rec.Version, rec.Size, rec.Meta = f.version, f.made.head.facts.Length, f.made.head.appendMeta(nil)
	_ = f.e.store.Put(&rec)
}

// relayRange gives a client the range that it asked for out of a response that
// was asked for more and is its alone. It reports false, with nothing sent, when
// that is not in it: then the client asks for itself.
func (c *call) relayRange(resp *wire.Response) bool {
	if c.r.Has(wire.IfRange) || c.ask.Conditional() || !c.ask.Ranged() {
		return false // what they compare with is for the origin to say
	}
	if resp.Status == 416 {
		c.relay(resp)
		return true
	}
	var from rfc9111.Part
	length, ok := int64(0), false
	for value := range resp.Values("Content-Range") {
		from, length, ok = rfc9111.ParseContentRange(value)
	}
	if !ok || resp.Body == nil || resp.Length != wire.Unknown && resp.Length != from.Size() {
		return false
	}
	p, ok := c.ask.Within(length)
	if !ok || !from.Has(p) {
		return false
	}
	defer closeBody(resp)
	defer c.tellResumed(resp.Body)
	if _, err := io.CopyN(io.Discard, resp.Body, p.First-from.First); err != nil {
		c.out.Why = reasonOf(err)
		return c.fail(err)
	}
	c.p.Status, c.p.Length = 206, p.Size()
	c.p.Fields = resp.AppendFields(c.p.Fields, notPassed.Union(notIn206))
	c.names = resp.Names()
	c.own = !c.tells(resp)
	c.p.Fields = append(c.p.Fields, "Content-Range: bytes "...)
	c.p.Fields = fmt.Appendf(c.p.Fields, "%d-%d/", p.First, p.Last)
	if length == rfc9111.Absent {
		c.p.Fields = append(c.p.Fields, "*\r\n"...)
	} else {
		c.p.Fields = fmt.Appendf(c.p.Fields, "%d\r\n", length)
	}
	c.tellRelayed()
	c.begin()
	if c.copyContent(io.LimitReader(resp.Body, p.Size()), nil, p.Size()) {
		c.end(nil)
	}
	return true
}
