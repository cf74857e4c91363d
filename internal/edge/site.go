package edge

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync/atomic"

	"opencache/internal/access"
	"opencache/internal/coding"
	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/telemetry"
)

// A site is the compiled form of its document on a node.
type site struct {
	// What each request asks is in a line of a processor's cache: a node of
	// many sites finds none of them there.
	number uint64                // of this site as it was compiled, in the memo: no other has the same
	count  *telemetry.SiteCounts // where its requests are counted; Edge.Use sets it
	*form
	first   atomic.Pointer[choice]   // the one of choices that was asked for first, which of most sites is most of it
	choices []atomic.Pointer[choice] // by number; nil: not asked for yet, or none
	signs   bool                     // some URLs are signed
	gated   bool                     // who may ask is not the same for all routes

	routes []route
	doc    *config.Site
	node   *config.Node

	decisions []decision // of the rules

	zones   []*zone
	links   map[string]*link             // of the pools, by name
	files   map[string][sha256.Size]byte // that it is made of
	limits  map[string]*limit
	rates   map[ratesKey]*access.Rates
	pools   []*pool
	servers map[serverKey]*server

	hostShares map[account]share
	tells      *upstreamFields
	visitors   *visitors
}

// remembered are what a memo's place holds.
const remembered = expr.OnTarget | expr.OnHost | expr.OnScheme | expr.OnMethod

// A choice is a route with a rule: all that is known of a request before it is
// looked at closer.
type choice struct {
	number int
	decision
	guided      bool // the engine is to ask the visit
	edited      bool // documents change the fields of its answers
	unkeyed     *unkeyed
	speculation speculation
	rule        *rule // nil: nothing is fetched, or never cached
	route       *route
	ownRoute    route    // a copy: what each request reads lies in one place
	ownKey      expr.Key // and of the decision's
	policy      engine.Policy
}

// site compiles a document; nil when it can not be, and there was none before.
func (c *compiling) site(doc *config.Site, had *site) *site {
	before := len(c.faults)
	c.refuseSite(doc)
	c.plan.last++
	s := &site{doc: doc, node: c.plan.node, number: c.plan.last, servers: map[serverKey]*server{}, hostShares: map[account]share{}, rates: map[ratesKey]*access.Rates{}, tells: c.plan.tells, visitors: c.plan.visitors}
	c.limits(s)
	s.zones = c.zonesOf(doc, c.plan.node)
	key := formKey(doc)
	s.form = c.forms[key]
	known := s.form != nil
	if !known {
		s.form = &form{}
		c.normalizer(s)
	}
	c.links(s)
	for i := range doc.Upstreams {
		p, err := c.pool(s, &doc.Upstreams[i], had.pool(doc.Upstreams[i].Name))
		if !c.bad(fmt.Sprintf("upstreams[%d]", i), err) {
			s.pools = append(s.pools, p)
		}
	}
	c.routes(s, known)
	if !known {
		c.rules(s)
	}
	if len(c.faults) == before {
		c.decide(s, known)
	}
	if len(c.faults) > before {
		return had
	}
	if c.forms == nil {
		c.forms = map[string]*form{}
	}
	c.forms[key] = s.form
	return s
}

// normalizer compiles how queries are made alike.
func (c *compiling) normalizer(s *site) {
	q := s.doc.Cache.Global.QueryNormalization
	if q == nil {
		return
	}
	o := expr.Normalize{Drop: q.DropParams, DropRegex: q.DropParamsRegex}
	switch {
	case q.SortParams && q.KeepDuplicateOrder:
		o.Sort = expr.ByName
	case q.SortParams:
		o.Sort = expr.ByValue
	}
	s.drops = len(q.DropParams) > 0 || q.DropParamsRegex != ""
	var err error
	s.normalizer, err = expr.NewNormalizer(o)
	c.bad("cache.global.queryNormalization.dropParamsRegex", err)
}

// appendArgs appends $normalized_args.
func (s *site) appendArgs(dst, query []byte, scratch *expr.Scratch) []byte {
	return s.normalizer.Append(dst, query, scratch)
}

// A routeKind is what answers.
type routeKind uint8

const (
	cacheProxy routeKind = iota
	proxy
	static
	redirect
	fixed
)

var routeKinds = map[string]routeKind{"": cacheProxy, "cache_proxy": cacheProxy, "proxy": proxy, "static": static, "redirect": redirect, "fixed": fixed}

// A route is a part of a site's URIs.
type route struct {
	doc     *config.Route
	id      string
	kind    routeKind
	pool    *pool // of those that fetch
	edits   *headerEdit
	cors    *cors
	coding  *coding.Policy // nil: answers are sent as they come
	gate    *gate          // nil: anybody may ask for anything
	pattern *expr.Pattern  // of a location that is one, for what it captures
	answer  answerer       // of those that do not fetch
}

// fetches reports whether the route's answers come from an upstream.
func (r *route) fetches() bool { return r.kind == cacheProxy || r.kind == proxy }

// routes compiles the routes, and where they are unless their form is known.
func (c *compiling) routes(s *site, known bool) {
	docs := s.doc.Routes
	if len(docs) == 0 {
		docs = []config.Route{{Location: "/"}}
	}
	s.routes = make([]route, 0, len(docs))
	for i := range docs {
		if r, ok := c.route(s, &docs[i], fmt.Sprintf("routes[%d]", i)); ok {
			s.routes = append(s.routes, r)
			s.gated = s.gated || r.gate != s.routes[0].gate
		}
	}
	if !known {
		c.locate(s, docs)
	}
	if len(s.routes) < len(docs) { // faults were told
		return
	}
	for i, p := range s.captures {
		s.routes[i].pattern = p
	}
}

// locate compiles where a form's routes are.
func (c *compiling) locate(s *site, docs []config.Route) {
	at := &locations{exact: map[string]int{}}
	s.kinds, s.captures = make([]routeKind, len(docs)), make([]*expr.Pattern, len(docs))
	seen := map[string]bool{}
	for i := range docs {
		path := fmt.Sprintf("routes[%d]", i)
		s.kinds[i] = routeKinds[docs[i].Kind]
		loc, err := config.ParseLocation(docs[i].Location)
		if c.bad(path+".location", err) {
			continue
		}
		as := loc.Text
		switch loc.Kind {
		case config.Exact:
			as = "= " + as
			at.exact[loc.Text] = i
		case config.First, config.Prefix:
			at.prefixes = append(at.prefixes, prefix{text: loc.Text, route: i, first: loc.Kind == config.First})
		default:
			p, err := c.parsePattern(loc.Text, loc.Kind == config.RegexpFold)
			if !c.bad(path+".location", err) {
				at.patterns = append(at.patterns, pattern{p, i})
				s.captures[i] = p
			}
			continue
		}
		if seen[as] {
			c.fault(path+".location", docs[i].Location, "a location that no other route has")
		}
		seen[as] = true
	}
	at.complete()
	s.at = c.locationsOf(at, docs)
	s.patterns = len(docs) > 1 || docs[0].Location != "/" || docs[0].Kind != "" && docs[0].Kind != "cache_proxy"
}

// route compiles a route.
func (c *compiling) route(s *site, d *config.Route, path string) (r route, ok bool) {
	kind, known := routeKinds[d.Kind]
	if !known {
		c.fault(path+".kind", d.Kind, "cache_proxy, proxy, static, redirect or fixed")
		return r, false
	}
	r = route{doc: d, id: d.ID, kind: kind}
	if r.id == "" {
		r.id = d.Location
	}
	var err error
	m := &c.plan.node.Monitoring
	if len(d.Headers) == 0 && len(s.routes) > 0 && len(s.routes[0].doc.Headers) == 0 {
		r.edits = s.routes[0].edits
	} else if r.edits, err = c.headersOf(changeable(s.doc.Headers, m), changeable(d.Headers, m)); c.bad(path+".headers", err) {
		return r, false
	}
	if r.cors, err = corsOf(s.doc.CORS, d.CORS); c.bad(path+".cors", err) {
		return r, false
	}
	r.coding = c.codingOf(s.doc.Compression, d.Compression)
	r.gate = c.gate(s, d, path)
	if !r.fetches() {
		r.answer, err = answererOf(kind, d)
		return r, !c.bad(path, err)
	}
	i := 0
	if d.Upstream != "" {
		i = slices.IndexFunc(s.pools, func(p *pool) bool { return p.name == d.Upstream })
	}
	if i < 0 || i >= len(s.pools) {
		c.fault(path+".upstream", d.Upstream, "the name of one of the site's upstreams")
		return r, false
	}
	r.pool = s.pools[i]
	return r, true
}

// A rule says how what is stored, for requests that it matches.
type rule struct {
	id        string
	metric    string // how timings name it
	doc       *config.CacheRule
	decline   []string // of a rule of the fleet
	narrow    bool     // it says which requests it is for
	routes    []string // ids; nil: all
	uri       *expr.Pattern
	target    *expr.Pattern
	ext       map[string]bool
	methods   map[string]bool
	condition *expr.Condition
	prefix    string // what the paths of a rule of the fleet begin with, where that can be told
}

// rules compiles the rules: the site's by priority, those of the fleet, known
// files, and one for what no rule matches.
func (c *compiling) rules(s *site) {
	docs := &s.doc.Cache
	for i := range docs.Rules {
		s.rules = append(s.rules, c.rule(&docs.Rules[i], fmt.Sprintf("cache.rules[%d]", i)))
	}
	slices.SortStableFunc(s.rules, func(a, b rule) int { return b.doc.Priority - a.doc.Priority })
	s.own = len(s.rules)
	for i := range docs.TierRules {
		s.rules = append(s.rules, c.tierRule(s, &docs.TierRules[i], fmt.Sprintf("cache.tierRules[%d]", i)))
	}
	slices.SortStableFunc(s.rules[s.own:], func(a, b rule) int { return b.doc.Priority - a.doc.Priority })
	s.fleet = len(s.rules)
	if g := &docs.Global; g.CacheKnownStaticFiles != nil && *g.CacheKnownStaticFiles {
		s.rules = append(s.rules, c.knownFiles(g))
	}
	s.rules = append(s.rules, rule{id: "", doc: restOf(&docs.Global)})
	for i := range s.rules {
		r := &s.rules[i]
		if r.condition != nil {
			s.depends |= r.condition.Depends()
		}
		if r.methods != nil {
			s.depends |= expr.OnMethod
		}
	}
	s.patterns = s.patterns || s.fleet > s.own || s.rules[0].narrow
}

// rule compiles which requests a rule of the site is for.
func (c *compiling) rule(d *config.CacheRule, path string) rule {
	m := &d.Match
	r := rule{id: d.ID, doc: d, routes: m.Routes, ext: c.extensionsOf(m.Extensions), methods: methodsOf(m.Methods)}
	var err error
	if m.URIPattern != "" {
		r.uri, err = c.parsePattern(m.URIPattern, false)
		c.bad(path+".match.uriPattern", err)
	}
	if m.TargetPattern != "" {
		r.target, err = c.parsePattern(m.TargetPattern, false)
		c.bad(path+".match.targetPattern", err)
	}
	if m.Condition != "" {
		r.condition, err = c.parseCondition(m.Condition)
		c.bad(path+".match.condition", err)
	}
	r.narrow = r.uri != nil || r.target != nil || r.ext != nil || r.methods != nil || r.routes != nil || r.condition != nil
	return r
}

// tierRule compiles a rule of the fleet.
func (c *compiling) tierRule(s *site, d *config.TierRule, path string) rule {
	on := true
	doc := &config.CacheRule{ID: d.ID, Priority: d.Priority, Cache: config.RuleCache{
		Enabled: &on, Zone: d.Zone, Key: d.CacheKey, LockEnabled: d.LockEnabled, Stale: d.Stale, RespectUpstreamCacheControl: "ignore",
		ValidResponses: map[string]config.TTL{"200": {For: d.TTL}, "301": {For: d.TTL}, "302": {For: d.TTL}}, // nginx's for a time alone
	}}
	rest := restOf(&s.doc.Cache.Global)
	if doc.Cache.Key == "" {
		doc.Cache.Key = rest.Cache.Key
	}
	if doc.Cache.Stale == nil {
		doc.Cache.Stale = rest.Cache.Stale
	}
	doc.Headers, doc.Cache.Guard = rest.Headers, rest.Cache.Guard
	r := rule{id: d.ID, doc: doc, narrow: true, decline: d.DeclineWhenUpstream, methods: methodsOf(d.Match.Methods)}
	p, err := c.parsePattern(d.Match.URIPattern, false)
	if !c.bad(path+".match.uriPattern", err) {
		r.uri, r.prefix = p, d.Match.Prefix(p)
	}
	return r
}

// knownFiles is the rule for files that are known by their extension.
func (c *compiling) knownFiles(g *config.CacheGlobal) rule {
	k := g.KnownStaticFiles
	if k == nil {
		k = &config.KnownStaticFiles{}
	}
	doc := restOf(g)
	doc.ID = "known-static-files"
	if k.Zone != "" {
		doc.Cache.Zone = k.Zone
	}
	ttl := config.TTL{For: config.Duration(3600e9)}
	if k.TTL != nil {
		ttl.For = *k.TTL
	}
	doc.Cache.ValidResponses = map[string]config.TTL{"200": ttl, "301": ttl, "302": ttl}
	return rule{id: doc.ID, doc: doc, narrow: true, ext: c.extensionsOf(k.Extensions)}
}

// restOf is the rule for what no other one is for.
func restOf(g *config.CacheGlobal) *config.CacheRule {
	return &config.CacheRule{Headers: config.RuleHeaders{PassThroughRequest: g.PassThroughRequest}, Cache: config.RuleCache{
		Zone: g.Zone, Key: g.Key, RespectUpstreamCacheControl: g.RespectUpstreamCacheControl,
		UpstreamCacheControlMaxAge: g.UpstreamCacheControlMaxAge, Stale: g.Stale, Guard: g.Guard,
	}}
}

// setOf is the set of a list, nil of an empty one.
func setOf(list []string, as func(string) string) map[string]bool {
	if len(list) == 0 {
		return nil
	}
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[as(s)] = true
	}
	return set
}

// methodsOf is the set of methods in a list; who names GET means HEAD, too.
func methodsOf(list []string) map[string]bool {
	set := setOf(list, func(s string) string { return s })
	if set["GET"] {
		set["HEAD"] = true
	}
	return set
}
