package config

import (
	"slices"
	"strings"

	"opencache/internal/expr"
)

// checkSiteCache finds what is wrong between the fields of a cache section.
func checkSiteCache(r *reader, s *Site, p *path) {
	c := &s.Cache
	if c.TierRules != nil {
		r.wrong(p.field("tierRules"), Fault{Found: "a list", Expected: "none: these are the tier policy's, from the node's documents"})
	}
	z := &zoneNames{own: names{}, policy: s.ZonesAutoManaged == nil || *s.ZonesAutoManaged}
	for i := range c.Zones {
		r.unique(z.own, c.Zones[i].Name, i, p.field("zones").item(i).field("name"))
		checkZone(r, &c.Zones[i], p.field("zones").item(i))
	}
	g, at := &c.Global, p.field("global")
	z.check(r, g.Zone, at.field("zone"))
	if g.KnownStaticFiles != nil {
		z.check(r, g.KnownStaticFiles.Zone, at.field("knownStaticFiles").field("zone"))
	}
	checkNormalization(r, g.QueryNormalization, at.field("queryNormalization"))
	checkStale(r, g.Stale, at.field("stale"))
	routes := names{}
	for i, t := range s.Routes {
		routes.twice(t.ID, i)
		routes.twice(t.Location, i)
	}
	if len(s.Routes) == 0 {
		routes.twice("/", 0)
	}
	ids := names{}
	for i := range c.Rules {
		rule, at := &c.Rules[i], p.field("rules").item(i)
		r.unique(ids, rule.ID, i, at.field("id"))
		for j, id := range rule.Match.Routes {
			r.refers(id, routes, "a route of the site", at.field("match").field("routes").item(j))
		}
		z.check(r, rule.Cache.Zone, at.field("cache").field("zone"))
		checkRule(r, rule, g, at)
		checkFields(r, rule, s, at)
	}
	checkNext(r, &c.ProxySettings, p.field("proxySettings"))
}

// zoneNames are the zones that a site's sections can name.
type zoneNames struct {
	own    names
	policy bool // the tier policy may add some
}

// check notes a zone that nobody can have. Whether the policy has it is known
// only when all documents are: see Set.
func (z *zoneNames) check(r *reader, name string, p *path) {
	if !z.policy {
		r.refers(name, z.own, "a zone of the site, which the tier policy adds none to", p)
	}
}

func checkZone(r *reader, z *CacheZone, p *path) {
	memory := z.Storage == "" || z.Storage == "memory"
	if memory && len(z.Volumes) > 0 {
		r.wrong(p.field("volumes"), Fault{Found: "a list", Expected: "none, since the zone is in memory: storage is disk or both for volumes"})
	}
	r.notEmpty(z.Volumes == nil || len(z.Volumes) > 0, p.field("volumes"), "at least one volume")
	if h := z.Hosts; h != nil && h.Share != nil && h.Limit != nil && *h.Share > *h.Limit {
		r.wrong(p.field("hosts").field("share"), Fault{Found: h.Share.String(), Expected: "at most the limit, " + h.Limit.String()})
	}
}

func checkNormalization(r *reader, q *QueryNormalization, p *path) {
	if q != nil && len(q.DropParams) > 1024 {
		r.wrong(p.field("dropParams"), Fault{Found: "more than 1024 names", Expected: "at most 1024; dropParamsRegex takes many alike"})
	}
}

// checkRule finds what is wrong within a rule, and what has no effect.
func checkRule(r *reader, rule *CacheRule, g *CacheGlobal, p *path) {
	c, at := &rule.Cache, p.field("cache")
	mode := c.RespectUpstreamCacheControl
	if mode == "" {
		mode = g.RespectUpstreamCacheControl
	}
	enabled := c.Enabled == nil || *c.Enabled
	if enabled && mode == "ignore" && len(c.ValidResponses) == 0 {
		r.warn(at, Fault{Found: "ignore without validResponses", Expected: "validResponses: nothing is stored"})
	}
	if c.UpstreamCacheControlMaxAge != nil && mode != "merge" {
		r.warn(at.field("upstreamCacheControlMaxAge"), Fault{Found: "a ceiling", Expected: "respectUpstreamCacheControl: merge; without it the ceiling has no effect"})
	}
	if d := c.UpstreamCacheControlDirectives; d != nil {
		for i, name := range d.Ignore {
			if slices.ContainsFunc(d.Respect, func(o string) bool { return strings.EqualFold(o, name) }) {
				r.wrong(at.field("upstreamCacheControlDirectives").field("ignore").item(i), Fault{Found: quoted(name) + ", which respect has as well", Expected: "a directive in one of them"})
			}
		}
	}
	checkStale(r, c.Stale, at.field("stale"))
	checkExpiration(r, rule.Expiration, p.field("expiration"))
}

func checkStale(r *reader, s *Stale, p *path) {
	if s == nil || s.Enabled != nil && !*s.Enabled {
		return
	}
	if len(s.Conditions) == 0 && s.WhileRevalidate == nil && s.WhileError == nil && s.MaxAge == nil && s.ErrorMaxAge == nil {
		r.warn(p, Fault{Found: "a section that says nothing", Expected: "conditions"})
	}
}

func checkExpiration(r *reader, e *Expiration, p *path) {
	if e == nil {
		return
	}
	says := e.BrowserTTL != nil || e.CDNTTL != nil || e.Immutable || len(e.AdditionalDirectives) > 0
	switch {
	case (e.Control == "" || e.Control == "passthrough") && says:
		r.warn(p, Fault{Found: "directives under passthrough", Expected: "control: override or additional; without it they have no effect"})
	case e.Control == "override" && !says:
		r.wrong(p, Fault{Found: "override with nothing to put in place", Expected: "browserTtl, cdnTtl, immutable or additionalDirectives"})
	}
	if e.SetExpiresHeader && e.BrowserTTL == nil {
		r.wrong(p.field("setExpiresHeader"), Fault{Found: "true", Expected: "a browserTtl, which Expires is made of"})
	}
}

func checkNext(r *reader, s *ProxySettings, p *path) {
	if slices.Contains(s.NextUpstreamConditions, "off") && len(s.NextUpstreamConditions) > 1 {
		r.wrong(p.field("nextUpstreamConditions"), Fault{Found: "off and others", Expected: "off alone, or others"})
	}
}

// always are fields that reach the upstream whatever passThroughRequest says,
// or that the cache itself answers for.
var always = []string{"host", "authorization", "range", "if-range", "if-match", "if-none-match", "if-modified-since",
	"if-unmodified-since", "cache-control", "pragma", "content-type", "content-length", "transfer-encoding", "expect", "te"}

// checkFields warns where key and passThroughRequest do not fit: a key that
// names a field that does not pass sees it empty; a field that passes may
// change the answer, and only a key or the origin's Vary keeps those apart.
func checkFields(r *reader, rule *CacheRule, s *Site, p *path) {
	if rule.Cache.Enabled != nil && !*rule.Cache.Enabled {
		return
	}
	g := &s.Cache.Global
	passes, passAt := rule.Headers.PassThroughRequest, p.field("headers").field("passThroughRequest")
	if passes == nil {
		passes, passAt = g.PassThroughRequest, nil
	}
	text, keyAt := rule.Cache.Key, p.field("cache").field("key")
	if text == "" {
		text = g.Key
	}
	inKey := []string{}
	if key, err := expr.ParseKey(text, expr.KeyOptions{}); err == nil && text != "" {
		for _, v := range key.Vars() {
			switch v.ID {
			case expr.HTTP_:
				inKey = append(inKey, v.Name)
			case expr.Cookie_:
				inKey = append(inKey, "cookie")
			}
		}
	}
	has := func(list []string, name string) bool {
		return slices.ContainsFunc(list, func(o string) bool { return o == "*" || strings.EqualFold(o, name) })
	}
	for _, name := range inKey {
		if !has(passes, name) && name != "host" {
			r.warn(keyAt, Fault{Found: "the field " + name + ", which is not passed", Expected: "it in headers.passThroughRequest; as it is, it is always empty in the key"})
		}
	}
	if passAt == nil {
		return // one warning of the site's list for each rule would be too many
	}
	varies := variesBy(s.Headers)
	for i, name := range passes {
		if name == "*" || has(inKey, name) || has(varies, name) || slices.Contains(always, strings.ToLower(name)) {
			continue
		}
		r.warn(passAt.item(i), Fault{Found: "the field " + name + ", which is not in the key", Expected: "it in cache.key, unless the origin names it in Vary"})
	}
}

// variesBy are the fields that a Vary of the document names.
func variesBy(headers []Header) (names []string) {
	for _, h := range headers {
		if strings.EqualFold(h.Name, "vary") && h.Action != "remove" {
			for name := range strings.SplitSeq(h.Value, ",") {
				names = append(names, strings.TrimSpace(name))
			}
		}
	}
	return names
}
