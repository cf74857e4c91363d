package opencache

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func inLanguages(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "X-Lang")
	serveContent(w, r)
}

// What is purged is gone for both sides of a Store, with its variants; what is
// expired is validated.
func TestPurge(t *testing.T) {
	store := newStore(t)
	rt := &Transport{Base: &asked{HandlerFunc: inLanguages}, Policy: Policy{Store: store, Log: quiet}}
	h := Handler(http.HandlerFunc(inLanguages), rt.Policy)
	u := mustURL(t, "http://example.com/x?a=b")
	ask := func() (got []string) {
		for _, lang := range []string{"X-Lang: de", "X-Lang: fr"} {
			resp, _ := get(t, rt, u.String(), lang)
			r := httptest.NewRequest("GET", u.String(), nil)
			setLines(r.Header, lang)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got = append(got, resp.Header.Get("X-Cache-Status"), w.Header().Get("X-Cache-Status"))
		}
		return got
	}
	for i, tt := range []struct {
		do    func() bool
		found bool
		want  []string
	}{
		{func() bool { return store.Purge(u) }, false, []string{"MISS", "MISS", "MISS", "MISS"}},
		{func() bool { return rt.Purge(mustURL(t, "http://example.com/x")) }, false, []string{"HIT", "HIT", "HIT", "HIT"}},
		{func() bool { return store.Purge(u) }, true, []string{"MISS", "MISS", "MISS", "MISS"}},
		{func() bool { return rt.Purge(u) }, true, []string{"MISS", "HIT", "MISS", "HIT"}},
		{func() bool { return store.Expire(u) }, true, []string{"REVALIDATED", "REVALIDATED", "REVALIDATED", "REVALIDATED"}},
		{func() bool { return rt.Expire(u) }, true, []string{"REVALIDATED", "HIT", "REVALIDATED", "HIT"}},
		{func() bool { store.Clear(); return true }, true, []string{"MISS", "MISS", "MISS", "MISS"}},
	} {
		if got := tt.do(); got != tt.found {
			t.Errorf("step %d: got found %v, want %v", i, got, tt.found)
		}
		if got := ask(); !slices.Equal(got, tt.want) {
			t.Errorf("step %d: got %q, want %q", i, got, tt.want)
		}
	}
}

// An unsafe request through a Handler drops what its answer names, too.
func TestHandlerInvalidatesNamed(t *testing.T) {
	h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Header().Set("Location", "/a")
			w.Header().Set("Content-Location", "http://other.test/b")
			return
		}
		answers("Cache-Control: max-age=60", "x")(w, r)
	}), Policy{Store: newStore(t)})
	for i, tt := range []struct{ method, path, want string }{
		{"GET", "/a", "MISS"}, {"GET", "/b", "MISS"}, {"POST", "/", "BYPASS"}, {"GET", "/a", "MISS"}, {"GET", "/b", "HIT"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if got := w.Header().Get("X-Cache-Status"); got != tt.want {
			t.Errorf("step %d, %s %s: got %s, want %s", i, tt.method, tt.path, got, tt.want)
		}
	}
}

// An unsafe request drops the groups that its answer names, within its origin
// (RFC 9875, 3).
func TestTransportInvalidatesGroups(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Cache-Groups", `"`+r.URL.Path[1:]+`"`)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Group-Invalidation", `"a", "c"`)
	})
	tr := &Transport{Base: inside{mux}, Policy: Policy{Store: newStore(t)}}
	for i, tt := range []struct{ method, url, want string }{
		{"GET", "http://one.test/a", "MISS"}, {"GET", "http://one.test/b", "MISS"}, {"GET", "http://two.test/a", "MISS"},
		{"POST", "http://one.test/", ""},
		{"GET", "http://one.test/a", "MISS"}, {"GET", "http://one.test/b", "HIT"}, {"GET", "http://two.test/a", "HIT"},
	} {
		resp, err := tr.RoundTrip(httptest.NewRequest(tt.method, tt.url, nil))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if got := resp.Header.Get("X-Cache-Status"); got != tt.want {
			t.Errorf("step %d, %s %s: got %s, want %s", i, tt.method, tt.url, got, tt.want)
		}
	}
}

// An inside is a RoundTripper that has a handler answer.
type inside struct{ http.Handler }

func (h inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// A witness writes down what a Trace is told.
type witness struct {
	mu   sync.Mutex // guards the field below
	said []string
}

func (w *witness) say(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, s)
}

func (w *witness) trace() *Trace {
	return &Trace{
		Found:     func(age, ttl time.Duration) { w.say("found " + age.String() + " " + ttl.String()) },
		Waiting:   func() { w.say("waiting") },
		Fetch:     func(forward, why Reason) { w.say(strings.TrimSpace("fetch " + forward.String() + " " + why.String())) },
		Stored:    func() { w.say("stored") },
		NotStored: func(why Reason) { w.say("not stored " + why.String()) },
		Done:      func(o Outcome) { w.say("done " + o.Status.String()) },
	}
}

func TestTrace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		method string
		want   [][]string // of each request
	}{
		{"stored", answers("Cache-Control: max-age=60", "x"), "GET", [][]string{
			{"fetch uri-miss", "stored", "done MISS"}, {"found 0s 1m0s", "done HIT"},
		}},
		{"not stored", answers("Cache-Control: no-store", "x"), "GET", [][]string{
			{"fetch uri-miss", "not stored no-store", "done MISS"}, {"fetch miss hit-for-miss", "done MISS"},
		}},
		{"passed", answers("", "x"), "POST", [][]string{{"fetch method method", "done BYPASS"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rt := newTransport(t, &asked{HandlerFunc: tt.answer})
			h := Handler(tt.answer, Policy{Store: rt.Policy.Store})
			for i, want := range tt.want {
				var by, of, outer witness
				ctx := WithTrace(WithTrace(t.Context(), outer.trace()), by.trace())
				r, _ := http.NewRequestWithContext(ctx, tt.method, "http://a.test/", nil)
				resp, err := rt.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 2)
				_, _ = resp.Body.Read(buf)
				_, _ = resp.Body.Read(buf)
				_ = resp.Body.Close()
				if !reflect.DeepEqual(by.said, want) || !reflect.DeepEqual(outer.said, want) {
					t.Errorf("transport, request %d: got %q and %q, want %q", i, by.said, outer.said, want)
				}
				r = httptest.NewRequestWithContext(WithTrace(context.Background(), of.trace()), tt.method, "http://a.test/", nil)
				h.ServeHTTP(httptest.NewRecorder(), r)
				if !reflect.DeepEqual(of.said, want) {
					t.Errorf("handler, request %d: got %q, want %q", i, of.said, want)
				}
			}
		})
	}
	if traceOf(WithTrace(t.Context(), nil)) != nil {
		t.Error("no trace: got one")
	}
	ctx := WithTrace(WithTrace(t.Context(), &Trace{}), &Trace{}) // nil hooks
	rt := newTransport(t, &asked{HandlerFunc: answers("Cache-Control: max-age=60", "x")})
	for range 2 {
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://a.test/", nil)
		if resp, err := rt.RoundTrip(r); err != nil {
			t.Error(err)
		} else {
			_ = resp.Body.Close()
		}
	}
}
