package engine

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// A 304 that forbids storing, or where it is stored, changes what is stored,
// though the full response that is asked for then never comes: what it changed
// is not used any more (RFC 9111, 4.3.4).
func TestR4ForbiddingNotModified(t *testing.T) {
	for _, control := range []string{"no-store", "private", "max-age=60\r\nVary: Cookie"} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				switch n {
				case 1:
					return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"", "hello"), nil
				case 2:
					return streamed("304 Not Modified\r\nCache-Control: "+control+"\r\nETag: \"a\"", nil), nil
				}
				return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
			})
			defer g.close()
			g.get("/a").want(t, 200, "MISS", "hello")
			synctest.Wait()
			if s := g.get("/a", "Cache-Control: no-cache"); s.reply.Status != 502 {
				t.Errorf("%s: got %d, want 502", control, s.reply.Status)
			}
			if s := g.get("/a"); s.reply.Status != 502 {
				t.Errorf("%s: afterwards: got %d %s, want 502", control, s.reply.Status, s.field("X-Cache-Status"))
			}
		})
	}
}

// A validation that was asked for before a request came is none of it, where
// each use needs one (RFC 9111, 5.2.2.4). All that have come share the next.
func TestR4NoCacheValidatesForThoseThatHaveCome(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				return respond("200 OK\r\nCache-Control: no-cache\r\nETag: \"a\"", "hello"), nil
			}
			after(time.Second)
			return streamed("304 Not Modified\r\nCache-Control: no-cache\r\nETag: \"a\"", nil), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "hello")
		synctest.Wait()
		first := crowd(g, 1, "/a")
		after(100 * time.Millisecond)
		late := crowd(g, 20, "/a")
		first.wait()
		late.wait()
		for _, s := range append(first.all, late.all...) {
			s.want(t, 200, "REVALIDATED", "hello")
		}
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("origin requests: got %d, want 3: the first, one for who came first, one for all others", n)
		}
	})
}

// What was softly purged is stale: it stands in for an error only where stale
// use is allowed (RFC 9111, 5.2.2.2).
func TestR4SoftPurgeAndMustRevalidate(t *testing.T) {
	for control, status := range map[string]int{"max-age=60, must-revalidate": 502, "s-maxage=60": 502, "max-age=60": 200} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				if n == 1 {
					return respond("200 OK\r\nCache-Control: "+control+"\r\nETag: \"a\"", "hello"), nil
				}
				return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
			})
			defer g.close()
			g.get("/a").want(t, 200, "MISS", "hello")
			synctest.Wait()
			g.e.Purge([]byte("http://origin.test/a"), true)
			if s := g.get("/a"); s.reply.Status != status {
				t.Errorf("%s: got %d, want %d", control, s.reply.Status, status)
			}
		})
	}
}

// A 304 that was passed on for a client's own conditions updates what is
// stored, too (RFC 9111, 4.3.4).
func TestR4PassedNotModifiedUpdates(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				return respond("200 OK\r\nCache-Control: max-age=5\r\nETag: \"a\"", "hello"), nil
			}
			return streamed("304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"a\"", nil), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "hello")
		synctest.Wait()
		after(6 * time.Second)
		if s := g.get("/a", `If-Match: "a"`, `If-None-Match: "a"`); s.reply.Status != 304 {
			t.Errorf("got %d, want 304", s.reply.Status)
		}
		g.get("/a").want(t, 200, "HIT", "hello")
	})
}

// Who has a part fetched gets its Content-Range also when some of the fields
// are for nobody else (RFC 9110, 15.3.7.1; RFC 9111, 5.2.2.4).
func TestR4PartWithFieldsOfItsOwn(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("206 Partial Content\r\nCache-Control: max-age=60, no-cache=\"X-A\"\r\nX-A: b\r\nETag: \"a\"\r\nContent-Range: bytes 1-2/5", "el"), nil
		})
		g.pol.PassRange = true
		defer g.close()
		s := g.get("/a", "Range: bytes=1-2")
		s.want(t, 206, "MISS", "el")
		if got, want := s.field("Content-Range"), "bytes 1-2/5"; got != want || s.field("X-A") != "b" {
			t.Errorf("got %q, X-A %q, want %q and b", got, s.field("X-A"), want)
		}
	})
}

// A purge hits what a URL is found by, also when the path's configurations are
// not looked for any more, or not all of them (RFC 9111, 4.4).
func TestR4PurgeOfPlacesNotLookedFor(t *testing.T) {
	for _, others := range []int{0, 3, 4} {
		play(t, func(t *testing.T) {
			config := `params=("u")`
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				return respond("200 OK\r\nCache-Control: max-age=999999\r\nNo-Vary-Search: "+config, string(r.Target())), nil
			})
			defer g.close()
			g.get("/s?a=1&u=1").want(t, 200, "MISS", "/s?a=1&u=1")
			synctest.Wait()
			for i := range others { // the marker has room for four
				config = fmt.Sprintf(`params=("u%d")`, i)
				g.get(fmt.Sprintf("/s?b=%d", i))
				synctest.Wait()
			}
			if others == 0 {
				after(25 * time.Hour)
			}
			g.e.Purge([]byte("http://origin.test/s?a=1&u=1"), false)
			config = `params=("u")`
			g.get("/s?c=1").want(t, 200, "MISS", "/s?c=1")
			synctest.Wait()
			g.get("/s?a=1&u=2").want(t, 200, "MISS", "/s?a=1&u=2")
		})
	}
}
