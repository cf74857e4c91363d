//go:build !race

package engine

import (
	"strings"
	"testing"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

func TestHitAllocatesNothing(t *testing.T) {
	g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
		search := ""
		if _, has := r.Query(); has {
			search = "\r\nNo-Vary-Search: params=(\"utm\"), key-order"
		}
		return respond("200 OK\r\nCache-Control: max-age=3600\r\nETag: \"a\"\r\nVary: Accept-Encoding"+search, strings.Repeat("x", 1024)), nil
	})
	defer g.close()
	g.get("/a")
	g.get("/s?a=1&b=2&utm=x")
	for _, tc := range []struct{ name, request string }{
		{"hit", "GET /a HTTP/1.1\r\nHost: c\r\n\r\n"},
		{"head", "HEAD /a HTTP/1.1\r\nHost: c\r\n\r\n"},
		{"304", "GET /a HTTP/1.1\r\nHost: c\r\nIf-None-Match: \"a\"\r\n\r\n"},
		{"No-Vary-Search", "GET /s?b=%32&a=1&utm=y&utm=z HTTP/1.1\r\nHost: c\r\n\r\n"},
		{"range", "GET /a HTTP/1.1\r\nHost: c\r\nRange: bytes=5-9\r\n\r\n"},
	} {
		var r wire.Request
		if _, err := wire.ParseRequest(&r, []byte(tc.request), wire.Limits{}); err != nil {
			t.Fatal(err)
		}
		n := nullSink{}
		p := wire.Reply{Sink: &n, Fields: make([]byte, 0, 4096)}
		key := append([]byte("http://origin.test"), r.Target()...)
		var out Outcome
		allocs := testing.AllocsPerRun(100, func() {
			p.Fields = p.Fields[:0]
			out = g.e.Serve(&r, &p, key, &g.pol)
		})
		if allocs != 0 || out.Status != Hit {
			t.Errorf("%s: got %v allocations and %s, want 0 and HIT", tc.name, allocs, out.Status)
		}
	}
}

type nullSink struct{ sink }

func (*nullSink) Start() error                { return nil }
func (*nullSink) Span(s wire.Span) error      { s.Release(); return nil }
func (*nullSink) End(*wire.Head) error        { return nil }
func (*nullSink) Write(b []byte) (int, error) { return len(b), nil }

// constants is a guide that sets a field and drops another.
type constants struct{ edits wire.Edits }

func (*constants) Upstream(*wire.Request) {}
func (c *constants) Answer(fields []byte, _ int, has wire.NameSet) []byte {
	return c.edits.Apply(fields, has)
}

// TestPolicyAllocatesNothing: nor does a hit of which a policy tells more.
func TestPolicyAllocatesNothing(t *testing.T) {
	g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=3600\r\nServer: a\r\nETag: \"a\""))
	defer g.close()
	g.get("/a")
	var r wire.Request
	if _, err := wire.ParseRequest(&r, []byte("GET /a HTTP/1.1\r\nHost: c\r\nCookie: a=b\r\n\r\n"), wire.Limits{}); err != nil {
		t.Fatal(err)
	}
	var c constants
	c.edits.Set("X-Site", "one")
	c.edits.Remove("Server")
	ignore := g.pol
	ignore.Rules = rfc9111.Policy{Mode: rfc9111.Ignore, Valid: validOf(t, "2xx", 3600)}
	over, more := g.pol, g.pol
	over.Told = expiration(Override, func(x *Expiration) { x.BrowserTTL, x.SetExpires = 60, true }).Compile()
	more.Told = expiration(Additional, func(x *Expiration) { x.Immutable = true }).Compile()
	more.Pass = NewPassing(nil)
	for name, pol := range map[string]*Policy{"ignore": &ignore, "override": &over, "additional": &more, "plain": &g.pol} {
		n := nullSink{}
		p := wire.Reply{Sink: &n, Fields: make([]byte, 0, 4096)}
		to := Route{Key: []byte("http://origin.test/a"), Policy: pol, Guide: &c}
		var out Outcome
		allocs := testing.AllocsPerRun(100, func() {
			p.Fields = p.Fields[:0]
			out = g.e.ServeRoute(&r, &p, &to)
		})
		g.e.Leave(&to)
		if allocs != 0 || out.Status != Hit {
			t.Errorf("%s: got %v allocations and %s, want 0 and HIT", name, allocs, out.Status)
		}
	}
}
