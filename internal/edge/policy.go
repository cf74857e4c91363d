package edge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/rfc9111"
)

// A decision is what a rule says of storing and using responses, but for
// engine.Policy, which is much larger: see site.take.
type decision struct {
	only    *Volume // of the zone, where it has one
	key     *expr.Key
	pass    *engine.Passing
	bypass  *expr.Condition
	keep    bool // the memo may keep the key
	rooted  bool // the key begins with what names the URL's origin, and the rest is path and query
	noStore []*expr.Condition
	zone    *zone
}

// on returns the volume that a key belongs to.
func (d *decision) on(key []byte) *Volume {
	if d.only != nil {
		return d.only
	}
	return d.zone.on(key)
}

// decide compiles what each rule says, for its faults also what its form says
// unless that is known.
func (c *compiling) decide(s *site, known bool) {
	if !known {
		s.policies = make([]atomic.Pointer[engine.Policy], len(s.routes)*(len(s.rules)+1))
	}
	s.choices = make([]atomic.Pointer[choice], len(s.routes)*(len(s.rules)+1))
	s.decisions = make([]decision, len(s.rules))
	for i := range s.rules {
		path := "cache.global"
		if i < s.own {
			path = fmt.Sprintf("cache.rules[%s]", s.rules[i].id)
		} else if i < s.fleet {
			path = fmt.Sprintf("cache.tierRules[%s]", s.rules[i].id)
		}
		if id := s.rules[i].id; id != "" {
			s.rules[i].metric = `, cacheRule;desc="` + quotable(id) + `"`
		}
		s.decisions[i] = c.decision(s, &s.rules[i], path)
		if known {
			continue
		}
		c.judging(s, &s.rules[i], path)
		if key := s.decisions[i].key; key != nil {
			for _, x := range key.Vars() {
				s.sorts = s.sorts || x.ID == expr.NormalizedURI || x.ID == expr.NormalizedArgs
			}
		}
	}
	c.shareHosts(s)
}

// noDecision is that of routes that neither fetch nor store.
var noDecision decision

// decided returns what is decided for a choice's number; nil: there is no such
// choice.
func (s *site) decided(n int) *decision {
	r, i := &s.routes[n/(len(s.rules)+1)], n%(len(s.rules)+1)
	switch {
	case i == len(s.rules) && r.kind == proxy:
		return &s.decisions[i-1]
	case i == len(s.rules):
		return &noDecision
	case r.kind == cacheProxy && (s.rules[i].routes == nil || contains(s.rules[i].routes, r.id)):
		return &s.decisions[i]
	}
	return nil
}

// keyed are the decisions of the choices that have a key, each once.
func (s *site) keyed(yield func(*decision) bool) {
	for i := range s.decisions {
		for n := range s.routes {
			if s.decided(s.choice(n, i)) == nil && (i < len(s.rules)-1 || s.routes[n].kind != proxy) {
				continue
			}
			if !yield(&s.decisions[i]) {
				return
			}
			break
		}
	}
}

// take returns the choice of a number, nil when there is none. It is made when
// it is asked for first: of many sites most are seldom asked for anything, and
// then for little.
func (s *site) take(n int) *choice {
	ch := s.first.Load()
	if ch != nil && ch.number == n {
		return ch
	}
	if ch = s.choices[n].Load(); ch != nil {
		return ch
	}
	if ch = s.join(n); ch == nil {
		return nil
	}
	if !s.choices[n].CompareAndSwap(nil, ch) {
		return s.choices[n].Load()
	}
	s.first.CompareAndSwap(nil, ch)
	return ch
}

// join makes a choice of a route and a decision.
func (s *site) join(n int) *choice {
	d := s.decided(n)
	if d == nil {
		return nil
	}
	r, i := &s.routes[n/(len(s.rules)+1)], n%(len(s.rules)+1)
	ch := &choice{number: n, decision: *d, speculation: speculation(s.doc.SpeculationRules), ownRoute: *r}
	ch.route = &ch.ownRoute
	if d.key != nil {
		ch.ownKey, ch.key = *d.key, &ch.ownKey
	}
	if !r.fetches() {
		return ch
	}
	rl := &s.rules[min(i, len(s.rules)-1)]
	ch.policy = *s.policyOf(n, rl, d)
	ch.policy.Site, ch.policy.Owner = []byte(d.zone.account), s.owner(d.zone)
	if r.kind == proxy { // no condition holds
		ch.pass, ch.bypass, ch.noStore = nil, nil, nil
	} else {
		ch.rule = rl
	}
	ch.edited = r.edits != nil || r.cors != nil || ch.speculation != passAll
	if r.kind != proxy {
		ch.unkeyed = unkeyedOf(s.doc.Cache.Global.Unkeyed, d.key)
	}
	ch.guided, ch.policy.Sets = ch.edited || s.tells != nil || ch.unkeyed != nil, slices.Concat(s.tells.varies(), ch.unkeyed.varies())
	ch.policy.Upstream = newIdentified(r.pool, &s.node.Monitoring)
	if r.coding != nil {
		ch.policy.Upstream = r.coding.Over(ch.policy.Upstream)
	}
	if s.node.Monitoring.ProxyStatusNextHop && r.pool.nextHop != "" {
		ch.policy.NextHop = strconv.Quote(r.pool.nextHop) // an address needs no escapes, so that this is a String
	}
	if on := rl.doc.Cache.Guard; on != nil && *on {
		ch.policy.Guard = (&guard{site: s, named: rl.ext != nil}).admit
	}
	ch.policy.KeyOf = (&referrer{site: s, choice: ch}).keyOf
	return ch
}

// decision compiles what a rule says of storing and using responses.
func (c *compiling) decision(s *site, r *rule, path string) (d decision) {
	doc, g := &r.doc.Cache, &s.doc.Cache.Global
	if d.zone = named(s.zones, doc.Zone); len(d.zone.volumes) == 1 {
		d.only = d.zone.volumes[0]
	}
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
	if d.key, err = c.parseKey(text, o); c.bad(path+".key", err) {
		return d
	}
	d.keep = d.key.Depends()&^remembered == 0
	d.rooted = rooted(d.key)
	if doc.Bypass != "" {
		d.bypass, err = c.parseCondition(doc.Bypass)
		c.bad(path+".cache.bypass", err)
	}
	for i, text := range doc.NoStoreConditions {
		cond, err := c.parseCondition(text)
		if !c.bad(fmt.Sprintf("%s.cache.noStoreConditions[%d]", path, i), err) {
			d.noStore = append(d.noStore, cond)
		}
	}
	d.pass = c.passingOf(r.doc.Headers.PassThroughRequest)
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

// policy is the part of a decision that no rule of HTTP caching is in, and
// nothing of the site alone.
func (c *compiling) policy(s *site, r *rule, d *decision) engine.Policy {
	doc, sem, told := &r.doc.Cache, &s.doc.Cache.Global.Semantics, &c.plan.node.Monitoring
	return engine.Policy{
		Targets: sem.TargetedFields, TagFields: sem.TagFields, PassTags: sem.PassTags,
		EarlyHints: sem.EarlyHints, PassHead: sem.PassHead, PassRange: sem.PassRange, FetchWhole: sem.ColdRange == "whole",
		ReadAhead: noneBelow0(sem.ReadAhead), MaxQuery: noneBelow0(sem.MaxQuery), MaxVariants: intOf(sem.MaxVariants),
		IgnoreNoVarySearch: sem.IgnoreNoVarySearch || !d.key.Searchable(),
		Bypass:             doc.Enabled != nil && !*doc.Enabled,
		MinUses:            intOf(doc.MinUses),
		NoLock:             doc.LockEnabled != nil && !*doc.LockEnabled,
		LockTimeout:        atOnce(doc.LockTimeout), LockAge: atOnce(doc.LockAge),
		Pass:    d.pass,
		Told:    toldOf(r.doc),
		TellKey: told.CacheStatusKey, TellTier: told.CacheStatusTier,
		ProxyStatus: true, Resumes: resumesOf(s.doc.Cache.ProxySettings.ResumeTries),
	}
}

// resumesOf is a number of tries as the engine has it, where 0 is the default.
func resumesOf(n *int) int {
	if n != nil && *n == 0 {
		return -1
	}
	return intOf(n)
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
	p.NoSetCookie, p.StoreCookies = g.Semantics.NoStoreSetCookie, doc.StoreSetCookie
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
