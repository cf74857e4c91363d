package configtest

import (
	"fmt"

	"opencache/internal/config"
)

func (m *Maker) cache(s *config.Site) {
	c := &s.Cache
	zones := append([]string{"main"}, some(m, "static", "common")...)
	for _, name := range zones {
		z := config.CacheZone{Name: name, Shared: name == "common", Inactive: maybe(m, m.length), MaxSize: maybe(m, func() config.Size { return one[config.Size](m, 1<<20, 64<<20) })}
		if len(m.Volumes) > 0 && m.yes() {
			z.Storage, z.Volumes = one(m, "disk", "both"), some(m, m.Volumes...)
		}
		c.Zones = append(c.Zones, z)
	}
	g := &c.Global
	g.QueryNormalization = maybe(m, m.normalization)
	g.RespectUpstreamCacheControl = one(m, "", "", "respect", "ignore", "merge")
	g.UpstreamCacheControlMaxAge = maybe(m, m.duration)
	g.CacheKnownStaticFiles = maybe(m, m.yes)
	g.Guard = maybe(m, m.yes)
	g.KnownStaticFiles = maybe(m, func() config.KnownStaticFiles { return m.knownStaticFiles(one(m, zones...)) })
	if m.seldom() {
		g.Zone = one(m, zones...)
	}
	if m.seldom() {
		g.Key = one(m, keys...)
	}
	g.PassThroughRequest = m.passed()
	g.Unkeyed = maybe(m, func() config.Unkeyed {
		return config.Unkeyed{Fields: append(some(m, "Accept-Language", "User-Agent"), "X-Preview"), Report: m.seldom()}
	})
	g.Stale, g.Heuristics, g.Semantics = maybe(m, m.stale), m.seldom(), m.semantics()
	c.ProxySettings = m.proxySettings()
	var routes []string
	for _, t := range s.Routes {
		if t.ID != "" {
			routes = append(routes, t.ID)
		}
	}
	for i := range m.r.IntN(5) {
		c.Rules = append(c.Rules, m.rule(fmt.Sprintf("rule-%d", i), zones, routes))
	}
}

func (m *Maker) semantics() config.Semantics {
	return config.Semantics{
		TargetedFields: some(m, "CDN-Cache-Control"), TagFields: some(m, "Surrogate-Key", "X-Tags"), PassTags: m.seldom(), EarlyHints: m.seldom(),
		PassHead: m.seldom(), PassRange: m.seldom(), ColdRange: one(m, "", "segments", "whole"), ReadAhead: maybe(m, func() config.Size { return 4 << 20 }), NoStoreSetCookie: m.seldom(),
		IgnoreNoVarySearch: m.seldom(), StoreForValidation: m.seldom(), MaxVariants: maybe(m, m.number(64)), MaxQuery: maybe(m, func() config.Size { return one[config.Size](m, 0, 1<<10) }),
	}
}

func (m *Maker) normalization() config.QueryNormalization {
	q := config.QueryNormalization{Enabled: m.yes(), DropParams: some(m, "utm_source", "UTM_MEDIUM", "v"), SortParams: m.yes()}
	q.KeepDuplicateOrder = q.SortParams && m.seldom()
	if m.seldom() {
		q.DropParamsRegex = one(m, "^utm_", "^(a|b)$", "^x")
	}
	return q
}

func (m *Maker) knownStaticFiles(zone string) config.KnownStaticFiles {
	k := config.KnownStaticFiles{Extensions: some(m, extensions...), TTL: maybe(m, m.length)}
	if m.yes() {
		k.Zone = zone
	}
	return k
}

func (m *Maker) passed() []string {
	if m.seldom() {
		return []string{"*"}
	}
	return some(m, "Cookie", "Accept-Language", "X-Preview", "User-Agent")
}

func (m *Maker) stale() config.Stale {
	return config.Stale{
		Enabled: maybe(m, m.yes), Conditions: some(m, "error", "timeout", "invalid_header", "updating", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429"),
		WhileRevalidate: maybe(m, m.duration), WhileError: maybe(m, m.duration), MaxAge: maybe(m, m.duration), ErrorMaxAge: maybe(m, m.duration),
	}
}

func (m *Maker) proxySettings() config.ProxySettings {
	return config.ProxySettings{
		NextUpstreamConditions: some(m, "error", "timeout", "invalid_header", "http_500", "http_503", "http_404", "non_idempotent"),
		NextUpstreamTries:      maybe(m, m.number(3)), NextUpstreamTimeout: maybe(m, m.length), ResumeTries: maybe(m, m.number(4)),
	}
}

func (m *Maker) rule(id string, zones, routes []string) config.CacheRule {
	r := config.CacheRule{ID: id, Priority: m.r.IntN(3), Expiration: maybe(m, m.expiration)}
	r.Headers.PassThroughRequest = m.passed()
	if m.seldom() {
		r.Match.URIPattern = one(m, patterns...)
	}
	if m.seldom() {
		r.Match.TargetPattern = one(m, `\?`, "^/a", "[?&]v=1")
	}
	if m.seldom() {
		r.Match.Extensions = some(m, extensions...)
	}
	if m.seldom() {
		r.Match.Methods = some(m, "GET", "HEAD", "POST")
	}
	if m.seldom() {
		r.Match.Routes = some(m, routes...)
	}
	if m.seldom() {
		r.Match.Condition = one(m, conditions...)
	}
	r.Cache = m.ruleCache(zones)
	return r
}

func (m *Maker) ruleCache(zones []string) config.RuleCache {
	c := config.RuleCache{
		MinUses: maybe(m, m.number(3)), LockEnabled: maybe(m, m.yes), LockTimeout: maybe(m, m.duration), LockAge: maybe(m, m.duration), BackgroundUpdate: m.seldom(), StoreSetCookie: m.seldom(),
		RespectUpstreamCacheControl: one(m, "", "", "respect", "ignore", "merge"), UpstreamCacheControlMaxAge: maybe(m, m.duration), Stale: maybe(m, m.stale),
		NoStoreConditions: some(m, conditions[:3]...), Guard: maybe(m, m.yes),
	}
	if m.seldom() {
		c.Enabled = maybe(m, m.yes)
	}
	if m.yes() {
		c.Zone = one(m, zones...)
	}
	if m.seldom() {
		c.Key = one(m, keys...)
	}
	if m.seldom() {
		c.Bypass = one(m, conditions...)
	}
	if m.yes() {
		c.ValidResponses = map[string]config.TTL{}
		for _, status := range some(m, statuses...) {
			c.ValidResponses[status] = config.TTL{For: m.duration()}
			if m.seldom() {
				c.ValidResponses[status] = config.TTL{Off: true}
			}
		}
	}
	if m.seldom() {
		c.UpstreamCacheControlDirectives = &config.UpstreamCacheControlDirectives{Ignore: some(m, "max-age", "no-cache", "private", "expires")}
		if m.yes() {
			c.UpstreamCacheControlDirectives = &config.UpstreamCacheControlDirectives{Respect: some(m, "s-maxage", "no-store", "private")}
		}
	}
	return c
}

func (m *Maker) expiration() config.Expiration {
	e := config.Expiration{
		Control: one(m, "", "passthrough", "override", "additional"), BrowserTTL: maybe(m, m.duration), CDNTTL: maybe(m, m.duration), Immutable: m.seldom(),
		AdditionalDirectives: some(m, "must-revalidate", "stale-if-error=60"),
	}
	e.SetExpiresHeader = e.BrowserTTL != nil && m.yes()
	if e.Control == "override" && e.BrowserTTL == nil && e.CDNTTL == nil && !e.Immutable && len(e.AdditionalDirectives) == 0 {
		e.Immutable = true // it needs something to put in place
	}
	return e
}
