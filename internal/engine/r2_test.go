package engine

import (
	"fmt"
	"strings"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// Regressions of issue 2: each was shown before it was mended.

// TestR2RangeHanded: a range that begins behind what was fetched when a response was handed over gets its own bytes.
func TestR2RangeHanded(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(1 << 20)
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"", content), nil
		})
		g.e.staging.max = 128 << 10
		s := g.get("/x", "Range: bytes=700000-700099")
		s.want(t, 206, "MISS", content[700000:700100])
		g.close()
	})
}

// TestR2StartUnlessStored: whoever looked up before a fetch stored and joins after it ended finds what it stored.
func TestR2StartUnlessStored(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"", "hi"), nil
		})
		g.get("/x")
		c := g.e.calls.Get().(*call)
		var r wire.Request
		_, _ = wire.ParseRequest(&r, []byte("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), wire.Limits{})
		key := []byte("http://origin.test/x")
		c.r, c.pol, c.key = &r, &g.pol, key
		c.now = g.e.now()
		c.primary = g.e.store.Hash(key)
		c.at, c.atKey = c.primary, key // looked up before the fetch ended: nothing
		if f := c.startUnlessStored(nil, c); f != nil {
			t.Errorf("second fetch started though the object is stored")
		}
		g.close()
	})
}

// TestR2Marker: two fetches of the same variant leave the marker in place.
func TestR2Marker(t *testing.T) {
	play(t, func(t *testing.T) {
		gate := make(chan struct{})
		hold := true
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if hold {
				<-gate
			}
			return respond("200 OK\r\nCache-Control: public, max-age=60\r\nVary: Accept-Encoding\r\nETag: \"a\"", string(r.Get(wire.AcceptEncoding))), nil
		})
		done := make(chan bool)
		for i := range 2 {
			go func() { g.get("/x", "Accept-Encoding: gzip", fmt.Sprintf("Authorization: Basic %d", i)); done <- true }()
		}
		after(1)
		close(gate)
		<-done
		<-done
		hold = false
		var e store.Entry
		key := []byte("http://origin.test/x")
		g.store.Lookup(g.store.Hash(key), key, g.e.now().UnixMilli(), &e)
		s := g.get("/x", "Accept-Encoding: gzip")
		if s.field("X-Cache-Status") != "HIT" {
			t.Errorf("not a hit: the marker is gone")
		}
		g.close()
	})
}

// TestR2VaryRange: a response that varies by what a fetch leaves out is one fetch, not eight.
func TestR2VaryRange(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: Range\r\nETag: \"a\"", "hello"), nil
		})
		g.get("/x", "Range: bytes=0-1")
		if n := g.origin.n.Load(); n > 1 {
			t.Errorf("one request made %d origin requests", n)
		}
		g.get("/y", "If-None-Match: \"zz\"").want(t, 200, "MISS", "hello")
		g.close()
	})
}

// TestR2VaryVia: nor is one that varies by what a fetch adds.
func TestR2VaryVia(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: Via\r\nETag: \"a\"", "hello"), nil
		})
		g.get("/x")
		if n := g.origin.n.Load(); n > 1 {
			t.Errorf("one plain request made %d origin requests", n)
		}
		g.get("/x")
		g.close()
	})
}

// TestR2EmptyStagingFull: a response without content needs no staging.
func TestR2EmptyStagingFull(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			resp := respond("301 Moved\r\nCache-Control: max-age=60\r\nLocation: /", "")
			resp.Body = nil // as origin does it: no content, no Body
			return resp, nil
		})
		g.e.staging.max = 1
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			s := g.get("/x")
			s.want(t, 301, "MISS", "")
		}()
		g.e.staging.max = 64 << 20
		g.close()
	})
}

// TestR2304Private: a 304 that forbids sharing does not freshen what is shared.
func TestR2304Private(t *testing.T) {
	for _, cc := range []string{"private, max-age=60", "no-store, max-age=60"} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				if r.Has(wire.IfNoneMatch) {
					return streamed("304 Not Modified\r\nETag: \"a\"\r\nSet-Cookie: session=alice\r\nCache-Control: "+cc, strings.NewReader("")), nil
				}
				return respond("200 OK\r\nCache-Control: max-age=0\r\nETag: \"a\"", "hi"), nil
			})
			g.get("/x")
			g.get("/x", "Cookie: alice")
			b := g.get("/x", "Cookie: bob")
			if b.field("X-Cache-Status") == "HIT" {
				t.Errorf("%s: bob is given what the 304 for alice said, from store", cc)
			}
			g.close()
		})
	}
}

// TestR2DoneWindow: content stays readable while a fetch that ended can still be joined.
func TestR2DoneWindow(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", "hello"), nil
		})
		mk := func() *call {
			c := g.e.calls.Get().(*call)
			var r wire.Request
			_, _ = wire.ParseRequest(&r, []byte("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), wire.Limits{})
			key := []byte("http://origin.test/x")
			c.r, c.pol, c.key = &r, &g.pol, key
			digestAsk(&c.ask, &r)
			c.now = g.e.now()
			c.since = c.now
			c.primary = g.e.store.Hash(key)
			c.at, c.atKey = c.primary, key
			s := newSink()
			s.reply.Sink = s
			c.p = &s.reply
			return c
		}
		c1 := mk()
		f, _ := g.e.flights.join(c1.at, c1.stalled, func() *fetch { return c1.start(nil, c1) })
		f.exchange() // the fetch's goroutine, up to before its defers
		f.leave(c1)  // the leader is done and leaves first
		c2 := mk()   // looked up before the Put: Nothing
		f2, leader := g.e.flights.join(c2.at, c2.stalled, func() *fetch { return nil })
		t.Log(f2 == f, leader)
		ph, _ := c2.await(f2, false)
		c2.act(f2, ph, nil)
		s := c2.p.Sink.(*sink)
		if s.body.String() != "hello" {
			t.Errorf("answer lost")
		}
		f.leave(c2)
		g.e.flights.remove(f.at, f)
		f.finish()
		g.close()
	})
}

// TestR2OnlyIfCached: only-if-cached never reaches the origin.
func TestR2OnlyIfCached(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: private", "hi"), nil
		})
		g.get("/x")
		s := g.get("/x", "Cache-Control: only-if-cached")
		if s.reply.Status != 504 {
			t.Errorf("hit-for-miss: %d, origin asked %d times", s.reply.Status, g.origin.n.Load())
		}
		g.close()
	})
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", "hi"), nil
		})
		g.get("/x")
		g.e.Purge([]byte("http://origin.test/x"), true)
		s := g.get("/x", "Cache-Control: only-if-cached")
		if s.reply.Status != 504 {
			t.Errorf("soft purge: %d, origin asked %d times", s.reply.Status, g.origin.n.Load())
		}
		g.close()
	})
}

// TestR2UpgradeBypass: a path that is never cached can still be upgraded.
func TestR2UpgradeBypass(t *testing.T) {
	play(t, func(t *testing.T) {
		var up, h2c bool
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				up = r.Upgrade
			} else {
				h2c = r.Upgrade
			}
			return respond("200 OK\r\nCache-Control: private", "hi"), nil
		})
		g.pol.Bypass = true
		g.get("/ws", "Connection: Upgrade", "Upgrade: websocket")
		g.pol.Bypass = false
		g.get("/h2", "Connection: Upgrade", "Upgrade: h2c, x")
		if !up {
			t.Errorf("no upgrade under Bypass")
		}
		if h2c {
			t.Errorf("h2c sent")
		}
		g.close()
	})
}

// TestR2RefreshTwice: one stale response is refreshed once.
func TestR2RefreshTwice(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=1, stale-while-revalidate=60\r\nETag: \"a\"", "hi"), nil
		})
		g.get("/x")
		after(2e9)
		// two requests look up the stale response; the second joins only after the first's refresh has ended
		mk := func() *call {
			c := g.e.calls.New().(*call)
			var r wire.Request
			_, _ = wire.ParseRequest(&r, []byte("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), wire.Limits{})
			c.r, c.pol, c.key = &r, &g.pol, []byte("http://origin.test/x")
			digestAsk(&c.ask, &r)
			c.now = g.e.now()
			c.since = c.now
			c.primary = g.e.store.Hash(c.key)
			c.lookup()
			_ = c.head.read(c.entry.Meta)
			return c
		}
		a, b := mk(), mk()
		a.refreshBehind()
		a.entry.Release()
		after(1e6)
		b.refreshBehind()
		b.entry.Release()
		after(1e6)
		if n := g.e.Stats.Refreshes.Load(); n != 1 {
			t.Errorf("%d refreshes of one stale response", n)
		}
		g.close()
	})
}

// TestR2PanicClosesBody: a fetch that panics gives its connection's place back.
func TestR2PanicClosesBody(t *testing.T) {
	play(t, func(t *testing.T) {
		var b *panicBody
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			resp := respond("200 OK\r\nCache-Control: max-age=60", "hello")
			b = &panicBody{}
			resp.Body = b
			return resp, nil
		})
		g.get("/x")
		after(1)
		if !b.closed {
			t.Errorf("the body of a fetch that panicked is never closed: its connection's place is lost")
		}
		g.close()
	})
}

type panicBody struct{ closed bool }

func (b *panicBody) Read([]byte) (int, error) { panic("boom") }
func (b *panicBody) Trailer() *wire.Head      { return nil }
func (b *panicBody) Close() error             { b.closed = true; return nil }

// TestR2Reached: a range far ahead does not take the window from those who read from the start.
func TestR2Reached(t *testing.T) {
	play(t, func(t *testing.T) {
		content := pattern(8 << 20)
		g := newRigOf(t, 4<<20, func(n int, r *wire.Request) (*wire.Response, error) {
			return respond("200 OK\r\nCache-Control: max-age=60", content), nil
		})
		g.e.maxObject = 64 << 20
		slow := newSink()
		first := true
		block := make(chan struct{})
		slow.gate = func(int) error {
			if first {
				first = false
				<-block
			}
			return nil
		}
		done := make(chan bool)
		go func() { g.run(slow, "GET", "/x"); close(done) }()
		after(1)
		rg := make(chan *sink, 1)
		go func() { rg <- g.get("/x", "Range: bytes=8388000-8388100") }()
		after(1e9)
		close(block)
		(<-rg).want(t, 206, "MISS", content[8388000:8388101]) // of a stream of its own; this origin has no ranges
		<-done
		if slow.aborted {
			t.Errorf("answer cut short because another client asked for a range at the end")
		}
		g.close()
	})
}
