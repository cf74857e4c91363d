package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

func testStack(t *testing.T, token string) *stack {
	t.Helper()
	o := serveOptions{Origin: "http://127.0.0.1:1", Memory: smallestMemory, MaxConns: 10, MaxVariants: 1, Via: "test", token: token}
	s, err := newStack(&o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestAdminGuard(t *testing.T) {
	const token = "0123456789abcdef"
	for _, c := range []struct {
		name, token, remote, host, field, value string
		want                                    int
	}{
		{"this machine", "", "127.0.0.1:5", "127.0.0.1:9180", "", "", 200},
		{"this machine, by name", "", "127.0.0.1:5", "localhost:9180", "", "", 200},
		{"this machine, IPv6", "", "[::1]:5", "[::1]:9180", "", "", 200},
		{"Unix socket", "", "@", "localhost", "", "", 200},
		{"another machine", "", "192.0.2.1:5", "127.0.0.1:9180", "", "", 403},
		{"rebound name", "", "127.0.0.1:5", "evil.example:9180", "", "", 403},
		{"proxied", "", "127.0.0.1:5", "127.0.0.1", "X-Forwarded-For", "192.0.2.1", 403},
		{"proxied, RFC 7239", "", "127.0.0.1:5", "127.0.0.1", "Forwarded", "for=192.0.2.1", 403},
		{"page", "", "127.0.0.1:5", "127.0.0.1", "Origin", "http://evil.example", 403},
		{"page's image", "", "127.0.0.1:5", "127.0.0.1", "Sec-Fetch-Site", "cross-site", 403},
		{"address bar", "", "127.0.0.1:5", "127.0.0.1", "Sec-Fetch-Site", "none", 200},
		{"another machine, no token", token, "192.0.2.1:5", "cache.example", "", "", 401},
		{"another machine, wrong token", token, "192.0.2.1:5", "cache.example", "Authorization", "Bearer 0123456789abcdeX", 401},
		{"another machine, token", token, "192.0.2.1:5", "cache.example", "Authorization", "Bearer " + token, 200},
		{"no token set, empty one sent", "", "192.0.2.1:5", "cache.example", "Authorization", "Bearer ", 403},
	} {
		a := &admin{stack: testStack(t, c.token), token: c.token, log: slog.New(slog.DiscardHandler)}
		for _, path := range []string{"/metrics", "/__admin/stats", "/debug/pprof/cmdline"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr, r.Host = c.remote, c.host
			if c.field != "" {
				r.Header.Set(c.field, c.value)
			}
			w := httptest.NewRecorder()
			a.handler().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("%s: %s: got %d %q, want %d", c.name, path, w.Code, w.Body, c.want)
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/livez", nil)
		w := httptest.NewRecorder()
		if a.handler().ServeHTTP(w, r); w.Code != 200 || w.Body.String() != "OK" {
			t.Errorf("%s: /livez: got %d %q, want 200 for everybody", c.name, w.Code, w.Body)
		}
	}
}

// The paths that the public listener has too are answered by the same code.
func TestAdminBridge(t *testing.T) {
	a := &admin{stack: testStack(t, ""), log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		method, path string
		status       int
		part         string
	}{
		{"GET", "/__admin/stats", 200, `"capacity": `},
		{"POST", "/__admin/clear-cache", 200, "0"},
		{"GET", "/__admin/clear-cache", 405, ""},
		{"PURGE", "/x", 404, "0"},
		{"GET", "/oc-cgi/metrics", 200, "opencache_build_info"},
		{"GET", "/x", 404, ""},
		{"DELETE", "/__admin/stats", 404, ""},
		{"GET", "/v1/purge", 405, `"GET /v1/purge: expected POST"`},
		{"HEAD", "/v1/purge", 405, ""},
		{"DELETE", "/v1/purge", 405, ""},
		{"POST", "/v1/stats", 405, `"POST /v1/stats: expected GET"`},
		{"HEAD", "/v1/stats", 200, ""},
		{"GET", "/v1/nothing", 404, `no such path of opencache`},
		{"GET", "/healthz?verbose", 200, "[+] accepting ok"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.RemoteAddr, r.Host = "127.0.0.1:5", "127.0.0.1:9180"
		w := httptest.NewRecorder()
		a.handler().ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
			t.Errorf("%s %s: got %d %.200q, want %d and %q", c.method, c.path, w.Code, w.Body, c.status, c.part)
		}
		// RFC 9110, 15.5.6: a 405 has an Allow field.
		if allow := w.Header().Get("Allow"); w.Code == 405 && allow == "" || c.path == "/v1/purge" && allow != "POST" {
			t.Errorf("%s %s: got Allow %q with %d", c.method, c.path, allow, w.Code)
		}
	}
	a.stack.Drain()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/healthz": 503, "/healthz?verbose": 503} {
		w := httptest.NewRecorder()
		if a.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil)); w.Code != want {
			t.Errorf("draining: %s: got %d, want %d", path, w.Code, want)
		}
	}
}

func TestListenAdmin(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if l, err := listenAdmin("--admin", "off", log); l != nil || err != nil {
		t.Errorf("off: got %v, %v", l, err)
	}
	// Whoever has the default address, this test or another process: it is
	// taken, and that is no error.
	taken, err := net.Listen("tcp", adminDefault)
	if err == nil {
		defer func() { _ = taken.Close() }()
	} else if !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
		t.Fatal(err)
	}
	if l, err := listenAdmin("--admin", "", log); l != nil || err != nil {
		t.Errorf("default, taken: got %v, %v, want neither", l, err)
	}
	if l, err := listenAdmin("--admin", adminDefault, log); l != nil || err == nil {
		t.Errorf("the same asked for: got %v, %v, want an error", l, err)
	}
}
