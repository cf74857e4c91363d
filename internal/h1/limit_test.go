package h1

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestLimited: what runs into a limit is counted under the limit's name, and
// told once with the client's address.
func TestLimited(t *testing.T) {
	post := func(more string) string { return "POST /echo HTTP/1.1\r\nHost: h\r\n" + more }
	for _, tt := range []struct {
		want  string
		set   func(s *Server)
		send  string
		wait  time.Duration // before the client reads
		quiet bool          // it is counted only
		size  int           // of the connection's buffers; 0: 128 KiB
	}{
		{want: "head_timeout", send: "", wait: time.Minute},
		{want: "head_timeout", send: "GET", wait: time.Minute},
		{want: "idle_timeout", send: getA, wait: 2 * time.Minute, quiet: true},
		{want: "body_timeout", send: post("Content-Length: 5\r\n\r\nabc"), wait: 2 * time.Minute},
		{want: "write_timeout", set: func(s *Server) { s.MinRate = -1 }, send: "GET /large HTTP/1.1\r\nHost: h\r\n\r\n", wait: 2 * time.Minute},
		{want: "min_rate", size: 1 << 10, send: "GET /large HTTP/1.1\r\nHost: h\r\n\r\n", wait: 2 * time.Minute},
		{want: "min_rate", set: func(s *Server) { s.MinRate = 10 }, send: post("Content-Length: 5\r\n\r\nabc\x00d"), wait: 2 * time.Minute},
		{want: "yield", send: "GET /yield HTTP/1.1\r\nHost: h\r\n\r\n", wait: 2 * time.Minute},
		{want: "head_size", send: "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", 70<<10), wait: time.Minute},
		{want: "head_size", send: "GET /" + strings.Repeat("a", 20<<10), wait: time.Minute},
		{want: "content_size", set: func(s *Server) { s.MaxContent = 4 }, send: post("Content-Length: 5\r\n\r\nabcde"), wait: time.Minute},
		{want: "content_size", set: func(s *Server) { s.MaxContent = 4 }, send: post("Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"), wait: time.Minute},
		{want: "drain", set: func(s *Server) { s.MaxDrain = 2 }, send: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", wait: time.Minute},
		{want: "drain", set: func(s *Server) { s.MaxDrain = 2 }, send: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", wait: time.Minute},
	} {
		t.Run(tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told tales
				s := &Server{Now: clock, Limited: told.tell, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
					name := string(r.Path())
					if name != "/large" && name != "/yield" {
						play(r, p)
						return
					}
					l := newLender(wire.Keep, -1)
					if name == "/yield" {
						l.pressure = wire.Yield
					}
					p.Status, p.Length = 200, 1<<20
					_ = p.Start()
					_ = p.Span(wire.Span{Mem: make([]byte, 1<<20), N: 1 << 20, Owner: l})
				})}
				if tt.set != nil {
					tt.set(s)
				}
				p := dialSize(t, s, either(tt.size, 128<<10))
				first, second, slow := strings.Cut(tt.send, "\x00")
				p.send(first)
				if slow { // 11 s for less than 110 bytes
					time.Sleep(11 * time.Second)
					p.send(second)
				}
				time.Sleep(tt.wait)
				_, _ = io.Copy(io.Discard, p)
				p.finish()
				told.check(t, s, tt.want, !tt.quiet)
			})
		})
	}
}

// tales is what Server.Limited was told.
type tales struct {
	mu   sync.Mutex // guards the field below
	told []string
}

func (l *tales) tell(limit string, remote netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, fmt.Sprint(limit, " ", remote))
}

// check expects want and nothing else to be counted, and to be told.
func (l *tales) check(t *testing.T, s *Server, want string, told bool) {
	t.Helper()
	seen := map[string]bool{}
	for name, n := range s.Stats().Limited() {
		if got, want := n > 0, name == want; got != want || n > 1 {
			t.Errorf("%s: %d", name, n)
		}
		if seen[name] {
			t.Errorf("%s comes twice", name)
		}
		seen[name] = true
	}
	if !seen[want] {
		t.Errorf("no %q among %v", want, seen)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := "[]"
	if told {
		lines = "[" + want + " 192.0.2.7:4711]"
	}
	if got := fmt.Sprint(l.told); got != lines {
		t.Errorf("told %s, want %s", got, lines)
	}
}

func TestLimitedHandshake(t *testing.T) {
	server, _ := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		var told tales
		s := &Server{Handler: handlerFunc(play), Limited: told.tell}
		near, far := newPipe(1 << 20)
		start := time.Now()
		s.ServeConn(tls.Server(far, server))
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("took %s, want 10 s", d)
		}
		_ = near.Close()
		told.check(t, s, "handshake_timeout", true)
	})
}

func TestLimitedConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told tales
		s := &Server{Handler: handlerFunc(play), Now: clock, MaxConns: 1, Limited: told.tell}
		first := dial(t, s)
		synctest.Wait()
		second := dial(t, s)
		_, _ = io.Copy(io.Discard, second)
		first.finish()
		second.finish()
		told.check(t, s, "connections", true)
	})
}

// TestOddClients: who is slow or odd within the limits is answered.
func TestOddClients(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two bytes
		send  string
		half  bool // it closes its sending side behind that
		want  string
	}{
		{"a byte every 200 ms", 200 * time.Millisecond, getA, false, ok("a")},
		{"a byte every 100 ms, with content", 100 * time.Millisecond, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabcdefghi", false, ok("abcdefghi")},
		{"half-closed behind a request", 0, getA, true, ok("a")},
		{"half-closed behind two", 0, getA + getA, true, ok("a") + ok("a")},
		{"half-closed behind content", 0, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", true, ok("abc")},
		{"half-closed within a head", 0, getA[:9], true, ""},
		{"half-closed before anything", 0, "", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Handler: handlerFunc(play), Now: clock}
				p := dial(t, s)
				for _, b := range strings.Split(tt.send, "") {
					p.send(b)
					time.Sleep(tt.every)
				}
				start := time.Now()
				if tt.half {
					_ = p.CloseWrite()
					p.expectEnd(tt.want)
				} else {
					p.expect(tt.want)
				}
				if d := time.Since(start); d > 0 {
					t.Errorf("the answer took %s", d)
				}
				p.finish()
			})
		})
	}
}

// TestTaken: what the kernel still has of earlier replies is not the slowness
// of this one's reader.
func TestTaken(t *testing.T) {
	for _, tt := range []struct {
		sent, owed int64
		unacked    int
		want       int64
	}{
		{sent: 1000, owed: -1, unacked: 0, want: 1000},
		{sent: 1000, owed: -1, unacked: 400, want: 600},
		{sent: 1000, owed: 5000, unacked: 5200, want: 800},
		{sent: 1000, owed: 5000, unacked: 0, want: 6000},
		{sent: 0, owed: -1, unacked: 10, want: 0},
	} {
		r := reply{sent: tt.sent, owed: tt.owed}
		if got := r.taken(tt.unacked); got != tt.want {
			t.Errorf("sent %d, owed %d, unacked %d: got %d, want %d", tt.sent, tt.owed, tt.unacked, got, tt.want)
		}
	}
}

// TestPlainToTLS: who speaks plain HTTP to a TLS port is told so.
func TestPlainToTLS(t *testing.T) {
	server, _ := certificate(t)
	addr := listen(t, &Server{Handler: handlerFunc(func(*wire.Request, *wire.Reply) {})}, server)
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	if _, err := io.WriteString(nc, getA); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.Contains(string(got), errPlain.Error()) {
		t.Errorf("got %q, %v, want 400 and why", got, err)
	}
}

// TestTLSToPlain: who speaks TLS to a plain port is refused at once.
func TestTLSToPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(*wire.Request, *wire.Reply) {})})
		start := time.Now()
		p.send("\x16\x03\x01\x02\x00\x01")
		got, _ := io.ReadAll(p)
		if d := time.Since(start); !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || d > lingerTime {
			t.Errorf("got %q after %s, want 400 at once", got, d)
		}
		p.finish()
	})
}
