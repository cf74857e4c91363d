package opencache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A request is its owner's again when the Body is closed: what is asked on its
// behalf afterwards, by a refresh, is what it was.
func TestTransportRequestReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		goOn := make(chan struct{})
		rt := newTransport(t, base(func(r *http.Request) (*http.Response, error) {
			if len(asked) > 0 {
				<-goOn
			}
			asked = append(asked, r.URL.Path+r.Header.Get("X-Own"))
			return made("Cache-Control: max-age=1, stale-while-revalidate=60", r.URL.Path), nil
		}))
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/one", nil)
		for _, want := range []Status{Miss, Stale} {
			resp, err := rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			content, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if out, _ := OutcomeOf(resp); string(content) != "/one" || out.Status != want {
				t.Errorf("got %q, %v, want /one, %v", content, out.Status, want)
			}
			time.Sleep(2 * time.Second)
		}
		r.URL.Path, r.Host = "/two", "b.test"
		r.Header.Set("X-Own", "1")
		close(goOn)
		synctest.Wait()
		if got := strings.Join(asked, " "); got != "/one /one" {
			t.Errorf("Base was asked for %q, want /one twice", got)
		}
		if _, content := get(t, rt, "http://a.test/one"); content != "/one" {
			t.Errorf("got %q under /one", content)
		}
	})
}

// What handlers further out do to the URL when the answer is out does not
// change what a refresh asks for.
func TestHandlerURLPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answers("Cache-Control: max-age=1, stale-while-revalidate=60", r.URL.Path)(w, r)
		}), Policy{Store: newStore(t)})
		ask := func(want string) {
			t.Helper()
			r := httptest.NewRequest("GET", "/api/one", nil)
			w := httptest.NewRecorder()
			r.URL.Path = "/one"
			h.ServeHTTP(w, r)
			r.URL.Path = "/api/one"
			if got := w.Header().Get("X-Cache-Status") + " " + w.Body.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		ask("MISS /one")
		time.Sleep(2 * time.Second)
		ask("STALE /one")
		synctest.Wait()
		ask("HIT /one")
	})
}

// A QUERY whose content does not come leaves nothing behind when it is given
// up: the content is closed, which ends who waits for it.
func TestTransportQueryGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport(t, base(func(*http.Request) (*http.Response, error) { return made("", "x"), nil }))
		content, writer := io.Pipe()
		why := errors.New("enough")
		ctx, leave := context.WithCancelCause(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "QUERY", "http://a.test/", content)
		r.Header.Set("Content-Type", "a/b")
		failed := make(chan error)
		go func() {
			_, err := rt.RoundTrip(r)
			failed <- err
		}()
		synctest.Wait()
		leave(why)
		if err := <-failed; err != why {
			t.Errorf("got %v, want %v", err, why)
		}
		synctest.Wait()
		if _, err := writer.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing to the content: got %v, want %v", err, io.ErrClosedPipe)
		}
		_ = writer.Close()
	})
}

// Base can send a QUERY's content again where the caller could.
func TestTransportQueryGetBody(t *testing.T) {
	for _, n := range []int{10, 100 << 10} { // cached, and handed through
		text := strings.Repeat("q", n)
		rt := newTransport(t, base(func(r *http.Request) (*http.Response, error) {
			for range 2 {
				content, err := io.ReadAll(r.Body)
				if err != nil || string(content) != text {
					t.Errorf("%d bytes: got %d, %v", n, len(content), err)
				}
				if r.Body, err = r.GetBody(); err != nil {
					t.Error(err)
				}
			}
			return made("", "x"), nil
		}))
		r, _ := http.NewRequestWithContext(t.Context(), "QUERY", "http://a.test/", strings.NewReader(text))
		r.Header.Set("Content-Type", "a/b")
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}
