package opencache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// newStore returns a small Store that the test closes.
func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Memory(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("store: %v", err)
		}
	})
	return s
}

// A step is a request and what is to come of it.
type step struct {
	after  time.Duration // waited before
	method string        // "": GET
	target string        // "": /
	fields string        // "Name: value", one a line
	body   string

	status int    // 0: 200
	cache  string // X-Cache-Status
	want   string // the content
	has    string // "Name: value" lines that the answer has; "Name:" for a field that it has not
}

// answers writes fields ("Name: value", one a line) and content.
func answers(fields, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		setLines(w.Header(), fields)
		_, _ = io.WriteString(w, content)
	}
}

func setLines(h http.Header, lines string) {
	for line := range strings.Lines(lines) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		h.Add(name, value)
	}
}

// inTurn answers the first request by the first handler, and so on; the last
// one answers all that follow.
func inTurn(hs ...http.HandlerFunc) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		h := hs[min(n, len(hs)-1)]
		n++
		h(w, r)
	}
}

func panics(v any) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { panic(v) }
}

func fails(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", status) }
}

var modified = time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC) // bubbles begin a month later

func serveContent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Cache-Control", "max-age=10")
	http.ServeContent(w, r, "a.txt", modified, strings.NewReader("0123456789"))
}

func TestHandler(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	for _, tt := range []struct {
		name   string
		next   http.HandlerFunc
		policy Policy
		calls  int // of next
		steps  []step
	}{
		{"hit", answers(fresh, "hello"), Policy{}, 1, []step{
			{cache: "MISS", want: "hello", has: "Content-Length: 5\nContent-Type: text/plain; charset=utf-8\nCache-Status: opencache; fwd=uri-miss; fwd-status=200; stored; ttl=60"},
			{after: 3 * time.Second, cache: "HIT", want: "hello", has: "Age: 3\nContent-Length: 5\nCache-Status: opencache; hit; ttl=57"},
		}},
		{"expired", answers(fresh, "hello"), Policy{}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: time.Minute, cache: "EXPIRED", want: "hello"},
			{cache: "HIT", want: "hello"},
		}},
		{"validated", serveContent, Policy{}, 2, []step{
			{cache: "MISS", want: "0123456789"},
			{after: 11 * time.Second, cache: "REVALIDATED", want: "0123456789"},
			{cache: "HIT", want: "0123456789"},
		}},
		{"conditions", serveContent, Policy{}, 1, []step{
			{fields: `If-None-Match: "v1"`, cache: "MISS", status: 304, has: "ETag: \"v1\"\nContent-Length:"},
			{fields: `If-None-Match: "v1"`, cache: "HIT", status: 304},
			{fields: `If-None-Match: "v2"`, cache: "HIT", want: "0123456789"},
			{fields: "If-Modified-Since: Wed, 01 Dec 1999 00:00:00 GMT", cache: "HIT", status: 304},
		}},
		{"ranges", serveContent, Policy{}, 1, []step{
			{fields: "Range: bytes=2-4", cache: "MISS", status: 206, want: "234", has: "Content-Range: bytes 2-4/10"},
			{fields: "Range: bytes=-3", cache: "HIT", status: 206, want: "789", has: "Content-Length: 3\nContent-Type: text/plain; charset=utf-8"},
			{fields: "Range: bytes=20-", cache: "HIT", status: 416, has: "Content-Range: bytes */10"},
			{fields: "Range: bytes=2-4\nIf-Range: \"v2\"", cache: "HIT", want: "0123456789"},
		}},
		{"type of a range is guessed from the beginning", answers(fresh, "<html>0123456789"), Policy{}, 1, []step{
			{fields: "Range: bytes=10-", cache: "MISS", status: 206, want: "456789", has: "Content-Type: text/html; charset=utf-8"},
			{fields: "Range: bytes=6-8", cache: "HIT", status: 206, want: "012", has: "Content-Type: text/html; charset=utf-8"},
		}},
		{"head", answers(fresh, "hello"), Policy{}, 1, []step{
			{method: "HEAD", cache: "MISS", has: "Content-Length: 5"},
			{method: "HEAD", cache: "HIT", has: "Content-Length: 5"},
			{cache: "HIT", want: "hello"},
		}},
		{"head that is not shared", answers("Cache-Control: no-store", "hello"), Policy{}, 2, []step{
			{method: "HEAD", cache: "MISS", has: "Cache-Control: no-store"},
			{method: "HEAD", cache: "MISS", has: "Content-Length: 5\nContent-Type: text/plain; charset=utf-8"},
		}},
		{"post passes and invalidates", answers(fresh, "hello"), Policy{}, 3, []step{
			{cache: "MISS", want: "hello"},
			{method: "POST", body: "x", cache: "BYPASS", want: "hello"},
			{cache: "MISS", want: "hello"},
			{cache: "HIT", want: "hello"},
		}},
		{"private", answers("Cache-Control: private, max-age=60", "yours"), Policy{}, 2, []step{
			{cache: "MISS", want: "yours"},
			{cache: "MISS", want: "yours"},
		}},
		{"authorization", answers(fresh, "hello"), Policy{}, 2, []step{
			{fields: "Authorization: Basic eDp5", cache: "MISS", want: "hello"},
			{cache: "MISS", want: "hello"},
		}},
		{"vary", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "X-Lang")
			answers(fresh, r.Header.Get("X-Lang"))(w, r)
		}, Policy{}, 2, []step{
			{fields: "X-Lang: de", cache: "MISS", want: "de"},
			{fields: "X-Lang: fr", cache: "MISS", want: "fr"},
			{fields: "X-Lang: de", cache: "HIT", want: "de"},
			{fields: "X-Lang: fr", cache: "HIT", want: "fr"},
		}},
		{"keys", func(w http.ResponseWriter, r *http.Request) {
			answers(fresh, r.Host+" "+r.URL.RequestURI())(w, r)
		}, Policy{}, 5, []step{
			{target: "http://a.test/x", cache: "MISS", want: "a.test /x"},
			{target: "http://A.test/x", cache: "HIT", want: "a.test /x"},
			{target: "http://b.test/x", cache: "MISS", want: "b.test /x"},
			{target: "http://a.test/x?q=1", cache: "MISS", want: "a.test /x?q=1"},
			{target: "http://a.test/x%2Fy", cache: "MISS", want: "a.test /x%2Fy"},
			{target: "http://a.test/x/y", cache: "MISS", want: "a.test /x/y"},
		}},
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, Policy{DefaultTTL: time.Minute}, 1, []step{
			{cache: "MISS", has: "Content-Length: 0\nContent-Type:"},
			{cache: "HIT", has: "Content-Length: 0"},
		}},
		{"no content", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.WriteHeader(204)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(fmt.Sprintf("write to a 204: got %v", err))
			}
		}, Policy{}, 1, []step{
			{cache: "MISS", status: 204, has: "Content-Length:"},
			{cache: "HIT", status: 204, has: "Content-Length:"},
		}},
		{"default ttl", answers("", "hello"), Policy{DefaultTTL: 1500 * time.Millisecond}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: time.Second, cache: "HIT", want: "hello"},
			{after: time.Second, cache: "EXPIRED", want: "hello"},
		}},
		{"heuristics", answers("Last-Modified: Wed, 22 Dec 1999 00:00:00 GMT", "hello"), Policy{}, 1, []step{
			{cache: "MISS", want: "hello"},
			{after: 20 * time.Hour, cache: "HIT", want: "hello"},
		}},
		{"no heuristics", answers("Last-Modified: Wed, 22 Dec 1999 00:00:00 GMT", "hello"), Policy{NoHeuristics: true}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: time.Second, cache: "EXPIRED", want: "hello"},
		}},
		{"cookies", answers(fresh+"\nSet-Cookie: a=b", "hello"), Policy{NoSetCookie: true}, 2, []step{
			{cache: "MISS", want: "hello", has: "Set-Cookie: a=b"},
			{cache: "MISS", want: "hello"},
		}},
		{"stale when next panics", inTurn(answers(fresh, "hello"), panics("oops")), Policy{}, 3, []step{
			{cache: "MISS", want: "hello"},
			{after: 2 * time.Minute, cache: "STALE", want: "hello"},
			{after: 25 * time.Hour, status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
		}},
		{"stale when next fails", inTurn(answers(fresh, "hello"), fails(503)), Policy{}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: 2 * time.Minute, cache: "STALE", want: "hello"},
		}},
		{"no stale", inTurn(answers(fresh, "hello"), fails(503)), Policy{StaleIfError: -1}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: 2 * time.Minute, status: 503, cache: "EXPIRED", want: "down\n"},
		}},
		{"panic", inTurn(panics("oops"), panics(http.ErrAbortHandler), answers(fresh, "hello")), Policy{}, 3, []step{
			{status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
			{status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
			{cache: "MISS", want: "hello"},
		}},
		{"panic behind held content", inTurn(func(w http.ResponseWriter, _ *http.Request) {
			answers(fresh, "hel")(w, nil)
			panic("oops")
		}, answers(fresh, "hello")), Policy{}, 2, []step{
			{status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
			{cache: "MISS", want: "hello"},
		}},
		{"less than announced", inTurn(answers(fresh+"\nContent-Length: 6", "hello"), answers(fresh, "hello")), Policy{}, 2, []step{
			{status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
			{cache: "MISS", want: "hello"},
		}},
		{"101 unasked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) }, Policy{}, 1, []step{
			{status: 502, cache: "MISS", want: "502 origin-broken-response\n"},
		}},
		{"fields", answers(fresh+"\nConnection: X-Hop, cache-control\nX-Hop: 1\nKeep-Alive: 5\nX-Two: a\nX-Two: b\nbad name: x\nX-Line: a\rb", "x"), Policy{}, 1, []step{
			{cache: "MISS", want: "x", has: "X-Hop:\nKeep-Alive:\nConnection:\nX-Two: a, b\nbad name:\nX-Line: a b\nCache-Control: max-age=60"},
			{cache: "HIT", want: "x", has: "X-Hop:\nKeep-Alive:\nX-Two: a, b\nX-Line: a b"},
		}},
		{"bad content length", answers(fresh+"\nContent-Length: -1", "hello"), Policy{}, 1, []step{
			{cache: "MISS", want: "hello", has: "Content-Length: 5"},
		}},
		{"only if cached", answers(fresh, "hello"), Policy{}, 0, []step{
			{fields: "Cache-Control: only-if-cached", status: 504, cache: "MISS", want: "504 only-if-cached\n"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				tt.policy.Store, tt.policy.Log = newStore(t), quiet
				h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls++
					tt.next(w, r)
				}), tt.policy)
				for i, s := range tt.steps {
					s.run(t, i, h)
				}
				if calls != tt.calls {
					t.Errorf("next was called %d times, want %d", calls, tt.calls)
				}
			})
		})
	}
}

func (s *step) run(t *testing.T, i int, h http.Handler) {
	t.Helper()
	synctest.Wait() // for what is still being stored
	time.Sleep(s.after)
	method, target := "GET", "/"
	if s.method != "" {
		method = s.method
	}
	if s.target != "" {
		target = s.target
	}
	var body io.Reader
	if s.body != "" {
		body = strings.NewReader(s.body)
	}
	r := httptest.NewRequest(method, target, body)
	setLines(r.Header, s.fields)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	status := 200
	if s.status != 0 {
		status = s.status
	}
	got := w.Header().Get("X-Cache-Status")
	if w.Code != status || got != s.cache || w.Body.String() != s.want {
		t.Errorf("step %d, %s %s: got %d %s %q, want %d %s %q (%s)",
			i, method, target, w.Code, got, w.Body, status, s.cache, s.want, w.Header().Get("Cache-Status"))
	}
	for line := range strings.Lines(s.has) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ":")
		if got := strings.Join(w.Header().Values(name), ", "); got != strings.TrimSpace(want) {
			t.Errorf("step %d, %s %s: got %s %q, want %q", i, method, target, name, got, want)
		}
	}
}

// What next may want of a request besides its head is that of the request
// which caused the fetch.
func TestRequestOfNext(t *testing.T) {
	type key struct{}
	var got *http.Request
	mux := http.NewServeMux()
	mux.Handle("/items/{id}", Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		if id, v := r.PathValue("id"), r.Context().Value(key{}); id != "7" || v != "mine" {
			t.Errorf("got path value %q and context value %v, want 7 and mine", id, v)
		}
	}), Policy{Store: newStore(t)}))
	ctx := context.WithValue(t.Context(), key{}, "mine")
	r := httptest.NewRequestWithContext(ctx, "HEAD", "http://a.test/items/7?x=1", nil)
	setLines(r.Header, "Range: bytes=0-1\nConnection: X-Hop\nX-Hop: 1\nX-End: 2")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	switch {
	case w.Code != 200:
		t.Errorf("got %d, want 200", w.Code)
	case got.Method != "GET" || got.Host != "a.test" || got.URL.RequestURI() != "/items/7?x=1":
		t.Errorf("got %s %s %s, want GET a.test /items/7?x=1", got.Method, got.Host, got.URL.RequestURI())
	case len(got.Header) != 2 || got.Header.Get("X-End") != "2" || got.Header.Get("Via") != "1.1 opencache":
		t.Errorf("got fields %v, want X-End and Via", got.Header)
	}
}

// A client that leaves does not end the fetch that it caused.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		var fetches atomic.Int32
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fetches.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "whole")
		}), Policy{Store: s})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("got %v, want %v", got, http.ErrAbortHandler)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		}()
		time.Sleep(2 * time.Second)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("X-Cache-Status"); got != "HIT" || w.Body.String() != "whole" || fetches.Load() != 1 {
			t.Errorf("got %s %q after %d fetches, want HIT whole after 1", got, w.Body, fetches.Load())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestHandlersShareOnlyMemory(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"a", "b"} {
		h := Handler(answers("Cache-Control: max-age=60", name), Policy{Store: s})
		for _, want := range []string{"MISS", "HIT"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Header().Get("X-Cache-Status"); got != want || w.Body.String() != name {
				t.Errorf("handler %s: got %s %q, want %s", name, got, w.Body, want)
			}
		}
	}
}

func TestMemory(t *testing.T) {
	if s, err := Memory(1); err == nil || s != nil {
		t.Errorf("got %v, %v, want an error for a size of 1", s, err)
	}
	s, err := Memory(0)
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(answers("Cache-Control: max-age=60", "x"), Policy{Store: s})
	for range 2 { // a second Close does nothing
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Body.String() != "x" || w.Header().Get("X-Cache-Status") != "" {
		t.Errorf("closed store: got %q %q, want next's own answer", w.Body, w.Header().Get("X-Cache-Status"))
	}
	if err := new(Store).Close(); err != nil {
		t.Errorf("unused store: %v", err)
	}
}

// Closing the store ends what is fetched for it, and what that had so far is
// not taken for whole.
func TestCloseWhileFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}), Policy{Store: s})
		w := httptest.NewRecorder()
		aborted := make(chan any)
		go func() {
			defer func() { aborted <- recover() }()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		if got := <-aborted; got != http.ErrAbortHandler {
			t.Errorf("got %v, want http.ErrAbortHandler", got)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if w.Body.String() != "some" {
			t.Errorf("got %q, want what was there", w.Body)
		}
	})
}

// TestLarge keeps what takes several segments, and ranges across them.
func TestLarge(t *testing.T) {
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i>>12) ^ byte(i)
	}
	calls := 0
	h := Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(content)
	}), Policy{Store: newStore(t)})
	for i, tt := range []struct {
		fields string
		want   []byte
	}{{"", content}, {"", content}, {"Range: bytes=524000-1600000", content[524000:1600001]}} {
		r := httptest.NewRequest("GET", "/", nil)
		setLines(r.Header, tt.fields)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !bytes.Equal(w.Body.Bytes(), tt.want) {
			t.Errorf("request %d (%q): %d bytes that differ from the %d wanted", i, tt.fields, w.Body.Len(), len(tt.want))
		}
	}
	if calls != 1 {
		t.Errorf("next was called %d times, want 1", calls)
	}
}
