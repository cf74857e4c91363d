package config

// A SiteCache is how a site's responses are stored and used.
type SiteCache struct {
	// Global is what holds for all rules that do not say otherwise.
	Global CacheGlobal `json:"global,omitzero"`
	// Zones are where responses may be stored. The site's rules name them,
	// and the fleet's tier policy may add some.
	Zones []CacheZone `json:"zones,omitempty"`
	// Rules say how what is stored. The one with the highest priority that
	// matches holds, of several the first.
	Rules []CacheRule `json:"rules,omitempty"`
	// TierRules are the tier policy's, once it was applied; a document holds none.
	TierRules []TierRule `json:"tierRules,omitempty"`
	// ProxySettings is how failing upstreams are gone around.
	ProxySettings ProxySettings `json:"proxySettings,omitzero"`
}

// A CacheGlobal is what holds for a whole site.
type CacheGlobal struct {
	QueryNormalization QueryNormalization `json:"queryNormalization,omitzero"`
	// RespectUpstreamCacheControl is respect (default), ignore or merge.
	RespectUpstreamCacheControl string `json:"respectUpstreamCacheControl,omitempty"`
	// UpstreamCacheControlMaxAge is a ceiling for merge.
	UpstreamCacheControlMaxAge *Duration `json:"upstreamCacheControlMaxAge,omitempty"`
	// CacheKnownStaticFiles stores what has an extension of KnownStaticFiles,
	// where no rule matches.
	CacheKnownStaticFiles *bool             `json:"cacheKnownStaticFiles,omitempty"`
	KnownStaticFiles      *KnownStaticFiles `json:"knownStaticFiles,omitempty"`
	// Zone is where rules store that name none; default the site's first.
	Zone string `json:"zone,omitempty"`
	// Key is the default key: an expression.
	// Default $scheme$request_method$host$request_uri.
	Key string `json:"key,omitempty"`
	// PassThroughRequest is the default for rules: see RuleHeaders.
	PassThroughRequest []string `json:"passThroughRequest,omitempty"`
	// Stale is the default for rules.
	Stale *Stale `json:"stale,omitempty"`
	// Heuristics gives freshness to responses that carry none but a
	// Last-Modified (RFC 9111, 4.2.2): a tenth of their age, at most a day.
	Heuristics bool `json:"heuristics,omitempty"`
	// Semantics are choices that the RFCs leave to a cache.
	Semantics Semantics `json:"semantics,omitzero"`
}

// Semantics are choices that the RFCs leave to a cache.
type Semantics struct {
	// TargetedFields decide in place of Cache-Control (RFC 9213), the most
	// applicable first. Default CDN-Cache-Control; [] for none.
	TargetedFields []string `json:"targetedFields,omitempty"`
	// TagFields tag what is stored, for purges by tag. Default Surrogate-Key,
	// Cache-Tag, Edge-Cache-Tag, xkey; [] for none but Cache-Groups.
	TagFields []string `json:"tagFields,omitempty"`
	// PassTags leaves them in answers.
	PassTags bool `json:"passTags,omitempty"`
	// EarlyHints sends 103 with a stored response's links while it is validated.
	EarlyHints bool `json:"earlyHints,omitempty"`
	// PassHead sends a HEAD as it came; otherwise as a GET.
	PassHead bool `json:"passHead,omitempty"`
	// PassRange sends a request for one range as it is, and keeps the part.
	PassRange bool `json:"passRange,omitempty"`
	// ColdRange is segments (default) or whole: what a range of what is not
	// stored fetches.
	ColdRange string `json:"coldRange,omitempty"`
	// ReadAhead is how far a large object is fetched ahead of its reader. Default 8M.
	ReadAhead *Size `json:"readAhead,omitempty"`
	// NoStoreSetCookie stores no response with Set-Cookie.
	NoStoreSetCookie bool `json:"noStoreSetCookie,omitempty"`
	// IgnoreNoVarySearch has responses answer for their own URL alone.
	IgnoreNoVarySearch bool `json:"ignoreNoVarySearch,omitempty"`
	// MaxVariants bounds what Vary keeps apart of one URL, 1 to 4096. Default 64.
	MaxVariants *int `json:"maxVariants,omitempty"`
	// MaxQuery is the longest content of a QUERY that is cached. Default 64K; 0: none is.
	MaxQuery *Size `json:"maxQuery,omitempty"`
}

// QueryNormalization makes queries that mean the same alike: drop, drop by
// pattern, sort; in this order.
type QueryNormalization struct {
	Enabled bool `json:"enabled,omitempty"`
	// DropParams are names, whatever their case.
	DropParams []string `json:"dropParams,omitempty"`
	// DropParamsRegex is compared with each name that is left.
	DropParamsRegex string `json:"dropParamsRegex,omitempty"`
	// SortParams sorts by name, then by value; duplicates stay.
	SortParams bool `json:"sortParams,omitempty"`
}

// KnownStaticFiles are files that are stored by their extension.
type KnownStaticFiles struct {
	// Extensions are without a dot. Default css js mjs map png jpg jpeg gif
	// webp avif svg ico woff woff2 ttf otf eot.
	Extensions []string `json:"extensions,omitempty"`
	Zone       string   `json:"zone,omitempty"`
	// TTL is default 1h.
	TTL *Duration `json:"ttl,omitempty"`
}

// A CacheZone is a place for stored responses with a size of its own.
type CacheZone struct {
	Name string `json:"name"`
	// Storage is memory (default), disk or both: memory over disk.
	Storage string `json:"storage,omitempty"`
	// MaxSize is what the zone may hold, for each site unless it is shared.
	MaxSize *Size `json:"maxSize,omitempty"`
	// Inactive drops what was not asked for so long; default never.
	Inactive *Duration `json:"inactive,omitempty"`
	// Shared says that all sites that name the zone have it together; keys then
	// begin with the site's id and a colon.
	Shared bool `json:"shared,omitempty"`
	// Volumes are the node's volumes that it lies on; keys are spread over
	// several. Default all of them.
	Volumes []string `json:"volumes,omitempty"`
}

// A CacheRule says how responses to some requests are stored and used.
type CacheRule struct {
	ID string `json:"id"`
	// Priority decides between rules that match: the highest. Default 0.
	Priority int `json:"priority,omitempty"`
	// Match is which requests; empty: all.
	Match RuleMatch `json:"match,omitzero"`
	// Headers is what of the request's fields the upstream sees.
	Headers RuleHeaders `json:"headers,omitzero"`
	// Expiration is what clients and caches behind this one are told.
	Expiration *Expiration `json:"expiration,omitempty"`
	Cache      RuleCache   `json:"cache,omitzero"`
}

// A RuleMatch is which requests a rule is for: all that it says must hold.
type RuleMatch struct {
	// URIPattern is a regular expression of $uri.
	URIPattern string `json:"uriPattern,omitempty"`
	// Extensions are those of the path, without a dot, whatever the case.
	Extensions []string `json:"extensions,omitempty"`
	// Methods are which methods; none: all.
	Methods []string `json:"methods,omitempty"`
	// Routes are ids of routes; none: all.
	Routes []string `json:"routes,omitempty"`
	// Condition is an expression that must be true.
	Condition string `json:"condition,omitempty"`
}

// RuleHeaders are a rule's request fields.
type RuleHeaders struct {
	// PassThroughRequest are the client's fields that reach the upstream: names,
	// or * for all end-to-end fields. Default none but those that HTTP needs.
	PassThroughRequest []string `json:"passThroughRequest,omitempty"`
}

// An Expiration is a rule's Cache-Control and Expires towards clients.
type Expiration struct {
	// Control is passthrough (default: the upstream's stays), override or additional.
	Control string `json:"control,omitempty"`
	// BrowserTTL becomes max-age, CDNTTL s-maxage. Neither changes how long
	// this edge keeps a response.
	BrowserTTL *Duration `json:"browserTtl,omitempty"`
	CDNTTL     *Duration `json:"cdnTtl,omitempty"`
	Immutable  bool      `json:"immutable,omitempty"`
	// AdditionalDirectives are appended as they stand.
	AdditionalDirectives []string `json:"additionalDirectives,omitempty"`
	// SetExpiresHeader sends Expires, BrowserTTL from now.
	SetExpiresHeader bool `json:"setExpiresHeader,omitempty"`
}

// A RuleCache is how a rule stores and uses responses.
type RuleCache struct {
	// Enabled false hands requests through. Default true.
	Enabled *bool `json:"enabled,omitempty"`
	// Zone is where; default the site's.
	Zone string `json:"zone,omitempty"`
	// Key replaces the default key: an expression.
	Key string `json:"key,omitempty"`
	// Bypass is an expression: when true the stored response is not used, but
	// what comes may be stored.
	Bypass string `json:"bypass,omitempty"`
	// NoStoreConditions are expressions: when one is true what comes is not stored.
	NoStoreConditions []string `json:"noStoreConditions,omitempty"`
	// ValidResponses is how long which statuses are fresh: "200", "2xx", "any"
	// to a duration or off; the most specific counts.
	ValidResponses map[string]TTL `json:"validResponses,omitempty"`
	// MinUses is how often a key is asked for before it is stored, 1 to 15. Default 1.
	MinUses *int `json:"minUses,omitempty"`
	// LockEnabled has one request fetch for all. Default true.
	LockEnabled *bool `json:"lockEnabled,omitempty"`
	// LockTimeout is how long a request waits for another's fetch. Default 15s.
	LockTimeout *Duration `json:"lockTimeout,omitempty"`
	// LockAge is how long a fetch may stall before another takes over. Default 5s.
	LockAge *Duration `json:"lockAge,omitempty"`
	// BackgroundUpdate answers with what is stale at once and refreshes behind.
	BackgroundUpdate bool `json:"backgroundUpdate,omitempty"`
	// RespectUpstreamCacheControl is respect, ignore or merge; default the site's.
	RespectUpstreamCacheControl    string                          `json:"respectUpstreamCacheControl,omitempty"`
	UpstreamCacheControlDirectives *UpstreamCacheControlDirectives `json:"upstreamCacheControlDirectives,omitempty"`
	UpstreamCacheControlMaxAge     *Duration                       `json:"upstreamCacheControlMaxAge,omitempty"`
	Stale                          *Stale                          `json:"stale,omitempty"`
}

// UpstreamCacheControlDirectives are which directives of the upstream count.
type UpstreamCacheControlDirectives struct {
	// Respect are the only ones that count; none: all.
	Respect []string `json:"respect,omitempty"`
	// Ignore do not count.
	Ignore []string `json:"ignore,omitempty"`
}

// Stale is when what is no longer fresh may answer.
type Stale struct {
	Enabled *bool `json:"enabled,omitempty"`
	// Conditions are error, timeout, invalid_header, updating, http_500,
	// http_502, http_503, http_504, http_403, http_404, http_429.
	Conditions []string `json:"conditions,omitempty"`
	// WhileRevalidate and WhileError are told in Cache-Control as
	// stale-while-revalidate and stale-if-error.
	WhileRevalidate *Duration `json:"whileRevalidate,omitempty"`
	WhileError      *Duration `json:"whileError,omitempty"`
	// MaxAge is how long past its freshness anything is served. Default none.
	MaxAge *Duration `json:"maxAge,omitempty"`
}

// ProxySettings are how failing upstreams are gone around.
type ProxySettings struct {
	// NextUpstreamConditions are when the next server is asked: error, timeout,
	// invalid_header, http_500, http_502, http_503, http_504, http_403,
	// http_404, http_429, non_idempotent, off. Default error timeout.
	NextUpstreamConditions []string `json:"nextUpstreamConditions,omitempty"`
	// NextUpstreamTries counts the first attempt. Default 0: any number.
	NextUpstreamTries *int `json:"nextUpstreamTries,omitempty"`
	// NextUpstreamTimeout bounds all attempts together. Default none.
	NextUpstreamTimeout *Duration `json:"nextUpstreamTimeout,omitempty"`
}
