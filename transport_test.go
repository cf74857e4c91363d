package opencache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An asked is a Base made of a handler: what a server in the same process
// would answer, without a socket.
type asked struct {
	http.HandlerFunc
	calls atomic.Int32
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	a.calls.Add(1)
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// newTransport returns a Transport with a small store in front of base.
func newTransport(t testing.TB, base http.RoundTripper) *Transport {
	return &Transport{Base: base, Policy: Policy{Store: newStore(t), Log: quiet}}
}

// get asks c for a URL and reads it whole.
func get(t testing.TB, rt http.RoundTripper, url string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	setLines(r.Header, strings.Join(fields, "\n"))
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("GET %s: content: %v", url, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Errorf("GET %s: close: %v", url, err)
	}
	return resp, string(content)
}

func TestTransport(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	for _, tt := range []struct {
		name   string
		base   http.HandlerFunc
		shared bool
		policy Policy
		calls  int32 // of base
		steps  []step
	}{
		{"hit", answers(fresh, "hello"), false, Policy{}, 1, []step{
			{cache: "MISS", want: "hello", has: "Cache-Status: opencache; fwd=uri-miss; fwd-status=200; stored; ttl=60"},
			{after: 3 * time.Second, cache: "HIT", want: "hello", has: "Age: 3\nContent-Length: 5"},
		}},
		{"expired", answers(fresh, "hello"), false, Policy{}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: time.Minute, cache: "EXPIRED", want: "hello"},
			{cache: "HIT", want: "hello"},
		}},
		{"validated", serveContent, false, Policy{}, 2, []step{
			{cache: "MISS", want: "0123456789"},
			{after: 11 * time.Second, cache: "REVALIDATED", want: "0123456789"},
			{cache: "HIT", want: "0123456789"},
		}},
		{"conditions", serveContent, false, Policy{}, 1, []step{
			{cache: "MISS", want: "0123456789"},
			{fields: `If-None-Match: "v1"`, cache: "HIT", status: 304},
			{fields: `If-None-Match: "v2"`, cache: "HIT", want: "0123456789"},
		}},
		{"ranges", serveContent, false, Policy{}, 1, []step{
			{cache: "MISS", want: "0123456789"},
			{fields: "Range: bytes=-3", cache: "HIT", status: 206, want: "789", has: "Content-Length: 3\nContent-Range: bytes 7-9/10"},
			{fields: "Range: bytes=20-", cache: "HIT", status: 416, has: "Content-Range: bytes */10"},
		}},
		{"range first", serveContent, false, Policy{}, 2, []step{
			{fields: "Range: bytes=2-4", cache: "MISS", status: 206, want: "234", has: "Content-Range: bytes 2-4/10"},
			{fields: "Range: bytes=3-4", cache: "HIT", status: 206, want: "34", has: "Content-Range: bytes 3-4/10"},
			{cache: "MISS", want: "0123456789"},
			{cache: "HIT", want: "0123456789"},
		}},
		{"head first", answers(fresh, "hello"), false, Policy{}, 2, []step{
			{method: "HEAD", cache: "MISS", has: "Content-Length:"},
			{cache: "MISS", want: "hello"},
			{method: "HEAD", cache: "HIT", has: "Content-Length: 5"},
		}},
		{"targeted", answers(fresh+"\nMy-Cache-Control: no-store", "hello"), true, Policy{Targets: []string{"My-Cache-Control"}}, 2, []step{
			{cache: "MISS", want: "hello"}, {cache: "MISS", want: "hello"},
		}},
		{"head", answers(fresh, "hello"), false, Policy{}, 1, []step{
			{cache: "MISS", want: "hello"},
			{method: "HEAD", cache: "HIT", has: "Content-Length: 5"},
		}},
		{"private", answers("Cache-Control: private, max-age=60", "mine"), false, Policy{}, 1, []step{
			{cache: "MISS", want: "mine"},
			{cache: "HIT", want: "mine"},
		}},
		{"private in a shared one", answers("Cache-Control: private, max-age=60", "mine"), true, Policy{}, 2, []step{
			{cache: "MISS", want: "mine"},
			{cache: "MISS", want: "mine"},
		}},
		{"credentials", func(w http.ResponseWriter, r *http.Request) {
			answers(fresh, r.Header.Get("Authorization"))(w, r)
		}, false, Policy{}, 2, []step{
			{fields: "Authorization: a", cache: "MISS", want: "a"},
			{fields: "Authorization: a", cache: "HIT", want: "a"},
			{fields: "Authorization: b", cache: "MISS", want: "b"},
			{fields: "Authorization: a", cache: "HIT", want: "a", has: "Vary: Authorization"},
		}},
		{"credentials in a shared one", answers(fresh, "x"), true, Policy{}, 2, []step{
			{fields: "Authorization: a", cache: "MISS", want: "x", has: "Vary:"},
			{fields: "Authorization: a", cache: "MISS", want: "x"},
		}},
		{"post passes and invalidates", answers(fresh, "hello"), false, Policy{}, 3, []step{
			{cache: "MISS", want: "hello"},
			{method: "POST", body: "x", want: "hello"},
			{cache: "MISS", want: "hello"},
			{cache: "HIT", want: "hello"},
		}},
		{"post invalidates what it names", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				w.Header().Set("Location", "/a")
				w.Header().Set("Content-Location", "http://example.com/b")
				w.WriteHeader(201)
				return
			}
			answers(fresh, r.URL.Path)(w, r)
		}, false, Policy{}, 5, []step{
			{target: "http://example.com/a", cache: "MISS", want: "/a"},
			{target: "http://example.com/b", cache: "MISS", want: "/b"},
			{method: "POST", target: "http://example.com/", status: 201},
			{target: "http://example.com/a", cache: "MISS", want: "/a"},
			{target: "http://example.com/b", cache: "MISS", want: "/b"},
		}},
		{"failed post invalidates nothing", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				w.WriteHeader(409)
				return
			}
			answers(fresh, "hello")(w, r)
		}, false, Policy{}, 2, []step{
			{cache: "MISS", want: "hello"},
			{method: "POST", status: 409},
			{cache: "HIT", want: "hello"},
		}},
		{"vary", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "X-Lang")
			answers(fresh, r.Header.Get("X-Lang"))(w, r)
		}, false, Policy{}, 2, []step{
			{fields: "X-Lang: de", cache: "MISS", want: "de"},
			{fields: "X-Lang: fr", cache: "MISS", want: "fr"},
			{fields: "X-Lang: de", cache: "HIT", want: "de"},
			{fields: "X-Lang: fr", cache: "HIT", want: "fr"},
		}},
		{"no content", answers(fresh, ""), false, Policy{}, 1, []step{
			{cache: "MISS"}, {cache: "HIT", has: "Content-Length: 0"},
		}},
		{"stale when base fails", inTurn(answers(fresh, "hello"), fails(503)), false, Policy{}, 3, []step{
			{cache: "MISS", want: "hello"},
			{after: 2 * time.Minute, cache: "STALE", want: "hello"},
			{after: 25 * time.Hour, status: 503, cache: "EXPIRED", want: "down\n"},
		}},
		{"no stale", inTurn(answers(fresh, "hello"), fails(503)), false, Policy{StaleIfError: -1}, 2, []step{
			{cache: "MISS", want: "hello"},
			{after: 2 * time.Minute, status: 503, cache: "EXPIRED", want: "down\n"},
		}},
		{"fields", answers(fresh+"\nConnection: X-Hop\nX-Hop: 1\nX-Two: a\nX-Two: b", "x"), false, Policy{}, 1, []step{
			{cache: "MISS", want: "x", has: "X-Hop:\nX-Two: a, b"},
			{cache: "HIT", want: "x", has: "X-Hop:\nX-Two: a, b"},
		}},
		{"only if cached", answers(fresh, "hello"), false, Policy{}, 0, []step{
			{fields: "Cache-Control: only-if-cached", status: 504, cache: "MISS", want: "504 only-if-cached\n"},
		}},
		{"large", answers(fresh, large), false, Policy{}, 1, []step{
			{cache: "MISS", want: large},
			{cache: "HIT", want: large},
			{fields: "Range: bytes=70000-70009", cache: "HIT", status: 206, want: large[70000:70010]},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &asked{HandlerFunc: tt.base}
				rt := newTransport(t, base)
				tt.policy.Store, tt.policy.Log = rt.Policy.Store, quiet
				rt.Policy, rt.Shared = tt.policy, tt.shared
				for i, s := range tt.steps {
					s.runBy(t, i, rt)
				}
				if got := base.calls.Load(); got != tt.calls {
					t.Errorf("base was called %d times, want %d", got, tt.calls)
				}
			})
		})
	}
}

// large is content that no single record holds.
var large = func() string {
	var b strings.Builder
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()
}()

func (s *step) runBy(t *testing.T, i int, rt http.RoundTripper) {
	t.Helper()
	time.Sleep(s.after)
	method, target, status := "GET", "http://example.com/", 200
	if s.method != "" {
		method = s.method
	}
	if s.target != "" {
		target = s.target
	}
	if s.status != 0 {
		status = s.status
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	setLines(r.Header, s.fields)
	before := r.Header.Clone()
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Errorf("step %d, %s %s: %v", i, method, target, err)
		return
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("step %d, %s %s: content: %v", i, method, target, err)
	}
	got := resp.Header.Get("X-Cache-Status")
	if resp.StatusCode != status || got != s.cache || string(content) != s.want {
		t.Errorf("step %d, %s %s: got %d %s %.60q, want %d %s %.60q (%s)",
			i, method, target, resp.StatusCode, got, content, status, s.cache, s.want, resp.Header.Get("Cache-Status"))
	}
	if out, ok := OutcomeOf(resp); !ok || s.cache != "" && out.Status.String() != s.cache {
		t.Errorf("step %d, %s %s: got outcome %v %v, want %s", i, method, target, ok, out.Status, s.cache)
	}
	for line := range strings.Lines(s.has) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), ":")
		if got := strings.Join(resp.Header.Values(name), ", "); got != strings.TrimSpace(want) {
			t.Errorf("step %d, %s %s: got %s %q, want %q", i, method, target, name, got, want)
		}
	}
	if got, want := fmt.Sprint(r.Header), fmt.Sprint(before); got != want {
		t.Errorf("step %d, %s %s: the request's fields became %s, were %s", i, method, target, got, want)
	}
}

// Close before the end gives the exchange up, and nothing is stored.
func TestTransportEarlyClose(t *testing.T) {
	for _, finish := range []bool{false, true} {
		t.Run(fmt.Sprintf("finish=%v", finish), func(t *testing.T) {
			var calls atomic.Int32
			gone := make(chan struct{}, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				w.Header().Set("ETag", `"a"`)
				if calls.Add(1) > 1 {
					_, _ = io.WriteString(w, "whole")
					return
				}
				_, _ = io.WriteString(w, "who")
				w.(http.Flusher).Flush()
				if finish {
					<-gone
					_, _ = io.WriteString(w, "le")
					return
				}
				<-r.Context().Done()
				gone <- struct{}{}
			}))
			defer s.Close()
			rt := newTransport(t, s.Client().Transport)
			rt.Policy.FinishUnread = finish
			r, _ := http.NewRequest("GET", s.URL, nil)
			resp, err := rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			wantRead(t, resp, "wh")
			_ = resp.Body.Close()
			if _, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("read behind Close: got %v, want %v", err, http.ErrBodyReadAfterClose)
			}
			want, n := Miss, int32(2)
			if finish {
				gone <- struct{}{}
				want, n = Miss, 1 // reads along, or a hit
			} else {
				<-gone
			}
			again, content := get(t, rt, s.URL)
			if out, _ := OutcomeOf(again); content != "whole" || calls.Load() != n || !finish && out.Status != want {
				t.Errorf("got %q, %v after %d requests, want whole after %d", content, out.Status, calls.Load(), n)
			}
		})
	}
}

// A client that leaves when it has read all that was announced has read the
// whole: it is stored, though the end of the message is still to come.
func TestTransportReadAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, end := 0, make(chan struct{})
		rt := newTransport(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			calls++
			return &http.Response{
				StatusCode: 200, ContentLength: 5, Request: r, ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Cache-Control": {"max-age=60"}},
				Body:   &endsLate{strings.NewReader("whole"), r.Context(), end},
			}, nil
		}))
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", "http://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		wantRead(t, resp, "whole")
		leave()
		synctest.Wait()
		close(end)
		_ = resp.Body.Close()
		synctest.Wait()
		again, content := get(t, rt, "http://example.com/")
		if out, _ := OutcomeOf(again); content != "whole" || out.Status != Hit || calls != 1 {
			t.Errorf("got %q, %v after %d requests, want a hit after 1", content, out.Status, calls)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// endsLate is content whose end comes when end is closed, or its request is
// given up.
type endsLate struct {
	*strings.Reader
	ctx context.Context
	end chan struct{}
}

func (b *endsLate) Read(p []byte) (int, error) {
	if b.Len() > 0 {
		return b.Reader.Read(p)
	}
	select {
	case <-b.end:
		return 0, io.EOF
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *endsLate) Close() error { return nil }

// A waiter that leaves does not end what others wait for; the last one does.
func TestTransportCancel(t *testing.T) {
	var calls atomic.Int32
	goOn, gone := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		select {
		case <-goOn:
		case <-r.Context().Done():
			gone <- struct{}{}
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "whole")
	}))
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	why := errors.New("enough")
	var waiting sync.WaitGroup
	ask := func(ctx context.Context) <-chan error {
		waiting.Add(1)
		failed := make(chan error, 1)
		ctx = WithTrace(ctx, &Trace{Waiting: waiting.Done, Fetch: func(_, _ Reason) { waiting.Done() }})
		r, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		go func() {
			resp, err := rt.RoundTrip(r)
			if err == nil {
				var content []byte
				content, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if string(content) != "whole" {
					err = errors.Join(err, fmt.Errorf("got %q, want whole", content))
				}
			}
			failed <- err
		}()
		waiting.Wait()
		return failed
	}
	first, leave := context.WithCancelCause(t.Context())
	a, b := ask(first), ask(t.Context())
	leave(why)
	if err := <-a; !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	close(goOn)
	if err := <-b; err != nil {
		t.Errorf("the other one: %v", err)
	}
	if calls.Load() != 1 {
		t.Errorf("got %d requests, want 1", calls.Load())
	}
	goOn = make(chan struct{})
	rt.Policy.Store.Clear()
	only, leave := context.WithCancelCause(t.Context())
	a = ask(only)
	for calls.Load() != 2 {
		time.Sleep(time.Millisecond) // a server over a socket: no bubble
	}
	leave(why)
	if err := <-a; !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	<-gone
}

// A URL that is longer than a key of the store may be is not said to be stored.
func TestTransportLongURL(t *testing.T) {
	base := &asked{HandlerFunc: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "content")
	}}
	c := newTransport(t, base)
	url := "http://origin.example/" + strings.Repeat("a", 20<<10)
	for range 2 {
		resp, content := get(t, c, url)
		out, _ := OutcomeOf(resp)
		if content != "content" || out.Stored || out.Why != WhyTooLarge && out.Why != WhyWasHitForMiss {
			t.Errorf("URL of %d bytes: got %q, stored %t, why %q; want the content, not stored, %q", len(url), content, out.Stored, out.Why, WhyTooLarge)
		}
	}
}
