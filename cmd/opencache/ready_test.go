package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"opencache/internal/config"
	"opencache/internal/store"
)

func TestGivenUp(t *testing.T) {
	share := func(f float64) *float64 { return &f }
	for _, tt := range []struct {
		down, all int
		most      *float64
		want      bool
	}{
		{0, 0, share(0.5), false}, {3, 3, nil, false}, {3, 3, share(0), false}, {0, 4, share(0.5), false},
		{1, 4, share(0.5), false}, {2, 4, share(0.5), true}, {1, 3, share(0.3333), true}, {3, 3, share(1), true}, {2, 3, share(1), false},
	} {
		disks := make([]store.DiskStats, tt.all)
		for i := range tt.down {
			disks[i].Ejected = true
		}
		if got := givenUp(disks, tt.most) != ""; got != tt.want {
			t.Errorf("%d of %d, %v: got %t, want %t", tt.down, tt.all, tt.most, got, tt.want)
		}
	}
}

// Readiness is apart from liveness: what fails it is told in its answer, and
// draining before all else, while the process says that it lives.
func TestReady(t *testing.T) {
	set := config.Set{}
	const node = `{"cache": {"memory": "8M"}, "availability": {"ejectRatio": 0.5}}`
	site := `{"id": "a", "hostnames": ["h"], "upstreams": [{"name": "o", "servers": [{"url": "http://o.test"}]}]}`
	shot := set.Load(map[string][]byte{nodeKey: []byte(node)})
	s, err := openStack(&stackOptions{shot: shot, heap: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ask := func(step, want string) {
		t.Helper()
		near, far := net.Pipe()
		go s.ServeConn(far)
		defer func() { _ = near.Close() }()
		in := bufio.NewReader(near)
		for _, path := range []string{"/oc-cgi/ready", "/oc-cgi/health"} {
			go func() { _, _ = fmt.Fprintf(near, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path) }()
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				if s.draining.Load() && path == "/oc-cgi/health" {
					return // the connection ended behind the first answer
				}
				t.Fatalf("%s: %s: %v", step, path, err)
			}
			text, _ := io.ReadAll(resp.Body)
			got := fmt.Sprintf("%d %s", resp.StatusCode, text)
			if path == "/oc-cgi/ready" && got != want || path == "/oc-cgi/health" && got != "200 OK" {
				t.Errorf("%s: %s: got %q, want %q and 200 OK", step, path, got, want)
			}
		}
	}
	ask("no site", "503 not ready: no configuration: there is no site\n")
	shot = set.Load(map[string][]byte{nodeKey: []byte(node), siteKeys + "a": []byte(site)})
	if faults, err := s.Use(&shot); err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	ask("all is well", "200 ready\n")
	if got := *s.ratio.Load(); got != 0.5 {
		t.Errorf("ratio of given up disks: got %g, want what the document says", got)
	}
	s.draining.Store(true)
	ask("draining", "503 not ready: draining\n")
}
