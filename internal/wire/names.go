package wire

// A Name is an interned field name. Its String is the canonical spelling.
type Name uint8

// Other is every name that is not interned.
const Other Name = 0

// The interned names: fields that this project reads, writes or drops, and
// those common enough that a comparison of numbers pays.
const (
	Accept Name = iota + 1
	AcceptCharset
	AcceptEncoding
	AcceptLanguage
	AcceptRanges
	AccessControlAllowCredentials
	AccessControlAllowHeaders
	AccessControlAllowMethods
	AccessControlAllowOrigin
	AccessControlExposeHeaders
	AccessControlMaxAge
	AccessControlRequestHeaders
	AccessControlRequestMethod
	Age
	Allow
	AltSvc
	Authorization
	CacheControl
	CacheGroupInvalidation
	CacheGroups
	CacheStatus
	CacheTag
	CDNCacheControl
	CDNLoop
	Connection
	ContentDisposition
	ContentEncoding
	ContentLanguage
	ContentLength
	ContentLocation
	ContentRange
	ContentSecurityPolicy
	ContentType
	Cookie
	Date
	EarlyData
	EdgeCacheTag
	ETag
	Expect
	Expires
	Forwarded
	From
	Host
	IfMatch
	IfModifiedSince
	IfNoneMatch
	IfRange
	IfUnmodifiedSince
	KeepAlive
	LastModified
	Link
	Location
	MaxForwards
	NoVarySearch
	Origin
	Pragma
	Priority
	ProxyAuthenticate
	ProxyAuthenticationInfo
	ProxyAuthorization
	ProxyConnection
	ProxyStatus
	Range
	Referer
	RetryAfter
	Server
	ServerTiming
	SetCookie
	StrictTransportSecurity
	SurrogateControl
	SurrogateKey
	TE
	Trailer
	TransferEncoding
	Upgrade
	UpgradeInsecureRequests
	UserAgent
	Vary
	Via
	Warning
	WWWAuthenticate
	XCache
	XCacheStatus
	XContentTypeOptions
	XForwardedFor
	XForwardedHost
	XForwardedPort
	XForwardedProto
	XFrameOptions
	XKey
	XRealIP
	XRequestID
	// Numbers are in stored heads, too: what comes later stands here.
	PfCacheTiming
	PfServedBy
	PFPop
	PFServer
	Traceparent
	Tracestate
	NumNames int = iota + 1 // one more than the last name
)

var names = [NumNames]string{
	Accept: "Accept", AcceptCharset: "Accept-Charset", AcceptEncoding: "Accept-Encoding",
	AcceptLanguage: "Accept-Language", AcceptRanges: "Accept-Ranges",
	AccessControlAllowCredentials: "Access-Control-Allow-Credentials",
	AccessControlAllowHeaders:     "Access-Control-Allow-Headers",
	AccessControlAllowMethods:     "Access-Control-Allow-Methods",
	AccessControlAllowOrigin:      "Access-Control-Allow-Origin",
	AccessControlExposeHeaders:    "Access-Control-Expose-Headers",
	AccessControlMaxAge:           "Access-Control-Max-Age",
	AccessControlRequestHeaders:   "Access-Control-Request-Headers",
	AccessControlRequestMethod:    "Access-Control-Request-Method",
	Age:                           "Age", Allow: "Allow", AltSvc: "Alt-Svc", Authorization: "Authorization",
	CacheControl: "Cache-Control", CacheGroupInvalidation: "Cache-Group-Invalidation",
	CacheGroups: "Cache-Groups", CacheStatus: "Cache-Status", CacheTag: "Cache-Tag",
	CDNCacheControl: "CDN-Cache-Control", CDNLoop: "CDN-Loop", Connection: "Connection",
	ContentDisposition: "Content-Disposition", ContentEncoding: "Content-Encoding",
	ContentLanguage: "Content-Language", ContentLength: "Content-Length",
	ContentLocation: "Content-Location", ContentRange: "Content-Range",
	ContentSecurityPolicy: "Content-Security-Policy", ContentType: "Content-Type",
	Cookie: "Cookie", Date: "Date", EarlyData: "Early-Data", EdgeCacheTag: "Edge-Cache-Tag", ETag: "ETag", Expect: "Expect",
	Expires: "Expires", Forwarded: "Forwarded", From: "From", Host: "Host", IfMatch: "If-Match",
	IfModifiedSince: "If-Modified-Since", IfNoneMatch: "If-None-Match", IfRange: "If-Range",
	IfUnmodifiedSince: "If-Unmodified-Since", KeepAlive: "Keep-Alive",
	LastModified: "Last-Modified", Link: "Link", Location: "Location",
	MaxForwards: "Max-Forwards", NoVarySearch: "No-Vary-Search", Origin: "Origin",
	Pragma: "Pragma", Priority: "Priority", ProxyAuthenticate: "Proxy-Authenticate",
	ProxyAuthenticationInfo: "Proxy-Authentication-Info", ProxyAuthorization: "Proxy-Authorization",
	ProxyConnection: "Proxy-Connection", ProxyStatus: "Proxy-Status", Range: "Range",
	Referer: "Referer", RetryAfter: "Retry-After", Server: "Server", ServerTiming: "Server-Timing",
	SetCookie: "Set-Cookie", StrictTransportSecurity: "Strict-Transport-Security",
	SurrogateControl: "Surrogate-Control", SurrogateKey: "Surrogate-Key", TE: "TE",
	Trailer: "Trailer", TransferEncoding: "Transfer-Encoding", Upgrade: "Upgrade",
	UpgradeInsecureRequests: "Upgrade-Insecure-Requests", UserAgent: "User-Agent", Vary: "Vary",
	Via: "Via", Warning: "Warning", WWWAuthenticate: "WWW-Authenticate", XCache: "X-Cache",
	XCacheStatus: "X-Cache-Status", XContentTypeOptions: "X-Content-Type-Options",
	XForwardedFor: "X-Forwarded-For", XForwardedHost: "X-Forwarded-Host",
	XForwardedPort: "X-Forwarded-Port", XForwardedProto: "X-Forwarded-Proto",
	XFrameOptions: "X-Frame-Options", XKey: "xkey", XRealIP: "X-Real-IP", XRequestID: "X-Request-ID",
	PfCacheTiming: "Pf-Cache-Timing", PfServedBy: "Pf-Served-By", PFPop: "PF-Pop", PFServer: "PF-Server",
	Traceparent: "traceparent", Tracestate: "tracestate",
}

// String returns the canonical spelling, empty for Other.
func (n Name) String() string { return names[n] }

// A NameSet is a set of names, Other included.
type NameSet [2]uint64

// Has reports whether n is in s.
func (s NameSet) Has(n Name) bool { return s[n>>6]&(1<<(n&63)) != 0 }

// Add puts n into s.
func (s *NameSet) Add(n Name) { s[n>>6] |= 1 << (n & 63) }

// Remove takes n out of s.
func (s *NameSet) Remove(n Name) { s[n>>6] &^= 1 << (n & 63) }

// Overlaps reports whether s and t share a name.
func (s NameSet) Overlaps(t NameSet) bool { return s[0]&t[0]|s[1]&t[1] != 0 }

// Union returns the names that are in s or in t.
func (s NameSet) Union(t NameSet) NameSet { return NameSet{s[0] | t[0], s[1] | t[1]} }

// NamesOf returns the set of the names given.
func NamesOf(names ...Name) (s NameSet) {
	for _, n := range names {
		s.Add(n)
	}
	return s
}
