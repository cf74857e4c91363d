package origin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opencache/internal/wire"
)

// sockets is an origin on loopback whose connections are played by these
// scripts, one after the other.
func sockets(t *testing.T, scripts ...func(p *socket)) *Upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, script := range scripts {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				script(&socket{Conn: c, r: bufio.NewReaderSize(c, 128<<10), t: t})
			})
		}
	})
	u := &Upstream{Scheme: "http", Addr: l.Addr().String(), Host: "origin"}
	t.Cleanup(func() {
		_ = u.Close()
		_ = l.Close()
		wg.Wait()
		if st := u.Stats(); st.Open != 0 {
			t.Errorf("left behind: %d open", st.Open)
		}
	})
	return u
}

// socket is the origin's end of one connection.
type socket struct {
	net.Conn
	r *bufio.Reader
	t *testing.T
}

// head reads a request's head.
func (s *socket) head() string {
	var b strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

func (s *socket) say(text string) {
	if _, err := io.WriteString(s, text); err != nil {
		s.t.Logf("the origin could not say all: %v", err)
	}
}

// untilEnd waits for the other side to close.
func (s *socket) untilEnd() { _, _ = io.Copy(io.Discard, s.r) }

// TestLineSurplus: bytes that nobody asked for, and that came behind the
// answer, make a kept connection useless for a request with or without content.
func TestLineSurplus(t *testing.T) {
	for _, r := range []*wire.Request{get(t), post(t, 2, content("ab").end())} {
		more, said := make(chan bool), make(chan bool)
		u := sockets(t,
			func(s *socket) {
				s.head()
				s.say(ok2)
				<-more
				s.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
				close(said)
				s.untilEnd()
			},
			func(s *socket) {
				s.head()
				s.say(ok2)
				s.untilEnd()
			})
		mustFetch(t, u, "ok")
		close(more)
		<-said
		for c := u.idle[0]; !c.readable(); { // loopback takes a moment
		}
		if status, got, err := fetch(u, r); status != 200 || got != "ok" || err != nil {
			t.Errorf("%v: got %d %q, %v, want the second connection's answer", r.Method, status, got, err)
		}
		if st := u.Stats(); st.Stale != 1 || st.Dials != 2 || st.Retries != 0 {
			t.Errorf("%v: got %+v, want one stale of two connections", r.Method, st)
		}
	}
}

// TestLineLargeHead: a head that the socket does not take at once is sent whole.
func TestLineLargeHead(t *testing.T) {
	got := make(chan string, 1)
	begin := make(chan bool)
	u := sockets(t, func(s *socket) {
		<-begin
		got <- s.head()
		s.say(ok2)
		s.untilEnd()
	})
	written := make(chan bool, 1)
	u.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
		written <- true
		return c, err
	}
	var lines []string
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("X-%d: %s", i, strings.Repeat("v", 1000)))
	}
	go func() {
		<-written
		close(begin)
	}()
	status, body, err := fetch(u, request(t, append([]string{"GET /x HTTP/1.1", "Host: client"}, lines...)...))
	if status != 200 || body != "ok" || err != nil {
		t.Errorf("got %d %q, %v", status, body, err)
	}
	want := "GET /x HTTP/1.1\r\nHost: origin\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	if head := <-got; head != want {
		t.Errorf("the origin got %d bytes %.60q, want %d", len(head), head, len(want))
	}
}

// TestLineEnds: what ends an exchange over a socket before its answer.
func TestLineEnds(t *testing.T) {
	silent := func(s *socket) { s.head(); s.untilEnd() }
	for _, tt := range []struct {
		name   string
		script func(s *socket)
		wait   time.Duration
		leave  bool
		want   wire.Error
		fault  Fault
	}{
		{"end", func(s *socket) { s.head() }, 0, false, upstream(502, true), Closed},
		{"cut", func(s *socket) { s.head(); _ = s.Conn.(*net.TCPConn).SetLinger(0) }, 0, false, upstream(502, true), Closed},
		{"half a head", func(s *socket) { s.head(); s.say("HTTP/1.1 200 OK\r\n") }, 0, false, upstream(502, true), Cut},
		{"silence", silent, time.Millisecond, false, upstream(504, true), HeadTimeout},
		{"long silence", silent, glance + time.Millisecond, false, upstream(504, true), HeadTimeout},
		{"client leaves", silent, 0, true, wire.Error{Side: wire.Client, Status: 499, Sent: true}, Canceled},
	} {
		heard := make(chan bool)
		u := sockets(t, func(s *socket) {
			if _, err := s.r.Peek(1); err == nil {
				close(heard)
			}
			tt.script(s)
		})
		u.HeadTimeout = tt.wait
		ctx, cancel := context.WithCancel(t.Context())
		if tt.leave {
			go func() { <-heard; cancel() }()
		}
		_, err := u.Exchange(ctx, request(t, "PATCH /x HTTP/1.1", "Host: client", "Content-Length: 0")) // not repeated
		if wantError(t, err, tt.want, tt.fault); t.Failed() {
			t.Fatalf("this was %q", tt.name)
		}
		cancel()
	}
}

// TestLineLateDeadline: a deadline that has passed before anything was written
// is the last exchange's.
func TestLineLateDeadline(t *testing.T) {
	u := sockets(t, func(s *socket) {
		for range 2 {
			s.head()
			s.say(ok2)
		}
		s.untilEnd()
	})
	mustFetch(t, u, "ok")
	c := u.idle[0]
	c.readBy = time.Now().Add(glance) // as if it had passed just now
	if err := c.nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, u, "ok")
	if st := u.Stats(); st.Reuses != 1 || st.Stale != 0 || st.Dials != 1 {
		t.Errorf("got %+v, want the same connection twice", st)
	}
}

// A counted context counts how often somebody asks to watch it.
type counted struct {
	context.Context
	asked atomic.Int32
}

func (c *counted) Done() <-chan struct{} {
	c.asked.Add(1)
	return c.Context.Done()
}

// TestGlance: a context is not watched for an answer that is there soon, and
// is for content that stands still.
func TestGlance(t *testing.T) {
	u := sockets(t, func(s *socket) {
		s.head()
		s.say(ok2)
		s.head()
		s.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no") // and no more
		s.untilEnd()
	})
	mustFetch(t, u, "ok") // dials
	inner, leave := context.WithCancel(t.Context())
	defer leave()
	ctx := &counted{Context: inner}
	resp, err := u.Exchange(ctx, get(t))
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Body.(*body).c
	if n := ctx.asked.Load(); (n == 0) != c.blind || c.line != nil && !c.blind && time.Since(c.idleSince) < glance/2 {
		t.Errorf("Done was asked for %d times, while blind is %v", n, c.blind)
	}
	got := make([]byte, 2)
	if n, err := resp.Body.Read(got); n != 1 || err != nil {
		t.Errorf("got %d bytes, %v, want 1", n, err)
	}
	leave()
	_, err = resp.Body.Read(got)
	wantError(t, err, wire.Error{Side: wire.Client, Status: 499, Sent: true}, Canceled)
	_ = resp.Body.Close()
	if n := ctx.asked.Load(); n == 0 {
		t.Error("Done was never asked for")
	}
}
