package configtest

import (
	"strings"

	"opencache/internal/config"
)

// A Request is what a client asks for.
type Request struct {
	Method string
	Secure bool
	Host   string
	Target string // path and query
	Fields []Field
}

// A Field is a field line.
type Field struct{ Name, Value string }

// An Answer is an origin's.
type Answer struct {
	Status int
	Fields []Field
	Body   string
}

// Request makes up a request for a site, one that its routes, rules and
// conditions are likely to tell from others.
func (m *Maker) Request(s *config.Site) Request {
	q := Request{Method: one(m, "GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS"), Secure: m.seldom(), Host: m.host(s), Target: m.path(s) + m.query()}
	for _, f := range some(m,
		Field{"Cookie", one(m, "tier=gold", "session=1", "session=0; tier=free", "tier=free; tier=gold", "other=x")},
		Field{"User-Agent", one(m, "Mozilla/5.0", "GoogleBot/2.1", "curl/8")}, Field{"X-Preview", one(m, "on", "0")}, Field{"Accept-Language", one(m, "de", "en")},
		Field{"Accept-Encoding", one(m, "gzip", "gzip, deflate, br, zstd", "br;q=0.1, gzip;q=0", "identity")},
		Field{"Origin", one(m, "https://a.test", "https://c.test", "null")}, Field{"Cache-Control", one(m, "no-cache", "max-age=0", "only-if-cached")}) {
		q.Fields = append(q.Fields, f)
		if f.Name == "Origin" && q.Method == "OPTIONS" {
			q.Fields = append(q.Fields, Field{"Access-Control-Request-Method", "PUT"})
		}
	}
	return q
}

func (m *Maker) host(s *config.Site) string {
	host := one(m, s.Hostnames...)
	host = strings.Replace(host, "*", one(m, "x", "x.y"), 1)
	if host == "_" {
		host = "anything.test"
	}
	switch m.r.IntN(8) {
	case 0:
		return strings.ToUpper(host)
	case 1:
		return host + one(m, ":80", ":443", ":8080")
	}
	return host
}

// path makes up a path: half of the time near one of the site's locations.
func (m *Maker) path(s *config.Site) string {
	path := ""
	if len(s.Routes) > 0 && m.yes() {
		if l, err := config.ParseLocation(one(m, s.Routes...).Location); err == nil && l.Kind != config.Regexp && l.Kind != config.RegexpFold {
			path = strings.TrimSuffix(l.Text, "/")
		}
	}
	for range m.r.IntN(3) {
		path += "/" + one(m, segments...)
	}
	switch m.r.IntN(6) {
	case 0, 1:
		path += "/x." + one(m, extensions...)
	case 2:
		path += "/"
	case 3:
		path += one(m, "/%61", "/a%2Fb", "//b", "/./a", "/../b", "/IMG/A.PNG", "/%C3%A9.css")
	}
	if path == "" {
		path = "/"
	}
	return path
}

func (m *Maker) query() string {
	if m.yes() {
		return ""
	}
	var list []string
	for range m.r.IntN(4) {
		p := one(m, params...)
		if m.r.IntN(5) > 0 {
			p += "=" + one(m, values...)
		}
		list = append(list, p)
	}
	return "?" + strings.Join(list, "&")
}

// Answer makes up an origin's answer.
func (m *Maker) Answer() Answer {
	a := Answer{Status: one(m, 200, 200, 200, 200, 200, 204, 301, 404, 410, 500, 503)}
	if a.Status != 204 {
		a.Body = one(m, "", "x", "some content")
	}
	fields := some(m,
		Field{"Cache-Control", one(m, "max-age=60", "s-maxage=600, max-age=0", "no-store", "private", "no-cache", "public", "max-age=60, stale-while-revalidate=30", "must-revalidate, max-age=1", "max-age=x")},
		Field{"CDN-Cache-Control", one(m, "max-age=10", "no-store")}, Field{"Vary", one(m, "Accept-Language", "Cookie", "*", "Accept-Encoding")}, Field{"Set-Cookie", "s=1"}, Field{"ETag", `"1"`},
		Field{"Content-Type", one(m, "text/html", "image/png")}, Field{"Surrogate-Key", "one two"}, Field{"Speculation-Rules", `"/cdn-cgi/speculation"`}, Field{"Access-Control-Allow-Origin", "*"}, Field{"X-Powered-By", "PHP"}, Field{"Age", "5"})
	a.Fields = append(a.Fields, fields...)
	if a.Status == 301 {
		a.Fields = append(a.Fields, Field{"Location", "/b"})
	}
	return a
}
