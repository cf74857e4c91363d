package expr

import "strings"

// A Place is where a text is evaluated: bits, so that a variable can say where
// it is legal.
type Place uint8

const (
	InKey       Place = 1 << iota // a cache key
	InCondition                   // bypass, noStoreConditions, match.condition
	InUpstream                    // fields that go to the upstream, hostHeader
	InResponse                    // fields that go to the client
	InAnswer                      // a fixed answer's content
	InRedirect                    // where a redirect leads

	inField   = InUpstream | InResponse | InRedirect
	atRequest = InCondition | InUpstream | InResponse | InAnswer | InRedirect
	anywhere  = InKey | atRequest
)

// String returns the places as faults and tables name them.
func (p Place) String() string {
	var words []string
	for i, w := range []string{"a key", "a condition", "an upstream field", "a response field", "an answer", "a redirect"} {
		if p>>i&1 != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

// Depends is what a value depends on: bits.
type Depends uint16

const (
	OnTarget   Depends = 1 << iota // path or query
	OnHost                         // the authority that was asked for
	OnScheme                       // http or https
	OnMethod                       // the request's method
	OnField                        // a field of the request, named by Var
	OnAddress                      // who the client is, and what is known of the address
	OnListener                     // where the client came in, and by which protocol
	OnTime                         // the clock, or chance: no two requests have the same
	OnUpstream                     // which server of a pool is asked
	OnResponse                     // what became of the request
	OnCapture                      // what the route's regular expression matched
)

// String returns the bits as words.
func (d Depends) String() string {
	var words []string
	for i, w := range []string{"target", "host", "scheme", "method", "field", "address", "listener", "time", "upstream", "response", "capture"} {
		if d>>i&1 != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}

// An ID tells variables apart.
type ID uint8

const (
	Scheme ID = iota + 1
	HTTPS
	Host
	RequestMethod
	RequestURI
	NormalizedURI
	URI
	Args
	NormalizedArgs
	IsArgs
	Arg_
	Cookie_
	HTTP_
	ContentType
	ContentLength
	ServerProtocol
	ServerPort
	ServerAddr
	RemoteAddr
	RemotePort
	PeerAddr
	PeerPort
	ForwardedFor
	RequestID
	Msec
	TimeISO
	ResourceID
	PopID
	Server
	Hostname
	BuildID
	Visitor
	UpstreamHost
	CacheStatus
	CacheRule
	Status
	UpstreamStatus
	UpstreamHTTP_
	SentHTTP_
	Capture
	SSLProtocol
	SSLCipher
	SSLServerName
	SSLCurve
	CountryCode
	CountryName
	Continent
	Region
	RegionName
	City
	PostalCode
	Latitude
	Longitude
	Timezone
	ASOrg
	ASN
)

// A Variable is a line of the table of variables.
type Variable struct {
	// Name is without the dollar; one that ends in _ is followed by a name.
	Name    string
	ID      ID
	Places  Place
	Depends Depends
	Meaning string
	// NotYet says what it waits for; empty: it can be used.
	NotYet string
}

// Variables returns the table, in the order of docs/expressions.md.
func Variables() []Variable { return append([]Variable(nil), variables[:]...) }

const geo = " by GeoIP; empty without a database"

// variables is the table.
var variables = [...]Variable{
	{Name: "scheme", ID: Scheme, Places: anywhere, Depends: OnScheme, Meaning: "http or https"},
	{Name: "https", ID: HTTPS, Places: anywhere, Depends: OnScheme, Meaning: "on for https, else empty"},
	{Name: "host", ID: Host, Places: anywhere, Depends: OnHost, Meaning: "the host asked for, in lower case, without port; in keys with a port that is not the scheme's"},
	{Name: "request_method", ID: RequestMethod, Places: anywhere, Depends: OnMethod, Meaning: "the method; in keys always GET, since what is stored answers a GET"},
	{Name: "request_uri", ID: RequestURI, Places: anywhere, Depends: OnTarget, Meaning: "path and query as they go to the upstream: as they came, without dot segments"},
	{Name: "normalized_request_uri", ID: NormalizedURI, Places: anywhere, Depends: OnTarget, Meaning: "the path of $request_uri, and behind a question mark $normalized_args, unless nothing is left of them"},
	{Name: "uri", ID: URI, Places: anywhere, Depends: OnTarget, Meaning: "the path decoded, slashes merged, dot segments removed; in keys and redirects only what means the same is decoded, and nothing merged"},
	{Name: "document_uri", ID: URI, Places: anywhere, Depends: OnTarget, Meaning: "the same as $uri"},
	{Name: "args", ID: Args, Places: anywhere, Depends: OnTarget, Meaning: "the query as it came"},
	{Name: "query_string", ID: Args, Places: anywhere, Depends: OnTarget, Meaning: "the same as $args"},
	{Name: "normalized_args", ID: NormalizedArgs, Places: anywhere, Depends: OnTarget, Meaning: "the query as queryNormalization makes it, whether that is enabled or not"},
	{Name: "is_args", ID: IsArgs, Places: anywhere, Depends: OnTarget, Meaning: "? when $args is not empty, else empty; in keys, before $normalized_args, when those are not"},
	{Name: "arg_", ID: Arg_, Places: anywhere, Depends: OnTarget, Meaning: "the first parameter of that name, not decoded"},
	{Name: "cookie_", ID: Cookie_, Places: anywhere, Depends: OnField, Meaning: "the cookie of that name; in keys empty unless Cookie is passed through"},
	{Name: "http_", ID: HTTP_, Places: anywhere, Depends: OnField, Meaning: "the request field of that name, _ for -; in keys empty unless it is passed through"},
	{Name: "content_type", ID: ContentType, Places: atRequest, Depends: OnField, Meaning: "the request's Content-Type"},
	{Name: "content_length", ID: ContentLength, Places: atRequest, Depends: OnField, Meaning: "the length of the request's content; empty without any and when it is not known"},
	{Name: "server_protocol", ID: ServerProtocol, Places: anywhere, Depends: OnListener, Meaning: "HTTP/1.0 or HTTP/1.1"},
	{Name: "server_port", ID: ServerPort, Places: anywhere, Depends: OnListener, Meaning: "the port the request came to"},
	{Name: "server_addr", ID: ServerAddr, Places: anywhere, Depends: OnListener, Meaning: "the address the request came to", NotYet: "listeners do not tell it"},
	{Name: "remote_addr", ID: RemoteAddr, Places: anywhere, Depends: OnAddress, Meaning: "the client's address: who is connected, or whom network.trustedProxies say"},
	{Name: "remote_port", ID: RemotePort, Places: atRequest, Depends: OnAddress | OnTime, Meaning: "the client's port; empty where a field said the address"},
	{Name: "realip_remote_addr", ID: PeerAddr, Places: atRequest, Depends: OnAddress, Meaning: "the address of who is connected: the client's, or its proxy's"},
	{Name: "realip_remote_port", ID: PeerPort, Places: atRequest, Depends: OnAddress | OnTime, Meaning: "the port of who is connected"},
	{Name: "proxy_add_x_forwarded_for", ID: ForwardedFor, Places: InUpstream, Depends: OnField | OnAddress, Meaning: "the request's X-Forwarded-For with $remote_addr added"},
	{Name: "request_id", ID: RequestID, Places: atRequest, Depends: OnTime, Meaning: "the request's id, 32 hexadecimal digits"},
	{Name: "msec", ID: Msec, Places: atRequest, Depends: OnTime, Meaning: "the time in seconds since 1970, with milliseconds"},
	{Name: "time_iso8601", ID: TimeISO, Places: atRequest, Depends: OnTime, Meaning: "the time like 2025-01-31T10:20:30+00:00"},
	{Name: "resource_id", ID: ResourceID, Places: anywhere, Meaning: "the site's id"},
	{Name: "pop_id", ID: PopID, Places: anywhere, Meaning: "the id of the point of presence"},
	{Name: "pf_server", ID: Server, Places: anywhere, Meaning: "the node's name as clients see it, without the suffixes that its document names"},
	{Name: "hostname", ID: Hostname, Places: anywhere, Meaning: "the node's name in full"},
	{Name: "oc_build_id", ID: BuildID, Places: anywhere, Meaning: "the build of this program: its version, -dev where it was given no tag"},
	{Name: "oc_visitor", ID: Visitor, Places: anywhere, Depends: OnAddress | OnField, Meaning: "what tells visitors apart: 32 hexadecimal digits made of address and User-Agent with a key of the node's"},
	{Name: "upstream_host", ID: UpstreamHost, Places: InUpstream, Depends: OnUpstream, Meaning: "host and port of the server that is asked"},
	{Name: "proxy_host", ID: UpstreamHost, Places: InUpstream, Depends: OnUpstream, Meaning: "the same as $upstream_host"},
	{Name: "upstream_cache_status", ID: CacheStatus, Places: InResponse, Depends: OnResponse, Meaning: "MISS, BYPASS, EXPIRED, STALE, UPDATING, REVALIDATED, HIT; empty where no cache was asked"},
	{Name: "log_cache_rule_id", ID: CacheRule, Places: InResponse, Depends: OnTarget | OnMethod | OnField, Meaning: "the id of the rule that held"},
	{Name: "status", ID: Status, Places: InResponse, Depends: OnResponse, Meaning: "the answer's status"},
	{Name: "upstream_status", ID: UpstreamStatus, Places: InResponse, Depends: OnResponse, Meaning: "the upstream's status; empty when it was not asked"},
	{Name: "upstream_http_", ID: UpstreamHTTP_, Places: InResponse, Depends: OnResponse, Meaning: "the upstream's field of that name, _ for -"},
	{Name: "sent_http_", ID: SentHTTP_, Places: InResponse, Depends: OnResponse, Meaning: "the answer's field of that name, _ for -"},
	{Name: "ssl_protocol", ID: SSLProtocol, Places: atRequest, Depends: OnListener, Meaning: "TLSv1.2 or TLSv1.3"},
	{Name: "ssl_cipher", ID: SSLCipher, Places: atRequest, Depends: OnListener, Meaning: "the cipher suite"},
	{Name: "ssl_server_name", ID: SSLServerName, Places: atRequest, Depends: OnListener, Meaning: "the name that the client asked for in TLS"},
	{Name: "ssl_curve", ID: SSLCurve, Places: atRequest, Depends: OnListener, Meaning: "the curve of the key exchange"},
	{Name: "geoip_country_code", ID: CountryCode, Places: anywhere, Depends: OnAddress, Meaning: "the country, two letters," + geo},
	{Name: "geoip_country_name", ID: CountryName, Places: anywhere, Depends: OnAddress, Meaning: "the country's name" + geo},
	{Name: "geoip_continent", ID: Continent, Places: anywhere, Depends: OnAddress, Meaning: "the continent, two letters," + geo},
	{Name: "geoip_region", ID: Region, Places: anywhere, Depends: OnAddress, Meaning: "the region's code" + geo},
	{Name: "geoip_region_name", ID: RegionName, Places: anywhere, Depends: OnAddress, Meaning: "the region's name" + geo},
	{Name: "geoip_city", ID: City, Places: anywhere, Depends: OnAddress, Meaning: "the city" + geo},
	{Name: "geoip_postal_code", ID: PostalCode, Places: anywhere, Depends: OnAddress, Meaning: "the postal code" + geo},
	{Name: "geoip_latitude", ID: Latitude, Places: anywhere, Depends: OnAddress, Meaning: "the latitude" + geo},
	{Name: "geoip_longitude", ID: Longitude, Places: anywhere, Depends: OnAddress, Meaning: "the longitude" + geo},
	{Name: "geoip_timezone", ID: Timezone, Places: anywhere, Depends: OnAddress, Meaning: "the time zone" + geo},
	{Name: "geoip_as_org", ID: ASOrg, Places: anywhere, Depends: OnAddress, Meaning: "the network's owner" + geo},
	{Name: "geoip_asn", ID: ASN, Places: anywhere, Depends: OnAddress, Meaning: "the network's number" + geo},
}

// captures are $1 to $9, which the table has no line for.
var captures = Variable{Name: "1", ID: Capture, Places: InAnswer | InRedirect, Depends: OnCapture}

// Depends returns what the variable's value depends on.
func (id ID) Depends() Depends {
	if id == Capture {
		return captures.Depends
	}
	for i := range variables {
		if variables[i].ID == id {
			return variables[i].Depends
		}
	}
	return 0
}

// lookup finds the variable that a name means, and what the name says beyond
// the variable's.
func lookup(name string) (v *Variable, rest string) {
	if len(name) == 1 && '1' <= name[0] && name[0] <= '9' {
		return &captures, name
	}
	for i := range variables {
		v := &variables[i]
		if v.Name == name && !strings.HasSuffix(name, "_") {
			return v, ""
		}
		if after, ok := strings.CutPrefix(name, v.Name); ok && strings.HasSuffix(v.Name, "_") && after != "" {
			return v, after
		}
	}
	return nil, ""
}
