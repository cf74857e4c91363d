package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// settlePosted answers a POST from resp, invalidates what it put out of date,
// and stores resp for later GETs, when its fields say that it is what a GET
// would bring (RFC 9110, 9.3.3). It reports false, with nothing done, when it
// is not that, or when its content may be longer than one record: it is read
// before the client hears of it.
func (c *call) settlePosted(resp *wire.Response) bool {
	if !c.showsTarget(resp) || resp.Body != nil && (resp.Length < 0 || resp.Length > store.WholeMax) {
		return false
	}
	var head storedHead
	head.digest(resp, c.asked, c.now, c.pol)
	digestAsk(&c.ask, c.r)
	if rfc9111.PostStorable(&head.facts, &c.ask, &c.pol.Rules) != rfc9111.OK || c.pol.Guard != nil && c.pol.Guard(c.r, resp) != 0 {
		return false
	}
	// Another unsafe request, whose purge the response has not seen, may have
	// overtaken this one: then it shows what was there before.
	seq, overtaken := c.e.store.Purged(c.key, c.siteOf(), c.seq)
	seq += store.Seq(c.afterUnsafe(resp))
	if overtaken || !c.keepPosted(resp, seq) {
		c.relay(resp)
	}
	return true
}

// keepPosted stores resp and answers from it. It reports false, with nothing
// done, when something was purged that is not in seq, or a GET has begun
// meanwhile, which brings what is newer.
func (c *call) keepPosted(resp *wire.Response, seq store.Seq) bool {
	if c.primary == (store.Hash{}) {
		c.primary = c.e.store.Hash(c.key)
	}
	c.at, c.atKey = c.primary, c.key
	f, leader := c.e.flights.join(c.at, c.stalled, func() *fetch { return c.startPosted(resp, seq) })
	if f == nil {
		return false
	}
	defer f.leave(c)
	if !leader {
		return false
	}
	f.finishes()
	c.ask = f.ask // conditions and Range were the origin's to judge
	c.e.work.Add(1)
	// On this goroutine: the exchange is this client's.
	f.guard(func() { f.receive(resp, c.asked, c.now) })
	f.mu.Lock()
	p := f.phase
	f.mu.Unlock()
	return c.act(f, p, nil)
}

// startPosted makes the fetch that resp is to fill, nil when something was
// stored or purged meanwhile.
func (c *call) startPosted(resp *wire.Response, seq store.Seq) *fetch {
	f := c.startUnlessStored(nil, c)
	if f == nil {
		return nil
	}
	if f.seq != seq {
		f.cancel()
		return nil
	}
	f.upstream, f.tagged = resp.Status, c.tagged
	return f
}

// showsTarget reports whether resp says that its content represents the
// request's target (RFC 9110, 8.7).
func (c *call) showsTarget(resp *wire.Response) bool {
	if c.pol.Bypass || c.pol.KeyOf == nil || !resp.Has(wire.ContentLocation) {
		return false
	}
	for ref := range resp.Values("Content-Location") {
		key, ok := c.pol.KeyOf(c.scratch[:0], c.r, ref)
		if !ok || string(key) != string(c.key) {
			return false
		}
		c.scratch = key
	}
	return true
}
