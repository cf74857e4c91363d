package engine

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

func TestHitAndMiss(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"", "hello"), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "hello")
		synctest.Wait()
		after(10 * time.Second)
		s := g.get("/a")
		s.want(t, 200, "HIT", "hello")
		if got := s.field("Age"); got != "10" {
			t.Errorf("Age: got %q, want 10", got)
		}
		if got, want := s.field("Cache-Status"), "opencache; hit; ttl=50"; got != want {
			t.Errorf("Cache-Status: got %q, want %q", got, want)
		}
		g.ask("HEAD", "/a").want(t, 200, "HIT", "")
		g.get("/a", `If-None-Match: "a"`).want(t, 304, "HIT", "")
		g.get("/a", "Range: bytes=1-2").want(t, 206, "HIT", "el")
		g.get("/a", "Range: bytes=9-").want(t, 416, "HIT", "")
		if n := g.origin.n.Load(); n != 1 {
			t.Errorf("origin requests: got %d, want 1", n)
		}
	})
}

func TestRevalidation(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			switch {
			case n == 1:
				return respond("200 OK\r\nCache-Control: max-age=5\r\nX-A: 1\r\nETag: \"a\"", "hello"), nil
			case r.Get(wire.IfNoneMatch) != nil && n == 2:
				return streamed("304 Not Modified\r\nCache-Control: max-age=7\r\nX-B: 2\r\nETag: \"a\"", nil), nil
			}
			return respond("200 OK\r\nCache-Control: max-age=5\r\nETag: \"b\"", "changed"), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "hello")
		synctest.Wait()
		after(6 * time.Second)
		s := g.get("/a")
		s.want(t, 200, "REVALIDATED", "hello")
		if s.field("X-A") != "1" || s.field("X-B") != "2" || s.field("Cache-Control") != "max-age=7" {
			t.Errorf("freshened head: got %q", s.fields)
		}
		g.get("/a").want(t, 200, "HIT", "hello")
		after(8 * time.Second)
		g.get("/a").want(t, 200, "EXPIRED", "changed")
		synctest.Wait()
		g.get("/a").want(t, 200, "HIT", "changed")
	})
}

func TestStaleOnError(t *testing.T) {
	for _, failure := range []string{"unreachable", "503", "cut"} {
		t.Run(failure, func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					switch {
					case n == 1:
						return respond("200 OK\r\nCache-Control: max-age=5\r\nETag: \"a\"", "hello"), nil
					case failure == "503":
						return respond("503 Busy", "no"), nil
					case failure == "cut":
						return streamed("200 OK\r\nCache-Control: max-age=5\r\nContent-Length: 9", strings.NewReader("")), nil
					}
					return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
				})
				defer g.close()
				g.get("/a").want(t, 200, "MISS", "hello")
				synctest.Wait()
				after(6 * time.Second)
				s := g.get("/a")
				s.want(t, 200, "STALE", "hello")
				if !strings.Contains(s.field("Cache-Status"), "fwd=stale") {
					t.Errorf("Cache-Status: got %q, want fwd=stale in it", s.field("Cache-Status"))
				}
			})
		})
	}
}

func TestCollapse(t *testing.T) {
	play(t, func(t *testing.T) {
		r, w := io.Pipe()
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return streamed("200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10", r), nil
		})
		defer g.close()
		sinks := crowd(g, 100, "/a")
		after(1500 * time.Millisecond)
		_, _ = w.Write([]byte("01234"))
		synctest.Wait()
		for i, s := range sinks.all {
			s.mu.Lock()
			if got := s.body.String(); got != "01234" {
				t.Fatalf("client %d while the origin sends: got %q, want %q", i, got, "01234")
			}
			s.mu.Unlock()
		}
		_, _ = w.Write([]byte("56789"))
		sinks.wait()
		collapsed := 0
		for _, s := range sinks.all {
			s.want(t, 200, "MISS", "0123456789")
			if s.out.Collapsed {
				collapsed++
			}
		}
		if n := g.origin.n.Load(); n != 1 || collapsed != 99 {
			t.Errorf("got %d origin requests and %d collapsed, want 1 and 99", n, collapsed)
		}
	})
}

func TestCollapsePrivate(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return respond("200 OK\r\nCache-Control: private, max-age=60", fmt.Sprint("for ", n)), nil
		})
		defer g.close()
		sinks := crowd(g, 50, "/a")
		sinks.wait()
		seen := map[string]bool{}
		for i, s := range sinks.all {
			body := s.body.String()
			if seen[body] || s.reply.Status != 200 {
				t.Errorf("client %d: %d %q, shared: %t", i, s.reply.Status, body, seen[body])
			}
			seen[body] = true
		}
		if n := g.origin.n.Load(); n != 50 {
			t.Errorf("origin requests: got %d, want 50", n)
		}
	})
}

func TestCollapseFailure(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, _ *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
		})
		defer g.close()
		sinks := crowd(g, 50, "/a")
		sinks.wait()
		for _, s := range sinks.all {
			s.want(t, 502, "MISS", "502 origin-unreachable\n")
		}
		if n := g.origin.n.Load(); n != 1 {
			t.Errorf("origin requests: got %d, want 1", n)
		}
	})
}

func TestVaryRegroups(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			after(time.Second)
			return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: X-Lang", "in "+string(first(r, "X-Lang"))), nil
		})
		defer g.close()
		var all []*crowdOf
		for _, lang := range []string{"de", "fr", "en"} {
			all = append(all, crowd(g, 20, "/a", "X-Lang: "+lang))
			synctest.Wait()
		}
		for i, lang := range []string{"de", "fr", "en"} {
			all[i].wait()
			for _, s := range all[i].all {
				s.want(t, 200, "MISS", "in "+lang)
			}
		}
		if n := g.origin.n.Load(); n != 3 {
			t.Errorf("origin requests: got %d, want 3", n)
		}
		synctest.Wait()
		g.get("/a", "X-Lang: fr").want(t, 200, "HIT", "in fr")
	})
}

func TestLarge(t *testing.T) {
	const size = 5<<20 + 77
	content := pattern(size)
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"v\"", content), nil
		})
		defer g.close()
		g.get("/big").want(t, 200, "MISS", content)
		synctest.Wait()
		g.get("/big").want(t, 200, "HIT", content)
		from, to := 2<<20-5, 4<<20+5
		g.get("/big", fmt.Sprintf("Range: bytes=%d-%d", from, to)).want(t, 206, "HIT", content[from:to+1])
		g.get("/big", "Range: bytes=-10").want(t, 206, "HIT", content[size-10:])
		if n := g.origin.n.Load(); n != 1 {
			t.Errorf("origin requests: got %d, want 1", n)
		}
	})
}

func TestSlowReaderOfAGrowingObject(t *testing.T) {
	const size = 6 << 20
	content := pattern(size)
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"v\"", content), nil
		})
		defer g.close()
		slow := newSink()
		slow.gate = func(int) error { after(time.Second); return nil }
		var wg sync.WaitGroup
		wg.Go(func() { g.run(slow, "GET", "/big") })
		synctest.Wait()
		if used := g.e.StagingInUse(); used > 2*blockSize {
			t.Errorf("staging held by a slow reader: %d bytes", used)
		}
		wg.Wait()
		slow.want(t, 200, "MISS", content)
	})
}

func TestCutShortIsNeitherStoredNorWhole(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				return streamed("200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10", strings.NewReader("01234")), nil
			}
			return respond("200 OK\r\nCache-Control: max-age=60", "whole"), nil
		})
		defer g.close()
		if s := g.get("/a"); !s.aborted && s.reply.Status != 502 {
			t.Errorf("cut answer: status %d, aborted %t, body %q", s.reply.Status, s.aborted, s.body.String())
		}
		g.get("/a").want(t, 200, "MISS", "whole")
	})
}

func TestLockAgeAndTimeout(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				after(time.Minute)
			}
			return respond("200 OK\r\nCache-Control: max-age=60", fmt.Sprint(n)), nil
		})
		defer g.close()
		leader := crowd(g, 1, "/a")
		synctest.Wait()
		begin := time.Now()
		g.get("/a").want(t, 200, "MISS", "2")
		if got := time.Since(begin); got != 5*time.Second {
			t.Errorf("deposed after %s, want 5s", got)
		}
		leader.wait()
		leader.all[0].want(t, 200, "MISS", "1")
	})
}

func TestBackgroundRefresh(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n > 1 {
				after(time.Second)
			}
			return respond("200 OK\r\nCache-Control: max-age=5, stale-while-revalidate=60", fmt.Sprint(n)), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "1")
		synctest.Wait()
		after(6 * time.Second)
		g.get("/a").want(t, 200, "STALE", "1")
		g.get("/a").want(t, 200, "UPDATING", "1")
		after(2 * time.Second)
		g.get("/a").want(t, 200, "HIT", "2")
		if n := g.origin.n.Load(); n != 2 {
			t.Errorf("origin requests: got %d, want 2", n)
		}
	})
}

func TestPurge(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 2 {
				after(time.Second)
			}
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"", fmt.Sprint(n)), nil
		})
		defer g.close()
		key := []byte("http://origin.test/a")
		g.get("/a").want(t, 200, "MISS", "1")
		synctest.Wait()
		if !g.e.Purge(key, false) || g.e.Purge(key, false) {
			t.Error("purge: want found once")
		}
		racing := crowd(g, 1, "/a") // starts before the next purge, ends after it
		synctest.Wait()
		g.e.Purge(key, false)
		g.get("/a").want(t, 200, "MISS", "3")
		racing.wait()
		racing.all[0].want(t, 200, "MISS", "2")
		synctest.Wait()
		g.get("/a").want(t, 200, "HIT", "3")
		g.e.Purge(key, true)
		if s := g.get("/a"); s.field("X-Cache-Status") != "EXPIRED" {
			t.Errorf("after a soft purge: got %s, want EXPIRED", s.field("X-Cache-Status"))
		}
	})
}

func TestStagingFull(t *testing.T) {
	content := pattern(1 << 20)
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", content), nil
		})
		defer g.close()
		g.e.staging.max = 3 * blockSize
		sinks := crowd(g, 3, "/a")
		sinks.wait()
		whole := 0
		for _, s := range sinks.all {
			if s.ended && !s.aborted && s.body.String() == content {
				whole++
			} else if !s.aborted {
				t.Errorf("an answer neither whole nor cut: %+v, %d bytes", s.out, s.body.Len())
			}
		}
		if whole == 0 {
			t.Error("no client was served")
		}
	})
}

func TestUnsafeInvalidates(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", fmt.Sprint(n)), nil
		})
		defer g.close()
		g.get("/a").want(t, 200, "MISS", "1")
		synctest.Wait()
		g.ask("DELETE", "/a").want(t, 200, "BYPASS", "2")
		g.get("/a").want(t, 200, "MISS", "3")
	})
}

// crowdOf are clients that ask at once.
type crowdOf struct {
	all []*sink
	wg  sync.WaitGroup
}

func (c *crowdOf) wait() { c.wg.Wait() }

func crowd(g *rig, n int, target string, fields ...string) *crowdOf {
	c := &crowdOf{}
	for range n {
		s := newSink()
		c.all = append(c.all, s)
		c.wg.Go(func() { g.run(s, "GET", target, fields...) })
	}
	return c
}

func first(r *wire.Request, name string) []byte {
	for v := range r.Values(name) {
		return v
	}
	return nil
}
