package origin

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"opencache/internal/wire"
)

// echo answers with what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Got", fmt.Sprint(r.Method, " ", r.URL, " ", r.Host, " ", r.ContentLength))
	w.Header().Set("Trailer", "X-Sum")
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(200)
	_, _ = w.Write(b)
	_ = http.NewResponseController(w).Flush()
	w.Header().Set("X-Sum", fmt.Sprint(len(b), r.Trailer.Get("X-Sum")))
}

// TestNetHTTP exchanges with net/http's server, plain and over TLS.
func TestNetHTTP(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls ", secure), func(t *testing.T) {
			roots, cert := authority(t)
			s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
			if secure {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			u, err := Parse(s.URL + "/base")
			if err != nil {
				t.Fatal(err)
			}
			u.TLS = &tls.Config{RootCAs: roots}
			defer func() { _ = u.Close() }()
			testEcho(t, u)
			if st := u.Stats(); st.Dials != 1 || st.Idle != 1 {
				t.Errorf("got %+v, want one connection for all", st)
			}
		})
	}
}

func testEcho(t *testing.T, u *Upstream) {
	large := strings.Repeat("0123456789", 100<<10)
	for _, tt := range []struct {
		name, got string
		content   string
		chunked   bool
		more      []string
	}{
		{"length", "POST /base/p " + u.Host + " 5", "abcde", false, nil},
		{"chunked", "POST /base/p " + u.Host + " -1", "abcde", true, nil},
		{"large", "POST /base/p " + u.Host + " 1024000", large, false, nil},
		{"large chunked", "POST /base/p " + u.Host + " -1", large, true, nil},
		{"expectation", "POST /base/p " + u.Host + " 5", "abcde", false, []string{"Expect: 100-continue"}},
	} {
		body, length, sum := content(tt.content).end(), int64(len(tt.content)), fmt.Sprint(len(tt.content))
		if tt.chunked {
			body.trailer, length, sum = new(wire.Head), wire.Unknown, sum+"7"
			body.trailer.AddNamed("X-Sum", []byte("7"))
			tt.more = append(tt.more, "Trailer: X-Sum")
		}
		r := post(t, length, body, tt.more...)
		if tt.chunked {
			r.AddNamed("Trailer", []byte("X-Sum"))
		}
		resp, err := u.Exchange(context.Background(), r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var head string
		for v := range resp.Values("X-Got") {
			head = string(v)
		}
		got, err := io.ReadAll(resp.Body)
		if string(got) != tt.content || err != nil || head != tt.got {
			t.Errorf("%s: got %d bytes, %v, head %q; want %d, %q", tt.name, len(got), err, head, len(tt.content), tt.got)
		}
		var trailer string
		if tr := resp.Body.Trailer(); tr != nil {
			for v := range tr.Values("X-Sum") {
				trailer = string(v)
			}
		}
		if trailer != sum {
			t.Errorf("%s: got trailer %q, want %q", tt.name, trailer, sum)
		}
		_ = resp.Body.Close()
	}
}

// TestServerClosesKept: over sockets too, a kept connection that the server
// closed is not used for a request that could not be repeated.
func TestServerClosesKept(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	u, err := Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	for i := range 5 {
		if status, got, err := fetch(u, post(t, 3, content("abc").end())); status != 200 || got != "abc" || err != nil {
			t.Fatalf("exchange %d: got %d %q, %v", i, status, got, err)
		}
		s.CloseClientConnections() // returns when the server has closed them
	}
	if st := u.Stats(); st.Stale != 4 || st.Retries != 0 {
		t.Errorf("got %+v, want 4 stale and no retry", st)
	}
}

// TestMany keeps the bound on connections under load, with clients that leave.
func TestMany(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	u, err := Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.MaxConns = 4
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(context.Background())
				want := fmt.Sprint(i, ".", j)
				resp, err := u.Exchange(ctx, post(t, int64(len(want)), content(want).end()))
				if err == nil && j%5 == 4 {
					cancel()
				}
				if err != nil {
					t.Errorf("%s: %v", want, err)
					cancel()
					continue
				}
				got, err := io.ReadAll(resp.Body)
				if j%5 != 4 && (string(got) != want || err != nil) {
					t.Errorf("%s: got %q, %v", want, got, err)
				}
				_ = resp.Body.Close()
				cancel()
			}
		})
	}
	wg.Wait()
	if st := u.Stats(); st.Open > 4 || st.Open != st.Idle || st.Waiting != 0 {
		t.Errorf("got %+v, want at most 4 open, all idle", st)
	}
	_ = u.Close()
}

func TestConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	u := &Upstream{Scheme: "http", Addr: l.Addr().String()}
	_, _, err = fetch(u, get(t))
	wantError(t, err, upstream(502, false), Dial)
	if !strings.Contains(err.Error(), "refused") || errors.Is(err, DialTimeout) {
		t.Errorf("got %v", err)
	}
}

// canned answers every request on loopback with the same bytes.
func canned(t testing.TB, response []byte) *Upstream {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				b := make([]byte, 4<<10)
				for {
					n, err := c.Read(b)
					if err != nil || !bytes.HasSuffix(b[:n], []byte("\r\n\r\n")) {
						return
					}
					if _, err := c.Write(response); err != nil {
						return
					}
				}
			})
		}
	})
	u := &Upstream{Scheme: "http", Addr: l.Addr().String(), Host: "origin"}
	t.Cleanup(func() {
		_ = u.Close()
		_ = l.Close()
		wg.Wait()
	})
	return u
}

// once makes one exchange and reads its content into p.
func once(u *Upstream, r *wire.Request, p []byte) (n int, err error) {
	resp, err := u.Exchange(context.Background(), r)
	if err != nil {
		return 0, err
	}
	for err == nil {
		var k int
		k, err = resp.Body.Read(p)
		n += k
	}
	_ = resp.Body.Close()
	if ended(err) {
		return n, nil
	}
	return n, err
}

func kib() []byte {
	return []byte("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\nETag: \"a\"\r\n\r\n" +
		strings.Repeat("x", 1024))
}

func TestAllocs(t *testing.T) {
	u, r, p := canned(t, kib()), get(t), make([]byte, 16<<10)
	var failed error
	allocs := testing.AllocsPerRun(200, func() {
		if n, err := once(u, r, p); n != 1024 || err != nil {
			failed = fmt.Errorf("%d bytes, %w", n, err)
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	if allocs > 2 && !raceEnabled {
		t.Errorf("%v allocations per exchange, want at most 2", allocs)
	}
}

func BenchmarkExchange(b *testing.B) {
	u, r, p := canned(b, kib()), get(b), make([]byte, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := once(u, r, p); n != 1024 || err != nil {
			b.Fatal(n, err)
		}
	}
}
