package main

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// offer runs 50 requests in 50 ms after 10 of warm-up; answers may take as
// long as a slow machine needs.
func offer(t *testing.T, link string, conns int) *result {
	t.Helper()
	o := load{rate: 1000, conns: conns, warmup: 10 * time.Millisecond, duration: 50 * time.Millisecond, tail: time.Minute}
	if err := o.ask(link, []string{"X-Steady: yes"}); err != nil {
		t.Fatal(err)
	}
	r, err := o.run()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int64(r.latency.n), int64(50); got != want {
		t.Errorf("latencies: got %d, want %d", got, want)
	}
	return r
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/1k?a=b"
}

func TestLoad(t *testing.T) {
	content := strings.Repeat("x", 1024)
	large := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		good int64
	}{
		{"answered", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(content)) }, 50},
		{"large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1048576")
			_, _ = w.Write([]byte(large))
		}, 50},
		{"closed each time", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = w.Write([]byte(content))
		}, 50},
		{"not found", http.NotFound, 0},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2048")
			_, _ = w.Write([]byte(content))
		}, 0},
		{"aborted", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int64
			link := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if got := r.Header.Get("X-Steady") + " " + r.RequestURI; got != "yes /1k?a=b" {
					t.Errorf("field and target: got %q, want %q", got, "yes /1k?a=b")
				}
				c.h(w, r)
			})
			r := offer(t, link, 4)
			if r.answered != c.good || r.errors != 50-c.good {
				t.Errorf("got %d answered and %d errors, want %d and %d", r.answered, r.errors, c.good, 50-c.good)
			}
			if got := asked.Load(); got != 60 {
				t.Errorf("the server saw %d requests, want 60", got)
			}
		})
	}
}

// Connections that are skipped are silent, or ask for other URLs in turn.
func TestOthers(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	link := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.RequestURI]++
		_, _ = w.Write([]byte("x"))
	})
	base := strings.TrimSuffix(link, "/1k?a=b")
	for _, c := range []struct {
		args []string
		want map[string]int
	}{
		{nil, map[string]int{"/1k": 30}},
		{[]string{"-other", base + "/o/{number}/x", "-others", "4", "-first", "1"}, map[string]int{"/1k": 30,
			"/o/000000000000/x": 7, "/o/000000000001/x": 8, "/o/000000000002/x": 8, "/o/000000000003/x": 7}},
	} {
		mu.Lock()
		clear(seen)
		mu.Unlock()
		o, err := parse(append([]string{"-url", base + "/1k", "-rate", "1000", "-conns", "4", "-skip", "2",
			"-warmup", "10ms", "-duration", "50ms"}, c.args...))
		if err != nil {
			t.Fatal(err)
		}
		o.tail = time.Minute
		r, err := o.run()
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock() // an answer is out before its handler has ended
		if !maps.Equal(seen, c.want) {
			t.Errorf("%q: got %v, want %v", c.args, seen, c.want)
		}
		mu.Unlock()
		if r.answered != 25 || (r.other != nil) != (c.args != nil) || r.other != nil && (r.other.answered != 25 || r.other.errors != 0) {
			t.Errorf("%q: got %d answered, others %+v; want 25, and as many others if any", c.args, r.answered, r.other)
		}
	}
}

// Requests that could not go out because an answer was late count from when
// they should have gone out: 60 requests were due when the first was answered.
func TestCoordinatedOmission(t *testing.T) {
	const held = 120 * time.Millisecond
	var first sync.Once
	r := offer(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		first.Do(func() { <-time.After(held) })
		_, _ = w.Write([]byte("x"))
	}), 1)
	if got, want := r.latency.quantile(0), int64(held-60*time.Millisecond); got < want || r.answered != 50 {
		t.Errorf("least latency: got %d of %d answered, want %d of 50 at least", got, r.answered, want)
	}
}

// What was never answered counts, and with the whole time.
func TestUnanswered(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	o := load{rate: 1000, conns: 2, duration: 20 * time.Millisecond, tail: 30 * time.Millisecond}
	if err := o.ask("http://"+l.Addr().String(), nil); err != nil {
		t.Fatal(err)
	}
	r, err := o.run()
	if err != nil {
		t.Fatal(err)
	}
	if r.errors != 20 || r.answered != 0 || r.latency.quantile(0) < int64(30*time.Millisecond) {
		t.Errorf("got %d errors, %d answered, the quickest after %d ns; want 20, 0, 30 ms at least", r.errors, r.answered, r.latency.quantile(0))
	}
}

// A server that has gone: each request is an error, and the load ends.
func TestGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		_ = l.Close()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			t.Errorf("request: %v", err)
		}
		_ = conn.Close()
	}()
	r := offer(t, "http://"+l.Addr().String(), 1)
	if r.answered != 0 || r.errors != 50 {
		t.Errorf("got %d answered and %d errors, want 0 and 50", r.answered, r.errors)
	}
	<-done
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	o := load{rate: 1000, conns: 2, duration: time.Second}
	if err := o.ask("http://"+l.Addr().String(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.run(); err == nil {
		t.Error("got no error, want one")
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-url", "http://127.0.0.1:81", "-rate", "70000", "-header", "Host: a.example", "-header", "X: y"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(o.request), "GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n"; got != want {
		t.Errorf("request: got %q, want %q", got, want)
	}
	if o.conns != 64 || o.rate != 70000 || o.warmup != 300*time.Millisecond {
		t.Errorf("got %d conns, rate %d, warm-up %v; want 64, 70000, 300 ms", o.conns, o.rate, o.warmup)
	}
	for _, args := range [][]string{
		{}, {"-url", "https://a/"}, {"-url", "http://127.0.0.1:1", "-rate", "0"}, {"-url", "http://127.0.0.1:1", "-conns", "0"},
		{"-url", "http://127.0.0.1:1", "-skip", "1"}, {"-url", "http://127.0.0.1:1", "-skip", "7"},
		{"-url", "http://127.0.0.1:1", "-other", "http://127.0.0.1:1/{number}"}, {"-url", "http://127.0.0.1:1", "-skip", "8", "-other", "http://127.0.0.1:1/"},
		{"-url", "http://127.0.0.1:1", "-duration", "0s"}, {"-url", "http://127.0.0.1:1", "more"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q: got no error, want one", args)
		}
	}
}
