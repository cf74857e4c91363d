package config

import "opencache/internal/expr"

// A CacheTierPolicy is what a fleet's operator adds to every site.
type CacheTierPolicy struct {
	// Zones are added to each site that has none of that name.
	Zones []CacheZone `json:"zones,omitzero"`
	// Rules are added to each site, behind its own routes.
	Rules []TierRule `json:"rules,omitzero"`
	// KnownStaticFilesDefaults is for sites that say nothing of KnownStaticFiles,
	// and switches those on unless the site has switched them off.
	KnownStaticFilesDefaults *KnownStaticFiles `json:"knownStaticFilesDefaults,omitzero"`
	// QueryNormalization is for sites that say nothing of it. Of one that a
	// site has, what the site leaves out of the lists is taken from here: a
	// site's own list wins.
	QueryNormalization *QueryNormalization `json:"queryNormalization,omitzero"`
}

// A TierRule is a fleet's rule.
type TierRule struct {
	// ID names the rule in logs and in the report; no two of the policy are alike.
	ID string `json:"id" is:"label"`
	// Priority decides between tier rules that match: the highest. Default 0.
	Priority int `json:"priority,omitzero" is:"-1000000..1000000"`
	// Match is which requests.
	Match TierMatch `json:"match"`
	// Zone is where responses are stored.
	Zone string `json:"zone" is:"name"`
	// TTL is how long responses are fresh.
	TTL Duration `json:"ttl" is:"positive"`
	// CacheKey replaces the default key: an expression.
	CacheKey string `json:"cacheKey,omitzero" is:"key"`
	// DeclineWhenUpstream are directives of the upstream's that end the rule's
	// say: no-store, private, no-cache.
	DeclineWhenUpstream []string `json:"declineWhenUpstream,omitzero" is:"one of no-store private no-cache"`
	// LockEnabled has one request fetch for all. Default true.
	LockEnabled *bool `json:"lockEnabled,omitzero"`
	// Stale is when what is no longer fresh may answer; default the site's.
	Stale *Stale `json:"stale,omitzero"`
}

// A TierMatch is which requests a TierRule is for.
type TierMatch struct {
	// URIPattern is a regular expression of $uri. With a literal prefix, as in
	// ^/static/, it goes before regular expressions of the site's routes, like
	// a location of ^~.
	URIPattern string `json:"uriPattern" is:"regexp"`
	// Methods are which methods; none: all.
	Methods []string `json:"methods,omitzero" is:"method"`
}

// Prefix returns what all paths begin with that m's pattern, which is p, can
// match. A slash alone carves nothing out of a site: that is no prefix.
func (m *TierMatch) Prefix(p *expr.Pattern) string {
	if prefix := p.LiteralPrefix(); prefix != "/" {
		return prefix
	}
	return ""
}
