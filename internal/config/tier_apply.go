package config

import "slices"

// Apply returns the site with what the policy adds to it: s itself when that
// is nothing. It changes neither; what they hold is shared with the result. A
// nil policy adds nothing.
func (p *CacheTierPolicy) Apply(s *Site) *Site {
	if p == nil || optedOut(s) {
		return s
	}
	t := *s
	c := &t.Cache
	c.Zones = slices.Clip(c.Zones)
	for _, z := range p.Zones {
		if !hasZone(s.Cache.Zones, z.Name) {
			c.Zones = append(c.Zones, z)
		}
	}
	c.TierRules = append(slices.Clip(c.TierRules), p.Rules...)
	if known := p.KnownStaticFilesDefaults; known != nil && c.Global.KnownStaticFiles == nil {
		c.Global.KnownStaticFiles = known
		if c.Global.CacheKnownStaticFiles == nil {
			c.Global.CacheKnownStaticFiles = new(true)
		}
	}
	c.Global.QueryNormalization = p.normalization(s.Cache.Global.QueryNormalization)
	return &t
}

// normalization is a site's, completed from the policy's.
func (p *CacheTierPolicy) normalization(own *QueryNormalization) *QueryNormalization {
	fleet := p.QueryNormalization
	switch {
	case own == nil:
		return fleet
	case fleet == nil || own.DropParams != nil && own.DropParamsRegex != "":
		return own
	}
	q := *own
	if q.DropParams == nil {
		q.DropParams = fleet.DropParams
	}
	inherit(&q.DropParamsRegex, fleet.DropParamsRegex)
	return &q
}

// optedOut reports whether a site wants nothing of the policy.
func optedOut(s *Site) bool { return s.ZonesAutoManaged != nil && !*s.ZonesAutoManaged }

func hasZone(zones []CacheZone, name string) bool {
	return slices.ContainsFunc(zones, func(z CacheZone) bool { return z.Name == name })
}
