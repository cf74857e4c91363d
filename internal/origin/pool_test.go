package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

func TestKeepAlive(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.KeepAlive = 10 * time.Second
		mustFetch(t, u, "ok")
		time.Sleep(9 * time.Second)
		mustFetch(t, u, "ok")
		time.Sleep(11 * time.Second)
		if got := u.Stats(); got.Open != 0 {
			t.Errorf("%d open after KeepAlive", got.Open)
		}
		mustFetch(t, u, "ok")
	}, answer(ok2, ok2), answer(ok2))
}

// TestKeepAliveByNow: the ages are Now's, whatever the timer does.
func TestKeepAliveByNow(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		var jump time.Duration
		u.Now = func() time.Time { return time.Now().Add(jump) }
		mustFetch(t, u, "ok")
		jump = time.Hour
		mustFetch(t, u, "ok")
	}, answer(ok2), answer(ok2))
}

func TestMaxIdle(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.MaxIdle = 1
		var wg sync.WaitGroup
		for range 3 {
			resp, err := u.Exchange(context.Background(), get(t))
			if err != nil {
				t.Fatal(err)
			}
			defer wg.Wait()
			defer wg.Go(func() { _ = resp.Body.Close() })
		}
		if got := u.Stats().Open; got != 3 {
			t.Errorf("%d open, want 3", got)
		}
	}, answer(ok2), answer(ok2), answer(ok2))
}

// TestStale: what is wrong with a kept connection is seen before it is used,
// even for a request that could not be repeated.
func TestStale(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(p *peer)
	}{
		{"closed", func(p *peer) {}},
		{"half closed", func(p *peer) { _ = p.CloseWrite(); p.expectEnd() }},
		{"reset", func(p *peer) { p.Reset() }},
		{"unsolicited response", func(p *peer) { p.say(ok2); p.expectEnd() }},
		{"408", func(p *peer) {
			p.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				mustFetch(t, u, "ok")
				time.Sleep(2 * time.Second)
				status, got, err := fetch(u, post(t, 3, content("abc").end()))
				if status != 200 || got != "OK" || err != nil {
					t.Errorf("got %d %q, %v", status, got, err)
				}
				if st := u.Stats(); st.Stale != 1 || st.Retries != 0 {
					t.Errorf("got %+v, want 1 stale, no retry", st)
				}
			}, func(p *peer) {
				p.head()
				p.say(ok2)
				time.Sleep(time.Second)
				tt.then(p)
			}, func(p *peer) {
				p.head()
				p.expect("abc")
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
				p.expectEnd()
			})
		})
	}
}

// TestSpokeFirst: an origin that speaks before it is asked is none.
func TestSpokeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := pipe()
		defer func() { _ = s.Close() }()
		_, _ = s.Write([]byte(ok2))
		u := &Upstream{Scheme: "http", Addr: "origin:25", Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
		_, _, err := fetch(u, get(t))
		wantError(t, err, upstream(502, false), BadResponse)
	})
}

// TestRetry: the origin closes a kept connection when the next request comes.
func TestRetry(t *testing.T) {
	first := func(p *peer) { p.head(); p.say(ok2); p.head() }
	second := answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
	ask := func(method string) func(t *testing.T) *wire.Request {
		return func(t *testing.T) *wire.Request { return request(t, method+" / HTTP/1.1", "Host: h") }
	}
	for _, tt := range []struct {
		name  string
		ask   func(t *testing.T) *wire.Request
		retry bool
	}{
		{"GET", ask("GET"), true},
		{"HEAD", ask("HEAD"), true},
		{"DELETE", ask("DELETE"), true},
		{"POST without content", ask("POST"), false},
		{"PATCH without content", ask("PATCH"), false},
		{"unknown method", ask("FROB"), false},
		{"GET with content", func(t *testing.T) *wire.Request {
			r := get(t)
			r.Length, r.Body = 1, content("a").end()
			return r
		}, false},
		{"PUT", func(t *testing.T) *wire.Request { r := post(t, 1, content("a").end()); r.SetMethod(wire.PUT); return r }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scripts := []func(p *peer){first, second}
			if !tt.retry {
				scripts = scripts[:1]
			}
			play(t, func(t *testing.T, u *Upstream) {
				mustFetch(t, u, "ok")
				status, _, err := fetch(u, tt.ask(t))
				if st := u.Stats(); tt.retry && (status != 200 || err != nil || st.Retries != 1) {
					t.Errorf("got %d, %v, %d retries", status, err, st.Retries)
				}
				if !tt.retry {
					wantError(t, err, upstream(502, true), Closed)
				}
			}, scripts...)
		})
	}
}

func TestNoRetry(t *testing.T) {
	t.Run("on a new connection", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			_, _, err := fetch(u, get(t))
			wantError(t, err, upstream(502, true), Closed)
		}, func(p *peer) { p.head() })
	})
	t.Run("twice", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			mustFetch(t, u, "ok")
			_, _, err := fetch(u, get(t))
			wantError(t, err, upstream(502, true), Closed)
		}, func(p *peer) { p.head(); p.say(ok2); p.head() }, func(p *peer) { p.head() })
	})
	t.Run("when nobody listens any more", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			refused := errors.New("refused")
			mustFetch(t, u, "ok")
			u.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
			_, _, err := fetch(u, get(t))
			wantError(t, err, upstream(502, true), Dial)
		}, func(p *peer) { p.head(); p.say(ok2); p.head() })
	})
	t.Run("after a byte", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			mustFetch(t, u, "ok")
			_, _, err := fetch(u, get(t))
			wantError(t, err, upstream(502, true), Cut)
		}, func(p *peer) { p.head(); p.say(ok2); p.head(); p.say("H") })
	})
	t.Run("after a timeout", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			mustFetch(t, u, "ok")
			_, _, err := fetch(u, get(t))
			wantError(t, err, upstream(504, true), HeadTimeout)
		}, func(p *peer) { p.head(); p.say(ok2); p.head(); p.expectEnd() })
	})
}

// TestRetryUnwritten: nothing was written, so anything may be sent again.
func TestRetryUnwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, blind: true, scripts: []func(p *peer){
			func(p *peer) { p.head(); p.say(ok2) },
			func(p *peer) { p.head(); p.expect("abc"); p.say(ok2); p.expectEnd() },
		}}
		u := &Upstream{Scheme: "http", Addr: "origin:80", Host: "origin", Dial: s.dial}
		mustFetch(t, u, "ok")
		synctest.Wait() // until it is closed, which a blind connection does not show
		status, _, err := fetch(u, post(t, 3, content("abc").end()))
		if st := u.Stats(); status != 200 || err != nil || st.Retries != 1 {
			t.Errorf("got %d, %v, %d retries", status, err, st.Retries)
		}
		_ = u.Close()
		s.wg.Wait()
	})
}

func TestDialFails(t *testing.T) {
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		dial  func(ctx context.Context) error
		want  wire.Error
		fault Fault
		took  time.Duration
	}{
		{"refused", func(context.Context) error { return refused }, upstream(502, false), Dial, 0},
		{"stalled", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, upstream(504, false), DialTimeout, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &Upstream{Scheme: "http", Addr: "origin:80", Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return nil, tt.dial(ctx)
				}}
				begun := time.Now()
				_, _, err := fetch(u, get(t))
				wantError(t, err, tt.want, tt.fault)
				took(t, begun, tt.took)
				if st := u.Stats(); st.Open != 0 || st.Faults[tt.fault] != 1 {
					t.Errorf("got %+v", st)
				}
			})
		})
	}
}

// TestStalledHandshake: the origin accepts and says nothing of TLS.
func TestStalledHandshake(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.Scheme = "https"
		begun := time.Now()
		_, _, err := fetch(u, get(t))
		wantError(t, err, upstream(504, false), TLS)
		took(t, begun, 5*time.Second)
	}, func(p *peer) { _, _ = p.r.WriteTo(io.Discard) })
}

func TestQueue(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.MaxConns, u.MaxQueue, u.QueueTimeout = 1, 2, 10*time.Second
		holder, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				if status, _, err := fetch(u, request(t, fmt.Sprintf("GET /%d HTTP/1.1", i), "Host: h")); status != 200 {
					t.Errorf("request %d: got %d, %v", i, status, err)
				}
			})
			synctest.Wait()
			if st := u.Stats(); st.InUse != 1 || st.Waiting != i+1 || st.Queued != uint64(i+1) || st.Refused != 0 {
				t.Errorf("got %+v, want 1 in use and %d queued", st, i+1)
			}
		}
		_, _, err = fetch(u, get(t))
		wantError(t, err, wire.Error{Side: wire.Us, Status: 503}, QueueFull)
		if !errors.Is(err, QueueFull) {
			t.Errorf("errors.Is(%v, QueueFull) is false", err)
		}
		time.Sleep(9 * time.Second)
		_ = holder.Body.Close()
		wg.Wait()
		if st := u.Stats(); st.InUse != 0 || st.Waiting != 0 || st.Queued != 2 || st.Refused != 1 || st.Faults[QueueFull] != 1 {
			t.Errorf("got %+v, want none in use, 2 queued in all, 1 refused", st)
		}
	}, func(p *peer) {
		for _, target := range []string{"/x", "/0", "/1"} { // first in, first out
			p.expect("GET " + target + " HTTP/1.1\r\nHost: origin\r\n\r\n")
			p.say(ok2)
		}
		p.expectEnd()
	})
}

func TestQueueWaitsEnd(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.MaxConns, u.QueueTimeout = 1, 3*time.Second
		holder, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, _, err = fetch(u, get(t))
		wantError(t, err, wire.Error{Side: wire.Us, Status: 503}, QueueTimeout)
		took(t, begun, 3*time.Second)
		if st := u.Stats(); st.Refused != 1 || st.Faults[QueueTimeout] != 1 {
			t.Errorf("got %+v, want 1 refused", st)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err = u.Exchange(ctx, get(t))
		wantError(t, err, wire.Error{Side: wire.Client, Status: 499}, Canceled)
		if got := u.Stats().Waiting; got != 0 {
			t.Errorf("%d still wait", got)
		}
		_ = holder.Body.Close()
		mustFetch(t, u, "ok")
	}, answer(ok2, ok2))
}

// TestQueuePlace: a connection that is closed hands its place on.
func TestQueuePlace(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.MaxConns = 1
		holder, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { mustFetch(t, u, "ok") })
		synctest.Wait()
		_ = holder.Body.Close()
		wg.Wait()
	}, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), answer(ok2))
}

func TestUpstreamClose(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		resp, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = u.Close()
		_ = resp.Body.Close()
		mustFetch(t, u, "ok")
		if st := u.Stats(); st.Open != 0 {
			t.Errorf("%d open after Close", st.Open)
		}
	}, answer(ok2), answer(ok2))
}

func TestTunnel(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		r := request(t, "GET /chat HTTP/1.1", "Host: h", "Connection: upgrade", "Upgrade: websocket")
		resp, err := u.Exchange(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != 101 || resp.Tunnel == nil || string(resp.Protocol()) != "websocket" {
			t.Fatalf("got %d, tunnel %v, protocol %q", resp.Status, resp.Tunnel, resp.Protocol())
		}
		time.Sleep(time.Hour) // no deadline is left
		b := make([]byte, 16)
		if n, err := resp.Tunnel.Read(b); string(b[:n]) != "hello" || err != nil {
			t.Errorf("got %q, %v", b[:n], err)
		}
		_, _ = resp.Tunnel.Write([]byte("ping"))
		if n, err := resp.Tunnel.Read(b); string(b[:n]) != "pong" || err != nil {
			t.Errorf("got %q, %v", b[:n], err)
		}
		if err := resp.Tunnel.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if n, err := resp.Tunnel.Read(b); string(b[:n]) != "bye" || err != nil {
			t.Errorf("got %q, %v", b[:n], err)
		}
		_ = resp.Tunnel.Close()
		_ = resp.Tunnel.Close()
	}, func(p *peer) {
		p.expect("GET /chat HTTP/1.1\r\nHost: origin\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		p.expect("ping")
		p.say("pong")
		p.expectEnd()
		p.say("bye")
	})
}
