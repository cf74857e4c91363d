package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fixedSite answers all hosts with a text.
func fixedSite(text string) string {
	return `{ // one
  "id": "a", "hostnames": ["_"],
  "routes": [{"location": "/", "kind": "fixed", "fixed": {"body": "` + text + `"}}],
}`
}

const edgeNode = `{"network": {"admin": "127.0.0.1:0"}, "cache": {"memory": "16M"},
  "cacheTierPolicy": {"zones": [{"name": "pages", "maxSize": "1G"}], "rules": [{"id": "css", "match": {"uriPattern": "^/static/"}, "zone": "pages", "ttl": "1h"}]}}`

// writeDocument puts a document into a folder as a whole.
func writeDocument(t *testing.T, dir, key, text string) {
	t.Helper()
	path := filepath.Join(dir, key+".jsonc")
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

// until asks until the answer is text.
func until(t *testing.T, url, text string) {
	t.Helper()
	var got answer
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if got = get(url); got.err == nil && strings.Contains(got.body, text) {
			return
		}
	}
	t.Fatalf("%s: got %+v, want %q", url, got, text)
}

// Two edges on one machine: the second says which field of the document to change.
func TestEdgeAdminTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	dir := t.TempDir()
	writeDocument(t, dir, siteKeys+"a", fixedSite("one"))
	writeDocument(t, dir, nodeKey, fmt.Sprintf(`{"network": {"admin": %q}}`, taken.Addr()))
	code, _, stderr := run(t, nil, "edge", "--config", dir, "--listen", "127.0.0.1:0")
	if want := "network.admin: listen " + taken.Addr().String() + ": another process listens there already"; code != 2 || !strings.Contains(stderr, want) {
		t.Errorf("got %d, %s, want 2, %q", code, stderr, want)
	}
}

// From a folder to clients and back: changes, faults, a start without the source.
func TestEdgeFolder(t *testing.T) {
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	writeDocument(t, dir, siteKeys+"a", fixedSite("one"))
	writeDocument(t, dir, nodeKey, edgeNode)
	p := begin(t, nil, "edge", "--config", dir, "--state", state, "--listen", "127.0.0.1:0", "--pop", "iad")
	until(t, p.listen, "one")
	writeDocument(t, dir, siteKeys+"a", fixedSite("two"))
	until(t, p.listen, "two")

	writeDocument(t, dir, siteKeys+"a", strings.Replace(fixedSite("three"), "hostnames", "hostname", 1))
	writeDocument(t, dir, siteKeys+"b", `{"id": "b", "hostnames": ["b.example"], "tls": {}}`)
	until(t, p.listen+"/oc-cgi/status", "did you mean")
	until(t, p.admin+"/oc-cgi/status", `"bad": 1`)
	var status liveStatus
	if err := json.Unmarshal([]byte(get(p.admin+"/oc-cgi/status").body), &status); err != nil {
		t.Fatal(err)
	}
	if want := (documentCount{Good: 1, Stale: 1, Bad: 1}); status.Documents != want || status.Successful || status.POP != "iad" || len(status.Faults) != 2 {
		t.Errorf("got %+v", status)
	}
	until(t, p.admin+"/metrics", `opencache_config_documents{state="stale"} 1`)
	if got := get(p.listen); got.body != "two" {
		t.Errorf("with a bad document: got %+v, want two", got)
	}
	writeDocument(t, dir, nodeKey, strings.Replace(edgeNode, "16M", "32M", 1))
	until(t, p.admin+"/oc-cgi/status", "cache.memory")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "looking for other documents")
	p.await(t, "documents are in use")
	p.signal(t, syscall.SIGTERM)
	p.await(t, "stopped")
	if report, err := os.ReadFile(filepath.Join(state, reportName)); err != nil || !strings.Contains(string(report), "^~ /static/") {
		t.Errorf("report: got %q, %v", report, err)
	}

	// The source is gone; what was good is not.
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	cold := begin(t, nil, "edge", "--config", dir, "--state", state, "--listen", "127.0.0.1:0")
	until(t, cold.listen, "two")
	until(t, cold.listen+"/oc-cgi/status", "no such file or directory")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	writeDocument(t, dir, siteKeys+"a", fixedSite("four"))
	until(t, cold.listen, "four")
}

// A Directus is shown the token of the environment, which nobody else sees.
func TestEdgeDirectus(t *testing.T) {
	var text atomic.Value
	text.Store("one")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer swordfish-swordfish" || r.URL.Path != "/items/kvs" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		data := []map[string]any{
			{"key": siteKeys + "a", "value": fixedSite(text.Load().(string))},
			{"key": nodeKey, "value": json.RawMessage(edgeNode)},
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "meta": map[string]int{"filter_count": len(data)}})
	}))
	defer server.Close()
	p := begin(t, []string{"BAAS_TOKEN=swordfish-swordfish"}, "edge", "--config", server.URL, "--poll", "10ms", "--listen", "127.0.0.1:0")
	until(t, p.listen, "one")
	text.Store("two")
	until(t, p.listen, "two")
	if got := get(p.listen + "/oc-cgi/status"); strings.Contains(got.body, "swordfish") {
		t.Errorf("the token shows: %s", got.body)
	}
}

func TestEdgeUsage(t *testing.T) {
	dir := t.TempDir()
	writeDocument(t, dir, nodeKey, `{"network": {"admin": "0.0.0.0:9999"}}`)
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "--config: no source: expected a folder, etcd://HOST/PREFIX or https://HOST"},
		{[]string{"--config", dir + "/none"}, "no such file or directory"},
		{[]string{"--config", "etcd://u:hunter2@h/p"}, "password-file"},
		{[]string{"--config", dir}, "network.admin: other machines reach 0.0.0.0:9999"},
	} {
		code, _, stderr := run(t, nil, append([]string{"edge"}, test.args...)...)
		if code != 2 || !strings.Contains(stderr, test.want) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%q: got code %d, %q, want 2, %q", test.args, code, stderr, test.want)
		}
	}
}
