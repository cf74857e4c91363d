package origin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"opencache/internal/wire"
)

// TestTwoPlaceFreed: who waits for a place has it soon when there is one, however
// the exchange before has ended.
func TestTwoPlaceFreed(t *testing.T) {
	for _, how := range []string{"read", "closed", "canceled"} {
		t.Run(how, func(t *testing.T) {
			inTwo(t, &http2.Server{MaxConcurrentStreams: 1}, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
				if r.URL.Path == "/canceled" {
					<-r.Context().Done()
					return
				}
				_, _ = w.Write(make([]byte, 1000))
				w.(http.Flusher).Flush()
				if r.URL.Path == "/closed" {
					<-r.Context().Done()
				}
			}, func(t *testing.T, u *Upstream) {
				u.MaxConns, u.QueueTimeout = 1, 5*time.Second
				resp, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				begun := time.Now()
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						resp, err := u.Exchange(ctx, twoRequest(t, "GET /"+how+" HTTP/1.1\nHost: x", ""))
						if err != nil {
							t.Error(err)
							return
						}
						switch how {
						case "read":
							_, _ = io.ReadAll(resp.Body)
						case "canceled":
							cancel()
						}
						_ = resp.Body.Close()
					})
				}
				wg.Wait()
				if took := time.Since(begun); took > time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A stuckBody brings nothing before it is closed.
type stuckBody struct {
	reading atomic.Bool
	quit    chan struct{}
	once    sync.Once
}

func (b *stuckBody) Read(p []byte) (int, error) {
	b.reading.Store(true)
	defer b.reading.Store(false)
	<-b.quit
	for range 1000 {
		runtime.Gosched()
	}
	return 0, io.ErrClosedPipe
}
func (b *stuckBody) Trailer() *wire.Head { return nil }
func (b *stuckBody) Close() error        { b.once.Do(func() { close(b.quit) }); return nil }

// TestTwoUploadEnds: when an exchange has ended, nobody reads its content.
func TestTwoUploadEnds(t *testing.T) {
	for _, status := range []int{200, 404} {
		for _, how := range []string{"close", "cancel", "timeout"} {
			inTwo(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
				if how == "close" {
					w.WriteHeader(status)
					_, _ = io.WriteString(w, "ok")
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
			}, func(t *testing.T, u *Upstream) {
				r := twoRequest(t, "POST /a HTTP/1.1\nHost: x\nContent-Length: 5", "")
				b := &stuckBody{quit: make(chan struct{})}
				r.Body = b
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if how == "cancel" {
					time.AfterFunc(time.Second, cancel)
				}
				if how == "timeout" {
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				resp, err := u.Exchange(ctx, r)
				if err == nil {
					if status == 200 {
						synctest.Wait()
						if !b.reading.Load() {
							t.Fatal("not reading")
						}
					}
					_ = resp.Body.Close()
				}
				if b.reading.Load() {
					t.Errorf("%d %s: content is still read after the exchange ended (%v)", status, how, err)
				}
			})
		}
	}
}

// TestTwoCutIsFailure: a server that cuts its content is left out.
func TestTwoCutIsFailure(t *testing.T) {
	inTwo(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "some")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, u *Upstream) {
		u.Circuit = &Circuit{}
		resp, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := u.Circuit.State(time.Now()); got != Ejected {
			t.Errorf("got %v after %v, want ejected", got, err)
		}
	})
}

// TestTwoLargeHead: a head larger than a server takes is the client's fault, and
// no reason to leave the server out.
func TestTwoLargeHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		server := &http2.Server{}
		base := &http.Server{MaxHeaderBytes: 2000}
		if err := http2.ConfigureServer(base, server); err != nil {
			t.Fatal(err)
		}
		u := &Upstream{Scheme: "http", Addr: "o:80", Host: "o", Protocol: H2C}
		u.Dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			wg.Go(func() {
				server.ServeConn(theirs, &http2.ServeConnOpts{Handler: http.HandlerFunc(echoOf), BaseConfig: base})
			})
			return ours, nil
		}
		g := &Group{Members: []Member{{Exchanger: u, Circuit: new(Circuit)}}, Next: OnError}
		first, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
		if err != nil {
			t.Fatal(err)
		}
		_ = first.Body.Close()
		resp, err := g.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x\nX-Big: "+strings.Repeat("x", 20000), ""))
		var e *wire.Error
		if !errors.As(err, &e) || e.Side != wire.Client || e.Status != 431 || e.Sent {
			t.Errorf("got %v, %v, want the client's 431", resp, err)
		}
		if got := g.Members[0].Circuit.State(time.Now()); got != Up {
			t.Errorf("the server is %v", got)
		}
		_ = u.Close()
		wg.Wait()
	})
}

// TestCloseIsNoFailure: who closes content while it is read ends it, and has
// nothing to say about the server.
func TestCloseIsNoFailure(t *testing.T) {
	test := func(t *testing.T, u *Upstream) {
		u.Circuit = new(Circuit)
		resp, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := io.ReadAll(resp.Body); done <- err }()
		synctest.Wait() // it waits for more
		_ = resp.Body.Close()
		if err, got := <-done, u.Circuit.State(time.Now()); !errors.Is(err, os.ErrClosed) || got != Up {
			t.Errorf("got %v, the server is %v", err, got)
		}
	}
	t.Run("HTTP/1.1", func(t *testing.T) {
		play(t, test, func(p *peer) { p.head(); p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"); p.expectEnd() })
	})
	t.Run("HTTP/2", func(t *testing.T) {
		inTwo(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, test)
	})
}
