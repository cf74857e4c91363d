package config

import (
	"reflect"
	"slices"
	"strings"

	"opencache/internal/expr"
)

// defaultZone is the zone of a site that has none, after the tier policy.
const defaultZone = "default"

// filledSite returns a copy of a site, the tier policy applied, in which all is
// said: by its own wider sections, by the node, by the defaults of fields.
func filledSite(own *Site, n *Node) *Site {
	s := clone(own)
	for i, host := range s.Hostnames {
		s.Hostnames[i] = strings.ToLower(host)
	}
	if len(s.Routes) == 0 {
		s.Routes = []Route{{Location: "/"}}
	}
	for i := range s.Routes {
		inheritRoute(&s.Routes[i], s)
	}
	for i := range s.RateLimits {
		if l := &s.RateLimits[i]; l.Burst == nil {
			n, _, _ := ParseRate(l.Rate)
			l.Burst = &n
		}
	}
	inheritGlobal(&s.Cache)
	for i := range s.Cache.Rules {
		inheritRule(&s.Cache.Rules[i], &s.Cache)
	}
	for i := range s.Cache.TierRules {
		inheritTierRule(&s.Cache.TierRules[i], &s.Cache)
	}
	p, retries := &s.Cache.ProxySettings, &n.Retries.ProxySettings
	if p.NextUpstreamConditions == nil {
		p.NextUpstreamConditions = retries.NextUpstreamConditions
	}
	inherit(&p.NextUpstreamTries, retries.NextUpstreamTries)
	inherit(&p.NextUpstreamTimeout, retries.NextUpstreamTimeout)
	inherit(&p.ResumeTries, retries.ResumeTries)
	fill(reflect.ValueOf(s).Elem())
	return s
}

// inherit sets what is not said.
func inherit[T comparable](to *T, from T) {
	var none T
	if *to == none {
		*to = from
	}
}

func inheritRoute(t *Route, s *Site) {
	inherit(&t.ID, t.Location)
	inherit(&t.Kind, "cache_proxy")
	if len(s.Upstreams) > 0 && (t.Kind == "cache_proxy" || t.Kind == "proxy") {
		inherit(&t.Upstream, s.Upstreams[0].Name)
	}
	t.Access = t.Access.Over(s.Access)
}

// inheritGlobal completes what rules inherit from.
func inheritGlobal(c *SiteCache) {
	g := &c.Global
	if len(c.Zones) == 0 {
		c.Zones = []CacheZone{{Name: defaultZone}}
	}
	if g.QueryNormalization != nil && g.QueryNormalization.Enabled {
		inherit(&g.Key, expr.NormalizedKey)
	}
	g.Zone = c.zone(g.Zone, c.Zones[0].Name)
	fill(reflect.ValueOf(g).Elem())
	if g.KnownStaticFiles == nil && *g.CacheKnownStaticFiles {
		g.KnownStaticFiles = new(KnownStaticFiles)
	}
	if g.KnownStaticFiles != nil {
		g.KnownStaticFiles.Zone = c.zone(g.KnownStaticFiles.Zone, g.Zone)
	}
}

// zone returns the name, or the other one when no zone is called so.
func (c *SiteCache) zone(name, fallback string) string {
	if slices.ContainsFunc(c.Zones, func(z CacheZone) bool { return z.Name == name }) {
		return name
	}
	return fallback
}

func inheritRule(r *CacheRule, c *SiteCache) {
	g := &c.Global
	if r.Headers.PassThroughRequest == nil {
		r.Headers.PassThroughRequest = g.PassThroughRequest
	}
	r.Cache.Zone = c.zone(r.Cache.Zone, g.Zone)
	inherit(&r.Cache.Key, g.Key)
	inherit(&r.Cache.RespectUpstreamCacheControl, g.RespectUpstreamCacheControl)
	inherit(&r.Cache.UpstreamCacheControlMaxAge, g.UpstreamCacheControlMaxAge)
	inherit(&r.Cache.Stale, g.Stale)
	inherit(&r.Cache.Guard, g.Guard)
}

func inheritTierRule(r *TierRule, c *SiteCache) {
	r.Zone = c.zone(r.Zone, c.Global.Zone)
	inherit(&r.CacheKey, c.Global.Key)
	inherit(&r.Stale, c.Global.Stale)
}

// fillNode completes a node.
func fillNode(n *Node) {
	if n.Network.Listeners == nil {
		n.Network.Listeners = []Listener{{Address: "127.0.0.1:8080"}}
	}
	fill(reflect.ValueOf(n).Elem())
}

// fill sets the fields of a struct that say nothing to their defaults, and
// those of what it holds. Defaults are shared, never written through.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if isScalar(v.Type().Elem()) {
				return
			}
			fill(v.Index(i))
		}
	case reflect.Struct:
		s := shapes[v.Type()]
		if s == nil {
			return
		}
		for i := range s.fields {
			f := &s.fields[i]
			to := v.FieldByIndex(f.index)
			if f.fallback.IsValid() && to.IsZero() {
				to.Set(f.fallback)
			}
			if !f.flat {
				fill(to)
			}
		}
	}
}

// clone copies a document so that what the copy's structs, lists and maps hold
// can be set; what scalars are pointed at is shared.
func clone[T any](from *T) *T {
	to := new(T)
	*to = *from
	detach(reflect.ValueOf(to).Elem())
	return to
}

func detach(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && v.Type().Elem().Kind() == reflect.Struct {
			to := reflect.New(v.Type().Elem())
			to.Elem().Set(v.Elem())
			v.Set(to)
			detach(to.Elem())
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(to, v)
		v.Set(to)
		if !isScalar(v.Type().Elem()) {
			for i := range to.Len() {
				detach(to.Index(i))
			}
		}
	case reflect.Struct:
		if s := shapes[v.Type()]; s != nil {
			for i := range s.fields {
				detach(v.FieldByIndex(s.fields[i].index))
			}
		}
	}
}
