package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"opencache/internal/wire"
)

func TestNamesCDN(t *testing.T) {
	for _, tt := range []struct {
		list string
		want bool
	}{
		{"here.example", true},
		{"HERE.Example", true},
		{"foo123.foocdn.example, barcdn.example; trace=\"abcdef\"", false},
		{"AnotherCDN; abc=123; def=\"456\", here.example", true},
		{"a, here.example;x=1", true},
		{"a,\there.example ;\tx=1, b", true},
		{",, ,here.example", true},
		{"here.example:80", false},
		{"xhere.example", false},
		{"here.example.x", false},
		{"a; x=here.example", false},
		{`a; x=", here.example, "`, false},
		{`a; x="\", here.example, "`, false},
		{`a; x=", here.example`, true},     // a string that does not end hides nothing
		{`a; x="b" c, here.example`, true}, // nor does one with junk behind it
		{`a; x=", here.example, b;y="z"`, true},
		{`"here.example"`, false},
		{`a "b, here.example, c" d`, true}, // no string stands there
		{"\x80\xff, here.example", true},
		{"", false},
	} {
		if _, got := countCDNs([]byte(tt.list), []byte("here.example")); got != tt.want {
			t.Errorf("%q: got %t, want %t", tt.list, got, tt.want)
		}
	}
}

func FuzzNamesCDN(f *testing.F) {
	f.Add(`a; x=", b`)
	f.Add(`a;b="c\"d", e`)
	f.Add(`,;="\`)
	f.Fuzz(func(t *testing.T, list string) {
		// Whatever came before, the id that is appended is found, as long as
		// it is no string's: on a line of its own it always is.
		if _, here := countCDNs([]byte("here.example"), []byte("here.example")); !here {
			t.Fatal("the id alone is not found")
		}
		_, got := countCDNs([]byte(list+", here.example"), []byte("here.example"))
		if !got {
			t.Errorf("%q: the member behind it is not found", list)
		}
	})
}

func TestValidCDNID(t *testing.T) {
	for id, want := range map[string]bool{
		"cdn.example": true, "cdn.example:8080": true, "[2001:db8::1]:80": true, "my_cdn!": true,
		"": false, "a b": false, "a,b": false, "a;b": false, `"a"`: false, "a\n": false, "é": false, strings.Repeat("a", 300): false,
	} {
		if got := ValidCDNID(id); got != want {
			t.Errorf("%q: got %t, want %t", id, got, want)
		}
	}
}

// Every way to the upstream counts the hop, and none without an id does.
func TestCountHop(t *testing.T) {
	for _, id := range []string{"cdn.example", ""} {
		play(t, func(t *testing.T) {
			var got []string
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				got = nil
				for v := range r.Values("CDN-Loop") {
					got = append(got, string(v))
				}
				return respond("200 OK\r\nCache-Control: max-age=5", "hello"), nil
			})
			defer g.close()
			if id != "" {
				g.e.loop, g.e.maxHops = []byte(id), 10
			}
			want := strings.Trim("other; a=\"b\"|"+id, "|")
			for _, method := range []string{"GET", "HEAD", "POST"} {
				g.ask(method, "/"+method, `CDN-Loop: other; a="b"`)
				if got := strings.Join(got, "|"); got != want {
					t.Errorf("%s, id %q: got %q, want %q", method, id, got, want)
				}
			}
		})
	}
}

// own is an upstream that is the cache itself.
type own struct{ g *rig }

func (o own) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	var again wire.Request
	again.CopyFrom(r)
	s := newSink()
	s.reply.Sink = s
	o.g.e.Serve(&again, &s.reply, []byte("http://other.test"+string(r.Target())), &o.g.pol)
	return respond(fmt.Sprintf("%d Oops\r\n%s", s.reply.Status, strings.TrimSuffix(s.fields, "\r\n")), s.body.String()), nil
}

// A cache that is its own origin ends the loop at its second round.
func TestLoopEnds(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, nil)
		defer g.close()
		g.e.loop, g.pol.Upstream, g.pol.ProxyStatus = []byte("cdn.example"), own{g}, true
		s := g.get("/a")
		s.want(t, 508, "MISS", "508 loop\n")
		want := `opencache; error=proxy_loop_detected; details="loop", opencache; received-status=508`
		if got := strings.Join(s.all("Proxy-Status"), ", "); got != want {
			t.Errorf("Proxy-Status: got %q, want %q", got, want)
		}
		if n := g.e.Stats.Fetches.Load() + g.e.Stats.Passes.Load(); n != 1 {
			t.Errorf("requests to the upstream: got %d, want 1", n)
		}
	})
}
