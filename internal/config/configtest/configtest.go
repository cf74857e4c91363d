// Package configtest makes up documents, requests that they are about and
// answers of origins: at random, but the same for the same seed. What it makes
// is good: config finds no fault in it. Its vocabulary is small on purpose, so
// that locations, rules, conditions and keys meet the same requests.
//
//	m := configtest.New(1)
//	texts := m.Documents("iad", 5)  // for config.Set.Load
//	q := m.Request(site)
//
// It is for tests: of what a plan makes of documents, of reloads, and of what
// explains them.
package configtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"opencache/internal/config"
)

// A Maker makes things up. Make it with New; one goroutine may use it.
type Maker struct {
	// Origins are the URLs of servers; nil: one that nobody answers for.
	Origins []string
	// HostHeader is every upstream's; empty: it is made up, too.
	HostHeader string
	// Volumes are the node's disks, for zones on them; none: all zones are in memory.
	Volumes []string

	r *rand.Rand
}

// New returns a Maker.
func New(seed uint64) *Maker { return &Maker{r: rand.New(rand.NewPCG(seed, 6))} }

// one picks one of a list.
func one[T any](m *Maker, of ...T) T { return of[m.r.IntN(len(of))] }

// some picks a few of a list, each at most once; perhaps none.
func some[T any](m *Maker, of ...T) (list []T) {
	for _, x := range of {
		if m.r.IntN(3) == 0 {
			list = append(list, x)
		}
	}
	return list
}

// now and then.
func (m *Maker) seldom() bool { return m.r.IntN(4) == 0 }

// maybe is what is made, or nothing.
func maybe[T any](m *Maker, make func() T) *T {
	if !m.seldom() {
		return nil
	}
	v := make()
	return &v
}

func (m *Maker) duration() config.Duration {
	return config.Duration(one(m, 0, time.Second, 30*time.Second, 10*time.Minute, time.Hour, 24*time.Hour))
}

func (m *Maker) length() config.Duration { return max(m.duration(), config.Duration(time.Second)) }

func (m *Maker) number(most int) func() int { return func() int { return 1 + m.r.IntN(most) } }

func (m *Maker) yes() bool { return m.r.IntN(2) == 0 }

// The vocabulary.
var (
	segments   = []string{"static", "img", "api", "a", "b"}
	extensions = []string{"css", "js", "png", "html"}
	params     = []string{"a", "b", "v", "utm_source", "UTM_medium", "preview"}
	values     = []string{"0", "1", "2", "on", "x%20y", ""}
	keys       = []string{
		"$scheme$request_method$host$request_uri", "$scheme$request_method$host$normalized_request_uri", "$scheme$request_method$host$uri$is_args$normalized_args",
		"$host$uri", "$host$uri$is_args$args", "$host$uri$cookie_tier", "$host$request_uri|$http_accept_language", "$host$uri$arg_a$arg_b", "$host$uri$geoip_country_code",
	}
	conditions = []string{
		"$arg_preview", "$cookie_session", "$arg_preview $cookie_session", "$http_x_preview = on", "$http_user_agent ~* bot", "!$cookie_session && $arg_a = 1", "$request_method = POST",
		`$uri ~ "\\.(css|js)$"`, "$host = 'a.test' || ($arg_a && !$arg_b)", "$is_args", "$arg_a != $arg_b",
	}
	patterns = []string{"^/static/", "^/api/", `\.(css|js)$`, `^/(static|img)/.*\.png$`, "^/a", "/b$", "^/[ab]/", "x$"}
	texts    = []string{"plain", "$uri", "$host", "$arg_a-$cookie_tier", "$request_uri", "max-age=60", "$resource_id/$scheme", "$geoip_city"}
	told     = append([]string{"$upstream_cache_status", "$status:$upstream_status", "$sent_http_etag", "$upstream_http_x_powered_by", "$request_method"}, texts...) // of answers
	statuses = []string{"200", "301", "404", "503", "2xx", "3xx", "4xx", "5xx", "any"}
)

// Documents returns n sites, the fleet's defaults and the node of a point of
// presence: texts by their keys.
func (m *Maker) Documents(pop string, n int) map[string][]byte {
	texts := map[string][]byte{
		"opencache:nodeConfigDefaults": text(m.Node()),
		"opencache:nodeConfig:" + pop:  text(m.Node()),
	}
	for i := range n {
		id := fmt.Sprintf("site-%d", i)
		s := m.Site(id)
		if i > 0 { // no two sites have a host
			for j, host := range s.Hostnames {
				s.Hostnames[j] = strings.ReplaceAll(strings.ReplaceAll(host, "_", "other.test"), ".test", fmt.Sprintf("%d.test", i))
			}
		}
		texts["opencache:edgeResource:"+id] = text(s)
	}
	return texts
}

func text(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // config's structs can be written
	}
	return b
}

// Node makes up a node, without what says where it listens and stores.
func (m *Maker) Node() *config.Node {
	n := &config.Node{CacheTierPolicy: maybe(m, m.policy)}
	n.Monitoring.ServerTiming, n.Monitoring.CacheStatusKey = m.seldom(), m.seldom()
	n.Retries.ProxySettings = m.proxySettings()
	return n
}

func (m *Maker) policy() config.CacheTierPolicy {
	p := config.CacheTierPolicy{
		Zones:                    []config.CacheZone{{Name: "fleet", Shared: true}},
		KnownStaticFilesDefaults: maybe(m, func() config.KnownStaticFiles { return m.knownStaticFiles("fleet") }),
		QueryNormalization:       maybe(m, m.normalization),
	}
	for i := range m.r.IntN(3) {
		p.Rules = append(p.Rules, m.tierRule(fmt.Sprintf("tier-%d", i)))
	}
	return p
}

func (m *Maker) tierRule(id string) config.TierRule {
	t := config.TierRule{
		ID: id, Priority: m.r.IntN(3), Zone: "fleet", TTL: m.length(), DeclineWhenUpstream: some(m, "no-store", "private", "no-cache"),
		Match: config.TierMatch{URIPattern: one(m, patterns...), Methods: some(m, "GET", "HEAD")}, LockEnabled: maybe(m, m.yes), Stale: maybe(m, m.stale),
	}
	if m.seldom() {
		t.CacheKey = one(m, keys...)
	}
	return t
}

// Site makes up a site.
func (m *Maker) Site(id string) *config.Site {
	s := &config.Site{ID: id, Hostnames: []string{"a.test"}, ZonesAutoManaged: maybe(m, m.yes), Headers: m.headers(), CORS: maybe(m, m.cors), Access: maybe(m, m.access), Compression: maybe(m, m.compression)}
	s.RateLimits = m.rates()
	s.Hostnames = append(s.Hostnames, some(m, "b.test", "*.b.test", "_")...)
	if m.seldom() {
		s.SpeculationRules = one(m, "strip-cloudflare", "strip", "pass")
	}
	if s.CORS != nil && m.yes() {
		s.CORS.ApplyToURIs = append(some(m, patterns...), "^/api/")
	}
	s.Upstreams = append(s.Upstreams, m.upstream("main"))
	if m.seldom() {
		s.Upstreams = append(s.Upstreams, m.upstream("second"))
	}
	m.routes(s)
	m.cache(s)
	return s
}

func (m *Maker) compression() config.Compression {
	least := config.Size(1 + m.r.IntN(20))
	c := config.Compression{Enabled: maybe(m, m.yes), Codings: some(m, "zstd", "br", "gzip"), Types: some(m, "text/*", "application/json"), MinSize: &least}
	if m.seldom() {
		most := config.Size(200 + m.r.IntN(1000))
		c.MaxSize, c.Level = &most, one(m, "fast", "default", "best")
	}
	return c
}

func (m *Maker) upstream(name string) config.Upstream {
	origins := m.Origins
	if len(origins) == 0 {
		origins = []string{"http://origin.test"}
	}
	u := config.Upstream{
		Name: name, ConnectTimeout: maybe(m, m.length), HeadTimeout: maybe(m, m.length), BodyTimeout: maybe(m, m.length), QueueTimeout: maybe(m, m.length),
		Resolve:  maybe(m, m.length),
		MaxConns: maybe(m, m.number(100)), MaxQueue: maybe(m, m.number(100)), Keepalive: maybe(m, m.number(100)), KeepaliveTimeout: maybe(m, m.length),
		Balance: one(m, "", "round_robin", "least_conn", "random_two", "hash"), HealthCheck: maybe(m, m.healthCheck),
	}
	if u.Balance == "hash" && m.yes() {
		u.HashKey = one(m, "$uri", "$host$request_uri", "$remote_addr")
	}
	for i, origin := range origins {
		u.Servers = append(u.Servers, config.Server{
			URL: origin, Weight: maybe(m, m.number(5)), Backup: i > 0 && m.seldom(),
			MaxFails: maybe(m, m.number(5)), FailTimeout: maybe(m, m.length), SlowStart: maybe(m, m.length),
		})
	}
	if m.seldom() {
		u.HostHeader = one(m, "$host", "$http_host", "$upstream_host", "fixed.test")
	}
	if m.HostHeader != "" {
		u.HostHeader = m.HostHeader
	}
	return u
}

func (m *Maker) healthCheck() config.HealthCheck {
	return config.HealthCheck{
		Path: one(m, "", "/well"), Host: one(m, "", "check.test"), Interval: maybe(m, m.length), Timeout: maybe(m, m.length),
		Rise: maybe(m, m.number(5)), Fall: maybe(m, m.number(5)), Statuses: some(m, "200", "2xx"),
	}
}

func (m *Maker) routes(s *config.Site) {
	if m.seldom() {
		return // one for all
	}
	locations := append(some(m, "= /a", one(m, "^~ ", "")+"/static/", "/api/", `~ \.(css|js)$`, "~* ^/IMG/", "~ ^/(a|b)/(.*)$", "/a", "^~ /b"), "/")
	for i, location := range locations {
		t := config.Route{Location: location, Headers: m.headers(), CORS: maybe(m, m.cors), Access: maybe(m, m.access), Compression: maybe(m, m.compression)}
		if m.seldom() {
			t.ID = fmt.Sprintf("route-%d", i)
		}
		switch m.r.IntN(10) {
		case 0:
			t.Kind = "proxy"
		case 1:
			t.Kind, t.Redirect = "redirect", &config.Redirect{To: one(m, "https://$host$request_uri", "/new$uri", "/x?$args", "/$1")}
			t.Redirect.Status = maybe(m, func() int { return one(m, 301, 302, 303, 307, 308) })
		case 2:
			t.Kind, t.Fixed = "fixed", &config.Fixed{Body: one(m, texts...), Status: maybe(m, func() int { return one(m, 200, 404, 503) }), ContentType: one(m, "", "text/html")}
		default:
			t.Kind = one(m, "", "cache_proxy")
		}
		if t.Redirect == nil && t.Fixed == nil && m.seldom() {
			t.Upstream = one(m, s.Upstreams...).Name
		}
		s.Routes = append(s.Routes, t)
	}
}

func (m *Maker) headers() (list []config.Header) {
	for _, name := range some(m, "X-Site", "Cache-Control", "Server", "X-Powered-By", "Link") {
		if m.yes() {
			list = append(list, config.Header{Name: name, Action: "remove"})
		} else {
			list = append(list, config.Header{Name: name, Value: one(m, told...), Action: one(m, "", "add")})
		}
	}
	return list
}

func (m *Maker) cors() config.CORS {
	c := config.CORS{
		Enabled: m.r.IntN(4) > 0, AllowMethods: some(m, "GET", "POST", "PUT"), AllowHeaders: some(m, "X-A", "Content-Type"), ExposeHeaders: some(m, "X-B", "ETag"), MaxAge: maybe(m, m.duration),
	}
	if c.AllowOrigins = some(m, "https://a.test", "https://b.test:8443", "null"); len(c.AllowOrigins) > 0 {
		c.AllowCredentials = m.yes()
	}
	return c
}
