package edge

import (
	"bytes"
	"crypto/subtle"
	"strconv"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A stage looks at a visit and either answers (true) or lets it go on.
type stage struct {
	name string
	do   func(*visit) bool
}

// stages are what a request passes, in this order.
var stages = [...]stage{
	// First: every answer has an id, whoever gives it.
	{"identify", (*visit).identify},
	// Who the client is, before anybody is asked whether it may.
	{"client", (*visit).findClient},
	// Whoever answers, it is a span of the trace.
	{"trace", (*visit).beginTrace},
	// The target is cleaned once, and all that follows sees what the origin
	// will. No spelling of a path gets around the next stage.
	{"target", (*visit).takeTarget},
	// Whom the node denies is told nothing else by it, not even how it is. Needs
	// the path as it is meant: health checks of this machine are let through.
	{"filter", (*visit).filter},
	// Before all that could be broken: a health check needs nothing else.
	{"diagnose", (*visit).diagnose},
	// Methods that no origin is to see.
	{"method", (*visit).method},
	// What is above holds for every host; all below is a site's.
	{"site", (*visit).which},
	// Needs the key of what it names, and must not reach the origin.
	{"purge", (*visit).purge},
	// What signs a URL is no part of it: keys, rules and the origin see it
	// without.
	{"unsign", (*visit).unsign},
	// Route, rule and key.
	{"route", (*visit).locate},
	// Who may not ask learns no more, whatever the request; its route says who
	// that is.
	{"admit", (*visit).admit},
	// A browser's question before a script's request bears no credentials
	// (Fetch, 4.8) and has a method that routes seldom allow: it is answered
	// before anything asks for those.
	{"preflight", (*visit).preflight},
	// Before the cache, so that what is stored for one is not given to whoever
	// asks, and before all that could cost something.
	{"access", (*visit).access},
	// What needs neither cache nor origin: redirects and files.
	{"own", (*visit).own},
	// The cache, and behind it the origin.
	{"cache", (*visit).cache},
}

const notTrusted = "for direct clients on this machine, or with a bearer token\n"

// trusted reports whether the client may purge and administer: it bears the
// token, or is on this machine and nobody speaks for somebody else, not even a
// proxy that is believed.
func (v *visit) trusted() bool {
	if token := v.e.o.AdminToken; token != "" {
		scheme, got, _ := bytes.Cut(v.r.Get(wire.Authorization), []byte{' '})
		if wire.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got, []byte(token)) == 1 {
			return true
		}
	}
	return v.direct()
}

// direct reports whether the client is on this machine and nobody speaks for
// somebody else.
func (v *visit) direct() bool {
	return !v.vouched && v.r.Remote.Addr().Unmap().IsLoopback() && !v.r.Names().Overlaps(spokenFor)
}

// measures reports whether the client may read the metrics though it may do
// nothing else: it comes from one of the networks that the node's document
// names, and speaks for itself or is spoken for by the node's own proxies.
func (v *visit) measures() bool {
	by := spokenFor
	if v.vouched {
		by = wire.NamesOf(wire.Origin)
	}
	return v.plan.measures.Has(v.client) && !v.r.Names().Overlaps(by)
}

// spokenFor are fields of requests that somebody else is behind: proxies add
// them, and browsers send Origin for pages that may not administer.
var spokenFor = wire.NamesOf(wire.XForwardedFor, wire.Forwarded, wire.XRealIP, wire.Via, wire.Origin)

// method refuses what a reverse cache does not do.
func (v *visit) method() bool {
	switch v.r.Method {
	case wire.CONNECT, wire.TRACE: // TRACE would show an origin's request to a script
		v.p.Fields = wire.AppendField(v.p.Fields, wire.Allow, allowed)
		return v.answer(405, plain, "this method is not for a reverse cache\n")
	case wire.OPTIONS:
		if string(v.r.Path()) != "*" && v.mayForward() {
			return false
		}
		v.p.Fields = wire.AppendField(v.p.Fields, wire.Allow, allowed)
		v.p.Status, v.p.Length = 204, 0
		v.p.Fields = v.sign(v.p.Fields, wire.NameSet{})
		_ = v.p.Start()
		_ = v.p.End(nil)
		return true
	}
	return false
}

// mayForward counts a hop of Max-Forwards; at the last one we answer ourselves
// (RFC 9110, 7.6.2).
func (v *visit) mayForward() bool {
	value := v.r.Get(wire.MaxForwards)
	n, err := strconv.ParseUint(string(value), 10, 31)
	if value == nil || err != nil {
		return true
	}
	v.r.Del(wire.MaxForwards)
	if n > 0 {
		v.r.Add(wire.MaxForwards, strconv.AppendUint(nil, n-1, 10))
	}
	return n > 0
}

const allowed = "GET, HEAD, QUERY, POST, PUT, PATCH, DELETE, OPTIONS, PURGE"

// clear drops all that is stored and returns how many responses that were.
func (e *Edge) clear() (n int) {
	for i := range e.o.Volumes {
		n += e.o.Volumes[i].Engine.Clear()
	}
	return n
}

// cache has the engine answer.
func (v *visit) cache() bool {
	if c := v.choice.route.coding; c != nil {
		c.Settle(v.r)
	}
	v.decide()
	v.holdTrailer()
	v.outcome = v.choice.on(v.key).Engine.ServeRoute(v.r, v.p, &v.to)
	if v.bounded != nil && v.bounded.over.Load() {
		v.refused = longBody
	}
	return true
}

// Answer implements engine.Guide: what documents do to the fields of answers,
// and what the node says on each.
func (v *visit) Answer(fields []byte, status int, has wire.NameSet) []byte {
	if v.choice == nil || !v.choice.edited && !v.plan.signature.on() {
		return fields
	}
	return v.sign(v.tell(v.to.Outcome(), fields, status, has), has)
}

// tell edits the fields of an answer that became what the outcome says.
func (v *visit) tell(outcome engine.Outcome, fields []byte, status int, has wire.NameSet) []byte {
	v.outcome = outcome
	if v.choice.policy.Hidden { // no cache was asked
		v.outcome.Status = engine.NoStatus
	}
	has.Add(wire.XRequestID) // which identify has put there
	return v.edit(fields, status, has)
}

// edit is Answer of an outcome that is known.
func (v *visit) edit(fields []byte, status int, has wire.NameSet) []byte {
	ch := v.choice
	v.status, v.rule = status, ""
	if ch.rule != nil {
		v.rule = ch.rule.id
	}
	fields = ch.speculation.strip(fields, has)
	if ch.route.cors != nil && ch.route.cors.holds(v) {
		fields = ch.route.cors.edit(fields, has, v)
		has.Add(wire.Vary)
		has.Add(wire.Other)
	}
	return ch.route.edits.apply(fields, has, &v.values)
}

var _ engine.Guide = (*visit)(nil)
