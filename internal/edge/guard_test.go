package edge

import (
	"testing"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/wire"
)

// guarded is a site with a rule for extensions, one for a prefix, and a route
// that stores nothing.
const guarded = `{"id": "a", "hostnames": ["a.test"], "upstreams": [{"name": "o", "servers": [{"url": "http://o.test"}]}],
	"routes": [{"location": "/account", "kind": "proxy"}, {"location": "/"}],
	"cache": {"rules": [
		{"id": "files", "match": {"extensions": ["css", "png", "foo"]}},
		{"id": "static", "match": {"uriPattern": "^/static/"}}]}}`

// requestFor parses a request for a target.
func requestFor(t testing.TB, target string) *wire.Request {
	t.Helper()
	r := new(wire.Request)
	if _, err := wire.ParseRequest(r, []byte("GET "+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n"), wire.Limits{}); err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return r
}

// said is a response with a status and types.
func said(status int, types ...string) *wire.Response {
	resp := new(wire.Response)
	resp.Status = status
	for _, text := range types {
		resp.Add(wire.ContentType, []byte(text))
	}
	return resp
}

func TestGuard(t *testing.T) {
	var set config.Set
	shot := set.Load(map[string][]byte{siteKey + "a": []byte(guarded)})
	p, faults := (&Compiler{Volumes: []Volume{newVolume(t)}}).Compile(nil, shot.Node, shot.Sites)
	for _, f := range append(shot.Faults, faults...) {
		t.Fatal(f)
	}
	defer func() { _ = p.Close() }()
	for _, c := range []struct {
		target string
		resp   *wire.Response
		want   engine.Reason
	}{
		{"/a.css", said(200, "text/css; charset=utf-8"), 0},
		{"/a.CSS?x=.png", said(200, "TEXT/CSS"), 0},
		{"/a.css", said(200, "text/html"), engine.TypeMismatch},
		{"/a.css", said(200, "application/json"), engine.TypeMismatch},
		{"/a.css", said(200, "text/css", "text/html"), engine.TypeMismatch},
		{"/a.css", said(200), 0},
		{"/a.css", said(200, "application/octet-stream"), 0},
		{"/a.css", said(206, "text/html"), engine.TypeMismatch},
		{"/a.css", said(404, "text/html"), 0},
		{"/a.css", said(301, "text/html"), 0},
		{"/a.png", said(200, "image/webp"), 0},
		{"/a.png", said(200, "text/html"), engine.TypeMismatch},
		{"/a.foo", said(200, "text/html"), engine.TypeMismatch}, // by the rule for extensions
		{"/a.foo", said(200, "application/vnd.api+json"), engine.TypeMismatch},
		{"/a.foo", said(200, "application/x-foo"), 0},
		{"/static/a.bar", said(200, "text/html"), 0}, // no extension that says what it is
		{"/static/a.html", said(200, "text/html"), 0},
		{"/static/a", said(200, "text/html"), 0},
		// What some origins take for /account.
		{"/account%2Fx.css", said(200, "text/html"), engine.TypeMismatch},
		{"/u;x.css", said(200, "text/html"), engine.TypeMismatch},
		{"/u;x.css", said(200), engine.AmbiguousPath},
		{"/u;x.css", said(200, "text/css"), 0}, // it is what it says
		{"/u%3bx.css", said(200, "application/octet-stream"), engine.AmbiguousPath},
		{"/u%23x.css", said(200), engine.AmbiguousPath},
		{"/u%3Fx.css", said(200), engine.AmbiguousPath},
		{"/u%00.css", said(200), engine.AmbiguousPath},
		{"/u%0ax.css", said(200), engine.AmbiguousPath},
		{"/x.css;a", said(200, "text/html"), engine.TypeMismatch},
		{"/x.css%00", said(200, "text/html"), engine.TypeMismatch},
		{"/account/..%2fx.css", said(200), engine.AmbiguousPath},
		{"/account/..%2Fx.css", said(200, "text/html"), engine.TypeMismatch},
		{"/account%2f..%2fstatic%2fx", said(200, "text/html"), engine.AmbiguousPath},
		{"/static/..%5caccount", said(200, "text/html"), engine.AmbiguousPath},
		{"/static/..%252faccount", said(200, "text/html"), engine.AmbiguousPath},
		{"/static/..;/account", said(200, "text/html"), engine.AmbiguousPath},
		{"/static/a%20b", said(200, "text/html"), 0},
		{"/static/@scope%2fname", said(200, "application/json"), 0}, // whoever reads it, it is the same rule
		{"/static/a;v=2", said(200, "text/html"), 0},
	} {
		v := &visit{}
		v.r, v.site = requestFor(t, c.target), p.sites["a"]
		v.cleanTarget()
		ch := v.site.take(v.match())
		if ch == nil || ch.policy.Guard == nil {
			if c.want != 0 {
				t.Errorf("%s: no guard", c.target)
			}
			continue
		}
		if got := ch.policy.Guard(v.r, c.resp); got != c.want {
			t.Errorf("%s %d %q: got %v, want %v", c.target, c.resp.Status, c.resp.Get(wire.ContentType), got, c.want)
		}
	}
}

// FuzzGuard: no path and no type makes it fail, and what has no delimiter has
// one reading.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"/account/x.css", "/account%2Fx.css", "/a;b%3b%00", "/%25%32%66", "/..%2f..%5c"} {
		f.Add(s, "text/html")
	}
	var set config.Set
	shot := set.Load(map[string][]byte{siteKey + "a": []byte(guarded)})
	p, _ := (&Compiler{Volumes: []Volume{newVolume(f)}}).Compile(nil, shot.Node, shot.Sites)
	g := guard{site: p.sites["a"], named: true}
	f.Fuzz(func(t *testing.T, target, kind string) {
		r := new(wire.Request)
		if _, err := wire.ParseRequest(r, []byte("GET "+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n"), wire.Limits{}); err != nil {
			return
		}
		first := g.admit(r, said(200, kind))
		if again := g.admit(r, said(200, kind)); again != first {
			t.Errorf("%q %q: got %v, then %v", target, kind, first, again)
		}
	})
}
