package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/telemetry"

	"opencache/internal/listen"
)

// The demo starts all by itself, shows hits and ends.
func TestDemo(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, nil, "demo", "--seconds", "2", "--listen", "127.0.0.1:0", "--admin", "off", "--memory", "16M")
	if code != 0 || stderr != "" {
		t.Errorf("got code %d, error %q, want 0 and none", code, stderr)
	}
	for _, part := range []string{"a cache at http://127.0.0.1:", "/slow", "curl", "X-Cache-Status", "--quiet", "hit ratio"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("the output does not say %q:\n%s", part, stdout)
		}
	}
	if strings.Contains(stdout, "hits 0 ") {
		t.Errorf("no hits in two seconds:\n%s", stdout)
	}
}

func TestDemoQuiet(t *testing.T) {
	t.Parallel()
	code, stdout, _ := run(t, nil, "demo", "--seconds", "1", "--quiet", "--listen", "127.0.0.1:0", "--admin", "off", "--memory", "16M",
		"--origin", "http://127.0.0.1:1")
	if code != 0 || !strings.Contains(stdout, "in front of http://127.0.0.1:1\n") || !strings.Contains(stdout, "requests 0 ") {
		t.Errorf("got code %d, output %s", code, stdout)
	}
}

func TestListenNext(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	l, err := listenNext(taken.Addr().String(), listen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	got, from := l.Addr().(*net.TCPAddr).Port, taken.Addr().(*net.TCPAddr).Port
	if got <= from || got > from+demoPorts {
		t.Errorf("got port %d, want one shortly after %d", got, from)
	}
	if _, err := listenNext("nonsense", listen.Options{}); err == nil {
		t.Error("nonsense: got no error")
	}
}

func TestLive(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		want     string
	}{
		"terminal": {true, "\r\x1b[Krequests 1  hits 3  misses 1  hit ratio 75.0 %  bytes saved 2 KiB  origin requests 0" +
			"\r\x1b[Krequests 2  hits 3  misses 1  hit ratio 75.0 %  bytes saved 2 KiB  origin requests 0\r\x1b[K"},
		"file": {false, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			var out bytes.Buffer
			n := uint64(0)
			live(ctx, &out, c.terminal, func() telemetry.Totals {
				n++
				return telemetry.Totals{Requests: n, Hits: 3, Misses: 1, Ratio: 0.75, BytesFromCache: 2048}
			})
			if out.String() != c.want {
				t.Errorf("%s: got %q, want %q", name, out.String(), c.want)
			}
		})
	}
}

func TestHumanBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB", 1000 << 20: "1 GiB", 5 << 50: "5120 TiB",
	} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
