package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestEdgeProxyProtocol: a trusted proxy's header says who the client is, on
// listeners that ask for it; the client is then nobody on this machine, and
// who administers is not it.
func TestEdgeProxyProtocol(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Real-IP")+" "+r.Header.Get("X-Forwarded-For"))
	}))
	defer origin.Close()
	dir := t.TempDir()
	writeDocument(t, dir, siteKeys+"a", `{"id": "a", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "`+origin.URL+`"}]}]}`)
	writeDocument(t, dir, nodeKey, `{"network": {"listeners": [{"address": "127.0.0.1:0", "proxyProtocol": true}], "trustedProxies": ["127.0.0.1"], "admin": "127.0.0.1:0"}, "cache": {"memory": "16M"}}`)
	p := begin(t, nil, "edge", "--config", dir, "--state", filepath.Join(dir, "state"))
	for _, tt := range []struct{ before, path, status, body string }{
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n", "/", "200", "192.0.2.7 192.0.2.7"},
		{"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "/6", "200", "2001:db8::7 2001:db8::7"},
		{"PROXY TCP4 127.0.0.1 10.0.0.1 4711 443\r\n", "/__admin/stats", "403", ""},
		{"PROXY UNKNOWN\r\n", "/__admin/stats", "200", ""},
		{"", "/", "", ""},
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.listen, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, tt.before+"GET "+tt.path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if tt.status == "" {
			if err == nil {
				t.Errorf("without a header: got %s, want the connection closed", resp.Status)
			}
			_ = c.Close()
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", tt.before, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if !strings.HasPrefix(resp.Status, tt.status) || tt.body != "" && string(body) != tt.body {
			t.Errorf("%q: got %s %q, want %s %q", tt.before, resp.Status, body, tt.status, tt.body)
		}
		_ = c.Close()
	}
}
