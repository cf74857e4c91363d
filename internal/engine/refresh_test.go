package engine

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// refreshed is what is stored in these tests: fresh for 5 s, usable for 60 more.
const refreshed = "200 OK\r\nCache-Control: max-age=5, stale-while-revalidate=60\r\nETag: \"a\""

// What a refresh brings replaces, freshens or removes what is stored, or
// leaves it; want is what a client gets behind it.
func TestRefreshBrings(t *testing.T) {
	const gone = ""
	for _, tt := range []struct{ name, answer, content, want string }{
		{"304", "304 Not Modified\r\nCache-Control: max-age=60", "", "HIT hello"},
		{"new content", refreshed, "new", "HIT new"},
		{"not found for a while", "404 Not Found\r\nCache-Control: max-age=60", "none", "HIT none"},
		{"gone for a while", "410 Gone\r\nCache-Control: max-age=60", "none", "HIT none"},
		{"not found", "404 Not Found", "none", gone},
		{"no-store", "200 OK\r\nCache-Control: no-store", "new", gone},
		{"private", "200 OK\r\nCache-Control: private, max-age=60", "new", gone},
		{"a cookie", "200 OK\r\nSet-Cookie: a=b\r\nETag: \"b\"", "new", gone},
		{"Vary: *", "200 OK\r\nCache-Control: max-age=60\r\nVary: *", "new", gone},
		{"304 that forbids to store", "304 Not Modified\r\nCache-Control: no-store", "", gone},
		{"500", "500 Oops", "no", "STALE hello"},
		{"502", "502 Oops", "no", "STALE hello"},
		{"503 that may be stored", "503 Busy\r\nCache-Control: max-age=60", "no", "STALE hello"},
		{"504", "504 Late", "no", "STALE hello"},
		{"cut", "200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9", "", "STALE hello"},
		{"cut in its content", "200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9", "123", "STALE hello"},
		{"nothing", "", "", "STALE hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					switch {
					case n == 1:
						return respond(refreshed, "hello"), nil
					case tt.answer == "":
						return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errGone}
					case strings.HasPrefix(tt.answer, "304") && !r.Has(wire.IfNoneMatch):
						return respond("200 OK\r\nCache-Control: no-store", "new"), nil
					case strings.HasPrefix(tt.answer, "304"):
						return streamed(tt.answer, nil), nil
					case strings.HasPrefix(tt.name, "cut"):
						return streamed(tt.answer, strings.NewReader(tt.content)), nil
					}
					return respond(tt.answer, tt.content), nil
				})
				defer g.close()
				g.get("/a")
				synctest.Wait()
				after(6 * time.Second)
				g.get("/a").want(t, 200, "STALE", "hello")
				synctest.Wait()
				s := g.get("/a", "Cache-Control: only-if-cached")
				got := s.field("X-Cache-Status") + " " + s.body.String()
				if s.reply.Status == 504 {
					got = gone
				}
				if got != tt.want {
					t.Errorf("behind the refresh: got %d %q, want %q", s.reply.Status, got, tt.want)
				}
			})
		})
	}
}

// A refresh that fails is not repeated for each request, and its place may be
// had again after a while.
func TestRefreshRests(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			switch n {
			case 1:
				return respond(refreshed, "hello"), nil
			case 2:
				return respond("503 Busy", "no"), nil
			case 3:
				return nil, &wire.Error{Side: wire.Upstream, Status: 504, Err: errGone}
			}
			return respond(refreshed, "new"), nil
		})
		defer g.close()
		g.get("/a")
		synctest.Wait()
		after(6 * time.Second)
		for round := range 2 {
			g.get("/a").want(t, 200, "STALE", "hello")
			synctest.Wait()
			for range 10 {
				after(199 * time.Millisecond)
				s := g.get("/a")
				s.want(t, 200, "STALE", "hello")
				if s.out.Why != RefreshResting {
					t.Errorf("reason: got %s, want %s", s.out.Why, RefreshResting)
				}
			}
			if got, want := g.origin.n.Load(), int64(round+2); got != want {
				t.Errorf("round %d: got %d requests at the origin, want %d", round, got, want)
			}
			after(10 * time.Millisecond)
		}
		g.get("/a").want(t, 200, "STALE", "hello")
		synctest.Wait()
		g.get("/a").want(t, 200, "HIT", "new")
	})
}

// Beyond the bound, stale answers are given without a refresh; the others run
// on when their clients have gone, and requests that want it fresh join them.
func TestRefreshesBounded(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n > 3 {
				after(time.Second)
				return respond(refreshed, "new"), nil
			}
			return respond(refreshed, "hello"), nil
		})
		defer g.close()
		g.e.refreshes = make(chan struct{}, 2)
		targets := []string{"/0", "/1", "/2"}
		for _, target := range targets {
			g.get(target)
		}
		synctest.Wait()
		after(6 * time.Second)
		for _, target := range targets {
			g.get(target).want(t, 200, "STALE", "hello")
		}
		s := g.get("/2")
		if s.want(t, 200, "STALE", "hello"); s.out.Why != RefreshLimit {
			t.Errorf("reason beyond the bound: got %s, want %s", s.out.Why, RefreshLimit)
		}
		s = g.get("/1", "Cache-Control: max-age=100") // not a stale one, that is
		s.want(t, 200, "EXPIRED", "new")
		if !s.out.Collapsed || g.origin.n.Load() != 5 {
			t.Errorf("who wants it fresh: got collapsed %t and %d requests at the origin, want true and 5", s.out.Collapsed, g.origin.n.Load())
		}
		synctest.Wait()
		g.get("/0").want(t, 200, "HIT", "new")
		g.get("/2").want(t, 200, "STALE", "hello")
		after(2 * time.Second)
		g.get("/2").want(t, 200, "HIT", "new")
		if n := g.e.Stats.Refreshes.Load(); n != 3 {
			t.Errorf("refreshes: got %d, want 3", n)
		}
	})
}

// The memory of refreshes that failed is bounded.
func TestRestingBounded(t *testing.T) {
	var f flights
	f.init()
	now := time.Unix(1e9, 0)
	for i := range 10 * maxResting {
		h := store.Hash{flightShards, uint64(i)}
		f.rest(h, now, now.Add(time.Second))
	}
	if n := len(f.shards[0].resting); n != maxResting {
		t.Errorf("got %d, want %d", n, maxResting)
	}
	f.rest(store.Hash{0, 1 << 40}, now.Add(2*time.Second), now.Add(3*time.Second))
	if n := len(f.shards[0].resting); n != 1 {
		t.Errorf("when all are over: got %d, want 1", n)
	}
	if f.resting(store.Hash{0, 1 << 40}, now.Add(3*time.Second)) || !f.resting(store.Hash{0, 1 << 40}, now.Add(3*time.Second-1)) && len(f.shards[0].resting) != 0 {
		t.Error("at its end: want no rest, and nothing remembered")
	}
}

// A request that gave up waiting and asked for itself gets what is stale when
// that fails, like those that wait.
func TestStaleBehindLockTimeout(t *testing.T) {
	for _, status := range []int{0, 503, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					switch {
					case n == 1:
						return respond("200 OK\r\nCache-Control: max-age=5", "hello"), nil
					case n == 2:
						after(time.Hour)
					case status > 0:
						return respond(fmt.Sprint(status, " Oops"), "no"), nil
					}
					return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errGone}
				})
				defer g.close()
				g.pol.LockAge, g.pol.LockTimeout = time.Minute, time.Second
				g.get("/a")
				synctest.Wait()
				after(6 * time.Second)
				first := crowd(g, 1, "/a")
				synctest.Wait()
				if status == 404 {
					g.get("/a").want(t, 404, "MISS", "no")
				} else {
					g.get("/a").want(t, 200, "STALE", "hello")
				}
				first.wait()
			})
		})
	}
}
