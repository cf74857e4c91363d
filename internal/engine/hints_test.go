package engine

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// Links that are worth a hint are found in any list that RFC 8288, 3 allows,
// and nothing behind what it does not allow.
func TestAppendHints(t *testing.T) {
	for _, tt := range []struct{ value, want string }{
		{`</a.css>; rel=preload; as=style`, `</a.css>; rel=preload; as=style`},
		{`</a.css>;rel="preload"`, `</a.css>;rel="preload"`},
		{`</a>; REL=PreLoad`, `</a>; REL=PreLoad`},
		{`</a>; rel = "preload" , </b>; rel=next, <//c>; rel="next preconnect"`, `</a>; rel = "preload"|<//c>; rel="next preconnect"`},
		{`<//d>; rel=dns-prefetch, </m.js>; rel=modulepreload`, `<//d>; rel=dns-prefetch|</m.js>; rel=modulepreload`},
		{`</a,b;c>; rel=preload`, `</a,b;c>; rel=preload`},
		{`</a>; title="x, <y>; rel=preload"; rel=next`, ``},
		{`</a>; title="\", "; rel=preload, </b>; rel=preload`, `</a>; title="\", "; rel=preload|</b>; rel=preload`},
		{`</a>; rel=next; rel=preload`, ``},
		{`</a>; rel=preload; rel=next`, `</a>; rel=preload; rel=next`},
		{`</a>; rel=preload; anchor="/b"`, ``},
		{`</a>; rel=preload; crossorigin; nopush`, `</a>; rel=preload; crossorigin; nopush`},
		{`</a>; rel=preload;`, `</a>; rel=preload;`},
		{`,, </a>; rel=preload ,`, `</a>; rel=preload`},
		{`</a>; rel="preload`, ``},
		{`</a>; rel=preload x, </b>; rel=preload`, ``},
		{`</a> rel=preload`, ``},
		{`</a; rel=preload`, ``},
		{`/a; rel=preload`, ``},
		{`</a>; rel=`, ``},
		{`</a>`, ``},
		{``, ``},
		{strings.Repeat(`</a>; rel=preload, `, 20), strings.Repeat("|</a>; rel=preload", maxHints)[1:]},
		{`</` + strings.Repeat("a", maxHintBytes) + `>; rel=preload`, ``},
	} {
		var h storedHead
		h.block = wire.AppendField(wire.AppendField(nil, wire.ContentType, "text/html"), wire.Link, tt.value)
		h.names = wire.NamesOf(wire.ContentType, wire.Link)
		want := ""
		if tt.want != "" {
			want = "Link: " + strings.ReplaceAll(tt.want, "|", "\r\nLink: ") + "\r\n"
		}
		if got := string(appendHints(nil, &h)); got != want {
			t.Errorf("%.80q: got %.200q, want %.200q", tt.value, got, want)
		}
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add([]byte(`</a>; rel=preload; title="a, \"b", <b>;rel`))
	f.Add([]byte(`,;=<>"\`))
	f.Fuzz(func(t *testing.T, list []byte) {
		for rest, n := list, 0; ; n++ {
			l, next, ok := nextLink(rest)
			if !ok {
				return
			}
			if len(next) >= len(rest) || n > len(list) {
				t.Fatalf("%q: stands still at %q", list, rest)
			}
			if !bytes.Contains(rest, l.text) || !bytes.Contains(l.text, l.rel) || l.text[0] != '<' {
				t.Errorf("%q: link %q with rel %q", list, l.text, l.rel)
			}
			// A link by itself reads as in its list.
			if again, tail, ok := nextLink(l.text); !ok || len(tail) != 0 || !bytes.Equal(again.text, l.text) || !bytes.Equal(again.rel, l.rel) {
				t.Errorf("%q: got %q alone, want %q", list, again.text, l.text)
			}
			rest = next
		}
	})
}

// A hint goes out where what is stored has to be validated, once, and to those
// who have a use for it.
func TestHints(t *testing.T) {
	stored := "200 OK\r\nCache-Control: max-age=5\r\nETag: \"a\"\r\nVary: Accept-Language\r\nLink: </a.css>; rel=preload"
	for _, tt := range []struct {
		name, method string
		fields       []string
		wait         time.Duration
		off, soft    bool
		want         int
	}{
		{"stale", "GET", nil, 6 * time.Second, false, false, 1},
		{"fresh", "GET", nil, 0, false, false, 0},
		{"not to be had unvalidated", "GET", []string{"Cache-Control: no-cache"}, 0, false, false, 1},
		{"only if cached", "GET", []string{"Cache-Control: only-if-cached"}, 6 * time.Second, false, false, 0},
		{"no policy", "GET", nil, 6 * time.Second, true, false, 0},
		{"HEAD", "HEAD", nil, 6 * time.Second, false, false, 0},
		{"has it", "GET", []string{`If-None-Match: "b"`}, 6 * time.Second, false, false, 0},
		{"a range", "GET", []string{"Range: bytes=1-"}, 6 * time.Second, false, false, 0},
		{"another variant", "GET", []string{"Accept-Language: de"}, 6 * time.Second, false, false, 0},
		{"purged softly", "GET", nil, 0, false, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					if n > 1 && r.Has(wire.IfNoneMatch) {
						return streamed("304 Not Modified\r\nETag: \"a\"", nil), nil
					}
					return respond(stored, "hello"), nil
				})
				defer g.close()
				g.pol.EarlyHints = !tt.off
				g.get("/a")
				synctest.Wait()
				after(tt.wait)
				if tt.soft {
					g.e.Purge([]byte("http://origin.test/a"), true)
				}
				s := g.ask(tt.method, "/a", tt.fields...)
				if len(s.interim) != tt.want || tt.want > 0 && s.interim[0] != 103 {
					t.Errorf("got interim responses %v, want %d", s.interim, tt.want)
				}
			})
		})
	}
}
