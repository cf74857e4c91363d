package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"opencache/internal/wire"
)

// inTwo runs test in a bubble against a handler that is spoken to by HTTP/2.
func inTwo(t *testing.T, server *http2.Server, h http.HandlerFunc, test func(t *testing.T, u *Upstream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		if err := http2.ConfigureServer(new(http.Server), server); err != nil { // else it shares channels with other bubbles
			t.Fatal(err)
		}
		u := &Upstream{Scheme: "http", Addr: "o:80", Host: "o", Protocol: H2C}
		u.Dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			wg.Go(func() {
				server.ServeConn(theirs, &http2.ServeConnOpts{Handler: h, BaseConfig: &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}})
			})
			return ours, nil
		}
		test(t, u)
		_ = u.Close()
		synctest.Wait()
		if st := u.Stats(); st.Open != 0 || st.Waiting != 0 {
			t.Errorf("left behind: %+v", st)
		}
		wg.Wait()
	})
}

// twoRequest parses a request; content is its content.
func twoRequest(t testing.TB, head, content string) *wire.Request {
	t.Helper()
	r := new(wire.Request)
	text := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"
	if n, err := wire.ParseRequest(r, []byte(text), wire.Limits{}); err != nil || n != len(text) {
		t.Fatalf("%q: %d, %v", head, n, err)
	}
	if r.Length != 0 {
		r.Body = &givenBody{Reader: strings.NewReader(content)}
	}
	return r
}

type givenBody struct {
	io.Reader
	trailer *wire.Head
}

func (b *givenBody) Trailer() *wire.Head { return b.trailer }
func (b *givenBody) Close() error        { return nil }

func echoOf(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "\n%s: %s", name, strings.Join(r.Header[name], ", "))
	}
	fmt.Fprintf(w, "\n%d %q %v", r.ContentLength, body, r.Trailer)
}

// TestTwoRequests: what a server sees of a request is what it is, no more.
func TestTwoRequests(t *testing.T) {
	for _, tt := range []struct{ head, content, want string }{
		{"GET /a?b=c HTTP/1.1\nHost: x", "", "GET /a?b=c o\n0 \"\" map[]"},
		{"GET //a/../%2f?? HTTP/1.1\nHost: x", "", "GET //a/../%2f?? o\n0 \"\" map[]"},
		{"OPTIONS * HTTP/1.1\nHost: x", "", "OPTIONS * o\n0 \"\" map[]"},
		{"QUERY /a HTTP/1.1\nHost: x\nContent-Length: 3", "abc", "QUERY /a o\nContent-Length: 3\n3 \"abc\" map[]"},
		{"POST /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", "abc", "POST /a o\n-1 \"abc\" map[]"},
		{"GET /a HTTP/1.1\nHost: x\nConnection: keep-alive, X-Hop, TE\nX-Hop: 1\nTE: trailers\nKeep-Alive: 3\nX-End: 1\nX-End: 2\nUser-Agent: me", "",
			"GET /a o\nTe: trailers\nUser-Agent: me\nX-End: 1, 2\n0 \"\" map[]"},
		{"GET /a HTTP/1.1\nHost: x\nAccept-Encoding: br\nCookie: a=b; c=d", "", "GET /a o\nAccept-Encoding: br\nCookie: a=b; c=d\n0 \"\" map[]"},
	} {
		inTwo(t, &http2.Server{}, echoOf, func(t *testing.T, u *Upstream) {
			resp, err := u.Exchange(t.Context(), twoRequest(t, tt.head, tt.content))
			if err != nil {
				t.Fatalf("%q: %v", tt.head, err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != tt.want {
				t.Errorf("%q: got %q, %v; want %q", tt.head, got, err, tt.want)
			}
			_ = resp.Body.Close()
		})
	}
}

// TestTwoTrailers: trailers go both ways, as gRPC's do.
func TestTwoTrailers(t *testing.T) {
	inTwo(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(body)
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", r.Trailer.Get("X-Sum"))
	}, func(t *testing.T, u *Upstream) {
		r := twoRequest(t, "POST /s/M HTTP/1.1\nHost: x\nTE: trailers\nTrailer: X-Sum\nTransfer-Encoding: chunked", "")
		sum := new(wire.Head)
		sum.AddNamed("X-Sum", []byte("7"))
		r.Body = &givenBody{strings.NewReader("ping"), sum}
		resp, err := u.Exchange(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		trailer := resp.Body.Trailer()
		if err != nil || string(got) != "ping" || trailer == nil {
			t.Fatalf("got %q, %v, trailer %v", got, err, trailer)
		}
		var lines []string
		for line := range strings.Lines(string(trailer.AppendFields(nil, wire.NameSet{}))) {
			lines = append(lines, strings.TrimSpace(line))
		}
		slices.Sort(lines)
		if want := []string{"Grpc-Message: 7", "Grpc-Status: 0"}; !slices.Equal(lines, want) {
			t.Errorf("got trailer %q, want %q", lines, want)
		}
		_ = resp.Body.Close()
	})
}

// TestTwoResponses: lengths, interim responses and answers without content.
func TestTwoResponses(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		h            http.HandlerFunc
		want         string // status, length, fields; then content
		interim      string
	}{
		{"a length", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "ok")
		}, "200 2 ok", ""},
		{"none", "GET", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "ok")
			w.(http.Flusher).Flush()
		}, "200 -1 ok", ""},
		{"no content", "GET", func(w http.ResponseWriter, r *http.Request) {}, "200 0 -", ""},
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "9") }, "200 9 -", ""},
		{"204", "GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, "204 0 -", ""},
		{"304", "GET", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", `"a"`); w.WriteHeader(304) }, "304 -1 -", ""},
		{"hints", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a>; rel=preload")
			w.WriteHeader(103)
			w.WriteHeader(404)
		}, "404 0 -", "103 </a>; rel=preload"},
		{"no redirect is followed", "GET", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/b", http.StatusFound) },
			"302 25 <a href=\"/b\">Found</a>.\n\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTwo(t, &http2.Server{}, tt.h, func(t *testing.T, u *Upstream) {
				r := twoRequest(t, tt.method+" /a HTTP/1.1\nHost: x", "")
				interim := ""
				r.Interim = func(status int, h *wire.Head) { interim = fmt.Sprintf("%d %s", status, h.Get(wire.Link)) }
				resp, err := u.Exchange(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				content := "-"
				if resp.Body != nil {
					text, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Error(err)
					}
					content = string(text)
					_ = resp.Body.Close()
				}
				if got := fmt.Sprintf("%d %d %s", resp.Status, resp.Length, content); got != tt.want || interim != tt.interim {
					t.Errorf("got %q, interim %q; want %q, %q", got, interim, tt.want, tt.interim)
				}
			})
		})
	}
}

// TestTwoFaults: what goes wrong is told as of HTTP/1.1.
func TestTwoFaults(t *testing.T) {
	stall := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name  string
		h     http.HandlerFunc
		fault Fault
		took  time.Duration
		body  bool // it shows in the content
	}{
		{"no head", stall, HeadTimeout, time.Minute, false},
		{"half of it", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, BodyTimeout, time.Minute, true},
		{"reset", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, Closed, 0, false},
		{"cut", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, Cut, 0, true},
		{"shorter than said", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "some")
		}, Cut, 0, true},
		{"a head too large", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Large", strings.Repeat("x", 100<<10)) }, BadResponse, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTwo(t, &http2.Server{}, tt.h, func(t *testing.T, u *Upstream) {
				begun := time.Now()
				resp, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
				if (err == nil) != tt.body {
					t.Fatalf("got %v", err)
				}
				if tt.body {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				var e *wire.Error
				if !errors.As(err, &e) || faultOf(err) != tt.fault || e.Side != wire.Upstream || !e.Sent || time.Since(begun) != tt.took {
					t.Errorf("got %v (%+v) after %v, want %v after %v", err, e, time.Since(begun), tt.fault, tt.took)
				}
				if n := u.Stats().Faults[tt.fault]; n != 1 {
					t.Errorf("counted %d", n)
				}
			})
		})
	}
}

// TestTwoCancel: a client that leaves ends its exchange, and no other.
func TestTwoCancel(t *testing.T) {
	var gone chan struct{}
	inTwo(t, &http2.Server{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			gone <- struct{}{}
		}
	}, func(t *testing.T, u *Upstream) {
		gone = make(chan struct{}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := u.Exchange(ctx, twoRequest(t, "GET /slow HTTP/1.1\nHost: x", ""))
		if faultOf(err) != Canceled {
			t.Errorf("got %v", err)
		}
		<-gone
		if _, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", "")); err != nil || u.Stats().Dials != 1 {
			t.Errorf("got %v after %d dials, want the same connection", err, u.Stats().Dials)
		}
	})
}

// TestTwoPlaces: connections carry what the server allows; more wait, so many
// and so long.
func TestTwoPlaces(t *testing.T) {
	var let chan struct{}
	inTwo(t, &http2.Server{MaxConcurrentStreams: 2}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-let
		}
	}, func(t *testing.T, u *Upstream) {
		let = make(chan struct{})
		u.MaxConns, u.MaxQueue, u.QueueTimeout = 2, 1, 3*time.Second
		if _, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", "")); err != nil { // the limit is known then
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = u.Exchange(t.Context(), twoRequest(t, "GET /slow HTTP/1.1\nHost: x", "")) })
		}
		synctest.Wait()
		_, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", "")) // another connection
		synctest.Wait()
		if st := u.Stats(); err != nil || st.Open != 2 {
			t.Errorf("got %v, %d connections, want 2", err, st.Open)
		}
		for range 2 {
			wg.Go(func() { _, _ = u.Exchange(t.Context(), twoRequest(t, "GET /slow HTTP/1.1\nHost: x", "")) })
		}
		synctest.Wait()
		late := make(chan error, 1)
		go func() {
			_, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
			late <- err
		}()
		synctest.Wait()
		if _, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", "")); faultOf(err) != QueueFull {
			t.Errorf("got %v, want a full queue", err)
		}
		if err := <-late; faultOf(err) != QueueTimeout {
			t.Errorf("got %v, want that it waited too long", err)
		}
		close(let)
		wg.Wait()
	})
}

// TestTwoRefused: what the server refuses to begin is begun anew, once, and
// otherwise may be tried elsewhere, POST or not.
func TestTwoRefused(t *testing.T) {
	for _, refusals := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			var wg sync.WaitGroup
			left := refusals
			u := &Upstream{Scheme: "http", Addr: "o:80", Host: "o", Protocol: H2C}
			u.Dial = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				wg.Go(func() { refuse(theirs, &left) })
				return ours, nil
			}
			resp, err := u.Exchange(t.Context(), twoRequest(t, "POST /a HTTP/1.1\nHost: x", ""))
			var e *wire.Error
			switch {
			case refusals == 1 && (err != nil || resp.Status != 204):
				t.Errorf("refused once: got %v", err)
			case refusals == 2 && (!errors.As(err, &e) || faultOf(err) != Closed || e.Sent):
				t.Errorf("refused twice: got %v, want that it was not sent", err)
			}
			_ = u.Close()
			wg.Wait()
		})
	}
}

// refuse is a server that refuses the first streams.
func refuse(nc net.Conn, left *int) {
	defer func() { _ = nc.Close() }()
	if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	out := make(chan func(*http2.Framer) error, 16)
	defer close(out)
	fr := http2.NewFramer(nc, nc)
	go func() { // a pipe has no buffer
		for f := range out {
			_ = f(fr)
		}
	}()
	out <- func(fr *http2.Framer) error { return fr.WriteSettings() }
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := f.(*http2.HeadersFrame); ok {
			id := h.StreamID
			if *left > 0 {
				*left--
				out <- func(fr *http2.Framer) error { return fr.WriteRSTStream(id, http2.ErrCodeRefusedStream) }
				continue
			}
			out <- func(fr *http2.Framer) error {
				return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: []byte{0x89}}) // :status 204
			}
		}
	}
}

// TestAuto: ALPN decides; a server of HTTP/1.1 is spoken to over the
// connection that asked, and by the own client.
func TestAuto(t *testing.T) {
	roots, cert := authority(t)
	for _, two := range []bool{true, false} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
		s.EnableHTTP2 = two
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.StartTLS()
		u, err := Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.TLS, u.Protocol = &tls.Config{RootCAs: roots}, Auto
		want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[two]
		for range 3 {
			resp, err := u.Exchange(t.Context(), twoRequest(t, "GET /a HTTP/1.1\nHost: x", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
			_ = resp.Body.Close()
		}
		if st := u.Stats(); st.Dials != 1 || st.Open != 1 {
			t.Errorf("%s: got %+v, want one connection", want, st)
		}
		v := &Upstream{Scheme: u.Scheme, Addr: u.Addr, TLS: u.TLS, Protocol: HTTP2}
		if _, err := v.Exchange(t.Context(), twoRequest(t, "HEAD /a HTTP/1.1\nHost: x", "")); two != (err == nil) || err != nil && faultOf(err) != TLS {
			t.Errorf("%s, asked for HTTP/2 alone: %v", want, err)
		}
		_, _ = u.Close(), v.Close()
		s.Close()
	}
}
