package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseRSS(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
		good bool
	}{
		{"Name:\tx\nVmPeak:\t  100 kB\nVmRSS:\t   92304 kB\nRssAnon:\t 1 kB\n", 92304, true},
		{"VmRSS: 5", 5, true},
		{"VmRSS: many kB\n", 0, false},
		{"Name:\tx\n", 0, false},
	} {
		if got, err := parseRSS([]byte(c.in)); got != c.want || (err == nil) != c.good {
			t.Errorf("%q: got %d, %v; want %d", c.in, got, err, c.want)
		}
	}
}

func TestPick(t *testing.T) {
	got := pick("# HELP opencache_limited_total Limits\nopencache_limited_total{limit=\"head_timeout\"} 2000\n" +
		"opencache_limited_total{limit=\"min_rate\"} 0\nopencache_connections 3\nopencache_requests_total{a=\"connections\"} 5\n")
	want := []string{`opencache_limited_total{limit="head_timeout"} 2000`, "opencache_connections 3"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// No address has more than its share of connections, and all are on loopback.
func TestSource(t *testing.T) {
	seen := map[string]int{}
	for i := range 20000 {
		ip := source(i)
		seen[ip.String()]++
		if !ip.IsLoopback() || ip[len(ip)-1] == 0 || ip[len(ip)-1] == 255 {
			t.Fatalf("connection %d: got %v", i, ip)
		}
	}
	if got, want := len(seen), 20000/perAddress; got != want {
		t.Errorf("got %d addresses, want %d", got, want)
	}
}

func TestJudge(t *testing.T) {
	bad, good := kind{name: "bad", bound: 5 * time.Second}, kind{name: "good", honest: true, bound: 5 * time.Second}
	for _, c := range []struct {
		what string
		k    kind
		s    summary
		want string // part of the error; empty: none
	}{
		{"all closed", bad, summary{clients: 2, closed: 2, lastClosed: 6 * time.Second}, ""},
		{"one lives on", bad, summary{clients: 2, closed: 1, lastClosed: time.Second}, "1 of 2 live on"},
		{"closed late", bad, summary{clients: 2, closed: 2, lastClosed: 8 * time.Second}, "closed after 8s"},
		{"all answered", good, summary{clients: 2, answered: 2, lastAnswer: time.Second}, ""},
		{"one not answered", good, summary{clients: 2, answered: 1, err: errors.New("reset")}, "1 of 2 were answered: reset"},
		{"answered late", good, summary{clients: 2, answered: 2, lastAnswer: 8 * time.Second}, "answered after 8s"},
	} {
		err := c.k.judge(c.s, 2*time.Second)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.want)
		}
	}
}

func TestSummarize(t *testing.T) {
	begun := time.Unix(100, 0)
	at := func(s int) time.Time { return begun.Add(time.Duration(s) * time.Second) }
	got := summarize([]client{
		{begun: begun, closed: at(7), err: errors.New("closed")},
		{begun: begun, closed: at(5), err: errors.New("closed too")},
		{begun: begun, answered: at(2)},
	}).String()
	if want := "3 clients, 1 answered (by 2.0 s), 2 closed by the cache (5.0 to 7.0 s)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// start starts a server of the origin's answers; timeout is how long it waits
// for a head and for the next one, 0: for ever.
func start(t *testing.T, timeout time.Duration) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler())
	server.Config.ReadHeaderTimeout = timeout
	server.Config.IdleTimeout = timeout
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestBehave(t *testing.T) {
	addr := start(t, 0)
	if err := prime(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	got, err := behave(t.Context(), addr, 40)
	if err != nil || got.answered != 40 {
		t.Errorf("got %v, %v; want 40 answered", got, err)
	}
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, small)) }))
	defer wrong.Close()
	if got, err := behave(t.Context(), wrong.Listener.Addr().String(), 40); err == nil || got.answered != 0 {
		t.Errorf("wrong content: got %v, %v; want an error", got, err)
	}
}

// play lets three clients of one kind play until none of those that are to be
// closed is left, or for the time.
func play(t *testing.T, addr string, k kind, bound time.Duration) summary {
	t.Helper()
	w, err := newWatch(3)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	s := &slow{addr: addr, clients: 3, timeout: bound}
	c := crowd{s: s, kinds: []kind{k}, watch: w, clients: make([]client, 3)}
	defer c.close()
	if err := c.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k.honest {
		c.playing.Wait()
	}
	c.wait(t.Context())
	return summarize(c.clients)
}

func TestCrowd(t *testing.T) {
	s := &slow{}
	for _, k := range s.kinds() {
		t.Run(k.name, func(t *testing.T) {
			if k.honest {
				if got := play(t, start(t, 0), k, 0); got.answered != 3 {
					t.Errorf("honest: got %v, %v; want all answered", got, got.err)
				}
				return
			}
			// A server without limits does not get rid of them.
			if got := play(t, start(t, 0), k, 50*time.Millisecond); got.closed != 0 || got.answered != 0 {
				t.Errorf("no limits: got %v, want none closed", got)
			}
		})
	}
	// One with limits does, and the watch sees it.
	for _, k := range s.kinds()[:2] {
		if got := play(t, start(t, 100*time.Millisecond), k, time.Minute); got.closed != 3 {
			t.Errorf("%s: got %v, want all closed", k.name, got)
		}
	}
}

// What stays open counts as memory, what is closed as a fault.
func TestHold(t *testing.T) {
	h := &hold{addr: start(t, 0), conns: 5}
	w, err := newWatch(h.conns)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	conns := make([]net.Conn, h.conns)
	for i := range conns {
		if conns[i], err = h.open(t.Context(), w, i); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conns[i].Close() }()
	}
	if err := h.alive(w, conns); err != nil {
		t.Errorf("open: got %v, want no error", err)
	}
	w.mu.Lock()
	w.closed[3] = time.Now()
	w.mu.Unlock()
	if err := h.alive(w, conns); err == nil {
		t.Error("one is closed: got no error, want one")
	}
	h.limit = 4
	if err := h.verdict(share(100, 100+5*5, h.conns)); err == nil {
		t.Error("5 KiB each, 4 allowed: got no error, want one")
	}
	if err := h.verdict(share(100, 100+5*4, h.conns)); err != nil {
		t.Errorf("4 KiB each, 4 allowed: got %v, want no error", err)
	}
}

func TestEach(t *testing.T) {
	fault := errors.New("fault")
	seen := make([]bool, 200)
	if err := each(len(seen), func(i int) error { seen[i] = true; return nil }); err != nil || slices.Contains(seen, false) {
		t.Errorf("got %v and %v, want each number once", err, seen)
	}
	if err := each(10, func(i int) error {
		if i == 3 {
			return fault
		}
		return nil
	}); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ctx, "127.0.0.1:1", 0, 0); err == nil {
		t.Error("dial without time: got no error, want one")
	}
}
