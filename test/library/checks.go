package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing/synctest"
	"time"
)

// Checks returns all checks.
func Checks() []Check {
	return append(append(storing(), using()...), carrying()...)
}

// storing are checks of what is kept.
func storing() []Check {
	return []Check{
		{"a fresh response is used", "RFC 9111, 4.2", always(fresh, "x"), func(p *Play) error {
			p.get("")
			return errors.Join(want(p.get(""), 200, "x"), p.origins(1))
		}},
		{"variants of one URL stay side by side", "RFC 9111, 4.1", func(_ int, r *http.Request) (*http.Response, error) {
			return answer(200, fresh+"\nVary: X-Lang", r.Header.Get("X-Lang")), nil
		}, func(p *Play) error {
			p.get("X-Lang: de")
			p.get("X-Lang: fr")
			return errors.Join(want(p.get("X-Lang: de"), 200, "de"), want(p.get("X-Lang: fr"), 200, "fr"), p.origins(2))
		}},
		{"a second Cache-Control line counts", "RFC 9110, 5.3", always(fresh+"\nCache-Control: no-store", "x"), func(p *Play) error {
			p.get("")
			p.get("")
			return p.origins(2)
		}},
		{"a second Vary line counts", "RFC 9110, 5.3", func(_ int, r *http.Request) (*http.Response, error) {
			return answer(200, fresh+"\nVary: Accept\nVary: X-Lang", r.Header.Get("X-Lang")), nil
		}, func(p *Play) error {
			p.get("X-Lang: de")
			return want(p.get("X-Lang: fr"), 200, "fr")
		}},
		{"what is quoted is no directive", "RFC 9111, 5.2", always(`Cache-Control: x="no-store, y", max-age=60`, "x"), func(p *Play) error {
			p.get("")
			p.get("")
			return p.origins(1)
		}},
		{"a request's no-store is obeyed", "RFC 9111, 5.2.1.5", always(fresh, "x"), func(p *Play) error {
			p.get("Cache-Control: no-store")
			p.get("")
			return p.origins(2)
		}},
		{"a body cut short is not stored", "RFC 9111, 3.3", func(n int, _ *http.Request) (*http.Response, error) {
			resp := answer(200, fresh, "whole")
			if n == 1 {
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("who"), failing{}))
			}
			return resp, nil
		}, func(p *Play) error {
			if a := p.get(""); a.Err == nil {
				return fmt.Errorf("got %q for whole", a.Content)
			}
			return want(p.get(""), 200, "whole")
		}},
		{"a body that is closed early is not stored", "RFC 9111, 3.3", always(fresh, "whole"), func(p *Play) error {
			r, _ := http.NewRequestWithContext(p.t.Context(), "GET", "http://a.test/", nil)
			resp, err := p.rt.RoundTrip(r)
			if err != nil {
				return err
			}
			_, _ = resp.Body.Read(make([]byte, 2))
			_ = resp.Body.Close()
			return errors.Join(want(p.get(""), 200, "whole"), p.origins(2))
		}},
		{"an unsafe request drops what is stored", "RFC 9111, 4.4", always(fresh, "x"), func(p *Play) error {
			p.get("")
			p.do(p.t.Context(), "DELETE", "/", "")
			p.get("")
			return p.origins(3)
		}},
		{"and what its Location names", "RFC 9111, 4.4", func(_ int, r *http.Request) (*http.Response, error) {
			if r.Method == "POST" {
				return answer(201, "Location: /", ""), nil
			}
			return answer(200, fresh, "x"), nil
		}, func(p *Play) error {
			p.get("")
			p.do(p.t.Context(), "POST", "/list", "")
			p.get("")
			return p.origins(3)
		}},
		{"a failed unsafe request drops nothing", "RFC 9111, 4.4", func(_ int, r *http.Request) (*http.Response, error) {
			if r.Method == "DELETE" {
				return answer(403, "", ""), nil
			}
			return answer(200, fresh, "x"), nil
		}, func(p *Play) error {
			p.get("")
			p.do(p.t.Context(), "DELETE", "/", "")
			p.get("")
			return p.origins(2)
		}},
		{"a part is not taken for the whole", "RFC 9111, 3.3", func(_ int, r *http.Request) (*http.Response, error) {
			if r.Header.Get("Range") != "" {
				return answer(206, fresh+"\nContent-Range: bytes 0-1/5", "wh"), nil
			}
			return answer(200, fresh, "whole"), nil
		}, func(p *Play) error {
			p.get("Range: bytes=0-1")
			return want(p.get(""), 200, "whole")
		}},
	}
}

// using are checks of when something stored answers.
func using() []Check {
	return []Check{
		{"Age is told", "RFC 9111, 5.1", always(fresh, "x"), func(p *Play) error {
			p.get("")
			time.Sleep(7 * time.Second)
			if a := p.get(""); a.Header.Get("Age") != "7" {
				return fmt.Errorf("got Age %q, want 7", a.Header.Get("Age"))
			}
			return nil
		}},
		{"an upstream's Age counts", "RFC 9111, 4.2.3", always(fresh+"\nAge: 50", "x"), func(p *Play) error {
			p.get("")
			time.Sleep(20 * time.Second)
			p.get("")
			return p.origins(2)
		}},
		{"Expires that is no date is past", "RFC 9111, 5.3", always("Expires: 0\nETag: \"a\"", "x"), func(p *Play) error {
			p.get("")
			p.get("")
			return p.origins(2)
		}},
		{"heuristic freshness", "RFC 9111, 4.2.2", always("Last-Modified: Wed, 01 Dec 1999 00:00:00 GMT", "x"), func(p *Play) error {
			p.get("")
			time.Sleep(time.Hour)
			p.get("")
			return p.origins(1)
		}},
		{"only-if-cached and stale is 504", "RFC 9111, 5.2.1.7", always(fresh, "x"), func(p *Play) error {
			p.get("")
			time.Sleep(2 * time.Minute)
			if a := p.get("Cache-Control: only-if-cached"); a.StatusCode != 504 {
				return fmt.Errorf("got %d, want 504", a.StatusCode)
			}
			return p.origins(1)
		}},
		{"a request's max-age is obeyed", "RFC 9111, 5.2.1.1", always(fresh, "x"), func(p *Play) error {
			p.get("")
			time.Sleep(10 * time.Second)
			p.get("Cache-Control: max-age=5")
			return p.origins(2)
		}},
		{"stale-if-error", "RFC 5861, 4", down(fresh+", stale-if-error=600", "x"), func(p *Play) error {
			p.get("")
			time.Sleep(2 * time.Minute)
			return want(p.get(""), 200, "x")
		}},
		{"must-revalidate forbids it", "RFC 9111, 5.2.2.2", down(fresh+", must-revalidate, stale-if-error=600", "x"), func(p *Play) error {
			p.get("")
			time.Sleep(2 * time.Minute)
			if a := p.get(""); a.StatusCode == 200 {
				return fmt.Errorf("got a stale answer")
			}
			return nil
		}},
		{"stale-while-revalidate does not wait, and outlives the request", "RFC 5861, 3", func(n int, r *http.Request) (*http.Response, error) {
			if n > 1 {
				select {
				case <-r.Context().Done():
					return nil, r.Context().Err()
				case <-time.After(time.Second):
				}
			}
			return answer(200, fresh+", stale-while-revalidate=600", fmt.Sprint(n)), nil
		}, func(p *Play) error {
			p.get("")
			time.Sleep(2 * time.Minute)
			ctx, cancel := context.WithCancel(p.t.Context())
			err := want(p.do(ctx, "GET", "/", ""), 200, "1")
			cancel()
			time.Sleep(10 * time.Second)
			return errors.Join(err, want(p.get(""), 200, "2"), p.origins(2))
		}},
		{"a 304 keeps the content and brings fields", "RFC 9111, 4.3.4", func(n int, r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") == `"a"` {
				return answer(304, fresh+"\nETag: \"a\"\nX-New: 1", ""), nil
			}
			return answer(200, fresh+"\nETag: \"a\"", "x"), nil
		}, func(p *Play) error {
			p.get("")
			time.Sleep(2 * time.Minute)
			a := p.get("")
			if a.Header.Get("X-New") != "1" {
				return errors.New("the fields of the 304 are lost")
			}
			return errors.Join(want(a, 200, "x"), want(p.get(""), 200, "x"), p.origins(2))
		}},
		{"a request's If-None-Match is answered 304", "RFC 9111, 4.3.2", always(fresh+"\nETag: \"a\"", "x"), func(p *Play) error {
			p.get("")
			if a := p.get(`If-None-Match: "a"`); a.StatusCode != 304 {
				return fmt.Errorf("got %d, want 304", a.StatusCode)
			}
			return p.origins(1)
		}},
		{"HEAD is answered by a stored GET", "RFC 9111, 4", always(fresh, "x"), func(p *Play) error {
			p.get("")
			return errors.Join(want(p.do(p.t.Context(), "HEAD", "/", ""), 200, ""), p.origins(1))
		}},
		{"a range is answered by what is stored", "RFC 9110, 14.2", always(fresh+"\nETag: \"a\"", "0123456789"), func(p *Play) error {
			p.get("")
			return errors.Join(want(p.get("Range: bytes=2-4"), 206, "234"), p.origins(1))
		}},
		{"QUERY is cached by its content", "RFC 10008, Caching", always(fresh, "x"), func(p *Play) error {
			for range 2 {
				r, _ := http.NewRequestWithContext(p.t.Context(), "QUERY", "http://a.test/", strings.NewReader("q"))
				r.Header.Set("Content-Type", "a/b")
				resp, err := p.rt.RoundTrip(r)
				if err != nil {
					return err
				}
				_, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			return p.origins(1)
		}},
	}
}

// carrying are checks of how answers come, and of http.RoundTripper's contract.
func carrying() []Check {
	return []Check{
		{"100 requests at once ask the origin once", "RFC 9111, 4", func(int, *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answer(200, fresh, "x"), nil
		}, func(p *Play) error {
			return errors.Join(parallel(100, func() error { return want(p.get(""), 200, "x") }), p.origins(1))
		}},
		{"a miss streams", "", func(int, *http.Request) (*http.Response, error) {
			resp := answer(200, fresh, "")
			resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("first"), &slow{text: "second"})), -1
			return resp, nil
		}, func(p *Play) error {
			r, _ := http.NewRequestWithContext(p.t.Context(), "GET", "http://a.test/", nil)
			from := time.Now()
			resp, err := p.rt.RoundTrip(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			buf := make([]byte, 5)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || time.Since(from) > 0 {
				return fmt.Errorf("the first bytes came after %v, %v", time.Since(from), err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}},
		{"a cancelled request ends at once, and only it", "net/http", func(_ int, r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(time.Minute):
				return answer(200, fresh, "x"), nil
			}
		}, func(p *Play) error {
			ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
			defer cancel()
			other := make(chan Answer, 1)
			go func() {
				synctest.Wait()
				other <- p.get("")
			}()
			from := time.Now()
			a := p.do(ctx, "GET", "/", "")
			if !errors.Is(a.Err, context.DeadlineExceeded) || time.Since(from) > time.Second {
				return fmt.Errorf("got %v after %v", a.Err, time.Since(from))
			}
			return want(<-other, 200, "x")
		}},
		{"an error of the transport below is seen", "net/http", func(int, *http.Request) (*http.Response, error) {
			return nil, errBase
		}, func(p *Play) error {
			if a := p.get(""); !errors.Is(a.Err, errBase) {
				return fmt.Errorf("got %v, want %v", a.Err, errBase)
			}
			return nil
		}},
		{"the request is not modified", "net/http", always(fresh+"\nETag: \"a\"", "x"), func(p *Play) error {
			r, _ := http.NewRequestWithContext(p.t.Context(), "GET", "http://a.test/", nil)
			for range 2 {
				resp, err := p.rt.RoundTrip(r)
				if err != nil {
					return err
				}
				_, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				time.Sleep(2 * time.Minute)
			}
			if len(r.Header) > 0 {
				return fmt.Errorf("the request has got %v", r.Header)
			}
			return nil
		}},
		{"no field of the cache's own bookkeeping is shown", "RFC 9111, 3.1", func(_ int, r *http.Request) (*http.Response, error) {
			return answer(200, "Cache-Control: max-age=1\nVary: X-Lang", fmt.Sprint(len(r.Header))), nil
		}, func(p *Play) error {
			p.get("X-Lang: de")
			a := p.get("X-Lang: de")
			for name := range a.Header {
				if strings.Contains(name, "Varied") || strings.Contains(name, "-Time") {
					return fmt.Errorf("got a field %s", name)
				}
			}
			return want(a, 200, "1")
		}},
		{"the length of what is stored is known, however it came", "RFC 9110, 8.6", func(int, *http.Request) (*http.Response, error) {
			resp := answer(200, fresh, "hello")
			resp.ContentLength = -1
			return resp, nil
		}, func(p *Play) error {
			p.get("")
			if a := p.get(""); a.ContentLength != 5 {
				return fmt.Errorf("got %d, want 5", a.ContentLength)
			}
			return nil
		}},
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// slow gives text after a second.
type slow struct{ text string }

func (s *slow) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	n := copy(p, s.text)
	s.text = s.text[n:]
	return n, nil
}
