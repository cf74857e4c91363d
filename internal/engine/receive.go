package engine

import (
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// receive decides what becomes of a full response: shared and stored, or
// handed to one.
func (f *fetch) receive(resp *wire.Response, asked, answered time.Time) {
	defer closeIfPanics(resp)
	f.full = f.head.digest(resp, asked, answered, f.pol)
	if why := f.admit(resp); why != 0 {
		f.refuse(resp, why)
		return
	}
	size := resp.Length
	if resp.Body == nil {
		size = 0
	}
	f.head.facts.Length = size
	f.exact = resp.Status == 206 // it has all of the content
	if f.spreadsWhole(resp) && f.enroll(rfc9111.Part{Last: size - 1}) {
		f.keepsOn = true
	}
	f.grows(size)
	f.fill(resp)
}

// spreadsWhole reports whether the whole content, which comes, is spread from
// now on: its readers may seek in it. What it takes the place of may still be
// needed should it be cut short; and some origins say that they know no ranges.
func (f *fetch) spreadsWhole(resp *wire.Response) bool {
	return f.old == nil && !f.around && f.want.kind == theWhole && f.query == nil && !f.pol.GiveUp && !f.pol.FetchWhole && resp.Status == 200 &&
		f.e.spreadable(&f.head, f.head.facts.Length) && !wire.EqualFold(resp.Get(wire.AcceptRanges), "none")
}

// grows shows the head to everybody; content of size bytes follows.
func (f *fetch) grows(size int64) {
	f.mu.Lock()
	f.size = size
	if f.full != nil { // it differs in fields alone
		f.full.facts = f.head.facts
	}
	if f.crew == nil {
		f.version = f.e.store.Version()
	}
	f.stored = true
	if f.head.strongValidator() == nil {
		f.ahead = aheadMax
		if f.pace == nil {
			f.pace = make(chan struct{}, 1)
		}
	}
	f.phase = growing
	f.mu.Unlock()
}

// admit returns why the response is not for the store, 0 when it is. It
// settles under which variant it will be.
func (f *fetch) admit(resp *wire.Response) Reason {
	if f.old != nil && f.defers(resp.Status) {
		return OriginStatus // what is stored may answer better
	}
	if resp.Status == 416 && f.want.kind != theWhole {
		return Reason(rfc9111.WhyRangeRequest) // about the range, which no key holds
	}
	// What could only ever stand in for an error is not kept: its fetches
	// would be waited for in vain.
	rules := f.pol.Rules
	rules.StaleIfError = 0
	if why := rfc9111.Storable(&f.head.facts, &f.ask, &rules); why != rfc9111.OK {
		if serverFailed(resp.Status) {
			return OriginStatus
		}
		return Reason(why)
	}
	if f.pol.Guard != nil {
		if why := f.pol.Guard(&f.req, resp); why != 0 {
			return why
		}
	}
	if resp.Length > f.e.maxObject && !f.spreading || len(f.key) > store.KeyMax {
		return TooLarge
	}
	if f.tagged.over {
		f.e.Stats.TooTagged.Add(1)
		return TooManyTags
	}
	if !f.e.store.Fits(f.account(), resp.Length) {
		return QuotaReached
	}
	// By what is stored: a part that leaves these fields out has them from what
	// it completes (RFC 9111, 3.4).
	f.settle()
	f.settleSearch()
	if !f.head.names.Has(wire.Vary) {
		return 0
	}
	return f.vary()
}

// defers reports whether what is stored may answer in place of a response with
// that status: a failure that the operator has no time to live for, or what
// the policy takes for one and allows it for.
func (f *fetch) defers(status int) bool {
	rules := &f.pol.Rules
	if serverFailed(status) && !rules.Valid.Covers(status) {
		return true
	}
	if !rules.HeedsStatus(status) {
		return false
	}
	failed := rfc9111.Failure{What: rfc9111.OnStatus(status), At: f.e.now().UnixMilli()}
	ok, _ := rfc9111.StaleOnError(&f.old.head.facts, &f.ask, rules, failed)
	return ok
}

// vary makes f the fetch of a variant: the marker is there before anybody
// sees the head, so that requests that it does not fit regroup.
func (f *fetch) vary() Reason {
	names, all := rfc9111.VaryNames(f.head.values(wire.Vary))
	if all {
		return NotShareable
	}
	set, ok := f.e.store.Intern(joinNames(names))
	if !ok {
		return StoreFull
	}
	f.generation = f.e.mark(f.hash, f.primary, set, f.seq)
	f.mu.Lock()
	f.varies, f.set = true, set
	f.values = appendVaried(nil, f.e.store.Fields(set), &f.req)
	at := f.e.store.Variant(f.hash, f.generation, set, f.values)
	f.mu.Unlock()
	if at != f.at && f.want.open() && !f.around {
		if f.at != f.hash {
			f.e.flights.remove(f.at, f)
		}
		f.e.flights.add(at, f) // else it is just not joined
	}
	f.at = at // where it is stored, in any case
	return 0
}

// refuse hands the response to the leader. What can not be shared is
// remembered for a moment; what it was to replace is out of date. Where only
// the leader's request is the reason, others may fare better: nothing changes;
// nor does it by a response that was asked for beside what is stored.
func (f *fetch) refuse(resp *wire.Response, why Reason) {
	if why != OriginStatus && !ofRequest(why) && !f.around && !f.rangeOnly(resp, why) {
		if f.old != nil {
			f.e.drop(f.old.hash, f.old.key, f.old.version)
		}
		f.markMiss()
	} else {
		f.pause()
	}
	f.depart()
	f.pol.Trace.kept(why)
	f.mu.Lock()
	f.phase, f.why, f.rest = handed, why, resp
	f.publishLocked()
	f.mu.Unlock()
}

// markMiss remembers for a moment that what comes under f.at is not shared.
// Without the marker the next requests only wait in vain.
func (f *fetch) markMiss() {
	_ = f.e.store.Mark(f.at, store.Marker{
		Kind:    store.HitForMiss,
		Expires: f.e.now().Add(f.pol.hitForMiss()).UnixMilli(),
		Born:    f.seq,
	})
	if f.at != f.hash {
		f.noteVariant()
	}
}

// ofRequest reports that a response is not stored because of the request that
// it came for: for another one it could be.
func ofRequest(why Reason) bool {
	return why == Reason(rfc9111.WhyAuthorization) || why == Reason(rfc9111.WhyRequestNoStore)
}
