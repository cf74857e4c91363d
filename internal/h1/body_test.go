package h1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

const expecting = "POST /%s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

func TestContinue(t *testing.T) {
	const hundred = "HTTP/1.1 100 Continue\r\n\r\n"
	for _, tt := range []struct {
		name string
		play func(t *testing.T, p *peer)
	}{
		{"sent when the content is read (RFC 9110, 10.1.1)", func(t *testing.T, p *peer) {
			p.send(fmt.Sprintf(expecting, "echo"))
			p.expect(hundred)
			p.send("hello")
			p.expect(ok("hello"))
			p.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
			p.expect(ok("b"))
		}},
		{"not sent to who did not wait", func(t *testing.T, p *peer) {
			p.send(fmt.Sprintf(expecting, "echo") + "hello")
			p.expect(ok("hello"))
			p.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
			p.expect(ok("b"))
		}},
		{"not sent, and closed, when the answer comes first", func(t *testing.T, p *peer) {
			p.send(fmt.Sprintf(expecting, "a"))
			p.expectEnd(closing("a"))
		}},
		{"not sent for HTTP/1.0", func(t *testing.T, p *peer) {
			p.send(strings.Replace(fmt.Sprintf(expecting, "echo"), "1.1", "1.0", 1) + "hello")
			p.expectEnd(closing("hello"))
		}},
		{"no content, nothing to wait for", func(t *testing.T, p *peer) {
			p.send("GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n")
			p.expect(ok("a"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := dial(t, &Server{Handler: handlerFunc(play), Now: clock})
				tt.play(t, p)
				p.finish()
			})
		})
	}
}

// TestContinueByHandler: a Handler that passes on another server's 100 has
// asked for the content.
func TestContinueByHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if err := p.Interim(100, nil); err != nil {
				t.Error(err)
			}
			play(r, p)
		})})
		for _, path := range []string{"echo", "a"} {
			p.send(fmt.Sprintf(expecting, path))
			p.expect("HTTP/1.1 100 Continue\r\n\r\n")
			p.send("hello")
			p.expect(ok(map[string]string{"echo": "hello", "a": "a"}[path]))
		}
		p.finish()
	})
}

// TestFullDuplex: content is read on one goroutine while the answer is written
// on the Handler's.
func TestFullDuplex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			lines := make(chan []byte)
			var wg sync.WaitGroup
			wg.Go(func() {
				defer close(lines)
				for {
					b := make([]byte, 100)
					n, err := r.Body.Read(b)
					if n > 0 {
						lines <- b[:n]
					}
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Errorf("got %v, want EOF", err)
						}
						return
					}
				}
			})
			synctest.Wait() // until it has asked for the content
			p.Status, p.Length = 200, wire.Unknown
			_ = p.Start()
			for b := range lines {
				_, _ = p.Write(b)
				_ = p.Flush()
			}
			_ = p.End(nil)
			wg.Wait()
		})})
		p.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		p.expect("HTTP/1.1 100 Continue\r\n\r\n")
		p.send("3\r\nabc\r\n")
		p.expect("HTTP/1.1 200 OK\r\n" + dateLine + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
		p.send("2\r\nde\r\n")
		p.expect("2\r\nde\r\n")
		p.send("0\r\n\r\n")
		p.expect("0\r\n\r\n")
		p.finish()
	})
}

// TestBodyClose: Close makes a Read in progress return, and the connection
// ends behind the answer since its place in the stream is not known.
func TestBodyClose(t *testing.T) {
	for _, answerFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
				var wg sync.WaitGroup
				wg.Go(func() {
					if n, err := io.Copy(io.Discard, r.Body); n != 3 || !errors.Is(err, os.ErrClosed) {
						t.Errorf("got %d bytes and %v, want 3 and os.ErrClosed", n, err)
					}
				})
				synctest.Wait()
				if answerFirst {
					answer(p, 200, "x")
				}
				_, _ = r.Body.Close(), r.Body.Close()
				wg.Wait()
				if !answerFirst {
					answer(p, 200, "x")
				}
			})})
			p.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")
			p.expectEnd(ok("x"))
			p.finish()
		})
	}
}

// TestReaderLeftBehind: a Handler that returns while another goroutine reads
// the content does not leave it there.
func TestReaderLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			wg.Go(func() {
				if _, err := io.Copy(io.Discard, r.Body); !errors.Is(err, os.ErrClosed) {
					t.Errorf("got %v, want os.ErrClosed", err)
				}
			})
			synctest.Wait()
			answer(p, 200, "x")
		})})
		p.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")
		p.expectEnd(ok("x"))
		wg.Wait()
		p.finish()
	})
}

func TestRequestTrailer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if tr := r.Body.Trailer(); tr != nil {
				t.Error("a trailer before the content was read")
			}
			_, _ = io.Copy(io.Discard, r.Body)
			got := ""
			if tr := r.Body.Trailer(); tr != nil {
				for v := range tr.Values("x-sum") {
					got = string(v)
				}
			}
			answer(p, 200, got)
		})})
		p.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n")
		p.expect(ok("9"))
		p.finish()
	})
}

// TestDropWaits: content that the Handler did not want is waited for, but not
// for long, and the answer does not wait for it.
func TestDropWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Handler: handlerFunc(play), Now: clock})
		p.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")
		p.expect(ok("a"))
		time.Sleep(time.Second)
		p.send("deGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
		p.expect(ok("b"))
		p.send("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc")
		p.expect(ok("c"))
		start := time.Now()
		p.expectEnd("")
		if got := time.Since(start); got != dropTime {
			t.Errorf("waited %s, want %s", got, dropTime)
		}
		p.finish()
	})
}
