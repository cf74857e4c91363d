package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// askAdmin asks a's interface as a client on this machine does, and reads the
// answer's JSON into v unless that is nil.
func askAdmin(t *testing.T, a *admin, path string, v any) (status int, text string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:5", "127.0.0.1:9180"
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, r)
	if v != nil {
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
			t.Fatalf("%s: %v in %q", path, err, w.Body)
		}
	}
	return w.Code, w.Body.String()
}

func TestParams(t *testing.T) {
	for _, c := range []struct {
		query string
		known []string
		want  string // of the refusal; empty: taken
	}{
		{"", nil, ""},
		{"limit=3&site=x", []string{"limit", "site"}, ""},
		{"limt=3", []string{"limit", "site"}, `"limt" is not known: expected limit, site`},
		{"limit=3&limit=4", []string{"limit"}, `"limit": expected once, found 2 times`},
		{"a=1", nil, `"a": expected no parameters`},
		{"a=%zz", []string{"a"}, "query: "},
		{"limit=0", []string{"limit"}, `limit: "0": expected a number from 1 to 9`},
		{"limit=10", []string{"limit"}, `limit: "10"`},
		{"limit=", []string{"limit"}, `limit: ""`},
	} {
		w := httptest.NewRecorder()
		values, ok := params(w, httptest.NewRequest("GET", "/v1/x?"+c.query, nil), c.known...)
		if ok {
			_, ok = number(w, values, "limit", 5, 9)
		}
		var said refusal
		if !ok {
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 400 {
				t.Errorf("%s: got %d %q, want 400 and JSON", c.query, w.Code, w.Body)
			}
		}
		if ok != (c.want == "") || !strings.Contains(said.Error, c.want) {
			t.Errorf("%s: got %v %q, want %q", c.query, ok, said.Error, c.want)
		}
	}
}

func TestAPIUnknownPath(t *testing.T) {
	a := &admin{stack: testStack(t, ""), log: slog.New(slog.DiscardHandler)}
	var said refusal
	if status, _ := askAdmin(t, a, "/v1/nothing", &said); status != 404 || !strings.Contains(said.Error, "/v1/nothing") {
		t.Errorf("got %d %q, want 404 and the path", status, said.Error)
	}
}

func TestAdminClient(t *testing.T) {
	const token = "0123456789abcdef"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /good", func(w http.ResponseWriter, r *http.Request) { tell(w, 200, r.Header.Get("Authorization")) })
	mux.HandleFunc("POST /good", func(w http.ResponseWriter, r *http.Request) {
		var in string
		err := json.NewDecoder(r.Body).Decode(&in)
		tell(w, 200, in+r.Header.Get("Content-Type"))
		if err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "words") })
	mux.HandleFunc("/html", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	mux.HandleFunc("/guarded", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
	mux.HandleFunc("/forbidden", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not you", http.StatusForbidden) })
	s := httptest.NewServer(mux)
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	ctx := context.Background()
	client := func(o adminOptions) *adminClient {
		c, err := o.client()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := client(adminOptions{Admin: addr, AdminTokenFile: file})
	defer c.http.CloseIdleConnections()
	var got string
	if err := c.get(ctx, "/good", &got); err != nil || got != "Bearer "+token {
		t.Errorf("get: got %q, %v, want the token", got, err)
	}
	if err := c.post(ctx, "/good", "in ", &got); err != nil || got != "in application/json" {
		t.Errorf("post: got %q, %v", got, err)
	}
	for path, want := range map[string]string{
		"/bad": "words", "/html": "no administration", "/none": "404 Not Found", "/guarded": "does not take the token", "/forbidden": "not you",
	} {
		if err := c.get(ctx, path, &got); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: got %v, want %q and the address", path, err, want)
		}
	}
	bare := client(adminOptions{Admin: addr})
	if err := bare.get(ctx, "/guarded", &got); err == nil || !strings.Contains(err.Error(), "give --admin-token-file") {
		t.Errorf("guarded, no token: got %v", err)
	}
	bare.http.CloseIdleConnections()
	s.Close()
	for _, to := range []string{addr, "unix:" + filepath.Join(t.TempDir(), "none")} {
		if err := client(adminOptions{Admin: to}).get(ctx, "/good", &got); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
			t.Errorf("%s: got %v, want that nothing listens", to, err)
		}
	}
	for _, o := range []adminOptions{{Admin: ""}, {Admin: "off"}, {Admin: "localhost"}, {Admin: addr, AdminTokenFile: file + "x"}} {
		if _, err := o.client(); !errors.As(err, new(usageError)) {
			t.Errorf("%+v: got %v, want a usage error", o, err)
		}
	}
}
