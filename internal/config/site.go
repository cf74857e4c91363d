package config

// A Site is one property at the edge: what hosts it answers for, where content
// comes from, and how it is cached. Document opencache:edgeResource:<id>.
type Site struct {
	// ID is the resource id, the last part of the document's key: $resource_id.
	ID string `json:"id" is:"name"`
	// Hostnames are what the site answers for: example.com, *.example.com (any
	// number of labels), or _ for every host that no other site names.
	Hostnames []string `json:"hostnames" is:"hostname"`
	// ZonesAutoManaged says that the fleet's tier policy adds its zones and
	// rules to this site. Default true.
	ZonesAutoManaged *bool `json:"zonesAutoManaged,omitzero" default:"true"`
	// Upstreams are the pools that routes name. The first is the default.
	Upstreams []Upstream `json:"upstreams,omitzero"`
	// Routes divide the site's URIs. Without any there is one: all of it,
	// through the cache, from the first upstream.
	Routes []Route `json:"routes,omitzero"`
	// Headers change the fields of every answer: adds first, then removes.
	Headers []Header `json:"headers,omitzero"`
	// CORS is what the edge says to other origins' scripts.
	CORS *CORS `json:"cors,omitzero"`
	// Compression is which answers are compressed; none without it.
	Compression *Compression `json:"compression,omitzero"`
	// Access is who may ask, and for what.
	Access *Access `json:"access,omitzero"`
	// RateLimits are those that sections access name.
	RateLimits []RateLimit `json:"rateLimits,omitzero"`
	// TLS is how the site is reached by https.
	TLS *TLS `json:"tls,omitzero"`
	// Cache is how responses are stored and used.
	Cache SiteCache `json:"cache,omitzero"`
	// SpeculationRules is what becomes of the origin's field of that name:
	// strip-cloudflare (default), strip, pass.
	SpeculationRules string `json:"speculationRules,omitzero" is:"one of strip-cloudflare strip pass" default:"strip-cloudflare"`
}

// An Upstream is a pool of servers.
type Upstream struct {
	// Name is what routes call it.
	Name string `json:"name" is:"name"`
	// Servers answer for it, in turn by weight; those marked backup when no
	// other does.
	Servers []Server `json:"servers"`
	// Balance is how a server is picked: round_robin (default), least_conn (who
	// has the fewest requests for its weight), random_two (of two by chance, who
	// has fewer), hash (the same for the same hashKey, as long as it is there).
	Balance string `json:"balance,omitzero" is:"one of round_robin least_conn random_two hash" default:"round_robin"`
	// HashKey is what hash goes by: an expression. Default the URI that the cache
	// key has: $normalized_request_uri where queries are normalised, else
	// $request_uri.
	HashKey string `json:"hashKey,omitzero" is:"upstream text"`
	// HealthCheck asks each server whether it is well, and leaves out those that
	// are not. Default none.
	HealthCheck *HealthCheck `json:"healthCheck,omitzero"`
	// HostHeader is the Host that they see: an expression. Default $host;
	// $upstream_host is the server's own.
	HostHeader string `json:"hostHeader,omitzero" is:"upstream text" default:"$host"`
	// ConnectTimeout bounds dialling and the TLS handshake. Default 5s.
	ConnectTimeout *Duration `json:"connectTimeout,omitzero" is:"positive" default:"5s"`
	// HeadTimeout is for a response's head to come. Default 60s.
	HeadTimeout *Duration `json:"headTimeout,omitzero" is:"positive" default:"60s"`
	// BodyTimeout is between two reads of a response's content. Default 60s.
	BodyTimeout *Duration `json:"bodyTimeout,omitzero" is:"positive" default:"60s"`
	// MaxConns is how many connections are open to each server. Default 1024.
	MaxConns *int `json:"maxConns,omitzero" is:"1..1000000" default:"1024"`
	// MaxQueue is how many requests wait for one. Default 4096.
	MaxQueue *int `json:"maxQueue,omitzero" is:"0..1000000" default:"4096"`
	// QueueTimeout is how long one waits. Default 10s.
	QueueTimeout *Duration `json:"queueTimeout,omitzero" is:"positive" default:"10s"`
	// Keepalive is how many unused connections to each server are kept. Default 256.
	Keepalive *int `json:"keepalive,omitzero" is:"0..1000000" default:"256"`
	// KeepaliveTimeout is for how long. Default 30s.
	KeepaliveTimeout *Duration `json:"keepaliveTimeout,omitzero" is:"positive" default:"30s"`
	// Resolve is how long the addresses of a server's name count, a tenth more
	// or less. Default 30s.
	Resolve *Duration `json:"resolve,omitzero" is:"positive" default:"30s"`
	// Protocol is how servers are spoken to: http/1.1 (default); h2, HTTP/2 over
	// TLS; auto, what the server chooses of both; h2c, HTTP/2 without TLS.
	Protocol string `json:"protocol,omitzero" is:"one of http/1.1 h2 auto h2c" default:"http/1.1"`
	// TLS is how servers are reached by https.
	TLS *UpstreamTLS `json:"tls,omitzero"`
}

// A HealthCheck is how servers are asked whether they are well, each by itself,
// again and again, whether there are requests or not.
type HealthCheck struct {
	// Path is what is asked for, below the server's base. Default /.
	Path string `json:"path,omitzero" is:"target" default:"/"`
	// Host is the Host that the server sees. Default as of requests, where their
	// Host is always the same, else the server's own.
	Host string `json:"host,omitzero" is:"authority"`
	// Interval is the time between two checks, by chance up to a tenth less or
	// more. Default 10s.
	Interval *Duration `json:"interval,omitzero" is:"positive" default:"10s"`
	// Timeout is for all of an answer. Default 5s.
	Timeout *Duration `json:"timeout,omitzero" is:"positive" default:"5s"`
	// Rise is how many checks in a row bring a server back. Default 2.
	Rise *int `json:"rise,omitzero" is:"1..100" default:"2"`
	// Fall is how many failed ones in a row have it left out. Default 3.
	Fall *int `json:"fall,omitzero" is:"1..100" default:"3"`
	// Statuses are those of a server that is well. Default 2xx 3xx.
	Statuses []string `json:"statuses,omitzero" is:"status" default:"2xx 3xx"`
}

// An UpstreamTLS is how servers are reached by https. Its files are read again
// whenever documents are.
type UpstreamTLS struct {
	// CA names a file in PEM of the authorities that count. Default the system's.
	CA string `json:"ca,omitzero" is:"path"`
	// ServerName is the name that servers are told (SNI) and that their
	// certificates are for. Default hostHeader where that is fixed, else the
	// host of the server's URL; an address is not told, but has to be in the certificate.
	ServerName string `json:"serverName,omitzero" is:"server name"`
	// Verify has the servers' certificates verified. Default true. Without it
	// whoever is in between reads and changes all that passes.
	Verify *bool `json:"verify,omitzero" default:"true"`
	// ClientCert names a file in PEM: the certificate that servers are shown,
	// and those between it and its authority.
	ClientCert string `json:"clientCert,omitzero" is:"path"`
	// ClientKey names the file of its key in PEM.
	ClientKey string `json:"clientKey,omitzero" is:"path"`
	// MinVersion is the lowest version that is spoken. Default TLSv1.2.
	MinVersion string `json:"minVersion,omitzero" is:"one of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3" default:"TLSv1.2"`
}

// A Server is one address of an Upstream.
type Server struct {
	// URL is http[s]://host[:port][/base].
	URL string `json:"url" is:"origin url"`
	// Weight is its share of requests, 1 to 1000. Default 1.
	Weight *int `json:"weight,omitzero" is:"1..1000" default:"1"`
	// Backup says that it is asked only when the others fail.
	Backup bool `json:"backup,omitzero"`
	// MaxFails is how many requests that fail have it left out for failTimeout, as
	// long as there are other servers; 0: any number. They count together until
	// an answer failTimeout after the last of them. Default 1.
	MaxFails *int `json:"maxFails,omitzero" is:"0..1000000" default:"1"`
	// FailTimeout is for how long; then one request is to tell. Default 10s.
	FailTimeout *Duration `json:"failTimeout,omitzero" is:"positive" default:"10s"`
	// SlowStart is how long it takes until it has its whole share of requests
	// again, when it is back. Default none.
	SlowStart *Duration `json:"slowStart,omitzero" is:"positive"`
}

// A Route is a part of the site's URIs, as nginx's location is.
type Route struct {
	// ID names the route in logs and faults; default its location.
	ID string `json:"id,omitzero" is:"label"`
	// Location is which paths, in nginx's words and precedence: "= /x" exactly,
	// "^~ /x" a prefix that goes before regular expressions, "~ re" and "~* re"
	// (whatever the case) in the order they stand in, "/x" the longest prefix.
	Location string `json:"location" is:"location"`
	// Kind is what answers: cache_proxy (default), proxy, static, redirect, fixed.
	// With proxy nothing is stored, no rule holds and all of the client's fields
	// reach the upstream.
	Kind string `json:"kind,omitzero" is:"one of cache_proxy proxy static redirect fixed" default:"cache_proxy"`
	// Upstream names the pool of cache_proxy and proxy; default the site's first.
	Upstream string `json:"upstream,omitzero" is:"name"`
	// Static is for the kind static.
	Static *Static `json:"static,omitzero"`
	// Redirect is for the kind redirect.
	Redirect *Redirect `json:"redirect,omitzero"`
	// Fixed is for the kind fixed.
	Fixed *Fixed `json:"fixed,omitzero"`
	// Headers change the fields of answers, behind the site's own.
	Headers []Header `json:"headers,omitzero"`
	// CORS goes before the site's.
	CORS *CORS `json:"cors,omitzero"`
	// Compression goes before the site's.
	Compression *Compression `json:"compression,omitzero"`
	// Access goes before the site's, member by member.
	Access *Access `json:"access,omitzero"`
}

// A Static route answers from files.
type Static struct {
	// Root is the folder; the whole path of the request is below it.
	Root string `json:"root" is:"path"`
	// Index is the file that answers for a folder. Default index.html.
	Index string `json:"index,omitzero" is:"file name" default:"index.html"`
}

// A Redirect route sends the client elsewhere.
type Redirect struct {
	// Status is 301, 302 (default), 303, 307 or 308.
	Status *int `json:"status,omitzero" is:"one of 301 302 303 307 308" default:"302"`
	// To is the Location: an expression.
	To string `json:"to" is:"redirect text"`
}

// A Fixed route gives one answer.
type Fixed struct {
	// Status is 200 to 599. Default 200.
	Status *int `json:"status,omitzero" is:"200..599" default:"200"`
	// Body is its content: an expression.
	Body string `json:"body,omitzero" is:"answer text"`
	// ContentType is its media type. Default text/plain; charset=utf-8.
	ContentType string `json:"contentType,omitzero" is:"field value" default:"text/plain; charset=utf-8"`
}

// A Header is a change to the fields of answers.
type Header struct {
	// Name is the field, whatever its case.
	Name string `json:"name" is:"answer field"`
	// Value is an expression. Adding replaces every field of that name.
	Value string `json:"value,omitzero" is:"response text"`
	// Action is add (default) or remove.
	Action string `json:"action,omitzero" is:"one of add remove" default:"add"`
}

// CORS is what the edge says in Access-Control-* in place of the origin.
type CORS struct {
	// Enabled has the edge answer preflights itself, and clears what the origin
	// says.
	Enabled bool `json:"enabled"`
	// ApplyToURIs are regular expressions of the paths it is for; none: all.
	// For sites only.
	ApplyToURIs []string `json:"applyToUris,omitzero" is:"regexp"`
	// AllowOrigins are origins like https://a.example, or *. Default *.
	AllowOrigins []string `json:"allowOrigins,omitzero" is:"origin" default:"*"`
	// AllowMethods is default GET, HEAD, OPTIONS.
	AllowMethods []string `json:"allowMethods,omitzero" is:"method" default:"GET HEAD OPTIONS"`
	// AllowHeaders are request fields, or *; none: those that a preflight asks for.
	AllowHeaders []string `json:"allowHeaders,omitzero" is:"field or *"`
	// ExposeHeaders are fields of answers that scripts may read.
	ExposeHeaders []string `json:"exposeHeaders,omitzero" is:"field or *"`
	// AllowCredentials has the request's Origin stand in place of *.
	AllowCredentials bool `json:"allowCredentials,omitzero"`
	// MaxAge is how long a preflight is remembered.
	MaxAge *Duration `json:"maxAge,omitzero"`
}

// TLS is how a site is reached by https.
type TLS struct {
	// Certificate names a file in PEM: the chain, the site's own first.
	Certificate string `json:"certificate,omitzero" is:"path"`
	// Key names the file of its key in PEM.
	Key string `json:"key,omitzero" is:"path"`
	// Protocols are TLSv1.2 and TLSv1.3 unless said; 1.0 and 1.1 by name only.
	Protocols []string `json:"protocols,omitzero" is:"one of TLSv1 TLSv1.1 TLSv1.2 TLSv1.3" default:"TLSv1.2 TLSv1.3"`
	// Ciphers are OpenSSL's names, separated by colons. Default Mozilla's
	// intermediate list.
	Ciphers string `json:"ciphers,omitzero" is:"ciphers"`
	// OCSPStapling is on unless said.
	OCSPStapling *bool `json:"ocspStapling,omitzero" default:"true"`
	// HSTS tells browsers to come by https only.
	HSTS *HSTS `json:"hsts,omitzero"`
	// RedirectHTTP answers http with 301 to https.
	RedirectHTTP bool `json:"redirectHttp,omitzero"`
}

// HSTS is the site's Strict-Transport-Security (RFC 6797).
type HSTS struct {
	// Enabled sends the field.
	Enabled bool `json:"enabled"`
	// MaxAge is default 365d.
	MaxAge *Duration `json:"maxAge,omitzero" default:"365d"`
	// IncludeSubdomains holds it for all hosts below.
	IncludeSubdomains bool `json:"includeSubdomains,omitzero"`
	// Preload says that browsers may ship it.
	Preload bool `json:"preload,omitzero"`
}
