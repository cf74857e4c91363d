package edge

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/rfc9111"
)

// A decision is what a rule comes to on a route.
type decision struct {
	policy  engine.Policy
	zone    *zone
	key     *expr.Key
	bypass  *expr.Condition
	noStore []*expr.Condition
	keep    bool // the memo may keep the key
	rooted  bool // the key begins with what names the URL's origin, and the rest is path and query
}

// choices compiles each route with each rule that can hold there.
func (c *compiling) choices(s *site) {
	s.choices = make([]*choice, len(s.routes)*(len(s.rules)+1))
	decisions := make([]decision, len(s.rules))
	for i := range s.rules {
		path := "cache.global"
		if i < s.own {
			path = fmt.Sprintf("cache.rules[%s]", s.rules[i].id)
		} else if i < s.fleet {
			path = fmt.Sprintf("cache.tierRules[%s]", s.rules[i].id)
		}
		decisions[i] = c.decision(s, &s.rules[i], path)
	}
	for n := range s.routes {
		r := &s.routes[n]
		for i := range s.rules {
			if rl := &s.rules[i]; r.kind == cacheProxy && (rl.routes == nil || contains(rl.routes, r.id)) {
				s.choices[s.choice(n, i)] = c.choiceOf(s, r, rl, decisions[i])
			}
		}
		rest := &choice{route: r}
		if r.kind == proxy {
			rest = c.choiceOf(s, r, nil, decisions[len(decisions)-1])
			// No rule holds: no list of fields, nothing told of freshness.
			rest.policy.Bypass, rest.policy.Hidden, rest.policy.Pass, rest.policy.Told = true, true, nil, nil
			rest.bypass, rest.noStore = nil, nil
		}
		s.choices[s.choice(n, len(s.rules))] = rest
	}
	c.shareHosts(s)
}

// choiceOf joins a rule's decision with a route.
func (c *compiling) choiceOf(s *site, r *route, rl *rule, d decision) *choice {
	ch := &choice{decision: d, route: r, rule: rl, guided: r.edits != nil || r.cors != nil || s.speculation != passAll}
	ch.policy.Upstream = newIdentified(r.pool, &c.plan.node.Monitoring)
	if c.plan.node.Monitoring.ProxyStatusNextHop && r.pool.nextHop != "" {
		ch.policy.NextHop = strconv.Quote(r.pool.nextHop) // an address needs no escapes, so that this is a String
	}
	ch.policy.KeyOf = (&referrer{site: s, choice: ch}).keyOf
	return ch
}

// decision compiles what a rule says of storing and using responses.
func (c *compiling) decision(s *site, r *rule, path string) (d decision) {
	doc, g := &r.doc.Cache, &s.doc.Cache.Global
	d.zone = named(s.zones, doc.Zone)
	text := doc.Key
	q := g.QueryNormalization
	if text == "" || text == expr.DefaultKey {
		text = expr.DefaultKey
		if q != nil && q.Enabled {
			text = expr.NormalizedKey
		}
	}
	o := expr.KeyOptions{Account: d.zone.account}
	if d.zone.doc.Shared {
		o.Prefix = s.doc.ID + ":"
	}
	var err error
	if d.key, err = expr.ParseKey(text, o); c.bad(path+".key", err) {
		return d
	}
	for _, x := range d.key.Vars() {
		s.sorts = s.sorts || x.ID == expr.NormalizedURI || x.ID == expr.NormalizedArgs
	}
	d.keep = d.key.Depends()&^remembered == 0
	d.rooted = rooted(d.key)
	if doc.Bypass != "" {
		d.bypass, err = expr.ParseCondition(doc.Bypass)
		c.bad(path+".cache.bypass", err)
	}
	for i, text := range doc.NoStoreConditions {
		cond, err := expr.ParseCondition(text)
		if !c.bad(fmt.Sprintf("%s.cache.noStoreConditions[%d]", path, i), err) {
			d.noStore = append(d.noStore, cond)
		}
	}
	d.policy = c.policy(s, r)
	d.policy.Site = []byte(d.zone.account)
	d.policy.IgnoreNoVarySearch = d.policy.IgnoreNoVarySearch || !d.key.Searchable()
	d.policy.Rules = c.judging(s, r, path)
	return d
}

// rooted reports whether what a key has before path and query names the URL's
// origin, and no more.
func rooted(k *expr.Key) bool {
	vars := k.Vars()
	for i, x := range vars {
		last := i == len(vars)-1 && (x.ID == expr.RequestURI || x.ID == expr.NormalizedURI)
		if !last && x.ID != expr.Scheme && x.ID != expr.Host && x.ID != expr.RequestMethod {
			return false
		}
		if last {
			return strings.HasSuffix(k.String(), "request_uri")
		}
	}
	return false
}

// policy is the part of a decision that no rule of HTTP caching is in.
func (c *compiling) policy(s *site, r *rule) engine.Policy {
	doc, sem, told := &r.doc.Cache, &s.doc.Cache.Global.Semantics, &c.plan.node.Monitoring
	return engine.Policy{
		Targets: sem.TargetedFields, TagFields: sem.TagFields, PassTags: sem.PassTags,
		EarlyHints: sem.EarlyHints, PassHead: sem.PassHead, PassRange: sem.PassRange, FetchWhole: sem.ColdRange == "whole",
		ReadAhead: noneBelow0(sem.ReadAhead), MaxQuery: noneBelow0(sem.MaxQuery), MaxVariants: intOf(sem.MaxVariants),
		IgnoreNoVarySearch: sem.IgnoreNoVarySearch,
		Bypass:             doc.Enabled != nil && !*doc.Enabled,
		MinUses:            intOf(doc.MinUses),
		NoLock:             doc.LockEnabled != nil && !*doc.LockEnabled,
		LockTimeout:        atOnce(doc.LockTimeout), LockAge: atOnce(doc.LockAge),
		Pass:         engine.NewPassing(r.doc.Headers.PassThroughRequest),
		Told:         toldOf(r.doc),
		ServerTiming: told.ServerTiming, TellKey: told.CacheStatusKey, TellTier: told.CacheStatusTier,
		ProxyStatus: true,
	}
}

// noneBelow0 is a size as the engine has it, where 0 is the default.
func noneBelow0(s *config.Size) int64 {
	switch {
	case s == nil:
		return 0
	case *s == 0:
		return -1
	}
	return int64(*s)
}

// atOnce is a time as the engine has it, where 0 is the default.
func atOnce(d *config.Duration) time.Duration {
	if d != nil && *d == 0 {
		return 1
	}
	return durationOf(d)
}

// toldOf is what clients are told of how long they may keep a response.
func toldOf(doc *config.CacheRule) *engine.Told {
	x := engine.Expiration{BrowserTTL: rfc9111.Absent, CDNTTL: rfc9111.Absent}
	if e := doc.Expiration; e != nil {
		x.Immutable, x.Directives, x.SetExpires = e.Immutable, e.AdditionalDirectives, e.SetExpiresHeader
		x.Control = map[string]engine.Control{"override": engine.Override, "additional": engine.Additional}[e.Control]
		x.BrowserTTL, x.CDNTTL = seconds(e.BrowserTTL, rfc9111.Absent), seconds(e.CDNTTL, rfc9111.Absent)
	}
	if st := doc.Cache.Stale; st != nil && (st.Enabled == nil || *st.Enabled) {
		x.WhileRevalidate, x.WhileError = seconds(st.WhileRevalidate, 0), seconds(st.WhileError, 0)
	}
	return x.Compile()
}

// seconds is a duration in whole seconds, or what nothing said means.
func seconds(d *config.Duration, unsaid int64) int64 {
	if d == nil {
		return unsaid
	}
	return int64(time.Duration(*d) / time.Second)
}

// judging compiles a rule's part of RFC 9111.
func (c *compiling) judging(s *site, r *rule, path string) (p rfc9111.Policy) {
	doc, g := &r.doc.Cache, &s.doc.Cache.Global
	p.Mode = map[string]rfc9111.Mode{"ignore": rfc9111.Ignore, "merge": rfc9111.Merge}[doc.RespectUpstreamCacheControl]
	p.Ceiling = seconds(doc.UpstreamCacheControlMaxAge, 0)
	p.NoSetCookie = g.Semantics.NoStoreSetCookie
	p.FreshOnly = !g.Heuristics && !g.Semantics.StoreForValidation
	if g.Heuristics {
		p.Heuristic, p.HeuristicMax = 10, 86400
	}
	if ds := doc.UpstreamCacheControlDirectives; ds != nil {
		p.Disregard = c.directives(ds.Ignore, path+".cache.upstreamCacheControlDirectives.ignore")
		if len(ds.Respect) > 0 {
			p.Disregard |= rfc9111.AllDirectives &^ c.directives(ds.Respect, path+".cache.upstreamCacheControlDirectives.respect")
		}
	}
	p.Decline = c.directives(r.decline, path+".declineWhenUpstream")
	if len(doc.ValidResponses) > 0 {
		p.Valid = &rfc9111.Valid{}
		for status, ttl := range doc.ValidResponses {
			n := int64(time.Duration(ttl.For) / time.Second)
			if ttl.Off {
				n = rfc9111.Off
			}
			c.bad(path+".cache.validResponses."+status, p.Valid.Set(status, n))
		}
	}
	p.Background = doc.BackgroundUpdate
	st := doc.Stale
	if st == nil || st.Enabled != nil && !*st.Enabled {
		return p
	}
	p.StaleMax = seconds(st.MaxAge, 0)
	if len(st.Conditions) == 0 { // none is switched on: only the upstream's own word allows it
		return p
	}
	p.StaleIfError = rfc9111.MaxDelta
	if st.ErrorMaxAge != nil {
		p.StaleIfError = seconds(st.ErrorMaxAge, 0)
	}
	for _, name := range st.Conditions {
		on, ok := rfc9111.ParseCondition(name)
		if !ok {
			c.fault(path+".cache.stale.conditions", name, "error, timeout, invalid_header, updating, http_500, http_502, http_503, http_504, http_403, http_404 or http_429")
		}
		p.StaleOn |= on
	}
	return p
}

// directives are those that a list names.
func (c *compiling) directives(names []string, path string) (set rfc9111.Directives) {
	for _, name := range names {
		d, ok := rfc9111.ParseDirective(strings.ToLower(name))
		if !ok {
			c.fault(path, name, "a directive of Cache-Control that this cache knows, or expires")
		}
		set |= d
	}
	return set
}
