package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// A town is a network of addresses and the names that they have.
type town struct {
	t *testing.T

	mu      sync.Mutex // guards the fields below
	names   map[string][]string
	err     error // what lookups fail with
	lookups int
	down    map[string]bool // refuse
	silent  map[string]bool // never answer a dial
	dialled []string
	open    map[string]int // connections by address

	wg sync.WaitGroup
}

func (w *town) lookup(ctx context.Context, host string) (list []netip.Addr, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups++
	for _, a := range w.names[host] {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, w.err
}

func (w *town) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.dialled = append(w.dialled, host)
	down, silent := w.down[host], w.silent[host]
	w.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if down {
		return nil, errors.New("refused")
	}
	c, e := pipe()
	w.count(host, 1)
	w.wg.Go(func() {
		defer w.count(host, -1)
		defer func() { _ = e.Close() }()
		b := make([]byte, 4<<10)
		for {
			if _, err := e.Read(b); err != nil {
				return
			}
			if _, err := fmt.Fprintf(e, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(host), host); err != nil {
				return
			}
		}
	})
	return c, nil
}

func (w *town) count(host string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[host] += n
}

// set changes what a name stands for.
func (w *town) set(host string, addresses ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[host] = addresses
}

func (w *town) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *town) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lookups
}

func (w *town) connections(host string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[host]
}

// ask returns who answers.
func (w *town) ask(u *Upstream) string {
	w.t.Helper()
	var r wire.Request
	if _, err := wire.ParseRequest(&r, []byte("GET / HTTP/1.1\r\nHost: o\r\n\r\n"), wire.Limits{}); err != nil {
		w.t.Fatal(err)
	}
	resp, err := u.Exchange(w.t.Context(), &r)
	if err != nil {
		return err.Error()
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Error(err)
	}
	_ = resp.Body.Close()
	return string(text)
}

func inTown(t *testing.T, test func(t *testing.T, w *town, u *Upstream)) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{t: t, names: map[string][]string{"o": {"192.0.2.1"}}, down: map[string]bool{}, silent: map[string]bool{}, open: map[string]int{}}
		u := &Upstream{Scheme: "http", Addr: "o:80", Host: "o", Dial: w.dial, Lookup: w.lookup, KeepAlive: time.Hour}
		test(t, w, u)
		_ = u.Close()
		w.wg.Wait()
		if st := u.Stats(); st.Open != 0 {
			t.Errorf("left behind: %d open", st.Open)
		}
	})
}

// TestResolve: a name is looked up again by time, though a kept connection
// serves all requests; connections to what it no longer stands for are dropped.
func TestResolve(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, u *Upstream) {
		if got := w.ask(u); got != "192.0.2.1" {
			t.Errorf("got %q", got)
		}
		w.set("o", "192.0.2.2")
		time.Sleep(20 * time.Second)
		if got := w.ask(u); got != "192.0.2.1" || w.looked() != 1 {
			t.Errorf("too early: got %q after %d lookups", got, w.looked())
		}
		time.Sleep(14 * time.Second)
		synctest.Wait()
		if w.connections("192.0.2.1") != 0 {
			t.Error("the old connection is still open")
		}
		if got := w.ask(u); got != "192.0.2.2" {
			t.Errorf("got %q, want the new address", got)
		}
	})
}

// TestResolveInUse: a connection in use to an address that is gone ends with
// its exchange.
func TestResolveInUse(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, u *Upstream) {
		var r wire.Request
		_, _ = wire.ParseRequest(&r, []byte("GET / HTTP/1.1\r\nHost: o\r\n\r\n"), wire.Limits{})
		resp, err := u.Exchange(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		w.set("o", "192.0.2.2")
		time.Sleep(35 * time.Second)
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "192.0.2.1" {
			t.Errorf("got %q, %v", text, err)
		}
		_ = resp.Body.Close()
		synctest.Wait()
		if w.connections("192.0.2.1") != 0 || u.Stats().Idle != 0 {
			t.Error("the connection was kept")
		}
	})
}

// TestResolveFails: what was known goes on; without anything known it is an error.
func TestResolveFails(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, u *Upstream) {
		w.fail(&net.DNSError{Err: "no such host", Name: "o", IsNotFound: true})
		if got := w.ask(u); !strings.Contains(got, "dial: lookup o: no such host") {
			t.Errorf("got %q", got)
		}
		w.fail(nil)
		w.ask(u)
		w.fail(errors.New("away"))
		time.Sleep(10 * time.Minute)
		if got := w.ask(u); got != "192.0.2.1" || w.connections("192.0.2.1") != 1 {
			t.Errorf("got %q over %d connections, want the one that there was", got, w.connections("192.0.2.1"))
		}
		if n := u.Stats().Unresolved; n < 10 {
			t.Errorf("got %d lookups that failed, want one every 30 s", n)
		}
		time.Sleep(2 * time.Hour) // nothing is kept so long, and nobody looks
		before := w.looked()
		time.Sleep(time.Hour)
		if w.looked() != before {
			t.Errorf("%d lookups without a connection", w.looked()-before)
		}
		if got := w.ask(u); got != "192.0.2.1" {
			t.Errorf("got %q, want the address that was known", got)
		}
	})
}

// TestResolveMany: several addresses take turns, and stand in for one another.
func TestResolveMany(t *testing.T) {
	inTown(t, func(t *testing.T, w *town, u *Upstream) {
		u.MaxIdle = -1
		w.set("o", "192.0.2.1", "192.0.2.2", "192.0.2.3")
		var got []string
		for range 4 {
			got = append(got, w.ask(u))
		}
		if want := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		w.down["192.0.2.2"], w.silent["192.0.2.3"] = true, true
		begun := time.Now()
		if got := w.ask(u); got != "192.0.2.1" || time.Since(begun) != stagger {
			t.Errorf("one refuses, one is silent: got %q after %v", got, time.Since(begun))
		}
		w.silent["192.0.2.1"], w.silent["192.0.2.2"] = true, true
		begun = time.Now()
		if got := w.ask(u); !strings.Contains(got, "dial-timeout") || time.Since(begun) != 5*time.Second {
			t.Errorf("all are silent: got %q after %v", got, time.Since(begun))
		}
	})
}

func TestInOrder(t *testing.T) {
	for _, tt := range []struct {
		list string
		turn int
		want string
	}{
		{"192.0.2.1", 7, "192.0.2.1"},
		{"192.0.2.1 192.0.2.2", 1, "192.0.2.2 192.0.2.1"},
		{"2001:db8::1 192.0.2.1 192.0.2.2", 0, "2001:db8::1 192.0.2.1 192.0.2.2"},
		{"192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2", 1, "192.0.2.2 2001:db8::2 192.0.2.1 2001:db8::1"},
	} {
		var list []netip.Addr
		for a := range strings.FieldsSeq(tt.list) {
			list = append(list, netip.MustParseAddr(a))
		}
		if got := strings.Trim(fmt.Sprint(inOrder(list, tt.turn)), "[]"); got != tt.want {
			t.Errorf("%s, turn %d: got %s, want %s", tt.list, tt.turn, got, tt.want)
		}
	}
}
