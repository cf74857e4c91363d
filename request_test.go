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

// A big is 4 GiB of zeros, and counts what is read of it.
type big struct {
	at, read int64
}

const bigSize = 4 << 30

func (b *big) Read(p []byte) (int, error) {
	n := min(int64(len(p)), bigSize-b.at)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	b.at, b.read = b.at+n, b.read+n
	return int(n), nil
}

func (b *big) Seek(off int64, whence int) (int64, error) {
	b.at = off + map[int]int64{io.SeekCurrent: b.at, io.SeekEnd: bigSize}[whence]
	return b.at, nil
}

// Who asks for a little of much gets it without the rest being fetched, in
// whatever way that is said.
func TestTransportBig(t *testing.T) {
	for _, tag := range []string{`"a"`, `W/"a"`, ""} {
		for _, tt := range []struct {
			method, fields string
			status         int
		}{
			{"GET", "Range: bytes=1000000-1001023", 206},
			{"GET", "Range: bytes=-1024", 206},
			{"GET", "Range: bytes=0-9,4000000000-4000000009", 206},
			{"GET", "Cache-Control: no-store\nRange: bytes=0-9", 206},
			{"GET", "Range: bytes=5000000000-", 416},
			{"QUERY", "Content-Type: a/b\nRange: bytes=0-9", 206},
			{"HEAD", "", 200},
		} {
			t.Run(tag+" "+tt.method+" "+tt.fields, func(t *testing.T) {
				b := new(big)
				rt := newTransport(t, &asked{HandlerFunc: func(w http.ResponseWriter, r *http.Request) {
					setLines(w.Header(), "Cache-Control: max-age=60\nContent-Type: a/b\nEtag: "+tag)
					if r.Method != "HEAD" && r.Header.Get("Range") == "" {
						t.Error("Base was asked for all of it")
						return
					}
					r.Method = strings.Replace(r.Method, "QUERY", "GET", 1)
					http.ServeContent(w, r, "", modified, b)
				}})
				get := func(fields string) {
					r, _ := http.NewRequestWithContext(t.Context(), tt.method, "http://a.test/", nil)
					setLines(r.Header, fields)
					resp, err := rt.RoundTrip(r)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != tt.status {
						t.Errorf("%s: got %d, %v, want %d", fields, resp.StatusCode, err, tt.status)
					}
					_ = resp.Body.Close()
				}
				get(tt.fields)
				get(tt.fields)
				if tt.status == 206 { // beside what is stored now
					get("Content-Type: a/b\nRange: bytes=2000000000-2000000009,3000000000-3000000009")
				}
				if b.read > 1<<20 {
					t.Errorf("%d bytes were read", b.read)
				}
			})
		}
	}
}
