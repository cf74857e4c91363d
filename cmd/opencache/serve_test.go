package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answer is what a GET brought.
type answer struct {
	status int
	cache  string // X-Cache-Status
	body   string
	err    error
}

func get(url string) answer {
	client := http.Client{Timeout: 20 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("X-Cache-Status"), string(body), err}
}

// From the command line to the origin and back, with everything on.
func TestServe(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.URL.Path)
	}))
	defer origin.Close()
	path := filepath.Join(t.TempDir(), "access.log")
	p := start(t, "--origin", origin.URL+"/base", "--default-ttl", "x$=1h", "--passthrough", "^/raw", "--access-log", path)
	want := strings.TrimPrefix(origin.URL, "http://") + " /base/x"
	for i, cache := range []string{"MISS", "HIT"} {
		if got := get(p.listen + "/x"); got != (answer{200, cache, want, nil}) {
			t.Errorf("request %d: got %+v, want %s %q", i, got, cache, want)
		}
	}
	for range 2 {
		if got := get(p.listen + "/raw/x"); got.status != 200 || got.cache != "BYPASS" {
			t.Errorf("passthrough: got %+v, want BYPASS", got)
		}
	}
	for url, part := range map[string]string{
		p.admin + "/readyz":           "OK",
		p.admin + "/healthz?verbose":  "[+] accepting ok",
		p.admin + "/metrics":          `opencache_http_requests_total{cache_status="HIT",code_class="2xx",method="GET",proto="HTTP/1.1"} 1`,
		p.admin + "/oc-cgi/metrics":   "opencache_cache_objects 1",
		p.admin + "/__admin/stats":    `"hits": 1`,
		p.admin + "/debug/pprof/":     "goroutine",
		p.listen + "/__admin/stats":   `"hits": 1`,
		p.listen + "/oc-cgi/metrics":  "opencache_build_info",
		p.listen + "/health":          "OK",
		p.listen + "/oc-cgi/health":   "OK",
		p.admin + "/debug/pprof/heap": "",
	} {
		if got := get(url); got.status != 200 || !strings.Contains(got.body, part) {
			t.Errorf("%s: got %d %.300q, want 200 and %q", url, got.status, got.body, part)
		}
	}
	if code, _, stderr := run(t, nil, "healthcheck", "--admin", strings.TrimPrefix(p.admin, "http://")); code != 0 {
		t.Errorf("healthcheck: got code %d, %q", code, stderr)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGUSR1)
	p.await(t, "access log opened anew")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "nothing to load anew")
	get(p.listen + "/x?after")
	p.signal(t, syscall.SIGTERM)
	p.await(t, "msg=draining")
	if code := p.exit(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	before, _ := os.ReadFile(path + ".1")
	after, _ := os.ReadFile(path)
	if !bytes.Contains(before, []byte(`"upstream_cache_status":"HIT"`)) || !bytes.Contains(after, []byte(`"request_uri":"/x?after"`)) {
		t.Errorf("access logs: got\n%s\nand\n%s\nwant the HIT in the first, ?after in the second", before, after)
	}
	if code, _, stderr := run(t, nil, "healthcheck", p.listen); code != 1 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("healthcheck of what is gone: got code %d, %q, want 1 and one line", code, stderr)
	}
}

// It starts though the origin is down, and says so to clients.
func TestServeWithoutOrigin(t *testing.T) {
	p := start(t, "--origin", "http://127.0.0.1:1")
	if got := get(p.listen + "/"); got.status != http.StatusBadGateway {
		t.Errorf("got %+v, want 502", got)
	}
	p.signal(t, syscall.SIGINT)
	if code := p.exit(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// An answer under way comes to its end after SIGTERM; a second signal does
// not wait for it.
func TestServeDrain(t *testing.T) {
	for name, second := range map[string]bool{"one signal": false, "two signals": true} {
		t.Run(name, func(t *testing.T) {
			asked, release := make(chan struct{}), make(chan struct{})
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(asked)
				<-release
				_, _ = io.WriteString(w, "late")
			}))
			defer origin.Close()
			p := start(t, "--origin", origin.URL, "--log-format", "text")
			result := make(chan answer, 1)
			go func() { result <- get(p.listen + "/") }()
			<-asked
			p.signal(t, syscall.SIGTERM)
			p.await(t, "msg=draining")
			for got := (answer{}); got.status != http.StatusServiceUnavailable; {
				if got = get(p.admin + "/readyz"); got.err != nil {
					t.Fatalf("readyz while draining: %v", got.err)
				}
			}
			if second {
				time.Sleep(2 * sameSignal) // sooner it would count as the first
				p.signal(t, syscall.SIGINT)
				if code := p.exit(t); code != 1 {
					t.Errorf("got exit code %d, want 1", code)
				}
				close(release)
				if got := <-result; got.err == nil && got.status == 200 {
					t.Errorf("got %+v though the process stopped", got)
				}
				return
			}
			close(release)
			if got := <-result; got.status != 200 || got.body != "late" || got.err != nil {
				t.Errorf("got %+v, want 200 late", got)
			}
			if code := p.exit(t); code != 0 {
				t.Errorf("got exit code %d, want 0", code)
			}
		})
	}
}
