package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// passHead has the upstream answer a HEAD that nothing stored may answer,
// where the policy does not have it fetched as a GET. What is stored and stale,
// if anything, may stand in for an error, and is updated by the answer: then it
// is what answers. It reports whether the request was answered.
func (c *call) passHead(stale *old) bool {
	c.out.Status = Miss
	if stale != nil {
		c.out.Status = Expired
	}
	c.e.Stats.Passes.Add(1)
	c.pol.Trace.fetch(c.out.Forward, c.out.Why)
	c.send.CopyFrom(c.r)
	c.send.Upgrade, c.send.Body, c.send.Length, c.send.Interim = false, nil, 0, c.interim
	c.outfit(&c.send)
	resp, err := c.exchange()
	if c.standIn(resp, err) {
		return true
	}
	if err != nil {
		c.out.Status = Miss
		c.fail(err)
		return true
	}
	if version := c.afterHead(resp); version != 0 {
		closeBody(resp)
		c.trusted, c.validated = version, c.out.Forward
		return false
	}
	c.relay(resp)
	return true
}

// afterHead updates or drops what is stored for GET by a 200 to a HEAD: each
// response that could have been chosen for the request (RFC 9111, 4.3.5). It
// returns the version of the first that was updated, 0: there was none.
func (c *call) afterHead(resp *wire.Response) (version uint64) {
	if c.r.Method != wire.HEAD || resp.Status != 200 {
		return 0
	}
	return c.update(resp, rfc9111.Confirms, true)
}

// afterNotModified updates what is stored by a 304 that a client's own
// conditions brought (RFC 9111, 4.3.4). Without a validator it means none that
// is known here.
func (c *call) afterNotModified(resp *wire.Response) {
	if resp.Status == 304 && (c.r.Method == wire.GET || c.r.Method == wire.HEAD) && (resp.Has(wire.ETag) || resp.Has(wire.LastModified)) {
		c.update(resp, rfc9111.Validates, false)
	}
}

// update freshens each stored response that could have been chosen for the
// request and that fits the answer; others drops those that do not. What the
// update forbids to keep is dropped, but where the request itself forbids to
// store its answer: that is nobody else's matter. It returns the version of the
// first that was updated, 0: there was none.
func (c *call) update(resp *wire.Response, fits func(stored, fresh *rfc9111.Facts) bool, others bool) (version uint64) {
	var answer storedHead
	answer.digest(resp, c.asked, c.now, c.pol)
	answer.facts.Length = resp.Length
	var ask rfc9111.Ask
	digestAsk(&ask, c.r)
	ask.Method = rfc9111.Get
	c.eachChosen(func(e *store.Entry) {
		var h storedHead
		if h.read(e.Meta) != nil {
			return
		}
		h.sized(e.Size)
		fresh, _ := h.freshened(resp, &answer, c.pol)
		why, fit := rfc9111.Storable(&fresh.facts, &ask, &c.pol.Rules), fits(&h.facts, &answer.facts)
		switch {
		case ofRequest(Reason(why)), !fit && !others:
		case e.Doubt && !resp.Has(wire.ETag) && !resp.Has(wire.LastModified): // that says too little to trust it again
		case why == rfc9111.OK && fit && h.covers(&answer) && c.tagged.within(c.e.store.AppendTags(nil, c.at, c.atKey)):
			// An error says that it is gone.
			if c.e.store.Freshen(c.at, c.atKey, e.Version, fresh.appendMeta(nil), c.seq) == nil && version == 0 {
				version = e.Version
			}
		default:
			c.e.drop(c.at, c.atKey, e.Version)
		}
	})
	return version
}

// eachChosen calls visit for each stored response that could be chosen for the
// request (RFC 9111, 4.1); c.at and c.atKey say where it is.
func (c *call) eachChosen(visit func(*store.Entry)) {
	var found store.Entry
	now := c.now.UnixMilli()
	if c.primary == (store.Hash{}) {
		c.primary = c.e.store.Hash(c.key)
	}
	c.at, c.atKey = c.primary, c.key
	c.e.store.Lookup(c.at, c.atKey, now, &found)
	if found.Kind == store.Object {
		visit(&found)
		found.Release()
		return
	}
	for i := range found.NumSets {
		var variant store.Entry
		c.place(&found, i)
		if c.e.store.Lookup(c.at, c.atKey, now, &variant); variant.Kind == store.Object {
			visit(&variant)
			variant.Release()
		}
	}
}
