package h1

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if string(r.Path()) == "/slow" {
				<-release
			}
			play(r, p)
		})}
		idle, busy := dial(t, s), dial(t, s)
		idle.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
		idle.expect(ok("a"))
		busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
		synctest.Wait()
		if st := s.Stats(); st.Open != 2 || st.Idle != 1 || st.Requests != 2 {
			t.Errorf("got %+v, want 2 open, 1 idle, 2 requests", st)
		}
		s.Drain()
		idle.expectEnd("")
		late := dial(t, s)
		late.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
		late.expectEnd(closing("late"))
		silent := dial(t, s)
		silent.expectEnd("")
		close(release)
		busy.expectEnd(closing("slow"))
		for _, p := range []*peer{idle, busy, late, silent} {
			p.finish()
		}
		if st := s.Stats(); st.Open != 0 || st.BytesIn == 0 || st.BytesOut == 0 {
			t.Errorf("got %+v, want none open and bytes", st)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			<-r.Context().Done()
			play(r, p)
		})}
		idle, busy := dial(t, s), dial(t, s)
		busy.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
		synctest.Wait()
		s.Close()
		<-idle.done
		<-busy.done
		after := dial(t, s)
		after.expectEnd("")
		<-after.done
	})
}

// TestWatch: the Handler learns that the client has gone, and reading ahead
// for that loses nothing.
func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		head string
		then func(p *peer)
		gone bool
	}{
		{"the client stays", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", func(*peer) {}, false},
		{"it leaves", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", func(p *peer) { _ = p.Close() }, true},
		{"it sends the next request", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", func(p *peer) { p.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n") }, false},
		{"it sends and leaves", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", func(p *peer) { p.send("GET /b"); _ = p.Close() }, true},
		{"it sends more than is read ahead", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", func(p *peer) { p.send(strings.Repeat("GET /b HTTP/1.1\r\nHost: h\r\n\r\n", 400)) }, false},
		{"it leaves within content", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na", func(p *peer) { _ = p.Close() }, true},
		{"it leaves behind content", "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", func(p *peer) { _ = p.Close() }, true},
		{"it leaves behind chunks", "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", func(p *peer) { _ = p.Close() }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, release := true, make(chan struct{})
				var ctx context.Context
				p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
					if first {
						first = false
						ctx = r.Context()
						var wg sync.WaitGroup
						if r.Body != nil {
							wg.Go(func() { _, _ = io.Copy(io.Discard, r.Body) })
						}
						defer wg.Wait()
						if r.Context() != ctx {
							t.Error("two contexts for one request")
						}
						select {
						case <-ctx.Done():
						case <-release:
						}
						if got := ctx.Err() != nil; got != tt.gone {
							t.Errorf("gone: got %v, want %v", got, tt.gone)
						}
					}
					play(r, p)
				})})
				p.send(tt.head)
				synctest.Wait()
				tt.then(p)
				time.Sleep(2 * watchAfter)
				synctest.Wait()
				close(release)
				if !tt.gone {
					p.expect(ok("a"))
					synctest.Wait()
					if ctx.Err() == nil {
						t.Error("the context goes on behind the exchange")
					}
				}
				if strings.Contains(tt.name, "next") {
					p.expect(ok("b"))
				}
				if strings.Contains(tt.name, "more") {
					p.expect(strings.Repeat(ok("b"), 400))
				}
				p.finish()
			})
		})
	}
}

func upgrade(r *wire.Request, p *wire.Reply) (io.ReadWriteCloser, error) {
	p.Status = 101
	if r.Method == wire.CONNECT {
		p.Status = 200
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	return p.Hijack()
}

const switching = "HTTP/1.1 101 Switching Protocols\r\n" + dateLine + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

const wantUpgrade = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// TestHijack: a connection that speaks another protocol from here on (RFC
// 9110, 7.8 and 9.3.6).
func TestHijack(t *testing.T) {
	for _, tt := range []struct {
		name, send, want string
	}{
		{"upgrade", wantUpgrade, switching},
		{"CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "HTTP/1.1 200 OK\r\n" + dateLine + "\r\n"},
		{"upgrade behind content", "POST /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi", switching},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
				ctx := r.Context()
				if r.Body != nil {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				rw, err := upgrade(r, p)
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
					return
				}
				if ctx.Err() != nil {
					t.Errorf("%s: the context ended", tt.name)
				}
				_, _ = io.Copy(rw, rw)
				if err := rw.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Error(err)
				}
				_ = rw.Close()
			})}
			p := dial(t, s)
			p.send(tt.send + "early ")
			p.expect(tt.want + "early ")
			time.Sleep(time.Hour) // no limit of HTTP's applies
			p.send("late")
			p.expect("late")
			if got := s.Stats().Tunnels; got != 1 {
				t.Errorf("%s: %d tunnels, want 1", tt.name, got)
			}
			s.Drain() // is none of a tunnel's business
			_ = p.CloseWrite()
			p.expectEnd("")
			p.finish()
			if got := s.Stats().Tunnels; got != 0 {
				t.Errorf("%s: %d tunnels left", tt.name, got)
			}
		})
	}
}

// TestHijackOutlives: a tunnel goes on behind the Handler, until Close.
func TestHijackOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tunnels := make(chan io.ReadWriteCloser, 1)
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			rw, err := upgrade(r, p)
			if err != nil {
				t.Error(err)
			}
			tunnels <- rw
		})}
		p := dial(t, s)
		p.send(wantUpgrade + "x")
		p.expect(switching)
		<-p.done
		rw := <-tunnels
		p.send("y")
		b := make([]byte, 9)
		for _, want := range []string{"x", "y"} {
			if n, err := rw.Read(b); string(b[:n]) != want || err != nil {
				t.Errorf("got %q (%v), want %q", b[:n], err, want)
			}
		}
		s.Close()
		p.expectEnd("")
		if _, err := rw.Read(b); err == nil {
			t.Error("the tunnel is open behind Close")
		}
		_ = rw.Close()
		p.finish()
	})
}

func TestHijackRefused(t *testing.T) {
	for _, tt := range []struct {
		name, send string
		status     int
		want       error
	}{
		{"no switch", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, errNoSwitch},
		{"content unread", "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: a\r\nContent-Length: 2\r\n\r\n", 101, errUnreadSwitch},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
				p.Status = tt.status
				_ = p.Start()
				if _, err := p.Hijack(); !errors.Is(err, tt.want) {
					t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
				}
				p.Abort()
			})})
			p.send(tt.send)
			_, _ = io.ReadAll(p)
			p.finish()
		})
	}
}

// TestOrder: calls out of order are errors and do no harm.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if _, err := p.Write([]byte("x")); err == nil {
				t.Error("Write before Start")
			}
			if err := p.End(nil); err == nil {
				t.Error("End before Start")
			}
			p.Status, p.Length = 200, 1
			l := newLender(wire.Keep, -1)
			if err := p.Span(wire.Span{Mem: []byte("x"), N: 1, Owner: l}); err == nil || len(l.released) != 1 {
				t.Error("Span before Start, or not released")
			}
			if err := p.Start(); err != nil {
				t.Error(err)
			}
			if err := p.Start(); err == nil {
				t.Error("Start twice")
			}
			if err := p.Interim(103, nil); err == nil {
				t.Error("Interim behind Start")
			}
			if err := p.Interim(200, nil); err == nil {
				t.Error("200 as interim")
			}
			_, _ = p.Write([]byte("x"))
			if err := p.End(nil); err != nil {
				t.Error(err)
			}
			p.Abort() // too late
			if err := p.End(nil); err == nil {
				t.Error("End twice")
			}
			if p.Sent != 1 {
				t.Errorf("Sent: got %d, want 1", p.Sent)
			}
		})})
		p.send(strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 2))
		p.expect(ok("x") + ok("x"))
		p.finish()
	})
}

// TestClientGone: a client that goes away ends the reply, says so in Err, and
// everything lent is released.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(wire.Keep, -1)
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			p.Status, p.Length = 200, wire.Unknown
			_ = p.Start()
			var err error
			n := 0
			for ; err == nil; n++ {
				err = p.Span(wire.Span{Mem: make([]byte, 20<<10), N: 20 << 10, Owner: l})
				time.Sleep(time.Second)
				<-l.released
			}
			var e *wire.Error
			if !errors.As(err, &e) || e.Side != wire.Client || !errors.Is(p.Err, err) {
				t.Errorf("got %v and Err %v, want the client's", err, p.Err)
			}
			if _, again := p.Write([]byte("x")); !errors.Is(again, err) {
				t.Errorf("got %v, want the same again", again)
			}
			if err := p.End(nil); err == nil {
				t.Error("End of a broken reply")
			}
		})}
		p := dial(t, s)
		p.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		time.Sleep(5 * time.Second)
		p.finish()
		if got := s.Stats().Aborted; got != 1 {
			t.Errorf("%d aborted, want 1", got)
		}
	})
}

// FuzzServeConn: whatever comes, the connection ends, without a panic, and
// with nothing but responses on it.
func FuzzServeConn(f *testing.F) {
	f.Add([]byte("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /chunks HTTP/1.1\r\nHost: h\r\n\r\n"), uint8(7))
	f.Add([]byte("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), uint8(1))
	f.Add([]byte("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"), uint8(200))
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /unknownabort HTTP/1.0\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		s := &Server{Now: clock, Handler: handlerFunc(play)}
		client, server := newPipe(len(in) + 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeConn(server)
		}()
		go func() {
			for rest := in; len(rest) > 0; {
				n := min(int(piece)+1, len(rest))
				if _, err := client.Write(rest[:n]); err != nil {
					break
				}
				rest = rest[n:]
			}
			_ = client.CloseWrite()
		}()
		got, err := io.ReadAll(client)
		if len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 ") {
			t.Errorf("%q: got %q", in, got)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: %v", in, err)
		}
		_ = client.Close()
		<-done
		if n := s.Stats().Panics; n > 0 && !strings.Contains(string(in), "panic") {
			t.Errorf("%q: %d panics", in, n)
		}
	})
}
