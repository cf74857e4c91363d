package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A 200 to a HEAD updates what is stored for GET when what it says of the
// content fits, else drops it (RFC 9111, 4.3.5).
func TestHeadUpdates(t *testing.T) {
	const kept, dropped = true, false
	stored := "200 OK\r\nCache-Control: max-age=5\r\nETag: \"a\"\r\nX-A: 1\r\nLast-Modified: " + modified
	for _, tt := range []struct {
		name, stored, head string
		fields             []string
		want               bool
	}{
		{"all the same", stored, "200 OK\r\nETag: \"a\"\r\nContent-Length: 5\r\nX-A: 2\r\nCache-Control: max-age=60", nil, kept},
		{"nothing told", stored, "200 OK\r\nX-A: 2\r\nCache-Control: max-age=60", nil, kept},
		{"another tag", stored, "200 OK\r\nETag: \"b\"\r\nContent-Length: 5", nil, dropped},
		{"the same tag, but weak", stored, "200 OK\r\nETag: W/\"a\"\r\nX-A: 2\r\nCache-Control: max-age=60", nil, kept},
		{"a tag where none is stored", "200 OK\r\nCache-Control: max-age=5\r\nLast-Modified: " + modified, "200 OK\r\nETag: \"a\"", nil, dropped},
		{"another date", stored, "200 OK\r\nLast-Modified: Sun, 22 Nov 2015 03:00:01 GMT", nil, dropped},
		{"the same tag, another date", stored, "200 OK\r\nETag: \"a\"\r\nLast-Modified: Sun, 22 Nov 2015 03:00:01 GMT", nil, dropped},
		{"another length", stored, "200 OK\r\nETag: \"a\"\r\nContent-Length: 6", nil, dropped},
		{"varying by more", stored, "200 OK\r\nETag: \"a\"\r\nVary: Accept", nil, dropped},
		{"now private", stored, "200 OK\r\nETag: \"a\"\r\nCache-Control: private", nil, dropped},
		{"not a 200", stored, "404 Not Found\r\nETag: \"b\"", nil, kept},
		{"a 404 is stored", strings.Replace(stored, "200 OK", "404 Not Found", 1), "200 OK\r\nETag: \"a\"", nil, dropped},
		{"for one client", stored, "200 OK\r\nETag: \"b\"", []string{"Authorization: Basic eDp5"}, kept},
		{"not to be kept", stored, "200 OK\r\nETag: \"b\"", []string{"Cache-Control: no-store"}, kept},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					switch {
					case r.Method == wire.HEAD:
						return headed(tt.head), nil
					case n == 1:
						return respond(tt.stored, "hello"), nil
					}
					return respond("200 OK", "again"), nil
				})
				defer g.close()
				g.pol.PassHead = true
				g.get("/a")
				synctest.Wait()
				after(6 * time.Second)
				g.ask("HEAD", "/a", tt.fields...)
				s := g.get("/a", "Cache-Control: only-if-cached, max-stale")
				if got := s.body.String(); (got == "hello") != tt.want {
					t.Errorf("behind the HEAD: got %d %q, want it kept: %t", s.reply.Status, got, tt.want)
				}
				if strings.Contains(tt.head, "X-A: 2") && (s.field("X-A") != "2" || s.field("X-Cache-Status") != "HIT") {
					t.Errorf("updated: got %s and X-A %q, want HIT and 2", s.field("X-Cache-Status"), s.field("X-A"))
				}
			})
		})
	}
}

const modified = "Sun, 22 Nov 2015 03:00:00 GMT"

// headed makes a response to a HEAD.
func headed(head string) *wire.Response {
	head = "HTTP/1.1 " + head + "\r\n\r\n"
	var resp wire.Response
	if n, err := wire.ParseResponse(&resp, []byte(head), wire.HEAD, wire.Limits{}); err != nil || n != len(head) {
		panic(head)
	}
	return &resp
}

// Only the variants that the HEAD could have chosen are touched.
func TestHeadUpdatesItsVariant(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			lang := string(r.Get(wire.AcceptLanguage))
			if r.Method == wire.HEAD {
				return headed("200 OK\r\nVary: Accept-Language\r\nETag: \"new\""), nil
			}
			return respond("200 OK\r\nCache-Control: max-age=5\r\nVary: Accept-Language\r\nETag: \""+lang+"\"", lang), nil
		})
		defer g.close()
		g.pol.PassHead = true
		for _, lang := range []string{"de", "fr"} {
			g.get("/a", "Accept-Language: "+lang)
		}
		synctest.Wait()
		after(6 * time.Second)
		g.ask("HEAD", "/a", "Accept-Language: de")
		const cached = "Cache-Control: only-if-cached, max-stale"
		g.get("/a", "Accept-Language: fr", cached).want(t, 200, "STALE", "fr")
		if s := g.get("/a", "Accept-Language: de", cached); s.reply.Status != 504 {
			t.Errorf("the variant that changed: got %d, want 504", s.reply.Status)
		}
	})
}

// A HEAD that passes is answered by what is stored when the upstream fails.
func TestHeadStaleOnError(t *testing.T) {
	for _, broken := range []bool{true, false} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				switch {
				case n == 1:
					return respond("200 OK\r\nCache-Control: max-age=5", "hello"), nil
				case broken:
					return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errGone}
				}
				return headed("503 Busy"), nil
			})
			defer g.close()
			g.pol.PassHead = true
			g.get("/a")
			synctest.Wait()
			after(6 * time.Second)
			g.ask("HEAD", "/a").want(t, 200, "STALE", "")
			g.pol.Rules.StaleIfError = 0
			if broken {
				g.ask("HEAD", "/a").want(t, 502, "MISS", "")
			} else {
				g.ask("HEAD", "/a").want(t, 503, "EXPIRED", "")
			}
		})
	}
}

// The length decides where nothing else is told.
func TestConfirms(t *testing.T) {
	var stored, fresh rfc9111.Facts
	stored.Reset(200, 0, 0)
	fresh.Reset(200, 0, 0)
	stored.Length = 5
	for _, tt := range []struct {
		length int64
		want   bool
	}{{5, true}, {6, false}, {0, false}, {rfc9111.Absent, true}} {
		fresh.Length = tt.length
		if got := rfc9111.Confirms(&stored, &fresh); got != tt.want {
			t.Errorf("length %d: got %t, want %t", tt.length, got, tt.want)
		}
	}
}
