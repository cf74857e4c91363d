package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"opencache/internal/wire"
)

func TestReuse(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		for range 3 {
			mustFetch(t, u, "ok")
		}
		if st := u.Stats(); st.Dials != 1 || st.Reuses != 2 || st.Idle != 1 {
			t.Errorf("got %+v, want 1 dial, 2 reuses, 1 idle", st)
		}
	}, answer(ok2, ok2, ok2))
}

func TestHead(t *testing.T) {
	up := Upstream{Base: "/base", Host: "origin"}
	own := Upstream{}
	with := func(r *wire.Request, length int64) *wire.Request {
		r.Length = length
		return r
	}
	for _, tt := range []struct {
		name string
		u    *Upstream
		r    *wire.Request
		want string
	}{
		{"base and host", &up, request(t, "GET /a?b=c HTTP/1.1", "Host: client", "X-A: 1", "x-b:  2 "),
			"GET /base/a?b=c HTTP/1.1|Host: origin|X-A: 1|x-b: 2||"},
		{"own host", &own, request(t, "GET / HTTP/1.0", "Host: client:81", "Connection: x-a", "X-A: 1", "Keep-Alive: 3"),
			"GET / HTTP/1.1|Host: client:81||"},
		{"absolute form", &up, request(t, "GET http://client?q HTTP/1.1", "Host: client"),
			"GET /base/?q HTTP/1.1|Host: origin||"},
		{"asterisk", &up, request(t, "OPTIONS * HTTP/1.1", "Host: client"), "OPTIONS * HTTP/1.1|Host: origin||"},
		{"method of its own", &own, request(t, "FROB / HTTP/1.1", "Host: h"), "FROB / HTTP/1.1|Host: h||"},
		{"no content", &own, request(t, "POST / HTTP/1.1", "Host: h", "Content-Length: 0"),
			"POST / HTTP/1.1|Host: h|Content-Length: 0||"},
		{"length", &own, with(request(t, "GET / HTTP/1.1", "Host: h"), 7), "GET / HTTP/1.1|Host: h|Content-Length: 7||"},
		{"chunked", &own, request(t, "PUT / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "TE: trailers", "Connection: TE"),
			"PUT / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Connection: TE|TE: trailers||"},
		{"expectation", &own, request(t, "PUT / HTTP/1.1", "Host: h", "Content-Length: 3", "Expect: 100-continue"),
			"PUT / HTTP/1.1|Host: h|Content-Length: 3|Expect: 100-continue||"},
		{"expectation without content", &own, request(t, "GET / HTTP/1.1", "Host: h", "Expect: 100-continue"),
			"GET / HTTP/1.1|Host: h||"},
		{"upgrade", &own, request(t, "GET / HTTP/1.1", "Host: h", "Upgrade: websocket", "Connection: Upgrade, TE", "TE: trailers"),
			"GET / HTTP/1.1|Host: h|Connection: Upgrade, TE|Upgrade: websocket|TE: trailers||"},
	} {
		want := strings.ReplaceAll(tt.want, "|", "\r\n")
		if got := string(wire.AppendRequest(nil, tt.r, wire.Destination{Host: tt.u.Host, Base: tt.u.Base})); got != want {
			t.Errorf("%s: got %q, want %q", tt.name, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		_, _, err := fetch(u, request(t, "CONNECT h:1 HTTP/1.1", "Host: h:1"))
		wantError(t, err, wire.Error{Side: wire.Us, Status: 501}, None)
		_, _, err = fetch(u, post(t, 3, nil))
		wantError(t, err, wire.Error{Side: wire.Us, Status: 500}, None)
	})
}

// TestResponses plays one response each: what comes of it, and whether the
// connection is kept.
func TestResponses(t *testing.T) {
	get := "GET / HTTP/1.1"
	long := strings.Repeat("x", 40<<10)
	for _, tt := range []struct {
		name, method, response string
		status                 int
		content                string
		fault                  Fault
		kept                   bool
	}{
		{"length", get, ok2, 200, "ok", None, true},
		{"empty", get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", None, true},
		{"chunked", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", 200, "abcd", None, true},
		{"until close", get, "HTTP/1.1 200 OK\r\n\r\nall of it", 200, "all of it", None, false},
		{"old", get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", None, false},
		{"old but kept", get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, "ok", None, true},
		{"to be closed", get, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", None, false},
		{"HEAD", "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, "", None, true},
		{"HEAD chunked", "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", None, true},
		{"HEAD without framing", "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\n\r\n", 200, "", None, true},
		{"HEAD with content", "HEAD / HTTP/1.1", ok2, 200, "", None, false},
		{"204", get, "HTTP/1.1 204 No Content\r\n\r\n", 204, "", None, true},
		{"204 with content", get, "HTTP/1.1 204 No Content\r\n\r\nx", 204, "", None, false},
		{"304", get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", 304, "", None, true},
		{"surplus", get, ok2 + "x", 200, "ok", None, false},
		{"surplus response", get, ok2 + ok2, 200, "ok", None, false},
		{"surplus after chunks", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", 200, "", None, false},
		{"large head", get, "HTTP/1.1 200 OK\r\nX: " + long + "\r\nContent-Length: 2\r\n\r\nok", 200, "ok", None, true},
		{"large head and content", get, "HTTP/1.1 200 OK\r\nX: " + long[:12<<10] + "\r\nContent-Length: 40960\r\n\r\n" + long, 200, long, None, true},
		{"head too large", get, "HTTP/1.1 200 OK\r\nX: " + long + "\r\nY: " + long + "\r\n\r\n", 0, "", BadResponse, false},
		{"nothing", get, "", 0, "", Closed, false},
		{"half a head", get, "HTTP/1.1 200 OK\r\nA: b", 0, "", Cut, false},
		{"garbage", get, "SSH-2.0-x\r\n", 0, "", BadResponse, false},
		{"garbage without end", get, long[:5000], 0, "", BadResponse, false},
		{"two lengths", get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", 0, "", BadResponse, false},
		{"length and chunked", get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", BadResponse, false},
		{"length too long", get, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 200, "ok", Cut, false},
		{"chunks cut", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", 200, "ok", Cut, false},
		{"chunk cut", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", 200, "ok", Cut, false},
		{"bad chunk", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", 200, "ok", BadResponse, false},
		{"unasked upgrade", get, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 0, "", BadResponse, false},
		{"interim", get, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok2, 200, "ok", None, true},
		{"16 interim", get, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 16) + ok2, 200, "ok", None, true},
		{"17 interim", get, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 17) + ok2, 0, "", BadResponse, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				status, content, err := fetch(u, request(t, tt.method, "Host: client"))
				if status != tt.status || content != tt.content {
					t.Errorf("got %d %.50q (%d bytes), want %d %.50q", status, content, len(content), tt.status, tt.content)
				}
				if tt.fault == None && err != nil {
					t.Errorf("got error %v", err)
				}
				if tt.fault != None {
					wantError(t, err, upstream(502, true), tt.fault)
				}
				st := u.Stats()
				if kept := st.Idle == 1; kept != tt.kept {
					t.Errorf("kept: got %v, want %v", kept, tt.kept)
				}
				if tt.fault != None && st.Faults[tt.fault] != 1 {
					t.Errorf("faults: got %v, want one of %v", st.Faults, tt.fault)
				}
			}, func(p *peer) {
				p.head()
				p.say(tt.response)
				if !tt.kept {
					_ = p.CloseWrite()
				}
				p.expectEnd()
			})
		})
	}
}

func TestResponseHead(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		resp, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(resp.Get(wire.ETag)); got != `"a"` || resp.Length != 2 || resp.Body == nil {
			t.Errorf("got ETag %q, length %d, body %v", got, resp.Length, resp.Body)
		}
		_ = resp.Body.Close()
		if resp.Status != 200 || resp.Length != 2 || resp.Has(wire.ETag) {
			t.Errorf("after Close: got status %d, length %d, ETag %q", resp.Status, resp.Length, resp.Get(wire.ETag))
		}
		r := request(t, "HEAD / HTTP/1.1", "Host: client")
		resp, err = u.Exchange(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		mustFetch(t, u, "ok") // on the same connection: resp must not be touched by it
		if got := string(resp.Get(wire.ETag)); got != `"b"` || resp.Length != 7 || resp.Body != nil {
			t.Errorf("got ETag %q, length %d, body %v", got, resp.Length, resp.Body)
		}
	}, answer("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 7\r\n\r\n", ok2))
}

func TestInterim(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		var got []string
		r := get(t)
		r.Interim = func(status int, h *wire.Head) { got = append(got, fmt.Sprint(status, string(h.Get(wire.Link)))) }
		if _, _, err := fetch(u, r); err != nil {
			t.Error(err)
		}
		if s := strings.Join(got, " "); s != "103</a> 103</b>" {
			t.Errorf("got %q", s)
		}
	}, answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"+ok2))
}

func TestTrailer(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		resp, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Trailer() != nil {
			t.Error("a trailer before the end")
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "abc" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		if tr := resp.Body.Trailer(); tr == nil || string(tr.Get(wire.ETag)) != `"z"` {
			t.Errorf("got trailer %v", tr)
		}
		_ = resp.Body.Close()
		if resp.Body.Trailer() != nil {
			t.Error("a trailer after Close")
		}
		mustFetch(t, u, "ok")
	}, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nETag: \"z\"\r\n\r\n", ok2))
}

// TestClose closes responses that were not read to their end.
func TestClose(t *testing.T) {
	big := strings.Repeat("x", 30<<10)
	for _, tt := range []struct {
		name, content string
		read          int
		kept          bool
	}{
		{"unread but there", "ok", 0, true},
		{"read but the end not seen", "ok", 2, true},
		{"half read", big, 100, false},
		{"not read", big, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				resp, err := u.Exchange(context.Background(), get(t))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body, make([]byte, tt.read)); err != nil {
					t.Error(err)
				}
				_ = resp.Body.Close()
				_ = resp.Body.Close()
				if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil || ended(err) {
					t.Errorf("Read after Close: got %d, %v", n, err)
				}
				if kept := u.Stats().Idle == 1; kept != tt.kept {
					t.Errorf("kept: got %v, want %v", kept, tt.kept)
				}
			}, func(p *peer) {
				p.head()
				p.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(tt.content), tt.content))
				p.expectEnd()
			})
		})
	}
}

// TestCloseTwice closes a body again while its connection serves another
// exchange.
func TestCloseTwice(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		first, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		old := first.Body
		_ = old.Close()
		second, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = old.Close()
		if b, err := io.ReadAll(second.Body); string(b) != "ok" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		_ = second.Body.Close()
	}, answer(ok2, ok2))
}

func TestCloseWhileReading(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		resp, err := u.Exchange(context.Background(), get(t))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := io.ReadAll(resp.Body)
			done <- err
		}()
		time.Sleep(time.Second) // until it waits
		body := resp.Body
		go func() { _ = body.Close() }()
		_ = body.Close()
		if err := <-done; err == nil {
			t.Error("Read returned the end of content cut short")
		}
	}, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok")
		p.expectEnd()
	})
}

func TestTimeouts(t *testing.T) {
	silent := func(p *peer) { p.head(); p.expectEnd() }
	drip := func(p *peer) {
		p.head()
		for i := range 20 {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"[i : i+1])
			time.Sleep(time.Second)
		}
		p.expectEnd()
	}
	slowBody := func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		for range 4 {
			time.Sleep(6 * time.Second)
			p.say("x")
		}
		p.expectEnd()
	}
	for _, tt := range []struct {
		name    string
		script  func(p *peer)
		content string
		fault   Fault
		after   time.Duration
	}{
		{"silent", silent, "", HeadTimeout, 10 * time.Second},
		{"head byte by byte", drip, "", HeadTimeout, 10 * time.Second},
		{"content stalls", slowBody, "xxxx", BodyTimeout, 31 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				u.HeadTimeout, u.BodyTimeout = 10*time.Second, 7*time.Second
				begun := time.Now()
				_, content, err := fetch(u, get(t))
				wantError(t, err, upstream(504, true), tt.fault)
				took(t, begun, tt.after)
				if content != tt.content {
					t.Errorf("got %q, want %q", content, tt.content)
				}
			}, tt.script)
		})
	}
}

// TestTimeoutOnReuse: a deadline left by an earlier exchange does not end a
// later one early.
func TestTimeoutOnReuse(t *testing.T) {
	play(t, func(t *testing.T, u *Upstream) {
		u.HeadTimeout = 10 * time.Second
		mustFetch(t, u, "ok")
		time.Sleep(4 * time.Second)
		mustFetch(t, u, "ok")
		time.Sleep(4 * time.Second)
		begun := time.Now()
		_, _, err := fetch(u, get(t))
		wantError(t, err, upstream(504, true), HeadTimeout)
		took(t, begun, 10*time.Second)
	}, func(p *peer) {
		p.head()
		p.say(ok2)
		p.head()
		p.say(ok2)
		p.head()
		p.expectEnd()
	})
}

func TestCancel(t *testing.T) {
	cause := errors.New("the client left")
	t.Run("head", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			begun := time.Now()
			_, err := u.Exchange(ctx, get(t))
			wantError(t, err, wire.Error{Side: wire.Client, Status: 499, Sent: true}, Canceled)
			if !errors.Is(err, cause) {
				t.Errorf("got %v, want the cause in it", err)
			}
			took(t, begun, time.Second)
		}, func(p *peer) { p.head(); p.expectEnd() })
	})
	t.Run("content", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			ctx, cancel := context.WithCancelCause(context.Background())
			resp, err := u.Exchange(ctx, get(t))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { cancel(cause) })
			_, err = io.ReadAll(resp.Body)
			wantError(t, err, wire.Error{Side: wire.Client, Status: 499, Sent: true}, Canceled)
			_ = resp.Body.Close()
		}, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\n\r\nx")
			p.expectEnd()
		})
	})
	t.Run("afterwards", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			for range 2 {
				ctx, cancel := context.WithCancelCause(context.Background())
				resp, err := u.Exchange(ctx, get(t))
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				cancel(cause)
			}
		}, answer(ok2, ok2))
	})
	t.Run("before", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(cause)
			_, err := u.Exchange(ctx, get(t))
			wantError(t, err, wire.Error{Side: wire.Client, Status: 499}, Canceled)
		})
	})
}
