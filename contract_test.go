package opencache

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A base is a RoundTripper made of a function.
type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(r *http.Request) (*http.Response, error) { return b(r) }

// made returns a Response as tests of other programs make them.
func made(fields, content string) *http.Response {
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(content))}
	setLines(resp.Header, fields)
	return resp
}

var errBase = errors.New("no route")

// Base's error is RoundTrip's, unless something stale may answer.
func TestTransportErrors(t *testing.T) {
	const fresh = "Cache-Control: max-age=60"
	for _, tt := range []struct {
		name   string
		stored string // what base answers first; "": nothing
		want   bool   // an answer
	}{
		{"nothing stored", "", false},
		{"stale", fresh, true},
		{"must-revalidate", fresh + ", must-revalidate", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := tt.stored != ""
				rt := newTransport(t, base(func(*http.Request) (*http.Response, error) {
					if first {
						first = false
						return made(tt.stored, "hello"), nil
					}
					return nil, errBase
				}))
				if first {
					get(t, rt, "http://a.test/")
					time.Sleep(2 * time.Minute)
				}
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
				resp, err := rt.RoundTrip(r)
				if !tt.want {
					if err != errBase || resp != nil {
						t.Errorf("got %v, %v, want no response and Base's error itself", resp, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				content, err := io.ReadAll(resp.Body)
				out, _ := OutcomeOf(resp)
				if string(content) != "hello" || err != nil || out.Status != Stale || !errors.Is(out.Err, errBase) {
					t.Errorf("got %q, %v, %v, %v, want the stale answer and why", content, err, out.Status, out.Err)
				}
			})
		})
	}
}

// What Base may get wrong does not become a whole response.
func TestTransportBases(t *testing.T) {
	sized := func(n int64, content string) *http.Response {
		resp := made("Cache-Control: max-age=60", content)
		resp.ContentLength = n
		return resp
	}
	for _, tt := range []struct {
		name   string
		resp   *http.Response
		want   string
		failed bool
		stored bool
	}{
		{"no length", sized(0, "hello"), "hello", false, true},
		{"unknown length", sized(-1, "hello"), "hello", false, true},
		{"length", sized(5, "hello"), "hello", false, true},
		{"too short", sized(6, "hello"), "hello", true, false},
		{"too long", sized(4, "hello"), "", true, false},
		{"no body", &http.Response{StatusCode: 200, Header: http.Header{"Cache-Control": {"max-age=60"}}}, "", false, true},
		{"no header", &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("x"))}, "x", false, false},
		{"cut", func() *http.Response {
			resp := made("Cache-Control: max-age=60", "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("hel"), fracture{}))
			return resp
		}(), "hel", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			rt := newTransport(t, base(func(*http.Request) (*http.Response, error) {
				if calls++; calls > 1 {
					return nil, errBase
				}
				return tt.resp, nil
			}))
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
			resp, err := rt.RoundTrip(r)
			if err != nil {
				if !tt.failed {
					t.Errorf("got %v", err)
				}
				return
			}
			content, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(content) != tt.want || (err != nil) != tt.failed {
				t.Errorf("got %q, %v, want %q, failed %v", content, err, tt.want, tt.failed)
			}
			again, err := rt.RoundTrip(r)
			if err == nil {
				_ = again.Body.Close()
			}
			if (err == nil) != tt.stored {
				t.Errorf("asked again: got %v, want stored %v", err, tt.stored)
			}
		})
	}
}

type fracture struct{}

func (fracture) Read([]byte) (int, error) { return 0, errBase }

// Requests that are none of the cache's reach Base as they are.
func TestTransportUntouched(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
	}{
		{"post", func(r *http.Request) { r.Method = "POST" }},
		{"unknown method", func(r *http.Request) { r.Method = "FOO" }},
		{"options", func(r *http.Request) { r.Method = "OPTIONS" }},
		{"get with content", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) }},
		{"connect", func(r *http.Request) { r.Method = "CONNECT" }},
		{"upgrade", func(r *http.Request) { r.Header.Set("Connection", "Upgrade"); r.Header.Set("Upgrade", "x") }},
		{"no url", func(r *http.Request) { r.URL = nil }},
		{"no host", func(r *http.Request) { r.URL.Host, r.Host = "", "" }},
		{"other scheme", func(r *http.Request) { r.URL.Scheme = "ftp" }},
		{"no header", func(r *http.Request) { r.Header = nil }},
		{"bad name", func(r *http.Request) { r.Header["a b"] = []string{"x"} }},
		{"bad value", func(r *http.Request) { r.Header["A"] = []string{"x\r\ny: z"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
			tt.change(r)
			var got *http.Request
			rt := newTransport(t, base(func(r *http.Request) (*http.Response, error) {
				got = r
				return nil, errBase
			}))
			if _, err := rt.RoundTrip(r); err != errBase || got != r {
				t.Errorf("got %v and another request, want %v and the request itself", err, errBase)
			}
		})
	}
}

// A request comes to Base with what the program set, and without what the
// cache adds for others.
func TestTransportRequest(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://a.test/x%2Fy?b=1&a=2", nil)
	r.Host, r.Close = "virtual.test", true
	r.Header["User-Agent"] = nil
	setLines(r.Header, "X-Own: 1\nX-Own: 2\nAccept: a/b")
	spelt := "SOAPAction"
	r.Header[spelt] = []string{"x"}
	var got *http.Request
	rt := newTransport(t, base(func(r *http.Request) (*http.Response, error) {
		got = r
		return made("", "x"), nil
	}))
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	agent, named := got.Header["User-Agent"]
	switch {
	case got == r:
		t.Error("got the request itself, which Base may keep longer than RoundTrip")
	case got.Host != "virtual.test" || got.URL.String() != r.URL.String() || !got.Close || got.Body != nil:
		t.Errorf("got %s %s close %v", got.Host, got.URL, got.Close)
	case len(got.Header) != 4 || len(got.Header["X-Own"]) != 2 || len(got.Header[spelt]) != 1 || !named || agent != nil:
		t.Errorf("got fields %v, want Accept, X-Own, SOAPAction as it was spelt, and an empty User-Agent", got.Header)
	case got.Context().Value(key{}) != "mine":
		t.Error("the context's values are lost")
	}
}

// A QUERY's content is closed, and sent, whatever becomes of it.
func TestTransportQuery(t *testing.T) {
	rt := newTransport(t, &asked{HandlerFunc: func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		answers("Cache-Control: max-age=60", r.Method+string(content))(w, r)
	}})
	for i, want := range []Status{Miss, Hit} {
		body := &counted{Reader: strings.NewReader("question")}
		r, _ := http.NewRequestWithContext(t.Context(), "QUERY", "http://a.test/", body)
		r.Header.Set("Content-Type", "a/b")
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		out, _ := OutcomeOf(resp)
		if string(content) != "QUERYquestion" || err != nil || out.Status != want || body.closed.Load() == 0 {
			t.Errorf("%d: got %q, %v, %v, closed %d times, want %v", i, content, err, out.Status, body.closed.Load(), want)
		}
	}
}

type counted struct {
	io.Reader
	closed atomic.Int32
}

func (c *counted) Close() error { c.closed.Add(1); return nil }

// What net/http adds and takes off on the way stays true of what is stored.
func TestTransportGzip(t *testing.T) {
	const text = "some text that is worth compressing, compressing, compressing"
	var sent atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		w.Header().Set("Content-Length", fmt.Sprint(b.Len()))
		_, _ = w.Write(b.Bytes())
	}))
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	miss, content := get(t, rt, s.URL)
	if !miss.Uncompressed || miss.ContentLength != -1 || content != text || miss.Header.Get("Content-Encoding") != "" {
		t.Errorf("miss: got %v %d %q %v", miss.Uncompressed, miss.ContentLength, content, miss.Header)
	}
	hit, content := get(t, rt, s.URL)
	if hit.Uncompressed || hit.ContentLength != int64(len(text)) || hit.Header.Get("Content-Length") != fmt.Sprint(len(text)) || content != text {
		t.Errorf("hit: got %v %d %q %v, want the content's own length", hit.Uncompressed, hit.ContentLength, content, hit.Header)
	}
	for range 2 { // who asks for the coding gets it, with its own length
		raw, content := get(t, rt, s.URL, "Accept-Encoding: gzip")
		z, err := gzip.NewReader(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(z)
		if raw.Header.Get("Content-Encoding") != "gzip" || raw.ContentLength != int64(len(content)) || string(got) != text {
			t.Errorf("gzip: got %d %q %v", raw.ContentLength, got, raw.Header)
		}
	}
	if sent.Load() != 2 {
		t.Errorf("got %d requests, want one a coding", sent.Load())
	}
}

// The live exchange shows through, up to HTTP/2, trailers and interim answers.
func TestTransportLive(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "5")
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	for _, control := range []string{"no-store", "max-age=60"} { // handed through, and fetched for the store
		wantLive(t, rt, s.URL+"/?cc="+control)
	}
	hit, _ := get(t, rt, s.URL+"/?cc=max-age=60")
	if hit.Proto != "HTTP/1.1" || hit.TLS != nil || hit.Status != "200 OK" {
		t.Errorf("hit: got %s, %s, TLS %v", hit.Proto, hit.Status, hit.TLS != nil)
	}
}

// wantLive checks that the answer shows the exchange that it came by.
func wantLive(t *testing.T, rt *Transport, url string) {
	t.Helper()
	interim := 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		interim++
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, announced := resp.Trailer["X-Sum"]; !announced || resp.ProtoMajor != 2 || resp.TLS == nil || resp.Request.URL != r.URL || interim != 1 {
		t.Errorf("got trailer %v, %s, TLS %v, %d interim answers", resp.Trailer, resp.Proto, resp.TLS != nil, interim)
	}
	content, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(content) != "hello" || err != nil || resp.Trailer.Get("X-Sum") != "5" {
		t.Errorf("got %q, %v, trailer %v", content, err, resp.Trailer)
	}
}

func TestTransportUpgrade(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	}))
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	setLines(r.Header, "Connection: Upgrade\nUpgrade: echo")
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line := resp.Body.(io.ReadWriter)
	_, _ = io.WriteString(line, "hi\n")
	if got, err := bufio.NewReader(line).ReadString('\n'); got != "hi\n" {
		t.Errorf("got %q, %v, want hi", got, err)
	}
}

// A reader who is slower than Base holds it back, whatever is behind.
func TestTransportBackPressure(t *testing.T) {
	const size = 24 << 20
	var read atomic.Int64
	rt := newTransport(t, base(func(*http.Request) (*http.Response, error) {
		resp := made("Cache-Control: max-age=60", "")
		resp.ContentLength = size
		resp.Body = io.NopCloser(io.TeeReader(io.LimitReader(zeros{}, size), tally{&read}))
		return resp, nil
	}))
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	if got := read.Load(); got > 8<<20 {
		t.Errorf("Base was read %d bytes ahead of a reader at 1 MiB", got)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size-1<<20 || err != nil {
		t.Errorf("got %d bytes more, %v, want %d", n, err, size-1<<20)
	}
	_ = resp.Body.Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type tally struct{ n *atomic.Int64 }

func (t tally) Write(p []byte) (int, error) { t.n.Add(int64(len(p))); return len(p), nil }

// A Body that is forgotten is closed when it is garbage.
func TestTransportForgotten(t *testing.T) {
	given := make(chan struct{})
	rt := newTransport(t, base(func(r *http.Request) (*http.Response, error) {
		context.AfterFunc(r.Context(), func() { close(given) })
		resp := made("Cache-Control: max-age=60", "")
		resp.Body, resp.ContentLength = io.NopCloser(zeros{}), 1<<30
		return resp, nil
	}))
	forget := func() {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = resp.Body.Read(make([]byte, 10))
	}
	forget()
	for {
		runtime.GC()
		select {
		case <-given:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// Closing the store ends what is read from it, and the Transport goes on.
func TestTransportStoreClosed(t *testing.T) {
	rt := newTransport(t, base(func(*http.Request) (*http.Response, error) {
		resp := made("Cache-Control: max-age=60", "")
		resp.Body, resp.ContentLength = io.NopCloser(zeros{}), 1<<30
		return resp, nil
	}))
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Policy.Store.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want %v", err, errClosed)
	}
	_ = resp.Body.Close()
	resp, err = rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, ok := OutcomeOf(resp); ok {
		t.Error("got an outcome without a cache")
	}
}

// One hundred ask at once; Base is asked once.
func TestTransportCollapse(t *testing.T) {
	for _, credentials := range []string{"", "Authorization: a"} {
		synctest.Test(t, func(t *testing.T) {
			b := &asked{HandlerFunc: func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(time.Second)
				answers("Cache-Control: max-age=60", large[:150<<10])(w, nil)
			}}
			rt := newTransport(t, b)
			var all sync.WaitGroup
			var collapsed atomic.Int32
			for range 100 {
				all.Go(func() {
					resp, content := get(t, rt, "http://a.test/", credentials)
					if out, _ := OutcomeOf(resp); out.Collapsed {
						collapsed.Add(1)
					}
					if content != large[:150<<10] {
						t.Errorf("got %d bytes, want %d", len(content), 150<<10)
					}
				})
			}
			all.Wait()
			if b.calls.Load() != 1 || collapsed.Load() != 99 {
				t.Errorf("%q: got %d requests, %d collapsed, want 1 and 99", credentials, b.calls.Load(), collapsed.Load())
			}
		})
	}
}

// A failing server's answer is each request's own.
func TestTransportFailingTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &asked{HandlerFunc: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			fails(503)(w, r)
		}}
		rt := newTransport(t, b)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if resp, content := get(t, rt, "http://a.test/"); resp.StatusCode != 503 || content != "down\n" {
					t.Errorf("got %d %q, want 503 down", resp.StatusCode, content)
				}
			})
		}
		all.Wait()
	})
}

// http.Client wraps what it returns; the outcome is found all the same.
func TestOutcomeThroughClient(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer s.Close()
	c := &http.Client{Transport: newTransport(t, s.Client().Transport), Timeout: time.Minute}
	for i, want := range []Status{Miss, Hit} {
		resp, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		out, ok := OutcomeOf(resp)
		if string(content) != "hello" || err != nil || !ok || out.Status != want || resp.Request.URL.Path != "/there" {
			t.Errorf("%d: got %q, %v, %v %v of %s, want %v", i, content, err, out.Status, ok, resp.Request.URL, want)
		}
		if want == Hit && (out.TTL <= 0 || out.TTL > time.Minute || out.Upstream != 0 || out.Forward != "") {
			t.Errorf("got %+v, want a plain hit", out)
		}
		if want == Miss && (!out.Stored || out.Upstream != 200 || out.Forward != "uri-miss") {
			t.Errorf("got %+v, want a stored miss", out)
		}
	}
	if _, ok := OutcomeOf(&http.Response{}); ok {
		t.Error("got an outcome of somebody else's response")
	}
}

// JSON decoders stop before the end; the response is stored all the same.
func TestTransportCloseAtEnd(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	for _, path := range []string{"/sized", "/chunked"} {
		calls.Store(0)
		for range 2 {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
			resp, err := rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			wantRead(t, resp, "hello") // and not the end
			_ = resp.Body.Close()
		}
		if calls.Load() != 1 {
			t.Errorf("%s: got %d requests, want 1", path, calls.Load())
		}
	}
}

// Readers that have gone for a walk neither lose their content nor keep the
// store from taking other.
func TestTransportIdleReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &Transport{Policy: Policy{Log: quiet}}
		var err error
		if rt.Policy.Store, err = Memory(4 << 20); err != nil {
			t.Fatal(err)
		}
		defer rt.Policy.Store.Close()
		rt.Base = &asked{HandlerFunc: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"a"`)
			answers("Cache-Control: max-age=3600", r.URL.Path+large[:300<<10])(w, r)
		}}
		var bodies []io.ReadCloser
		for i := range 4 {
			get(t, rt, fmt.Sprintf("http://a.test/%d", i))
			r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://a.test/%d", i), nil)
			resp, err := rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if out, _ := OutcomeOf(resp); out.Status != Hit {
				t.Errorf("body %d: got %v, want a hit", i, out.Status)
			}
			wantRead(t, resp, fmt.Sprintf("/%d%s", i, large[:10]))
			bodies = append(bodies, resp.Body)
		}
		kept := 0
		for i := range 100 {
			url := fmt.Sprintf("http://a.test/other/%d", i)
			get(t, rt, url)
			if resp, _ := get(t, rt, url); resp.Header.Get("X-Cache-Status") == "HIT" {
				kept++
			}
			time.Sleep(lookAfter)
		}
		if kept < 90 {
			t.Errorf("of 100 others %d were stored", kept)
		}
		for i, b := range bodies {
			rest, err := io.ReadAll(b)
			if want := large[10 : 300<<10]; string(rest) != want || err != nil {
				t.Errorf("body %d: got %d bytes, %v, want the %d that were missing", i, len(rest), err, len(want))
			}
			_ = b.Close()
		}
	})
}
