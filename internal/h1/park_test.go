package h1

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// A lasting is a connection that may outlive ServeConn.
type lasting struct {
	net.Conn
	outlived atomic.Int32
	ended    chan struct{}
}

func (l *lasting) Outlive() (ended func()) {
	l.outlived.Add(1)
	return func() { close(l.ended) }
}

// CloseWrite is the carried connection's.
func (l *lasting) CloseWrite() error { return l.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// A socket is a lasting TCP connection.
type socket struct {
	*net.TCPConn
	*lasting
}

func (s socket) Close() error                       { return s.TCPConn.Close() }
func (s socket) CloseWrite() error                  { return s.TCPConn.CloseWrite() }
func (s socket) LocalAddr() net.Addr                { return s.TCPConn.LocalAddr() }
func (s socket) RemoteAddr() net.Addr               { return s.TCPConn.RemoteAddr() }
func (s socket) Read(p []byte) (int, error)         { return s.TCPConn.Read(p) }
func (s socket) Write(p []byte) (int, error)        { return s.TCPConn.Write(p) }
func (s socket) SetDeadline(t time.Time) error      { return s.TCPConn.SetDeadline(t) }
func (s socket) SetReadDeadline(t time.Time) error  { return s.TCPConn.SetReadDeadline(t) }
func (s socket) SetWriteDeadline(t time.Time) error { return s.TCPConn.SetWriteDeadline(t) }

const getA = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

// parker is a client of a connection that may outlive ServeConn, in memory.
type parker struct {
	t      *testing.T
	nc     net.Conn // the client's end
	server *lasting
	done   chan struct{} // closed when ServeConn has returned
}

func park(t *testing.T, s *Server, secure bool) *parker {
	t.Helper()
	near, far := newPipe(1 << 20)
	p := &parker{t: t, nc: near, server: &lasting{Conn: far, ended: make(chan struct{})}, done: make(chan struct{})}
	var nc net.Conn = p.server
	if secure {
		server, client := certificate(t)
		client.Time, server.Time = time.Now, time.Now
		client.InsecureSkipVerify = true // the bubble's time is not the certificate's
		nc, p.nc = tls.Server(nc, server), tls.Client(near, client)
	}
	go func() {
		defer close(p.done)
		s.ServeConn(nc)
	}()
	return p
}

// trip sends pieces and expects the answers to n requests for /a.
func (p *parker) trip(n int, pieces ...string) {
	p.t.Helper()
	for _, b := range pieces {
		if _, err := io.WriteString(p.nc, b); err != nil {
			p.t.Fatalf("send %q: %v", b, err)
		}
		synctest.Wait()
	}
	want := strings.Repeat(ok("a"), n)
	got := make([]byte, len(want))
	if k, err := io.ReadFull(p.nc, got); err != nil || string(got) != want {
		p.t.Fatalf("%q: got %q (%v), want %q", pieces, got[:k], err, want)
	}
}

// gone expects the connection's end.
func (p *parker) gone() {
	p.t.Helper()
	if got, err := io.ReadAll(p.nc); err != nil || len(got) > 0 {
		p.t.Errorf("got %q (%v), want the end", got, err)
	}
	<-p.server.ended
	<-p.done
	_ = p.nc.Close()
	if got := p.server.outlived.Load(); got != 1 {
		p.t.Errorf("asked to outlive %d times, want once", got)
	}
}

// TestPark: behind its first request, and whenever it has been quiet, a
// connection goes on without the goroutine that it came on, and nothing of
// what then happens to it is different.
func TestPark(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(s *Server, p *parker)
	}{
		{"the client closes", func(_ *Server, p *parker) { closeWrite(p) }},
		{"the server drains", func(s *Server, _ *parker) { s.Drain() }},
		{"idle for too long", func(*Server, *parker) { time.Sleep(76 * time.Second) }},
		{"a request", func(_ *Server, p *parker) { p.trip(1, getA); closeWrite(p) }},
		{"byte by byte", func(_ *Server, p *parker) { p.trip(1, strings.Split(getA, "")...); closeWrite(p) }},
		{"an empty line first", func(_ *Server, p *parker) { p.trip(1, "\r", "\n", getA); closeWrite(p) }},
		{"many requests at once", func(_ *Server, p *parker) { p.trip(40, strings.Repeat(getA, 40)); closeWrite(p) }},
		{"again and again", func(_ *Server, p *parker) {
			for _, d := range []time.Duration{0, settle / 2, settle, 2 * settle, 10 * settle, 0} {
				time.Sleep(d)
				p.trip(1, getA)
			}
			closeWrite(p)
		}},
		{"a request and the end", func(_ *Server, p *parker) {
			if _, err := io.WriteString(p.nc, strings.Replace(getA, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); err != nil {
				t.Error(err)
			}
			got := make([]byte, len(closing("a")))
			if _, err := io.ReadFull(p.nc, got); err != nil || string(got) != closing("a") {
				t.Errorf("got %q (%v)", got, err)
			}
		}},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, secure %v", tt.name, secure), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &Server{Handler: handlerFunc(play), Now: clock}
					p := park(t, s, secure)
					p.t = t
					p.trip(1, getA)
					<-p.done // though the connection is open
					select {
					case <-p.server.ended:
						t.Fatal("ended while it is open")
					default:
					}
					if st := s.Stats(); st.Open != 1 || st.Idle != 1 {
						t.Errorf("got %+v, want one open and idle", st)
					}
					tt.then(s, p)
					p.gone()
					if st := s.Stats(); st.Open != 0 {
						t.Errorf("got %+v, want none open", st)
					}
				})
			})
		}
	}
}

func closeWrite(p *parker) {
	if err := p.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Error(err)
	}
}

// TestParkClose: Close ends parked connections too.
func TestParkClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: handlerFunc(play), Now: clock}
		p := park(t, s, false)
		p.trip(1, getA)
		<-p.done
		s.Close()
		p.gone()
	})
}

// TestParkIdle: a connection that parks has IdleTimeout in all, not a settle
// more.
func TestParkIdle(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{Handler: handlerFunc(play), Now: clock}
			p := park(t, s, secure)
			p.trip(1, getA)
			p.trip(1, getA)
			start := time.Now()
			p.gone()
			if d := time.Since(start); d < 50*time.Second || d > 75*time.Second {
				t.Errorf("secure %v: closed after %s, want 50 to 75 s", secure, d)
			}
			if got := s.Stats().Timeouts; got != (Timeouts{Idle: 1}) {
				t.Errorf("secure %v: got %+v, want one idle", secure, got)
			}
		})
	}
}

// TestParkSocket: the same on sockets, where a parked connection is in the
// middle of a system call's callback.
func TestParkSocket(t *testing.T) {
	server, client := certificate(t)
	for _, secure := range []bool{false, true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{Handler: handlerFunc(play), Now: clock}
		near, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		l := &lasting{ended: make(chan struct{})}
		var nc net.Conn = socket{far.(*net.TCPConn), l}
		if secure {
			nc, near = tls.Server(nc, server), tls.Client(near, client)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeConn(nc)
		}()
		_ = near.SetDeadline(time.Now().Add(20 * time.Second))
		for i := range 3 {
			if i == 1 {
				<-done
			}
			if _, err := io.WriteString(near, getA+getA); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 2*len(ok("a")))
			if _, err := io.ReadFull(near, got); err != nil || string(got) != ok("a")+ok("a") {
				t.Fatalf("secure %v: got %q (%v)", secure, got, err)
			}
		}
		s.Drain()
		if got, err := io.ReadAll(near); err != nil || len(got) > 0 {
			t.Errorf("secure %v: got %q (%v), want the end", secure, got, err)
		}
		<-l.ended
		_ = near.Close()
	}
}

// TestParkHijack: a connection that was parked can be hijacked; the tunnel is
// whoever's who has it.
func TestParkHijack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if !r.Upgrade {
				play(r, p)
				return
			}
			p.Status = 101
			_ = p.Start()
			rw, err := p.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(rw, rw)
			_ = rw.Close()
		})}
		p := park(t, s, false)
		p.trip(1, getA)
		<-p.done
		if _, err := io.WriteString(p.nc, "GET /t HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello"); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(p.nc)
		if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
			t.Fatalf("got %v (%v), want 101", res, err)
		}
		closeWrite(p)
		if got, err := io.ReadAll(br); err != nil || string(got) != "hello" {
			t.Errorf("got %q (%v)", got, err)
		}
		<-p.server.ended
	})
}
