package engine

import (
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A Case is a request for which nothing is stored, and the response that the
// upstream would give to it.
type Case struct {
	Request         *wire.Request
	Response        *wire.Response
	Bypass, NoStore bool      // as of a Route
	Uses            int       // how often the URL was asked for, this time included; 0: often enough
	At              time.Time // when the response comes; what it says of times is seen from here
}

// A Forecast is what would become of a Case.
type Forecast struct {
	Status   Status // X-Cache-Status
	Forward  Forward
	Stored   bool
	Why      Reason         // why it is not stored, or not the cache's to answer; 0: nothing remarkable
	Lifetime int64          // how long it is fresh in all, in seconds
	TTL      int64          // how much of it is left; below 0: it comes stale
	From     rfc9111.Reason // what gives it
	Stale    rfc9111.Window // how stale it may become, when it is stored
	// Control is the Cache-Control that the client gets, "" for none.
	Control string
	// Fields are the response's field lines as the client gets them, but for
	// those that the cache says of itself and what a Guide does.
	Fields string
}

// Foresee says what would become of a case. It asks nobody and changes
// nothing; of what the state of the store may keep it from (size, quota, tags,
// room) it knows nothing.
func (p *Policy) Foresee(at Case) (f Forecast) {
	var h storedHead
	h.digest(at.Response, at.At, at.At, p)
	h.facts.Length = at.Response.Length
	f.Lifetime, f.From = rfc9111.Lifetime(&h.facts, &p.Rules)
	var ask rfc9111.Ask
	digestAsk(&ask, at.Request)
	f.TTL = rfc9111.Judge(&h.facts, &ask, &p.Rules, at.At.UnixMilli()).TTL
	f.Status, f.Forward, f.Why = p.way(&at, &ask)
	if (f.Why == 0 || f.Why == BypassCondition) && p.fetches(&at, &ask) {
		if why := p.storable(&at, &h); why == 0 {
			f.Stored, f.Stale = true, rfc9111.StaleWindow(&h.facts, &p.Rules)
		} else if f.Why = why; serverFailed(at.Response.Status) {
			f.Why = OriginStatus
		}
	}
	fields := p.fields(&at, &h, f.Stored)
	f.Control, f.Fields = controlIn(fields), string(fields)
	return f
}

// way returns how the request is answered, and why not by a fetch for the store.
func (p *Policy) way(at *Case, ask *rfc9111.Ask) (Status, Forward, Reason) {
	r := at.Request
	switch {
	case r.Method != wire.GET && r.Method != wire.HEAD && r.Method != wire.QUERY:
		return Bypass, ForMethod, MethodNotCached
	case r.Upgrade && !offersH2C(r.Protocol()):
		return Bypass, ForRequest, TunnelAsked
	case p.Bypass:
		return Bypass, ForBypass, PolicyBypass
	case r.Method != wire.QUERY && r.Body != nil:
		return Bypass, ForRequest, ContentInGet
	case ask.OnlyIfCached():
		return Miss, NotForwarded, Reason(rfc9111.WhyOnlyIfCached)
	case ask.ForOrigin():
		return Bypass, ForRequest, Conditional
	case at.Bypass:
		return Bypass, ForBypass, BypassCondition
	case at.NoStore:
		return Miss, ForURIMiss, NoStoreCondition
	case p.MinUses > 1 && at.Uses > 0 && at.Uses < p.MinUses:
		return Miss, ForURIMiss, TooFewUses
	}
	return Miss, ForURIMiss, 0
}

// fetches reports whether the response may be stored for the way it is asked
// for: a HEAD that goes out as one has nothing to store, and some of what goes
// around is handed through (goAround).
func (p *Policy) fetches(at *Case, ask *rfc9111.Ask) bool {
	if p.PassHead && at.Request.Method == wire.HEAD {
		return false
	}
	return !at.Bypass || !at.NoStore && !ask.Ranged() && !ask.ManyRanges()
}

// storable returns why the response may not be stored, by the rules.
func (p *Policy) storable(at *Case, h *storedHead) Reason {
	var sent wire.Request
	sent.CopyFrom(at.Request)
	if sent.Method == wire.HEAD {
		sent.SetMethod(wire.GET)
	}
	for _, name := range conditions {
		sent.Del(name)
	}
	p.Pass.strip(&sent)
	var ask rfc9111.Ask
	digestAsk(&ask, &sent)
	rules := p.Rules
	rules.StaleIfError = 0 // as admit has it
	if why := rfc9111.Storable(&h.facts, &ask, &rules); why != rfc9111.OK || p.Guard == nil {
		return Reason(why)
	}
	return p.Guard(&sent, at.Response)
}

// fields returns the field lines that the client gets of the response.
func (p *Policy) fields(at *Case, h *storedHead, stored bool) []byte {
	c := call{r: at.Request, p: &wire.Reply{Status: at.Response.Status}, pol: p, noStore: at.NoStore, now: at.At}
	digestAsk(&c.ask, at.Request)
	c.own = !stored && !c.tells(at.Response)
	fields := h.appendBlock(nil, wire.NameSet{})
	if p.Told != nil && c.tellsFreshness() {
		fields = p.Told.apply(fields, h.names, at.At)
	}
	var added wire.NameSet // by digest
	for _, name := range []wire.Name{wire.Date, wire.AcceptRanges} {
		if !at.Response.Has(name) {
			added.Add(name)
		}
	}
	fields = dropLines(fields, h.names, added)
	if p.PassTags {
		return fields
	}
	var tags wire.Edits
	names := p.TagFields
	if names == nil {
		names = usualTagFields
	}
	for _, name := range names {
		tags.Remove(name)
	}
	return tags.Apply(fields, h.names)
}

// controlIn returns what Cache-Control says in field lines.
func controlIn(fields []byte) string {
	var value []byte
	for id, line := range wire.Lines(fields) {
		if id == wire.CacheControl {
			value = appendMember(value, 0, line.Value)
		}
	}
	return string(value)
}
