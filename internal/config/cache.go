package config

// A SiteCache is how a site's responses are stored and used.
type SiteCache struct {
	// Global is what holds for all rules that do not say otherwise.
	Global CacheGlobal `json:"global,omitzero"`
	// Zones are where responses may be stored. The site's rules name them,
	// and the fleet's tier policy may add some.
	Zones []CacheZone `json:"zones,omitzero"`
	// Rules say how what is stored. The one with the highest priority that
	// matches holds, of several the first.
	Rules []CacheRule `json:"rules,omitzero"`
	// TierRules are the tier policy's, once it was applied; a document holds none.
	TierRules []TierRule `json:"tierRules,omitzero"`
	// ProxySettings is how failing upstreams are gone around.
	ProxySettings ProxySettings `json:"proxySettings,omitzero"`
}

// A CacheGlobal is what holds for a whole site.
type CacheGlobal struct {
	// QueryNormalization makes queries that mean the same alike.
	QueryNormalization *QueryNormalization `json:"queryNormalization,omitzero" default:"{}"`
	// RespectUpstreamCacheControl is respect (default), ignore or merge.
	RespectUpstreamCacheControl string `json:"respectUpstreamCacheControl,omitzero" is:"one of respect ignore merge" default:"respect"`
	// UpstreamCacheControlMaxAge is a ceiling for merge.
	UpstreamCacheControlMaxAge *Duration `json:"upstreamCacheControlMaxAge,omitzero"`
	// CacheKnownStaticFiles stores what has an extension of KnownStaticFiles,
	// where no rule matches.
	CacheKnownStaticFiles *bool `json:"cacheKnownStaticFiles,omitzero" default:"false"`
	// KnownStaticFiles are which files those are, and for how long.
	KnownStaticFiles *KnownStaticFiles `json:"knownStaticFiles,omitzero"`
	// Zone is where rules store that name none; default the site's first.
	Zone string `json:"zone,omitzero" is:"name"`
	// Key is the default key: an expression.
	// Default $scheme$request_method$host$request_uri.
	Key string `json:"key,omitzero" is:"key" default:"$scheme$request_method$host$request_uri"`
	// PassThroughRequest is the default for rules: see RuleHeaders.
	PassThroughRequest []string `json:"passThroughRequest,omitzero" is:"field or *"`
	// Unkeyed are the client's fields that must not choose what others get.
	Unkeyed *Unkeyed `json:"unkeyed,omitzero"`
	// Stale is the default for rules.
	Stale *Stale `json:"stale,omitzero"`
	// Guard is the default for rules: see RuleCache. Default true.
	Guard *bool `json:"guard,omitzero" default:"true"`
	// Heuristics gives freshness to responses that carry none but a
	// Last-Modified (RFC 9111, 4.2.2): a tenth of their age, at most a day.
	Heuristics bool `json:"heuristics,omitzero"`
	// Semantics are choices that the RFCs leave to a cache.
	Semantics Semantics `json:"semantics,omitzero"`
}

// Unkeyed are fields that reach the upstream only where the key has them, or
// the upstream's Vary has named them: what they choose is then stored apart.
type Unkeyed struct {
	// Fields are their names.
	Fields []string `json:"fields" is:"field"`
	// Report lets them pass, and tells and counts what would be kept back.
	Report bool `json:"report,omitzero"`
}

// Semantics are choices that the RFCs leave to a cache.
type Semantics struct {
	// TargetedFields decide in place of Cache-Control (RFC 9213), the most
	// applicable first. Default CDN-Cache-Control; [] for none.
	TargetedFields []string `json:"targetedFields,omitzero" is:"field" default:"CDN-Cache-Control"`
	// TagFields tag what is stored, for purges by tag. Default Surrogate-Key,
	// Cache-Tag, Edge-Cache-Tag, xkey; [] for none but Cache-Groups.
	TagFields []string `json:"tagFields,omitzero" is:"field" default:"Surrogate-Key Cache-Tag Edge-Cache-Tag xkey"`
	// PassTags leaves them in answers.
	PassTags bool `json:"passTags,omitzero"`
	// EarlyHints sends 103 with a stored response's links while it is validated.
	EarlyHints bool `json:"earlyHints,omitzero"`
	// PassHead sends a HEAD as it came; otherwise as a GET.
	PassHead bool `json:"passHead,omitzero"`
	// PassRange sends a request for one range as it is, and keeps the part.
	PassRange bool `json:"passRange,omitzero"`
	// ColdRange is segments (default) or whole: what a range of what is not
	// stored fetches.
	ColdRange string `json:"coldRange,omitzero" is:"one of segments whole" default:"segments"`
	// ReadAhead is how far a large object is fetched ahead of its reader. Default 8M.
	ReadAhead *Size `json:"readAhead,omitzero" default:"8M"`
	// StoreForValidation stores what nothing gives freshness to and can be
	// validated. Without it such responses are stored only with heuristics.
	StoreForValidation bool `json:"storeForValidation,omitzero"`
	// NoStoreSetCookie stores no response with Set-Cookie.
	NoStoreSetCookie bool `json:"noStoreSetCookie,omitzero"`
	// IgnoreNoVarySearch has responses answer for their own URL alone.
	IgnoreNoVarySearch bool `json:"ignoreNoVarySearch,omitzero"`
	// MaxVariants bounds what Vary keeps apart of one URL, 1 to 4096. Default 64.
	MaxVariants *int `json:"maxVariants,omitzero" is:"1..4096" default:"64"`
	// MaxQuery is the longest content of a QUERY that is cached. Default 64K; 0: none is.
	MaxQuery *Size `json:"maxQuery,omitzero" default:"64K"`
}

// QueryNormalization makes queries that mean the same alike: drop, drop by
// pattern, sort; in this order.
type QueryNormalization struct {
	// Enabled has the default key read the normalised query.
	Enabled bool `json:"enabled,omitzero"`
	// DropParams are names, whatever their case.
	DropParams []string `json:"dropParams,omitzero" is:"parameter"`
	// DropParamsRegex is compared with each name that is left.
	DropParamsRegex string `json:"dropParamsRegex,omitzero" is:"regexp"`
	// SortParams sorts by name, then by value; duplicates stay.
	SortParams bool `json:"sortParams,omitzero"`
	// KeepDuplicateOrder leaves parameters of one name in their order.
	KeepDuplicateOrder bool `json:"keepDuplicateOrder,omitzero"`
}

// KnownStaticFiles are files that are stored by their extension.
type KnownStaticFiles struct {
	// Extensions are without a dot. Default css js mjs map png jpg jpeg gif
	// webp avif svg ico woff woff2 ttf otf eot.
	Extensions []string `json:"extensions,omitzero" is:"extension" default:"css js mjs map png jpg jpeg gif webp avif svg ico woff woff2 ttf otf eot"`
	// Zone is where; default the site's.
	Zone string `json:"zone,omitzero" is:"name"`
	// TTL is default 1h.
	TTL *Duration `json:"ttl,omitzero" default:"1h"`
}

// A CacheZone is a place for stored responses with a size of its own.
type CacheZone struct {
	// Name is what rules call it.
	Name string `json:"name" is:"name"`
	// Storage is memory (default), disk or both: memory over disk.
	Storage string `json:"storage,omitzero" is:"one of memory disk both" default:"memory"`
	// MaxSize is what the zone may hold, for each site unless it is shared.
	MaxSize *Size `json:"maxSize,omitzero" is:"positive"`
	// Inactive drops what was not asked for so long; default never.
	Inactive *Duration `json:"inactive,omitzero" is:"positive"`
	// Shared says that all sites that name the zone have it together; keys then
	// begin with the site's id and a colon.
	Shared bool `json:"shared,omitzero"`
	// Volumes are the node's volumes that it lies on; keys are spread over
	// several. Default all of them.
	Volumes []string `json:"volumes,omitzero" is:"name"`
	// Hosts gives every host of a URL an account of its own in the zone.
	Hosts *ZoneHosts `json:"hosts,omitzero"`
}

// ZoneHosts are the accounts of hosts in a zone.
type ZoneHosts struct {
	// Share is what each host may have before what is asked for often of it is
	// kept no longer than the rest. Default any.
	Share *Size `json:"share,omitzero"`
	// Limit is what each host may hold at most. Default the zone's.
	Limit *Size `json:"limit,omitzero" is:"positive"`
	// Named are hosts for which it is otherwise.
	Named map[string]HostShare `json:"named,omitzero" is:"hostname"`
}

// A HostShare is what one host may hold.
type HostShare struct {
	// Share is what it may have before what is asked for often of it is kept no
	// longer than the rest.
	Share *Size `json:"share,omitzero"`
	// Limit is what it may hold at most.
	Limit *Size `json:"limit,omitzero" is:"positive"`
}

// A CacheRule says how responses to some requests are stored and used.
type CacheRule struct {
	// ID names the rule in logs, in faults and to clients.
	ID string `json:"id" is:"label"`
	// Priority decides between rules that match: the highest. Default 0.
	Priority int `json:"priority,omitzero" is:"-1000000..1000000"`
	// Match is which requests; empty: all.
	Match RuleMatch `json:"match,omitzero"`
	// Headers is what of the request's fields the upstream sees.
	Headers RuleHeaders `json:"headers,omitzero"`
	// Expiration is what clients and caches behind this one are told.
	Expiration *Expiration `json:"expiration,omitzero"`
	// Cache is how the responses are stored and used.
	Cache RuleCache `json:"cache,omitzero"`
}

// A RuleMatch is which requests a rule is for: all that it says must hold.
type RuleMatch struct {
	// URIPattern is a regular expression of $uri.
	URIPattern string `json:"uriPattern,omitzero" is:"regexp"`
	// TargetPattern is a regular expression of path and query as they were sent,
	// with what means the same decoded (RFC 3986, 6.2.2.2).
	TargetPattern string `json:"targetPattern,omitzero" is:"regexp"`
	// Extensions are those of the path, without a dot, whatever the case.
	Extensions []string `json:"extensions,omitzero" is:"extension"`
	// Methods are which methods; none: all.
	Methods []string `json:"methods,omitzero" is:"method"`
	// Routes are ids of routes; none: all.
	Routes []string `json:"routes,omitzero" is:"label"`
	// Condition is an expression that must be true.
	Condition string `json:"condition,omitzero" is:"condition"`
}

// RuleHeaders are a rule's request fields.
type RuleHeaders struct {
	// PassThroughRequest are the client's fields that reach the upstream: names,
	// or * for all end-to-end fields. Default none but those that HTTP needs.
	PassThroughRequest []string `json:"passThroughRequest,omitzero" is:"field or *"`
}

// An Expiration is a rule's Cache-Control and Expires towards clients.
type Expiration struct {
	// Control is passthrough (default: the upstream's stays), override or additional.
	Control string `json:"control,omitzero" is:"one of passthrough override additional" default:"passthrough"`
	// BrowserTTL becomes max-age. It does not change how long this edge keeps a
	// response.
	BrowserTTL *Duration `json:"browserTtl,omitzero"`
	// CDNTTL becomes s-maxage. It does not change how long this edge keeps a
	// response.
	CDNTTL *Duration `json:"cdnTtl,omitzero"`
	// Immutable says that it does not change while it is fresh.
	Immutable bool `json:"immutable,omitzero"`
	// AdditionalDirectives are appended as they stand.
	AdditionalDirectives []string `json:"additionalDirectives,omitzero" is:"directive"`
	// SetExpiresHeader sends Expires, BrowserTTL from now.
	SetExpiresHeader bool `json:"setExpiresHeader,omitzero"`
}

// A RuleCache is how a rule stores and uses responses.
type RuleCache struct {
	// Enabled false hands requests through. Default true.
	Enabled *bool `json:"enabled,omitzero" default:"true"`
	// Zone is where; default the site's.
	Zone string `json:"zone,omitzero" is:"name"`
	// Key replaces the default key: an expression.
	Key string `json:"key,omitzero" is:"key"`
	// Guard stores nothing whose type does not fit the extension of the path, as
	// a page under /account/x.css, nor what origins may read as another path.
	// Default the site's.
	Guard *bool `json:"guard,omitzero"`
	// Bypass is an expression: when true the stored response is not used, but
	// what comes may be stored.
	Bypass string `json:"bypass,omitzero" is:"condition"`
	// NoStoreConditions are expressions: when one is true what comes is not stored.
	NoStoreConditions []string `json:"noStoreConditions,omitzero" is:"condition"`
	// ValidResponses is how long which statuses are fresh: "200", "2xx", "any"
	// to a duration or off; the most specific counts.
	ValidResponses map[string]TTL `json:"validResponses,omitzero" is:"status"`
	// MinUses is how often a key is asked for before it is stored, 1 to 15. Default 1.
	MinUses *int `json:"minUses,omitzero" is:"1..15" default:"1"`
	// LockEnabled has one request fetch for all. Default true.
	LockEnabled *bool `json:"lockEnabled,omitzero" default:"true"`
	// LockTimeout is how long a request waits for another's fetch. Default 15s.
	LockTimeout *Duration `json:"lockTimeout,omitzero" default:"15s"`
	// LockAge is how long a fetch may stall before another takes over. Default 5s.
	LockAge *Duration `json:"lockAge,omitzero" default:"5s"`
	// BackgroundUpdate answers with what is stale at once and refreshes behind.
	BackgroundUpdate bool `json:"backgroundUpdate,omitzero"`
	// RespectUpstreamCacheControl is respect, ignore or merge; default the site's.
	RespectUpstreamCacheControl string `json:"respectUpstreamCacheControl,omitzero" is:"one of respect ignore merge"`
	// UpstreamCacheControlDirectives are which of the upstream's directives count.
	// Default all.
	UpstreamCacheControlDirectives *UpstreamCacheControlDirectives `json:"upstreamCacheControlDirectives,omitzero"`
	// UpstreamCacheControlMaxAge is a ceiling for merge; default the site's.
	UpstreamCacheControlMaxAge *Duration `json:"upstreamCacheControlMaxAge,omitzero"`
	// StoreSetCookie stores responses with Set-Cookie also where the upstream does
	// not say how long they are fresh, or that does not count: all clients get the
	// same cookie. Otherwise they are stored by the upstream's word alone.
	StoreSetCookie bool `json:"storeSetCookie,omitzero"`
	// Stale is when what is no longer fresh may answer; default the site's.
	Stale *Stale `json:"stale,omitzero"`
}

// UpstreamCacheControlDirectives are which directives of the upstream count.
type UpstreamCacheControlDirectives struct {
	// Respect are the only ones that count; none: all.
	Respect []string `json:"respect,omitzero" is:"directive name"`
	// Ignore do not count.
	Ignore []string `json:"ignore,omitzero" is:"directive name"`
}

// Stale is when what is no longer fresh may answer.
type Stale struct {
	// Enabled false is as if nothing were said. Default true.
	Enabled *bool `json:"enabled,omitzero" default:"true"`
	// Conditions are error, timeout, invalid_header, updating, http_500,
	// http_502, http_503, http_504, http_403, http_404, http_429.
	Conditions []string `json:"conditions,omitzero" is:"one of error timeout invalid_header updating http_500 http_502 http_503 http_504 http_403 http_404 http_429"`
	// WhileRevalidate is told in Cache-Control as stale-while-revalidate.
	WhileRevalidate *Duration `json:"whileRevalidate,omitzero"`
	// WhileError is told in Cache-Control as stale-if-error.
	WhileError *Duration `json:"whileError,omitzero"`
	// MaxAge is how long past its freshness anything is served. Default none.
	MaxAge *Duration `json:"maxAge,omitzero"`
	// ErrorMaxAge is for how long past its freshness a response may stand in for
	// an error when no directive says so. Default any time.
	ErrorMaxAge *Duration `json:"errorMaxAge,omitzero"`
}

// ProxySettings are how failing upstreams are gone around.
type ProxySettings struct {
	// NextUpstreamConditions are when the next server is asked: error, timeout,
	// invalid_header, http_500, http_502, http_503, http_504, http_403,
	// http_404, http_429, non_idempotent, off. Default error timeout.
	NextUpstreamConditions []string `json:"nextUpstreamConditions,omitzero" is:"one of error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent off" default:"error timeout"`
	// NextUpstreamTries counts the first attempt. Default 0: any number.
	NextUpstreamTries *int `json:"nextUpstreamTries,omitzero" is:"0..1000" default:"0"`
	// NextUpstreamTimeout bounds all attempts together. Default none.
	NextUpstreamTimeout *Duration `json:"nextUpstreamTimeout,omitzero" is:"positive"`
	// ResumeTries is how often the rest of an answer that a server cuts short
	// is asked for, as a range under its strong validator. Default 3, 0: never.
	ResumeTries *int `json:"resumeTries,omitzero" is:"0..100" default:"3"`
}
