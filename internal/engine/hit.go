package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// ServeHit is ServeRoute for who can not be made to wait, and for what needs
// no waiting: it answers r when what is stored may do so as it is, and its
// content, if the answer has any, is one record. Otherwise it reports false,
// and nothing was sent or started. The Policy needs no Upstream.
func (e *Engine) ServeHit(r *wire.Request, p *wire.Reply, t *Route) (out Outcome, ok bool) {
	if t.call == nil {
		t.call = e.calls.Get().(*call)
	}
	c := t.call
	c.take(r, p, t)
	ok = c.hit()
	return c.give(), ok
}

// Leave gives back what the engine works with. The Route can be used on.
func (e *Engine) Leave(t *Route) {
	if t.call != nil {
		e.calls.Put(t.call)
		t.call = nil
	}
}

// hit answers from the store, or does nothing.
func (c *call) hit() bool {
	if c.r.Method != wire.GET && c.r.Method != wire.HEAD || c.r.Body != nil || c.bypass {
		return false
	}
	if fwd, _ := c.passes(); fwd != NotForwarded {
		return false
	}
	digestAsk(&c.ask, c.r)
	if c.ask.ForOrigin() {
		return false
	}
	c.orient()
	if c.lookup() != store.Object {
		return false
	}
	if c.entry.Soft || c.head.read(c.entry.Meta) != nil || c.head.facts.Partial() {
		c.entry.Release()
		return false
	}
	c.head.facts.Length = c.entry.Size
	v := rfc9111.Judge(&c.head.facts, &c.ask, &c.pol.Rules, c.now.UnixMilli())
	if v.Do != rfc9111.Deliver || c.entry.Size > store.WholeMax && c.needsContent(v.Selection) {
		c.entry.Release()
		return false
	}
	c.pol.Trace.found(&c.head, v, c.now)
	return c.deliverHit(v)
}

// orient sets when and where the call looks first.
func (c *call) orient() {
	c.now = c.since
	if c.primary == (store.Hash{}) && !c.query.asked {
		c.primary = c.e.store.Hash(c.key)
	}
}

// deliverHit answers with what is stored as it is.
func (c *call) deliverHit(v rfc9111.Verdict) bool {
	c.out.Status = Hit
	switch {
	case v.TTL <= 0:
		c.out.Status, c.out.Why = Stale, Reason(v.Why)
	case v.Why == rfc9111.WhyImmutable: // the request asked for less age
		c.out.Why = Reason(v.Why)
	}
	return c.deliver(v)
}
