package origin

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

func TestSend(t *testing.T) {
	trailer := new(wire.Head)
	trailer.AddNamed("X-Sum", []byte("1"))
	chunked := content("abc", "de").end()
	chunked.trailer = trailer
	large := strings.Repeat("0123456789abcdef", 10<<10)
	for _, tt := range []struct {
		name   string
		length int64
		body   *source
		want   string // behind the head
	}{
		{"length", 5, content("abc", "de").end(), "abcde"},
		{"length, end not seen", 5, content("abc", "de"), "abcde"},
		{"length, more than said", 4, content("abc", "de"), "abcd"},
		{"chunked", wire.Unknown, chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"},
		{"chunked, nothing", wire.Unknown, content().end(), "0\r\n\r\n"},
		{"large", int64(len(large)), content(large).end(), large},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				// The source's channels belong to no bubble: nothing waits on them.
				status, got, err := fetch(u, post(t, tt.length, tt.body))
				if status != 200 || got != "ok" || err != nil {
					t.Errorf("got %d %q, %v", status, got, err)
				}
				mustFetch(t, u, "ok")
			}, func(p *peer) {
				p.head()
				p.expect(tt.want)
				p.say(ok2)
				p.head()
				p.say(ok2)
				p.expectEnd()
			})
		})
	}
}

// TestContentFails: what the client did not send whole must not look whole.
func TestContentFails(t *testing.T) {
	gone := &wire.Error{Side: wire.Client, Status: 408, Err: errors.New("too slow")}
	for _, tt := range []struct {
		name   string
		length int64
		err    error
		status int
		want   string
	}{
		{"chunked", wire.Unknown, gone, 408, "3\r\nabc\r\n"},
		{"length", 5, gone, 408, "abc"},
		{"unknown error", 5, errors.New("broken"), 400, "abc"},
		{"short", 5, nil, 400, "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				body := content("abc").end()
				body.err = tt.err
				_, _, err := fetch(u, post(t, tt.length, body))
				wantError(t, err, wire.Error{Side: wire.Client, Status: tt.status, Sent: true}, Content)
				if tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v in it", err, tt.err)
				}
			}, func(p *peer) {
				p.head()
				p.expect(tt.want)
				p.expectEnd()
			})
		})
	}
	t.Run("behind the answer", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			body := content("abc")
			body.err = gone
			resp, err := u.Exchange(context.Background(), post(t, wire.Unknown, body))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { body.end() })
			_, err = io.ReadAll(resp.Body)
			wantError(t, err, wire.Error{Side: wire.Client, Status: 408, Sent: true}, Content)
			_ = resp.Body.Close()
		}, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			p.expect("3\r\nabc\r\n")
			p.expectEnd()
		})
	})
}

// TestEarlyAnswer: the upstream answers before it has the request.
func TestEarlyAnswer(t *testing.T) {
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
	t.Run("with content", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			body := content("abc")
			resp, err := u.Exchange(context.Background(), post(t, 10, body))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != "no" || err != nil || resp.Status != 413 {
				t.Errorf("got %d %q, %v", resp.Status, b, err)
			}
			_ = resp.Body.Close()
			<-body.closed // or this blocks for ever
		}, func(p *peer) {
			p.head()
			p.say(refusal)
			p.expect("abc")
			p.expectEnd()
		})
	})
	t.Run("without content", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			body := content("abc")
			status, _, err := fetch(u, post(t, 10, body))
			if status != 413 || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
			<-body.closed
		}, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
			p.expect("abc")
			p.expectEnd()
		})
	})
	t.Run("and closes", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			// More than the connection holds: the sender meets the end.
			status, got, err := fetch(u, post(t, 1<<20, content(strings.Repeat("x", 1<<20))))
			if status != 413 || got != "no" || err != nil {
				t.Errorf("got %d %q, %v", status, got, err)
			}
		}, func(p *peer) {
			p.head()
			p.say(refusal)
		})
	})
	t.Run("while the upstream does not read", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			status, got, err := fetch(u, post(t, 1<<20, content(strings.Repeat("x", 1<<20))))
			if status != 413 || got != "no" || err != nil {
				t.Errorf("got %d %q, %v", status, got, err)
			}
		}, func(p *peer) {
			p.head()
			p.say(refusal)
			time.Sleep(time.Minute)
		})
	})
	t.Run("full duplex", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			u.BodyTimeout = 5 * time.Second
			body := content("a")
			resp, err := u.Exchange(context.Background(), post(t, wire.Unknown, body))
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 1)
			for _, s := range []string{"b", "c", ""} {
				if _, err := io.ReadFull(resp.Body, b); err != nil {
					t.Fatal(err)
				}
				// Slower than BodyTimeout: that is not the upstream's fault.
				time.AfterFunc(8*time.Second, func() {
					if s == "" {
						body.end()
						return
					}
					body.pieces <- s
				})
			}
			if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
				t.Errorf("got %q, %v", rest, err)
			}
			_ = resp.Body.Close()
			if u.Stats().Idle != 1 {
				t.Error("the connection was not kept")
			}
		}, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for _, s := range []string{"a", "b", "c"} {
				p.expect("1\r\n" + s + "\r\n")
				p.say("1\r\n" + s + "\r\n")
			}
			p.expect("0\r\n\r\n")
			p.say("0\r\n\r\n")
			p.expectEnd()
		})
	})
	t.Run("a moment early", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			body := content("abc")
			time.AfterFunc(settleTime/2, func() { body.end() })
			status, _, err := fetch(u, post(t, wire.Unknown, body))
			if status != 200 || err != nil || u.Stats().Idle != 1 {
				t.Errorf("got %d, %v, %d kept", status, err, u.Stats().Idle)
			}
		}, func(p *peer) {
			p.head()
			p.say(ok2)
			p.expect("3\r\nabc\r\n0\r\n\r\n")
			p.expectEnd()
		})
	})
}

// TestSlowClient: while the client is the one waited for, the upstream may be
// silent.
func TestSlowClient(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.HeadTimeout = 10 * time.Second
		body := content("a")
		time.AfterFunc(time.Minute, func() { body.end() })
		begun := time.Now()
		_, _, err := fetch(u, post(t, wire.Unknown, body))
		wantError(t, err, upstream(504, true), HeadTimeout)
		took(t, begun, 70*time.Second)
	}, func(p *peer) { p.head(); p.expect("1\r\na\r\n0\r\n\r\n"); p.expectEnd() })
}

// TestUpstreamDoesNotRead: sending is bounded too.
func TestUpstreamDoesNotRead(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.BodyTimeout = 6 * time.Second
		begun := time.Now()
		_, _, err := fetch(u, post(t, 1<<20, content(strings.Repeat("x", 1<<20))))
		wantError(t, err, upstream(504, true), BodyTimeout)
		took(t, begun, 6*time.Second)
	}, func(p *peer) { p.head(); time.Sleep(time.Hour) })
}

func TestContinue(t *testing.T) {
	head := "POST /p HTTP/1.1\r\nHost: origin\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
	silence := func(p *peer) {
		synctest.Wait()
		if p.Readable() || p.r.Buffered() > 0 {
			p.t.Error("content before it was asked for")
		}
	}
	for _, tt := range []struct {
		name   string
		script func(p *peer)
		status int
		took   time.Duration
		kept   int
	}{
		{"asked for", func(p *peer) {
			p.expect(head)
			silence(p)
			p.say("HTTP/1.1 100 Continue\r\n\r\n")
			p.expect("abc")
			p.say(ok2)
			p.expectEnd()
		}, 200, 0, 1},
		{"ignored", func(p *peer) {
			p.expect(head)
			silence(p)
			p.expect("abc")
			p.say(ok2)
			p.expectEnd()
		}, 200, time.Second, 1},
		{"refused", func(p *peer) {
			p.expect(head)
			p.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
			p.expectEnd()
		}, 417, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				begun := time.Now()
				status, _, err := fetch(u, post(t, 3, content("abc").end(), "Expect: 100-continue"))
				if kept := u.Stats().Idle; status != tt.status || err != nil || kept != tt.kept {
					t.Errorf("got %d, %v, %d kept; want %d, %d kept", status, err, kept, tt.status, tt.kept)
				}
				took(t, begun, tt.took)
			}, tt.script)
		})
	}
}
