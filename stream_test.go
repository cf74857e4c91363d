package opencache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"opencache/internal/wire"
)

// serve runs a server with a Handler over next.
func serve(t *testing.T, next http.HandlerFunc) *httptest.Server {
	t.Helper()
	store := newStore(t) // closed behind the server
	s := httptest.NewUnstartedServer(Handler(next, Policy{Store: store, Log: quiet}))
	s.Config.ErrorLog = nil
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// do sends a request and returns the answer, whose content is to be read.
func do(t *testing.T, s *httptest.Server, method string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func wantRead(t *testing.T, resp *http.Response, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != want {
		t.Errorf("got %q, %v, want %q", buf, err, want)
	}
}

func wantEnd(t *testing.T, resp *http.Response, want string) {
	t.Helper()
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != want {
		t.Errorf("got %.40q, %v, want %q and the end", rest, err, want)
	}
}

// Everybody has the first half before next writes the second.
func TestReadAlong(t *testing.T) {
	const readers = 8
	var calls atomic.Int32
	var first sync.WaitGroup
	first.Add(readers)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		first.Wait()
		_, _ = io.WriteString(w, "second")
	})
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			resp := do(t, s, "GET", nil)
			wantRead(t, resp, "first ")
			first.Done()
			wantEnd(t, resp, "second")
		})
	}
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("next was called %d times, want 1", n)
	}
}

// A client that leaves does not end what is fetched for everybody.
func TestClientGone(t *testing.T) {
	gone, finished := make(chan struct{}), make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		<-gone
		_, err := io.WriteString(w, "second")
		finished <- errors.Join(err, r.Context().Err())
	})
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/", nil)
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	wantRead(t, resp, "first ")
	leave()
	_ = resp.Body.Close()
	close(gone)
	if err := <-finished; err != nil {
		t.Errorf("next: %v", err)
	}
	wantEnd(t, do(t, s, "GET", nil), "first second")
}

// What is for one client alone ends with it.
func TestClientGonePass(t *testing.T) {
	finished := make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		finished <- r.Context().Err()
	})
	ctx, leave := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "DELETE", s.URL+"/", nil)
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	wantRead(t, resp, "first ")
	leave()
	_ = resp.Body.Close()
	if err := <-finished; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestCutShort has next break off behind the head: the client must see it,
// and nothing is stored.
func TestCutShort(t *testing.T) {
	for _, tt := range []struct {
		name, fields string
		breaks       func()
	}{
		{"abort", "", func() { panic(http.ErrAbortHandler) }},
		{"panic", "", func() { panic("oops") }},
		{"panic with length", "Content-Length: 9", func() { panic("oops") }},
		{"less than announced", "Content-Length: 9", func() {}},
	} {
		for _, method := range []string{"GET", "PUT"} {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				var calls atomic.Int32
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					calls.Add(1)
					setLines(w.Header(), "Cache-Control: max-age=60\n"+tt.fields)
					_, _ = io.WriteString(w, "some")
					w.(http.Flusher).Flush()
					tt.breaks()
				})
				for range 2 {
					r, _ := http.NewRequestWithContext(t.Context(), method, s.URL+"/", nil)
					resp, err := s.Client().Do(r)
					if err != nil {
						continue // cut before anything was on its way
					}
					defer resp.Body.Close()
					if got, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == 200 {
						t.Errorf("got %q and the end of a whole answer, want an error", got)
					}
				}
				if n := calls.Load(); n != 2 {
					t.Errorf("next was called %d times, want 2", n)
				}
			})
		}
	}
}

// Content goes both ways at once, and trailers follow it.
func TestBothWays(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Declared")
		w.(http.Flusher).Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, strings.ToUpper(lines.Text()))
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Declared", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", r.Trailer.Get("X-Client"))
	})
	pr, pw := io.Pipe()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/", pr)
	r.Trailer = http.Header{"X-Client": nil}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, line := range []string{"one", "two"} {
		fmt.Fprintln(pw, line)
		wantRead(t, resp, strings.ToUpper(line)+"\n")
	}
	r.Trailer.Set("X-Client", "2")
	_ = pw.Close()
	wantEnd(t, resp, "")
	if d, l := resp.Trailer.Get("X-Declared"), resp.Trailer.Get("X-Late"); d != "1" || l != "2" {
		t.Errorf("got trailers %v, want X-Declared 1 and X-Late 2", resp.Trailer)
	}
}

func TestInterim(t *testing.T) {
	next := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "x")
	}
	for _, method := range []string{"GET", "POST"} {
		s := serve(t, next)
		var got []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		})
		r, _ := http.NewRequestWithContext(ctx, method, s.URL+"/", nil)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		wantEnd(t, resp, "x")
		_ = resp.Body.Close()
		if len(got) != 1 || got[0] != "103 </a.css>; rel=preload" || resp.Header.Get("Link") != "" {
			t.Errorf("%s: got %q and Link %q, want one 103 with its Link", method, got, resp.Header.Get("Link"))
		}
	}
}

// A request that switches protocols has the connection itself.
func TestUpgrade(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer nc.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nhello", r.Header.Get("Upgrade"))
		_ = rw.Flush()
	})
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	got, err := io.ReadAll(nc)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") || !strings.HasSuffix(string(got), "hello") {
		t.Errorf("got %q, %v, want a 101 and hello", got, err)
	}
}

// A next that writes far ahead of its reader waits for it.
func TestBackPressure(t *testing.T) {
	const size = 1 << 20
	x := &exchange{header: http.Header{}, ready: make(chan struct{}), done: make(chan struct{}), length: wire.Unknown}
	x.moved.L = &x.mu
	x.cancel = func() {}
	go func() {
		defer close(x.done)
		for range size / 1000 {
			_, _ = x.Write(bytes.Repeat([]byte{'x'}, 1000))
		}
		x.finish(true, nil)
	}()
	<-x.ready
	total := 0
	for buf := make([]byte, 3000); ; {
		n, err := x.Read(buf)
		total += n
		x.mu.Lock()
		ahead := len(x.buf) - x.off
		x.mu.Unlock()
		if ahead > pipeMax {
			t.Fatalf("next is %d bytes ahead, want at most %d", ahead, pipeMax)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := size / 1000 * 1000; total != want {
		t.Errorf("got %d bytes, want %d", total, want)
	}
}

// An owner lends a part of a file.
type owner struct {
	fd       int
	pressure wire.Pressure
	released int
}

func (o *owner) Release()                { o.released++ }
func (o *owner) Expose() int             { return o.fd }
func (o *owner) Pressure() wire.Pressure { return o.pressure }

func TestSpan(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/span")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := bytes.Repeat([]byte("0123456789"), 20000)
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	for _, tt := range []struct {
		name string
		o    owner
		span wire.Span
		want []byte
		ok   bool
	}{
		{"memory", owner{fd: -1}, wire.Span{Mem: content, N: len(content)}, content, true},
		{"small", owner{fd: -1}, wire.Span{Mem: content[:3], N: 3}, content[:3], true},
		{"empty", owner{fd: -1}, wire.Span{}, nil, true},
		{"file", owner{fd: fd}, wire.Span{Off: 5, N: 150000}, content[5:150005], true},
		{"short file", owner{fd: fd}, wire.Span{Off: int64(len(content)) - 5, N: 10}, nil, false},
		{"yield", owner{fd: -1, pressure: wire.Yield}, wire.Span{Mem: content, N: len(content)}, nil, false},
	} {
		h := Handler(nil, Policy{Store: new(Store)}).(*handler)
		v := h.newVisit()
		w := httptest.NewRecorder()
		v.take(w, httptest.NewRequest("GET", "/", nil))
		v.reply.Status, v.reply.Length = 200, wire.Unknown
		if err := v.reply.Start(); err != nil {
			t.Fatal(err)
		}
		tt.span.Owner = &tt.o
		err := v.reply.Span(tt.span)
		if lost := errors.Is(err, wire.ErrLost); lost && v.reply.Err != nil {
			t.Errorf("%s: got %v, which breaks the answer with %v", tt.name, err, v.reply.Err)
		}
		if (err == nil) != tt.ok || !bytes.Equal(w.Body.Bytes(), tt.want) {
			t.Errorf("%s: got %d bytes, %v, want %d and an error: %t", tt.name, w.Body.Len(), err, len(tt.want), !tt.ok)
		}
		if tt.o.released != 1 {
			t.Errorf("%s: released %d times, want 1", tt.name, tt.o.released)
		}
	}
}

// A medium is an owner whose file, or what else it reads, may fail.
type medium struct {
	owner
	io.ReaderAt
}

func (*medium) Enter(int64, int) int                      { return 0 }
func (*medium) Leave()                                    {}
func (m *medium) ReadAt(p []byte, off int64) (int, error) { return m.ReaderAt.ReadAt(p, off) }

// TestLostSpan: what a device does not give of a span is given otherwise, by
// every way out of the library, and the span is released once.
func TestLostSpan(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 20000)
	for _, have := range []int{0, 1, pieceMax, 2*pieceMax + 1, len(content)} {
		m := &medium{owner{fd: -1}, bytes.NewReader(content[:have])}
		span := wire.Span{N: len(content), Owner: m}
		give := func(p *wire.Reply) {
			p.Status, p.Length = 200, int64(len(content))
			_ = p.Start()
			err := p.Span(span)
			if (err == nil) != (have == len(content)) || err != nil && !errors.Is(err, wire.ErrLost) || p.Err != nil {
				t.Errorf("%d bytes: got %v, Err %v", have, err, p.Err)
			}
			_, _ = p.Write(content[p.Sent:])
			_ = p.End(nil)
		}
		h := Handler(nil, Policy{Store: new(Store)}).(*handler)
		v := h.newVisit()
		w := httptest.NewRecorder()
		v.take(w, httptest.NewRequest("GET", "/", nil))
		give(&v.reply)
		if !bytes.Equal(w.Body.Bytes(), content) || m.released != 1 {
			t.Errorf("Handler, %d bytes: got %d, released %d times, want %d and 1", have, w.Body.Len(), m.released, len(content))
		}

		m.released = 0
		c := &client{}
		c.pieces.New = func() any { b := make([]byte, pieceMax); return &b }
		s := &stream{c: c, r: httptest.NewRequest("GET", "/", nil), v: new(errand), settled: make(chan struct{}), done: make(chan struct{})}
		s.moved.L, s.v.reply.Sink = &s.mu, s
		s.ctx, s.cancel = context.WithCancelCause(t.Context())
		go func() {
			defer close(s.done)
			give(&s.v.reply)
			s.finish(Outcome{}, s.v.reply.Err)
		}()
		<-s.settled
		got, err := io.ReadAll(s.resp.Body)
		<-s.done
		if !bytes.Equal(got, content) || err != nil || m.released != 1 {
			t.Errorf("Transport, %d bytes: got %d (%v), released %d times, want %d and 1", have, len(got), err, m.released, len(content))
		}

		m.released = 0
		a := new(lifted)
		err = a.Span(span)
		if m.released != 1 || a.lost != (have < len(content)) || a.lost != errors.Is(err, wire.ErrLost) {
			t.Errorf("hit, %d bytes: lost %t (%v), released %d times", have, a.lost, err, m.released)
		}
	}
}
