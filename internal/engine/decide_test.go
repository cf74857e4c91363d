package engine

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// by asks for /a on a Route that was changed so.
func (g *rig) by(change func(*Route), method string, fields ...string) *sink {
	g.t.Helper()
	head := method + " /a HTTP/1.1\r\nHost: cache.test\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	head += "\r\n"
	var r wire.Request
	if n, err := wire.ParseRequest(&r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		g.t.Fatalf("request %q: %d, %v", head, n, err)
	}
	s := newSink()
	s.head = method == "HEAD"
	s.reply.Sink = s
	to := Route{Key: []byte("http://origin.test/a"), Policy: &g.pol}
	change(&to)
	s.out = g.e.ServeRoute(&r, &s.reply, &to)
	g.e.Leave(&to)
	return s
}

func bypass(t *Route)  { t.Bypass = true }
func noStore(t *Route) { t.NoStore = true }
func both(t *Route)    { t.Bypass, t.NoStore = true, true }
func plain(*Route)     {}

// tells checks what an answer says in Cache-Status.
func (s *sink) tells(t testing.TB, want string) {
	t.Helper()
	if got := s.field("Cache-Status"); got != want {
		t.Errorf("got Cache-Status %q, want %q", got, want)
	}
}

// validOf makes a Valid; its pairs are status and seconds.
func validOf(tb testing.TB, pairs ...any) *rfc9111.Valid {
	tb.Helper()
	v := new(rfc9111.Valid)
	for i := 0; i < len(pairs); i += 2 {
		n, ok := pairs[i+1].(int)
		if err := v.Set(pairs[i].(string), int64(n)); err != nil || !ok {
			tb.Fatal(err, pairs[i+1])
		}
	}
	return v
}

// numbered answers a request with its number.
func numbered(head string) func(int, *wire.Request) (*wire.Response, error) {
	return func(n int, _ *wire.Request) (*wire.Response, error) { return respond(head, fmt.Sprint(n)), nil }
}

func TestBypass(t *testing.T) {
	play(t, func(t *testing.T) {
		head := "200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\""
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if r.Has(wire.IfNoneMatch) {
				t.Errorf("request %d carries a condition", n)
			}
			return respond(head, fmt.Sprint(n)), nil
		})
		defer g.close()
		g.by(bypass, "GET").want(t, 200, "BYPASS", "1")
		g.get("/a").want(t, 200, "HIT", "1")
		s := g.by(bypass, "GET", `If-None-Match: "b"`)
		s.want(t, 200, "BYPASS", "2")
		s.tells(t, `opencache; fwd=bypass; fwd-status=200; stored; ttl=60; detail="bypass-condition"`)
		g.get("/a").want(t, 200, "HIT", "2")
		g.by(bypass, "HEAD").want(t, 200, "BYPASS", "")
		after(time.Millisecond) // it goes on behind the answer
		g.get("/a").want(t, 200, "HIT", "3")
		// What may not be stored leaves what is: it is the others'.
		head = "200 OK\r\nCache-Control: private"
		g.by(bypass, "GET").want(t, 200, "BYPASS", "4")
		g.get("/a").want(t, 200, "HIT", "3")
		head = "500 Broken"
		g.by(bypass, "GET").want(t, 500, "BYPASS", "5")
		g.get("/a").want(t, 200, "HIT", "3")
		head = "200 OK\r\nCache-Control: max-age=60"
		g.by(both, "GET").want(t, 200, "BYPASS", "6")
		g.get("/a").want(t, 200, "HIT", "3")
		g.by(bypass, "GET", "Range: bytes=0-0").want(t, 200, "BYPASS", "7")
		g.by(bypass, "GET", "Cache-Control: only-if-cached").want(t, 504, "MISS", "504 only-if-cached\n")
		g.get("/a").want(t, 200, "HIT", "3")
	})
}

// TestBypassAlone: a request that goes around neither waits for another one's
// fetch nor answers others by its own.
func TestBypassAlone(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: Accept", fmt.Sprint(n)), nil
		})
		defer g.close()
		var wg sync.WaitGroup
		for _, how := range []func(*Route){plain, bypass, plain, bypass} {
			wg.Go(func() { g.by(how, "GET") })
			after(100 * time.Millisecond)
		}
		wg.Wait()
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("%d requests upstream, want 3: one for both that do not go around", n)
		}
	})
}

// TestBypassVariant: what comes takes the place of its variant alone.
func TestBypassVariant(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=60\r\nVary: Accept"))
		defer g.close()
		g.by(plain, "GET", "Accept: a").want(t, 200, "MISS", "1")
		g.by(plain, "GET", "Accept: b").want(t, 200, "MISS", "2")
		g.by(bypass, "GET", "Accept: a").want(t, 200, "BYPASS", "3")
		g.by(plain, "GET", "Accept: a").want(t, 200, "HIT", "3")
		g.by(plain, "GET", "Accept: b").want(t, 200, "HIT", "2")
	})
}

func TestNoStore(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\nETag: \"a\""))
		defer g.close()
		s := g.by(noStore, "GET")
		s.want(t, 200, "MISS", "1")
		s.tells(t, `opencache; fwd=uri-miss; fwd-status=200; detail="no-store-condition"`)
		g.by(noStore, "GET").want(t, 200, "MISS", "2")
		g.get("/a").want(t, 200, "MISS", "3")
		g.by(noStore, "GET").want(t, 200, "HIT", "3")
		after(61 * time.Second)
		s = g.by(noStore, "GET", "Accept: x")
		s.want(t, 200, "MISS", "4")
		s.tells(t, `opencache; fwd=stale; fwd-status=200; detail="no-store-condition"`)
		g.get("/a").want(t, 200, "EXPIRED", "5")
		after(61 * time.Second)
		g.origin.answer = func(int, *wire.Request) (*wire.Response, error) { return nil, errors.New("no") }
		g.by(noStore, "GET").want(t, 200, "STALE", "5")
	})
}

// TestNoStoreHead: a HEAD whose answer is not to be kept changes nothing that is.
func TestNoStoreHead(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=60"))
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "1")
		g.by(both, "HEAD", "Accept: x").want(t, 200, "BYPASS", "")
		g.get("/a").want(t, 200, "HIT", "1")
	})
}

func TestNoLock(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return respond("200 OK\r\nCache-Control: max-age=60", "x"), nil
		})
		defer g.close()
		g.pol.NoLock = true
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { g.get("/a").want(t, 200, "MISS", "x") })
		}
		wg.Wait()
		g.get("/a").want(t, 200, "HIT", "x")
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("%d requests upstream, want 3", n)
		}
	})
}

// TestUpdating: one request validates, and is answered by the upstream; the
// others are answered with what is stale meanwhile, whether requests wait for
// one another or not.
func TestUpdating(t *testing.T) {
	for _, noLock := range []bool{false, true} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
				after(time.Second)
				return respond("200 OK", fmt.Sprint(n)), nil
			})
			defer g.close()
			g.pol.NoLock = noLock
			g.pol.Rules = rfc9111.Policy{Valid: validOf(t, "200", 60), StaleOn: rfc9111.OnUpdating, StaleMax: 120}
			g.get("/a").want(t, 200, "MISS", "1")
			after(61 * time.Second)
			var wg sync.WaitGroup
			wg.Go(func() { g.get("/a").want(t, 200, "EXPIRED", "2") })
			after(500 * time.Millisecond)
			s := g.get("/a")
			s.want(t, 200, "UPDATING", "1")
			s.tells(t, `opencache; hit; ttl=-2; detail="updating"`)
			g.get("/a", "Range: bytes=0-0").want(t, 206, "UPDATING", "1")
			wg.Wait()
			g.get("/a").want(t, 200, "HIT", "2")
			after(181 * time.Second) // beyond the ceiling
			wg.Go(func() { g.get("/a").want(t, 200, "EXPIRED", "3") })
			after(500 * time.Millisecond)
			if got := g.get("/a").body.String(); got == "2" {
				t.Errorf("no lock %t: got %q beyond the ceiling", noLock, got)
			}
			wg.Wait()
		})
	}
}

func TestBackgroundUpdate(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return respond("200 OK", fmt.Sprint(n)), nil
		})
		defer g.close()
		g.pol.Rules = rfc9111.Policy{Valid: validOf(t, "200", 60), Background: true, StaleMax: 1000}
		g.get("/a").want(t, 200, "MISS", "1")
		after(900 * time.Second)
		s := g.get("/a")
		s.want(t, 200, "STALE", "1")
		s.tells(t, `opencache; hit; ttl=-841; detail="background update"`)
		g.get("/a").want(t, 200, "UPDATING", "1")
		after(2 * time.Second)
		g.get("/a").want(t, 200, "HIT", "2")
		after(1062 * time.Second)
		g.get("/a").want(t, 200, "EXPIRED", "3")
	})
}

// TestConditions: which failures let a stale response answer.
func TestConditions(t *testing.T) {
	status := func(head string) func(int, *wire.Request) (*wire.Response, error) {
		return func(int, *wire.Request) (*wire.Response, error) { return respond(head, "no"), nil }
	}
	failing := func(status int) func(int, *wire.Request) (*wire.Response, error) {
		return func(int, *wire.Request) (*wire.Response, error) {
			return nil, &wire.Error{Side: wire.Upstream, Status: status, Err: errors.New("no")}
		}
	}
	garbled := func(int, *wire.Request) (*wire.Response, error) {
		return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
	}
	names := []string{"error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404", "http_429"}
	for i, then := range []func(int, *wire.Request) (*wire.Response, error){
		failing(502), failing(504), garbled, status("500 a"), status("502 a"), status("503 a"), status("504 a"),
		status("403 a"), status("404 a"), status("429 a"),
	} {
		for _, on := range names {
			play(t, func(t *testing.T) {
				c, _ := rfc9111.ParseCondition(on)
				g := newRig(t, numbered("200 OK"))
				defer g.close()
				g.pol.Rules = rfc9111.Policy{Valid: validOf(t, "200", 60), StaleIfError: rfc9111.MaxDelta, StaleOn: c, Mode: rfc9111.Ignore}
				g.get("/a").want(t, 200, "MISS", "1")
				after(61 * time.Second)
				g.origin.answer = then
				s := g.get("/a")
				if stale := s.field("X-Cache-Status") == "STALE" && s.body.String() == "1"; stale != (on == names[i]) {
					t.Errorf("stale on %s when it was %s: got %d %s %q", on, names[i], s.reply.Status, s.field("X-Cache-Status"), s.body.String())
				}
			})
		}
	}
}

// TestNegative: an error that the operator gives a time to live takes the
// place of what is stale, unless that is to answer then.
func TestNegative(t *testing.T) {
	for _, stale := range []bool{false, true} {
		play(t, func(t *testing.T) {
			g := newRig(t, numbered("200 OK"))
			defer g.close()
			g.pol.Rules = rfc9111.Policy{Valid: validOf(t, "200", 60, "5xx", 10)}
			if stale {
				g.pol.Rules.StaleIfError = 600
			}
			g.get("/a").want(t, 200, "MISS", "1")
			after(61 * time.Second)
			g.origin.answer = numbered("503 Busy")
			if stale {
				g.get("/a").want(t, 200, "STALE", "1")
				return
			}
			g.get("/a").want(t, 503, "EXPIRED", "2")
			s := g.get("/a")
			s.want(t, 503, "HIT", "2")
			if s.out.From != rfc9111.WhyValid || s.out.Lifetime != 10 {
				t.Errorf("fresh for %d by %q, want 10 by valid responses", s.out.Lifetime, s.out.From)
			}
		})
	}
}

// TestOff: a status that is off is not stored whatever the upstream says, and
// what another policy had stored is not used.
func TestOff(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=60"))
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "1")
		g.get("/a").want(t, 200, "HIT", "1")
		after(time.Millisecond) // the fetch has ended
		g.pol.Rules.Valid = validOf(t, "200", -1)
		s := g.get("/a")
		s.want(t, 200, "EXPIRED", "2")
		s.tells(t, `opencache; fwd=stale; fwd-status=200; detail="status off"`)
		g.get("/a").want(t, 200, "MISS", "3")
	})
}

// TestDeclined: a fixed time to live, declined by the upstream's directive.
func TestDeclined(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: no-store"))
		defer g.close()
		g.pol.Rules = rfc9111.Policy{Mode: rfc9111.Ignore, Valid: validOf(t, "200", 60)}
		g.get("/a").want(t, 200, "MISS", "1")
		g.get("/a").want(t, 200, "HIT", "1")
		after(time.Millisecond) // the fetch has ended
		g.pol.Rules.Decline, _ = rfc9111.ParseDirective("no-store")
		g.get("/a").want(t, 200, "EXPIRED", "2")
		s := g.get("/a")
		s.want(t, 200, "MISS", "3")
		s.tells(t, `opencache; fwd=miss; fwd-status=200; detail="hit-for-miss"`)
	})
}
