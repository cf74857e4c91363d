package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Play is one cache with an origin of its own, in a bubble of time.
type Play struct {
	t      testing.TB
	rt     http.RoundTripper
	vary   string
	origin func(n int, r *http.Request) (*http.Response, error)
	asked  atomic.Int32 // requests that reached the origin
}

// RoundTrip answers as the origin.
func (p *Play) RoundTrip(r *http.Request) (*http.Response, error) {
	n := int(p.asked.Add(1))
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp, err := p.origin(n, r)
	if resp != nil {
		resp.Request = r
		if p.vary != "" && resp.Header.Get("Vary") == "" {
			resp.Header.Set("Vary", p.vary)
		}
	}
	return resp, err
}

// answer makes a response of field lines and content.
func answer(status int, fields, content string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader(content)), ContentLength: int64(len(content)),
	}
	setLines(resp.Header, fields)
	if resp.Header.Get("Date") == "" {
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	return resp
}

func setLines(h http.Header, lines string) {
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			h.Add(name, value)
		}
	}
}

// always is an origin that gives everybody the same.
func always(fields, content string) func(int, *http.Request) (*http.Response, error) {
	return func(int, *http.Request) (*http.Response, error) { return answer(200, fields, content), nil }
}

// An Answer is what a client got.
type Answer struct {
	*http.Response
	Content string
	Err     error // of RoundTrip, or of the content
}

// do sends a request and reads the answer to its end.
func (p *Play) do(ctx context.Context, method, target, fields string) Answer {
	r, err := http.NewRequestWithContext(ctx, method, "http://a.test"+target, nil)
	if err != nil {
		return Answer{Err: err}
	}
	setLines(r.Header, fields)
	resp, err := p.rt.RoundTrip(r)
	if err != nil {
		return Answer{Response: &http.Response{Header: http.Header{}}, Err: err}
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return Answer{resp, string(content), err}
}

func (p *Play) get(fields string) Answer { return p.do(p.t.Context(), "GET", "/", fields) }

// origins fails unless the origin was asked n times.
func (p *Play) origins(n int32) error {
	if got := p.asked.Load(); got != n {
		return fmt.Errorf("%d requests to the origin, want %d", got, n)
	}
	return nil
}

// want fails unless a is this.
func want(a Answer, status int, content string) error {
	if a.Err != nil || a.StatusCode != status || a.Content != content {
		return fmt.Errorf("got %d %q, %v, want %d %q", a.StatusCode, a.Content, a.Err, status, content)
	}
	return nil
}

// A Check is one thing that a cache does or does not.
type Check struct {
	Name    string
	Section string // what asks for it, or allows it
	Origin  func(n int, r *http.Request) (*http.Response, error)
	Client  func(p *Play) error
}

const fresh = "Cache-Control: max-age=60"

// down is an origin that gives fields and content once and fails from then on.
func down(fields, content string) func(int, *http.Request) (*http.Response, error) {
	return func(n int, _ *http.Request) (*http.Response, error) {
		if n == 1 {
			return answer(200, fields, content), nil
		}
		return answer(503, "", "down"), nil
	}
}

var errBase = errors.New("no route")

// parallel runs f n times at once and joins the errors.
func parallel(n int, f func() error) error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range errs {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	return errors.Join(errs...)
}
