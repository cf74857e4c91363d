package engine

import (
	"bytes"
	"context"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// collapse has the request answered by a fetch: one that is under way, or a
// new one. It reports whether the request was answered.
func (c *call) collapse(stale *old) bool {
	c.spare = stale
	if c.pol.PassHead && c.r.Method == wire.HEAD {
		return c.passHead(stale)
	}
	forward, why := c.out.Forward, c.out.Why
	var f *fetch
	leader := c.alone() || c.bypass || c.pol.NoLock && !c.meanwhile
	if leader {
		f = c.start(stale, c)
	} else {
		f, leader = c.e.flights.join(c.flight(versionOf(stale)), c.stalled, func() *fetch { return c.startUnlessStored(stale, c) })
	}
	if f == nil {
		return false
	}
	if leader {
		c.pol.Trace.fetch(forward, why)
		c.e.work.Add(1)
		go f.run()
	} else {
		c.pol.Trace.waiting()
	}
	defer f.leave(c)
	c.out.Forward, c.out.Why, c.out.Collapsed = forward, why, !leader
	waitedFrom := c.e.now()
	p, left := c.await(f, leader)
	c.now = c.e.now()
	c.out.Waited = c.now.Sub(waitedFrom)
	if left {
		c.abort(ClientGone, context.Canceled)
		return true
	}
	return c.act(f, p, stale)
}

// alone reports whether the answer to this request is most likely nobody
// else's: nobody is made to wait for it. It is stored when it may be.
func (c *call) alone() bool {
	return c.r.Has(wire.Authorization) && !c.pol.Rules.Private && c.pol.Pass.names(wire.Authorization) || c.ask.NoStore() || c.noStore
}

// act goes on from where the fetch stands.
func (c *call) act(f *fetch, p phase, stale *old) bool {
	f.mu.Lock()
	c.out.Upstream = f.upstream
	if f.phase > asking {
		c.out.Attempts = &f.tried
	}
	why, err, version := f.why, f.err, f.version
	ours := f.forURL(c)
	fits := ours && (!f.varies || f.matches(c))
	mine, shared := f.leader == c, f.anyone
	taken := f.rest == nil && (f.size < 0 || f.head.strongValidator() == nil)
	late := !f.until.IsZero() && c.since.After(f.until)
	f.mu.Unlock()
	if p == handed && shared { // it grew before it was handed
		if taken && !mine { // somebody has the rest, and it can not be asked for
			c.pass(c.out.Forward, why)
			return true
		}
		p = growing
	}
	switch p {
	case growing, done:
		if !fits && !mine {
			c.search.exact = c.search.exact || !ours
			return false // regroup: the marker is there now
		}
		if !mine && !c.mayShare(f) {
			c.pass(c.out.Forward, NotShareable)
			return true
		}
		if f.made != nil {
			return c.followSpread(f, stale)
		}
		if f.partial {
			return c.followPart(f, stale, mine)
		}
		return c.follow(f, stale)
	case validated:
		if mine || !late {
			c.trusted = version
		}
		return false
	case failed:
		if !mine && ofClient(err) { // another client's
			c.pass(c.out.Forward, NotShareable)
			return true
		}
		c.out.Why, c.out.Err = why, err
		return c.serveStale(stale) || c.fail(err)
	case handed:
		return c.handedOver(f, why, mine, stale)
	}
	if c.now.Sub(c.since) >= c.pol.lockTimeout() {
		c.pass(c.out.Forward, LockTimedOut)
		return true
	}
	return false // deposed: join or start the next
}

// mayShare reports whether the response that f receives may answer a request
// other than its leader's: only if it could be reused from the store without
// validation (RFC 9111, 4, on collapsed requests).
func (c *call) mayShare(f *fetch) bool {
	v := rfc9111.Judge(&f.head.facts, &c.ask, &c.pol.Rules, c.now.UnixMilli())
	return v.Do == rfc9111.Deliver || v.Do == rfc9111.DeliverAndRefresh
}

// handedOver takes a response that can not be shared when it is this call's,
// and asks for another when it is not.
func (c *call) handedOver(f *fetch, why Reason, mine bool, stale *old) bool {
	c.out.Why = why
	if why == OriginStatus {
		if c.serveStale(stale) {
			return true
		}
		if !mine && !c.pol.PassErrors && serverFailed(f.upstream) {
			return c.failStatus(f.upstream)
		}
	}
	c.out.Collapsed = false
	if rest := f.claim(c); rest != nil {
		switch {
		case f.want.kind == theSegments && (rest.Status == 206 || rest.Status == 416):
			if c.relayRange(rest) {
				return true
			}
			closeBody(rest)
		case c.stray(f, rest.Status):
			closeBody(rest)
		case c.hasAlready(f, rest):
			c.relayNotModified(rest)
			return true
		default:
			c.relay(rest)
			return true
		}
	}
	c.pass(c.out.Forward, why)
	return true
}

// claim takes the rest of a handed response; nil when it is not c's to take.
func (f *fetch) claim(c *call) *wire.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.phase != handed || !f.anyone && f.leader != c {
		return nil
	}
	rest := f.rest
	f.rest = nil
	return rest
}

// startUnlessStored makes a fetch, unless a look under the lock of the
// flights finds that one has just ended and left something.
func (c *call) startUnlessStored(stale *old, leader *call) *fetch {
	if c.query.asked && c.queryHash(c.now.UnixMilli()) != c.primary {
		return nil // the first QUERY of this target was stored meanwhile, or they were purged
	}
	var now store.Entry
	c.e.store.Lookup(c.at, c.atKey, c.now.UnixMilli(), &now)
	defer now.Release() // empties it
	switch {
	case stale == nil && now.Kind != store.Nothing:
		return nil
	case stale != nil && now.Kind == store.Object && (now.Version != stale.version || now.Validated != stale.validated):
		return nil
	case stale != nil && now.Kind == store.HitForMiss:
		return nil
	}
	return c.start(stale, leader)
}

// await waits until f has a head or has ended, passing interim responses on.
// It gives up, with phase asking, after the policy's lock timeout, and when f
// has stalled so long that it is to be deposed. left: the client has gone.
func (c *call) await(f *fetch, leader bool) (p phase, left bool) {
	if !leader {
		c.e.Stats.Waiting.Add(1)
		defer c.e.Stats.Waiting.Add(-1)
	}
	var timer *time.Timer
	for sent := 0; ; {
		f.mu.Lock()
		var interims []interim
		var wake chan struct{}
		p, interims, wake = f.phase, f.interims[sent:], f.wake
		progressed := f.progressed
		if !leader { // they came for the leader's request
			interims = nil
		}
		if p == asking && len(interims) == 0 {
			f.waiters++
		}
		f.mu.Unlock()
		for _, i := range interims {
			sent++
			_ = c.p.Interim(i.status, i.fields) // a client that is gone shows at Start
		}
		if p != asking {
			return p, false
		}
		if len(interims) > 0 {
			continue
		}
		var late <-chan time.Time // never, for the leader
		if !leader {
			wait := c.patience(progressed)
			if wait <= 0 {
				return asking, false
			}
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			late = timer.C
		}
		select {
		case <-wake:
		case <-late:
		case <-c.leaving():
			return asking, true
		}
	}
}

// leaving is closed when the client goes away. Only a call that waits asks:
// watching costs.
func (c *call) leaving() <-chan struct{} {
	if c.gone == nil {
		c.gone = c.r.Context().Done()
	}
	return c.gone
}

// patience is how long a follower still waits for a head.
func (c *call) patience(progressed time.Time) time.Duration {
	now := c.e.now()
	byLock := c.since.Add(c.pol.lockTimeout()).Sub(now)
	byAge := progressed.Add(c.pol.lockAge()).Sub(now)
	return min(byLock, byAge)
}

// matches reports whether c's request selects the variant that f fetches.
// The caller holds f.mu.
func (f *fetch) matches(c *call) bool {
	fields := f.e.store.Fields(f.set)
	values := appendVaried(nil, fields, c.chooser(fields))
	return bytes.Equal(values, f.values)
}

// serveStale answers with what is stored although it is stale, where the
// rules allow it.
func (c *call) serveStale(stale *old) bool {
	if stale == nil {
		return false
	}
	was := c.out
	if c.deliverStale(&was) {
		return true
	}
	c.out = was // looking again has changed it
	return false
}

// deliverStale answers with what is stored now; was is what became of asking
// the upstream. It reports false, with nothing sent, when that may not be.
func (c *call) deliverStale(was *Outcome) bool {
	if c.lookup() != store.Object {
		return false
	}
	if c.entry.Doubt { // what took its place, or a purge, may have been lost
		c.entry.Release()
		return false
	}
	if err := c.head.read(c.entry.Meta); err != nil {
		c.entry.Release()
		return false
	}
	length, now := c.length(), c.now.UnixMilli()
	v := rfc9111.Judge(&c.head.facts, &c.ask, &c.pol.Rules, now)
	at := now
	if c.entry.Soft && v.TTL >= 0 { // a purge has ended its freshness, and what forbids stale use holds
		at += (v.TTL + 1) * 1000
	}
	ok, why := rfc9111.StaleOnError(&c.head.facts, &c.ask, &c.pol.Rules, rfc9111.Failure{What: conditionOf(was), At: at})
	if !ok {
		c.entry.Release()
		c.e.log.Debug("no stale answer", "key", string(c.key), "why", why)
		return false
	}
	v.Selection = rfc9111.Select(&c.head.facts, &c.ask, length)
	if !c.hasAll(v) {
		c.entry.Release()
		return false
	}
	c.out.Status, c.out.Forward, c.out.Why = Stale, ForStale, was.Why
	c.out.Upstream, c.out.Collapsed, c.out.Attempts = was.Upstream, was.Collapsed, was.Attempts
	return c.deliver(v)
}
