package engine

import (
	"bytes"
	"context"
	"hash"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A call is one request on its way through Serve. Calls are pooled; a call
// belongs to one goroutine.
type call struct {
	e      *Engine
	r      *wire.Request
	p      *wire.Reply
	pol    *Policy
	key    []byte // primary key
	origin int    // of key: Route.Origin
	out    Outcome

	ask        rfc9111.Ask
	since      time.Time // when it came
	now        time.Time
	primary    store.Hash
	at         store.Hash // where to fetch for this request: primary, or a variant's
	atKey      []byte     // full key under at
	generation uint32     // of the marker under which at is a variant's, 0 where it is not
	entry      store.Entry
	head       storedHead
	gone       <-chan struct{} // closed when the client goes; nil until somebody waits

	// trusted is the version of a stored response that was validated on this
	// request's behalf: it is delivered without judging it again.
	trusted   uint64
	validated Forward // why it was validated
	spare     *old    // what may stand in for an error
	hinted    bool    // the client has had its hint
	counted   bool    // among the uses of its URL
	apart     bool    // want.apart
	bypass    bool    // Route.Bypass
	noStore   bool    // Route.NoStore
	guide     Guide
	unsafe    func(*wire.Response) // Route.Unsafe
	own       bool                 // the answer is the cache's own, or its freshness not the policy's to tell
	names     wire.NameSet         // that may be in the answer's fields
	seen      wire.Request         // what the upstream would see, where dressed says so
	dressed   bool
	meanwhile bool // who comes while it is being validated is answered with what is stale

	search search
	query  question // a QUERY's content
	sum    hash.Hash

	asked time.Time // when c.send went out
	seq   store.Seq // taken then, so that a racing purge wins

	tagged tagging // of what came

	scratch []byte
	tag     []byte // validator of the content being sent in segments
	size    int64  // its complete length; below 0: not known
	spread  spread
	multi   *multipart            // of an answer with several ranges
	want    want                  // what a fetch is to ask for
	interim func(int, *wire.Head) // c.passInterim, made once
	send    wire.Request          // what goes upstream when this call asks itself
	patron  patron                // on whose behalf
	content resumed               // of the answer to that
}

// maxTurns bounds how often a request looks again: a fetch that was joined
// can turn out to be another variant's, be deposed, or lose its race.
const maxTurns = 8

// Serve answers r through p. key identifies the resource and must be the same
// only for requests that get the same answer, but for what Vary names.
func (e *Engine) Serve(r *wire.Request, p *wire.Reply, key []byte, pol *Policy) Outcome {
	c := e.calls.Get().(*call)
	out := c.answer(r, p, &Route{Key: key, Policy: pol})
	e.calls.Put(c)
	return out
}

// A Route is what is known of a request before the engine sees it. Whoever
// serves many requests one after the other, on one goroutine at a time, sets
// its fields anew for each and keeps the Route: it holds what the engine works
// with.
type Route struct {
	Key    []byte // as for Serve
	Policy *Policy
	// Origin is how many bytes of Key, at its beginning, name the URI's origin:
	// responses of two origins share no group (RFC 9875, 2.1). 0: not known;
	// then those of a Policy's Site do.
	Origin int
	Hash   store.Hash // Engine.Hash of Key; zero: not known
	Since  time.Time  // when the request came; zero: now
	// Bypass has the upstream asked whatever is stored. What comes may be
	// stored, and replaces it then.
	Bypass bool
	// NoStore keeps what comes for the request from being stored. What is
	// stored may answer it.
	NoStore bool
	// Guide is asked what only the Route's owner knows; nil: nobody is.
	Guide Guide
	// Unsafe is called with the answer when an unsafe method has succeeded, before
	// anybody hears of it: what is stored for the target under other keys is out
	// of date, too (RFC 9111, 4.4), and other engines and accounts may have what
	// is in the groups that it names (RFC 9875, 3). nil: there are none.
	Unsafe func(*wire.Response)

	call *call // made at the first use
}

// A Guide adds what is known of a request to what goes out on its behalf. It
// is called on the goroutine that serves the request.
type Guide interface {
	// Upstream completes a request, made of the client's, that is about to go
	// to the upstream.
	Upstream(r *wire.Request)
	// Answer returns the field lines of an answer with that status as they are
	// to go out, in the same memory where that suffices. has are names that
	// may be among them, wire.Other for all that are not interned.
	Answer(fields []byte, status int, has wire.NameSet) []byte
}

// Outcome returns what has become of the request that is being served, as far
// as it is known: for the Guide.
func (t *Route) Outcome() Outcome {
	if t.call == nil {
		return Outcome{}
	}
	return t.call.out
}

// Varies reports whether what is stored for the request that is being served
// is apart by a field, in lower case, as its Vary has said: for the Guide.
func (t *Route) Varies(name string) bool {
	if t.call == nil {
		return false
	}
	c, h := t.call, t.call.primary
	if h == (store.Hash{}) {
		h = c.e.store.Hash(c.key)
	}
	marker, ok := c.e.marker(h, c.key)
	for _, set := range marker.Sets[:marker.NumSets] {
		for field := range bytes.SplitSeq(c.e.store.Fields(set), []byte{','}) {
			if ok && string(field) == name {
				return true
			}
		}
	}
	return false
}

// ServeRoute is Serve for a request of which more is known.
func (e *Engine) ServeRoute(r *wire.Request, p *wire.Reply, t *Route) Outcome {
	if t.call != nil && t.call.e != e { // another engine served it last
		t.call.e.Leave(t)
	}
	if t.call == nil {
		t.call = e.calls.Get().(*call)
	}
	return t.call.answer(r, p, t)
}

// Hash returns what the store has for key in place of its text, for a Route.
func (e *Engine) Hash(key []byte) store.Hash { return e.store.Hash(key) }

func (c *call) answer(r *wire.Request, p *wire.Reply, t *Route) Outcome {
	c.take(r, p, t)
	c.serve()
	return c.give()
}

// take prepares c for r.
func (c *call) take(r *wire.Request, p *wire.Reply, t *Route) {
	c.r, c.p, c.pol, c.key, c.origin, c.primary, c.since = r, p, t.Policy, t.Key, t.Origin, t.Hash, t.Since
	c.apart, c.hinted, c.counted, c.search.on, c.search.exact = false, false, false, false, false
	c.out, c.trusted, c.gone, c.multi = Outcome{}, 0, nil, nil
	c.bypass, c.noStore, c.guide, c.unsafe = t.Bypass, t.NoStore, t.Guide, t.Unsafe
	c.own, c.dressed = false, false
	if c.since.IsZero() {
		c.since = c.e.now()
	}
}

// give lets go of all that is not c's own.
func (c *call) give() Outcome {
	if c.r.Method == wire.QUERY {
		c.query.forget(&c.e.staging)
	}
	if c.want.kind != theWhole || c.want.anew {
		c.want = want{}
	}
	c.search.own = nil
	c.content.ctx, c.content.resp, c.content.body = nil, nil, nil
	c.guide, c.unsafe = nil, nil
	c.r, c.p, c.pol, c.key, c.entry, c.head.block, c.head.runs, c.spare = nil, nil, nil, nil, store.Entry{}, nil, nil, nil
	return c.out
}

func (c *call) serve() {
	if c.e.loop != nil && c.r.Has(wire.CDNLoop) {
		if why := c.e.looped(c.r); why != 0 {
			c.out.Status, c.out.Why = Miss, why
			c.refuseWith(508)
			return
		}
	}
	if fwd, why := c.passes(); fwd != NotForwarded {
		c.pass(fwd, why)
		return
	}
	digestAsk(&c.ask, c.r)
	if c.ask.ForOrigin() { // If-Match and If-Unmodified-Since are the origin's to judge (RFC 9111, 4.3.2)
		if c.ask.OnlyIfCached() {
			c.refuse(Reason(rfc9111.WhyOnlyIfCached))
			return
		}
		c.pass(ForRequest, Conditional)
		return
	}
	c.orient()
	if c.bypass {
		c.goAround()
		return
	}
	for range maxTurns {
		if c.turn() {
			return
		}
		c.now, c.want = c.e.now(), want{}
	}
	c.pass(ForMiss, NotShareable)
}

// passes returns why the request is not the cache's to answer.
func (c *call) passes() (Forward, Reason) {
	switch {
	case c.r.Method != wire.GET && c.r.Method != wire.HEAD && c.r.Method != wire.QUERY:
		return ForMethod, MethodNotCached
	case c.r.Upgrade && !offersH2C(c.r.Protocol()):
		return ForRequest, TunnelAsked
	case c.pol.Bypass:
		return ForBypass, PolicyBypass
	case c.r.Method == wire.QUERY:
		return c.readQuery()
	case c.r.Body != nil: // content of a GET selects nothing that a key could hold (RFC 9110, 9.3.1)
		return ForRequest, ContentInGet
	}
	return NotForwarded, 0
}

// offersH2C reports whether a list of protocols has HTTP/2 in it, whose
// requests no stage would see: the offer is not passed on (RFC 9113, 3.1).
func offersH2C(protocols []byte) bool {
	for item := range bytes.SplitSeq(protocols, []byte{','}) {
		if wire.EqualFold(bytes.TrimSpace(item), "h2c") {
			return true
		}
	}
	return false
}

// digestAsk makes a what the rules read of r.
func digestAsk(a *rfc9111.Ask, r *wire.Request) {
	m := rfc9111.Get
	switch r.Method {
	case wire.HEAD:
		m = rfc9111.Head
	case wire.QUERY:
		m = rfc9111.Query
	}
	a.Reset(m)
	if r.Names().Overlaps(ruled) {
		for i := range r.Len() {
			if id, _, value, ok := r.At(i); ok && fieldOf[id] != rfc9111.None {
				a.Field(fieldOf[id], value)
			}
		}
	}
	a.Done()
}

// turn looks up and acts. It reports whether the request was answered; if
// not, the store or the flights have changed and it is to look again.
func (c *call) turn() bool {
	c.meanwhile = false
	switch kind := c.lookup(); {
	case kind == store.HitForMiss && !c.ask.OnlyIfCached():
		c.pass(ForMiss, WasHitForMiss)
		return true
	case kind == store.Object:
		return c.judge()
	}
	if c.ask.OnlyIfCached() {
		c.refuse(Reason(rfc9111.WhyOnlyIfCached))
		return true
	}
	if c.passesRanges() {
		c.pass(c.out.Forward, Reason(rfc9111.WhyRangeRequest))
		return true
	}
	if c.noStore {
		c.pass(c.out.Forward, NoStoreCondition)
		return true
	}
	if c.tooFewUses() {
		c.pass(c.out.Forward, TooFewUses)
		return true
	}
	c.want = c.usual()
	return c.collapse(nil)
}

// tooFewUses counts the request, once, when nothing is stored for its URL, and
// reports whether the policy wants more before it stores anything. Nobody is
// made to wait for an answer that is not to be kept.
func (c *call) tooFewUses() bool {
	if c.pol.MinUses <= 1 || c.counted || c.out.Forward != ForURIMiss {
		return false
	}
	c.counted = true
	return c.e.store.Uses(c.primary) < min(c.pol.MinUses, store.MaxUses)
}

// judge decides over the stored response that lookup found.
func (c *call) judge() bool {
	if err := c.head.read(c.entry.Meta); err != nil {
		c.e.log.Error("stored head is unreadable", "key", string(c.key), "err", err)
		c.entry.Release()
		c.e.store.Remove(c.at, c.atKey)
		return false
	}
	length, now := c.length(), c.now.UnixMilli()
	v := rfc9111.Judge(&c.head.facts, &c.ask, &c.pol.Rules, now)
	c.pol.Trace.found(&c.head, v, c.now)
	if c.head.facts.Partial() {
		if !c.holds(rfc9111.Select(&c.head.facts, &c.ask, length)) {
			return c.fetchMissing()
		}
		c.want = c.usual()
		c.want.only = nil // what is stored has been selected; the rest is for its validator
	} else if c.e.spreadable(&c.head, length) {
		c.want = c.segments()
	}
	switch {
	case c.trusted != 0 && c.trusted == c.entry.Version:
		v.Selection = rfc9111.Select(&c.head.facts, &c.ask, length)
		c.out.Status, c.out.Forward = Revalidated, c.validated
		return c.deliver(v)
	case c.entry.Soft && c.ask.OnlyIfCached():
		c.entry.Release()
		c.refuse(Reason(rfc9111.WhyOnlyIfCached))
		return true
	case c.entry.Soft && (v.Do == rfc9111.Deliver || v.Do == rfc9111.DeliverAndRefresh):
		if c.entry.Doubt {
			return c.validate(v, MachineCrashed)
		}
		return c.validate(v, SoftPurged)
	}
	switch v.Do {
	case rfc9111.Deliver:
		return c.deliverHit(v)
	case rfc9111.DeliverAndRefresh:
		c.out.Why = Reason(v.Why)
		c.refreshBehind()
		return c.deliver(v)
	case rfc9111.Validate:
		return c.validate(v, Reason(v.Why))
	case rfc9111.Refuse:
		c.entry.Release()
		c.refuse(Reason(v.Why))
	default: // rfc9111.Forward
		c.entry.Release()
		c.pass(ForRequest, Conditional)
	}
	return true
}

// validate lets the upstream say whether the stored response is current.
func (c *call) validate(v rfc9111.Verdict, why Reason) bool {
	if c.pol.EarlyHints && why != SoftPurged && !c.entry.Doubt {
		c.hint()
	}
	if v.Meanwhile {
		if c.e.flights.underway(c.flight(c.entry.Version), c) {
			c.out.Status, c.out.Why = Updating, Reason(rfc9111.WhyUpdating)
			return c.deliver(v)
		}
		c.meanwhile = true
	}
	stale := c.keepOld()
	c.entry.Release()
	c.out.Forward = ForStale
	switch v.Why {
	case rfc9111.WhyRequestNoCache, rfc9111.WhyRequestMaxAge, rfc9111.WhyMinFresh:
		if v.TTL > 0 { // else it is stale anyway (RFC 9211, 2.2)
			c.out.Forward = ForRequest
		}
	case rfc9111.WhyStale:
		why = 0 // fwd=stale says it
	}
	c.out.Why, c.validated = why, c.out.Forward
	if c.noStore { // nor what is stored made fresh by it
		c.spare = stale
		c.pass(c.out.Forward, NoStoreCondition)
		return true
	}
	return c.collapse(stale)
}

// keepOld copies what a fetch must know of the entry.
func (c *call) keepOld() *old {
	o := &old{
		head:    storedHead{facts: c.head.facts, names: c.head.names, block: bytes.Clone(c.head.block), runs: c.head.runs},
		version: c.entry.Version, validated: c.entry.Validated,
		hash: c.at,
		key:  bytes.Clone(c.atKey),
	}
	if o.head.facts.Partial() {
		c.noteTags(o)
	}
	return o
}

func (c *call) stalled(f *fetch) bool {
	if !f.stalled(c.now, c.pol.lockAge()) {
		return false
	}
	c.e.Stats.Deposed.Add(1)
	return true
}

// start makes the fetch for this call's request; the caller runs it. leader is
// who may have a response that can not be shared, nil for a refresh.
func (c *call) start(stale *old, leader *call) *fetch {
	f := &fetch{
		e: c.e, pol: c.pol, key: bytes.Clone(c.ownKey()), origin: c.origin, hash: c.primary, at: c.at, generation: c.generation,
		old: stale, want: c.want.own(), seq: c.e.store.Seq(), around: c.bypass,
		wake: make(chan struct{}), progressed: c.now, readers: 1, size: wire.Unknown, leader: leader,
	}
	if f.primary = f.key; c.search.on {
		f.primary = bytes.Clone(c.key)
	}
	f.ctx, f.cancel = c.e.ctx, func() {}
	if c.pol.GiveUp || c.want.kind == theSegments || c.want.kind == theHole {
		f.ctx, f.cancel = context.WithCancel(c.e.ctx)
		f.pace = make(chan struct{}, 1)
	}
	f.blocks = f.first[:0]
	f.req.CopyFrom(c.r)
	if c.r.Method == wire.HEAD || c.r.Method == wire.POST {
		f.req.SetMethod(wire.GET) // they share what is stored
	}
	f.req.Upgrade, f.req.Continue = false, false
	f.req.Body, f.req.Length, f.req.Watch = nil, 0, nil
	if c.query.asked {
		f.queryOf(&c.query)
	}
	for _, name := range conditions {
		f.req.Del(name)
	}
	c.pol.Pass.strip(&f.req)
	digestAsk(&f.ask, &f.req)
	c.sign(&f.req)
	f.place = f.at
	if c.want.kind != theWhole {
		f.place = c.flight(versionOf(stale))
	}
	f.want.ask(&f.req, stale)
	if c.want.validates(stale) {
		// What is no validator in a response is no condition in a request (RFC
		// 9110, 2.2).
		if stale.head.facts.ETag.Present {
			f.req.Add(wire.IfNoneMatch, stale.head.value(wire.ETag))
		}
		if stale.head.facts.HasLastModified() {
			f.req.Add(wire.IfModifiedSince, stale.head.value(wire.LastModified))
		}
	}
	return f
}
