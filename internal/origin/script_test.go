package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"opencache/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is a scripted origin: each connection is played by the next script.
type server struct {
	t       *testing.T
	scripts []func(p *peer)
	blind   bool // connections can not be looked at before use

	mu    sync.Mutex // guards dials
	dials int
	wg    sync.WaitGroup
}

// peer is the origin's end of one connection.
type peer struct {
	*end
	r *bufio.Reader
	t *testing.T
}

func (s *server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	n := s.dials
	s.dials++
	s.mu.Unlock()
	if n >= len(s.scripts) {
		return nil, fmt.Errorf("connection %d is in no script", n)
	}
	c, e := pipe()
	c.blind = s.blind
	s.wg.Go(func() {
		defer func() { _ = e.Close() }()
		s.scripts[n](&peer{e, bufio.NewReader(e), s.t})
	})
	return c, nil
}

// play runs test in a bubble against an origin of these scripts, one for each
// connection, and afterwards checks that nothing is left open.
func play(t *testing.T, test func(t *testing.T, u *Upstream), scripts ...func(p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, scripts: scripts}
		u := &Upstream{Scheme: "http", Addr: "origin:80", Host: "origin", Dial: s.dial}
		test(t, u)
		synctest.Wait() // for what a script still has to do
		if err := u.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.wg.Wait()
		if st := u.Stats(); st.Open != 0 || st.Idle != 0 || st.Waiting != 0 {
			t.Errorf("left behind: %d open, %d idle, %d waiting", st.Open, st.Idle, st.Waiting)
		}
		if s.dials != len(scripts) {
			t.Errorf("%d connections, want %d", s.dials, len(scripts))
		}
	})
}

// head reads a request's head.
func (p *peer) head() string {
	var b strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String()
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

// expect reads what must come next.
func (p *peer) expect(want string) {
	p.t.Helper()
	b := make([]byte, len(want))
	n, err := io.ReadFull(p.r, b)
	if got := string(b[:n]); got != want {
		p.t.Errorf("the origin got %q (%v), want %q", got, err, want)
	}
}

// expectEnd reads until the client closes.
func (p *peer) expectEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if len(rest) > 0 {
		p.t.Errorf("the origin got %q (%v), want the end", rest, err)
	}
}

func (p *peer) say(s string) {
	if _, err := io.WriteString(p.end, s); err != nil {
		p.t.Logf("the origin could not say all: %v", err)
	}
}

// answer answers each of the heads that come with the next of these.
func answer(with ...string) func(p *peer) {
	return func(p *peer) {
		for _, s := range with {
			p.head()
			p.say(s)
		}
		p.expectEnd()
	}
}

const ok2 = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// request parses a request; its head is given by lines.
func request(t testing.TB, lines ...string) *wire.Request {
	t.Helper()
	r := new(wire.Request)
	if n, err := wire.ParseRequest(r, []byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), wire.DefaultLimits); n == 0 || err != nil {
		t.Fatalf("request %q: %d, %v", lines, n, err)
	}
	return r
}

func get(t testing.TB) *wire.Request { return request(t, "GET /x HTTP/1.1", "Host: client") }

// post is a request with content.
func post(t testing.TB, length int64, body wire.Body, more ...string) *wire.Request {
	framing := "Transfer-Encoding: chunked"
	if length >= 0 {
		framing = fmt.Sprintf("Content-Length: %d", length)
	}
	r := request(t, append([]string{"POST /p HTTP/1.1", "Host: client", framing}, more...)...)
	r.Body = body
	return r
}

// source is the content of a request, piece by piece.
type source struct {
	pieces  chan string // closed: the end
	err     error       // what comes instead of the end
	trailer *wire.Head

	closed chan struct{}
	once   sync.Once
	rest   string
}

func content(pieces ...string) *source {
	s := &source{pieces: make(chan string, 100), closed: make(chan struct{})}
	for _, p := range pieces {
		s.pieces <- p
	}
	return s
}

func (s *source) end() *source { close(s.pieces); return s }

func (s *source) Read(p []byte) (int, error) {
	for s.rest == "" {
		select {
		case <-s.closed:
			return 0, errors.New("content was closed")
		case piece, ok := <-s.pieces:
			if !ok && s.err != nil {
				return 0, s.err
			}
			if !ok {
				return 0, io.EOF
			}
			s.rest = piece
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *source) Trailer() *wire.Head { return s.trailer }
func (s *source) Close() error        { s.once.Do(func() { close(s.closed) }); return nil }

// fetch makes an exchange and reads its content.
func fetch(u *Upstream, r *wire.Request) (status int, content string, err error) {
	resp, err := u.Exchange(context.Background(), r)
	if err != nil {
		return 0, "", err
	}
	if resp.Body == nil {
		return resp.Status, "", nil
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp.Status, string(b), err
}

// mustFetch is fetch of what must succeed.
func mustFetch(t *testing.T, u *Upstream, want string) {
	t.Helper()
	status, got, err := fetch(u, get(t))
	if err != nil || status != 200 || got != want {
		t.Errorf("got %d %q (%v), want 200 %q", status, got, err, want)
	}
}

// wantError checks an error of an exchange.
func wantError(t *testing.T, err error, want wire.Error, fault Fault) {
	t.Helper()
	var e *wire.Error
	if !errors.As(err, &e) {
		t.Errorf("got error %v, want a *wire.Error", err)
		return
	}
	var f Fault
	errors.As(err, &f)
	if e.Side != want.Side || e.Status != want.Status || e.Sent != want.Sent || f != fault {
		t.Errorf("got side %v, status %d, sent %v, fault %v (%v); want %v, %d, %v, %v",
			e.Side, e.Status, e.Sent, f, err, want.Side, want.Status, want.Sent, fault)
	}
}

// took checks how much time has passed in the bubble.
func took(t *testing.T, since time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(since); got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}

func upstream(status int, sent bool) wire.Error {
	return wire.Error{Side: wire.Upstream, Status: status, Sent: sent}
}
