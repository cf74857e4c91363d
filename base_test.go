package opencache

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A Base that breaks the contract costs its request an error, on whatever
// goroutine it was asked, not the program.
func TestTransportBrokenBase(t *testing.T) {
	answer := func(change func(*http.Response)) base {
		return func(*http.Request) (*http.Response, error) {
			resp := made("Cache-Control: max-age=60\nUpgrade: x\nConnection: Upgrade", "x")
			change(resp)
			return resp, nil
		}
	}
	for _, tt := range []struct {
		name string
		base base
	}{
		{"nothing", func(*http.Request) (*http.Response, error) { return nil, nil }},
		{"panic", func(*http.Request) (*http.Response, error) { panic("oops") }},
		{"abort", func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }},
		{"101 unasked", answer(func(r *http.Response) { r.StatusCode = 101 })},
		{"101 unasked, no body", answer(func(r *http.Response) { r.StatusCode, r.Body = 101, nil })},
		{"panic in content", answer(func(r *http.Response) { r.Body = explosive{} })},
	} {
		for _, fields := range []string{"", "Cache-Control: no-store", `If-Match: "a"`, "Range: bytes=0-1"} {
			t.Run(tt.name+" "+fields, func(t *testing.T) {
				rt := newTransport(t, tt.base)
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
				setLines(r.Header, fields)
				resp, err := rt.RoundTrip(r)
				if err != nil {
					if resp != nil {
						t.Error("got a response beside the error")
					}
					return
				}
				if got, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("got %d %q, want an error", resp.StatusCode, got)
				}
				_ = resp.Body.Close()
			})
		}
	}
	// What passes the cache by is Base's own: http.Client says what is wrong.
	rt := newTransport(t, base(func(*http.Request) (*http.Response, error) { return nil, nil }))
	if resp, err := (&http.Client{Transport: rt}).Post("http://a.test/", "", nil); err == nil {
		t.Errorf("POST: got %v, want an error", resp)
	}
}

type explosive struct{}

func (explosive) Read([]byte) (int, error) { panic("oops") }
func (explosive) Close() error             { panic("oops") }

// An answer that a cache further up had stored came by an exchange like any.
func TestTransportLiveAge(t *testing.T) {
	s := httptest.NewTLSServer(answers("Cache-Control: max-age=60\nAge: 5", "x"))
	defer s.Close()
	rt := newTransport(t, s.Client().Transport)
	for _, want := range []Status{Miss, Hit} {
		resp, _ := get(t, rt, s.URL)
		if out, _ := OutcomeOf(resp); out.Status != want || (resp.TLS != nil) != (want == Miss) || out.Age < 5*time.Second {
			t.Errorf("got %v, age %v, TLS %v, want %v, 5s, and TLS for the miss alone", out.Status, out.Age, resp.TLS != nil, want)
		}
	}
}

// A Transport that has become http.DefaultTransport, without a Base, says so.
func TestTransportOwnBase(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	rt := newTransport(t, nil)
	http.DefaultTransport = rt
	for _, method := range []string{"GET", "POST"} {
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://a.test/", nil)
		if resp, err := rt.RoundTrip(r); err != errOwnBase {
			t.Errorf("%s: got %v, %v, want %v", method, resp, err, errOwnBase)
		}
	}
}
