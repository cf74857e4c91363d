package h1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"opencache/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A handlerFunc is a wire.Handler.
type handlerFunc func(r *wire.Request, p *wire.Reply)

func (f handlerFunc) Serve(r *wire.Request, p *wire.Reply) { f(r, p) }

// clock is the time of all Date fields here.
func clock() time.Time { return time.Unix(784111777, 0) }

const dateLine = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

// answer gives a whole reply.
func answer(p *wire.Reply, status int, text string) {
	p.Status, p.Length = status, int64(len(text))
	if p.Start() == nil {
		_, _ = p.Write([]byte(text))
		_ = p.End(nil)
	}
}

// play is a Handler that does what the target says, for the tables.
func play(r *wire.Request, p *wire.Reply) {
	name, arg, _ := strings.Cut(strings.TrimPrefix(string(r.Path()), "/"), "/")
	switch name {
	case "echo":
		if r.Body == nil {
			answer(p, 200, "")
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			answer(p, 499, err.Error())
			return
		}
		answer(p, 200, string(b))
	case "fields":
		p.Fields = append(p.Fields, "X-A: 1\r\nDate: then\r\n"...)
		answer(p, 200, "")
	case "status":
		n, _ := strconv.Atoi(arg)
		p.Status, p.Length = n, 3
		_ = p.Start()
		_, _ = p.Write([]byte("abc"))
		_ = p.End(nil)
	case "headlen":
		p.Status, p.Length = 200, wire.Unknown
		_ = p.Start()
		_ = p.End(nil)
	case "chunks":
		p.Status, p.Length = 200, wire.Unknown
		_ = p.Start()
		_, _ = p.Write([]byte("hello "))
		_ = p.Span(wire.Span{Mem: []byte("world"), N: 5})
		var tr wire.Head
		tr.AddNamed("X-Sum", []byte("7"))
		_ = p.End(&tr)
	case "early":
		_ = p.Interim(103, []byte("Link: </a>\r\n"))
		answer(p, 200, "x")
	case "short":
		p.Status, p.Length = 200, 10
		_ = p.Start()
		_, _ = p.Write([]byte("abc"))
		_ = p.End(nil)
	case "long":
		p.Status, p.Length = 200, 2
		_ = p.Start()
		if _, err := p.Write([]byte("abc")); err == nil {
			panic("no error")
		}
	case "noend":
		p.Status, p.Length = 200, 3
		_ = p.Start()
		_, _ = p.Write([]byte("abc"))
	case "unknownabort":
		p.Status, p.Length = 200, wire.Unknown
		_ = p.Start()
		_, _ = p.Write([]byte("abc"))
		p.Abort()
	case "abort":
		p.Abort()
	case "nothing":
	case "badstatus":
		p.Status = 150
		_ = p.Start()
	case "panic":
		panic("oops")
	case "silentpanic":
		panic(http.ErrAbortHandler)
	default:
		answer(p, 200, name)
	}
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", dateLine, len(body), body)
}

func closing(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", dateLine, len(body), body)
}

const noAnswer = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n" + dateLine +
	"Content-Length: 19\r\n\r\nno answer was made\n"

// TestExchange: what a client sends, and what it gets until it has closed its
// sending side and the server has closed too.
func TestExchange(t *testing.T) {
	big := strings.Repeat("z", 300<<10)
	for _, tt := range []struct {
		name, send, want string
		err              error // the client's reading ends in it
	}{
		{name: "keep-alive by default", send: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a")},
		{name: "two in order", send: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a") + ok("b")},
		{name: "empty line before a request (RFC 9112, 2.2)", send: "\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a") + ok("b")},
		{name: "close asked for (RFC 9112, 9.6)", send: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: closing("a")},
		{name: "HTTP/1.0 closes (RFC 9112, 9.3)", send: "GET /a HTTP/1.0\r\n\r\n", want: closing("a")},
		{name: "HTTP/1.0 keep-alive (RFC 9112, 9.3)", send: "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
			want: "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Length: 1\r\nConnection: keep-alive\r\n\r\na" + closing("b")},
		{name: "fields and a Date of the Handler's", send: "GET /fields HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: then\r\nContent-Length: 0\r\n\r\n"},
		{name: "HEAD has no content (RFC 9110, 9.3.2)", send: "HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
			want: "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Length: 3\r\n\r\n" + ok("b")},
		{name: "HEAD of unknown length", send: "HEAD /headlen HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200 OK\r\n" + dateLine + "\r\n"},
		{name: "304 announces (RFC 9110, 8.6)", send: "GET /status/304 HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
			want: "HTTP/1.1 304 Not Modified\r\n" + dateLine + "Content-Length: 3\r\n\r\n" + ok("b")},
		{name: "204 does not (RFC 9110, 8.6)", send: "GET /status/204 HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 204 No Content\r\n" + dateLine + "\r\n"},
		{name: "chunked with trailer (RFC 9112, 7.1)", send: "GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n",
			want: "HTTP/1.1 200 OK\r\n" + dateLine + "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\nX-Sum: 7\r\n\r\n"},
		{name: "unknown length to HTTP/1.0 ends with the connection", send: "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			want: "HTTP/1.1 200 OK\r\n" + dateLine + "Connection: close\r\n\r\nhello world"},
		{name: "interim (RFC 9110, 15.2)", send: "GET /early HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("x")},
		{name: "no interim for HTTP/1.0", send: "GET /early HTTP/1.0\r\n\r\n", want: closing("x")},
		{name: "content by length", send: "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("hello") + ok("b")},
		{name: "content in chunks", send: "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("abcde") + ok("b")},
		{name: "long content", send: "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(len(big)) + "\r\n\r\n" + big + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok(big) + ok("b")},
		{name: "content unread is dropped", send: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a") + ok("b")},
		{name: "chunks unread are dropped", send: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a") + ok("b")},
		{name: "too much content to drop", send: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(len(big)) + "\r\n\r\n" + big + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: closing("a")},
		{name: "bad chunk", send: "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", want: "HTTP/1.1 499 ", err: errPrefix},
		{name: "content cut short", send: "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel", want: "HTTP/1.1 499 ", err: errPrefix},
		{name: "short of its length", send: "GET /short HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Length: 10\r\n\r\nabc"},
		{name: "beyond its length", send: "GET /long HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200 OK\r\n" + dateLine + "Content-Length: 2\r\n\r\n"},
		{name: "no End", send: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /noend HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a"), err: syscall.ECONNRESET},
		{name: "chunked cut short", send: "GET /unknownabort HTTP/1.1\r\nHost: h\r\n\r\n", want: "HTTP/1.1 200 OK\r\n" + dateLine + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"},
		{name: "close-delimited cut short (RFC 9112, 8)", send: "GET /unknownabort HTTP/1.0\r\n\r\n", want: "HTTP/1.1 200 OK\r\n" + dateLine + "Connection: close\r\n\r\nabc", err: syscall.ECONNRESET},
		{name: "abort before Start", send: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /abort HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ok("a")},
		{name: "no answer", send: "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: noAnswer + ok("b")},
		{name: "bad status", send: "GET /badstatus HTTP/1.1\r\nHost: h\r\n\r\n", want: noAnswer},
		{name: "panic", send: "GET /panic HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", want: ""},
		{name: "silent panic", send: "GET /silentpanic HTTP/1.1\r\nHost: h\r\n\r\n", want: ""},
		{name: "half a head", send: "GET /a HTT", want: ""},
		{name: "nothing at all", send: "", want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := &Server{Handler: handlerFunc(play), Now: clock, Log: slog.New(slog.NewTextHandler(&log, nil))}
				p := dial(t, s)
				p.send(tt.send)
				_ = p.CloseWrite()
				got, err := io.ReadAll(p)
				if errors.Is(tt.err, errPrefix) {
					if !strings.HasPrefix(string(got), tt.want) || !bytes.Contains(got, []byte("Connection: close\r\n")) {
						t.Errorf("%.80q: got %.200q, want %q… and to close", tt.send, got, tt.want)
					}
				} else if string(got) != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("%.80q: got %.400q (%v), want %.400q (%v)", tt.send, got, err, tt.want, tt.err)
				}
				p.finish()
				if got, want := strings.Contains(log.String(), "oops"), strings.Contains(tt.send, "/panic"); got != want {
					t.Errorf("%.80q: logged %q", tt.send, log.String())
				}
			})
		})
	}
}

// errPrefix marks a row that gives the start of the answer only.
var errPrefix = errors.New("prefix")

// TestRefuse: what is no request is answered and never reaches the Handler.
func TestRefuse(t *testing.T) {
	for _, tt := range []struct {
		name, send string
		status     int
	}{
		{"no HTTP", "hello\r\n\r\n", 400},
		{"no Host (RFC 9112, 3.2)", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two lengths (RFC 9112, 6.3)", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"length and chunked (RFC 9112, 6.1)", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"unknown coding (RFC 9112, 6.1)", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"obs-fold (RFC 9112, 5.2)", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400},
		{"HTTP/2 (RFC 9110, 15.6.6)", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
		{"long line (RFC 9112, 3)", "GET /" + strings.Repeat("a", 20<<10), 414},
		{"long head (RFC 6585, 5)", "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", 70<<10), 431},
		{"many fields", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n", 431},
		{"raw bytes are not echoed", "GET /\x01<b> HTTP/1.1\r\nHost: h\r\n\r\n", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
					if string(r.Path()) != "/first" {
						t.Errorf("%.80q: reached the Handler", tt.send)
					}
					answer(p, 200, "first")
				})}
				p := dial(t, s)
				p.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n" + tt.send)
				p.expect(ok("first"))
				got, err := io.ReadAll(p)
				if err != nil || !bytes.HasPrefix(got, fmt.Appendf(nil, "HTTP/1.1 %d ", tt.status)) ||
					!bytes.Contains(got, []byte("\r\nConnection: close\r\n")) {
					t.Errorf("%.80q: got %q (%v), want %d and to close", tt.send, got, err, tt.status)
				}
				if bytes.ContainsRune(got, 1) {
					t.Errorf("%.80q: got %q, with a control byte", tt.send, got)
				}
				p.finish()
				if got := s.Stats().Refused[tt.status]; got != 1 {
					t.Errorf("%.80q: %d refused, want 1", tt.send, got)
				}
			})
		})
	}
}

// TestPieces: how a stream is cut into reads makes no difference.
func TestPieces(t *testing.T) {
	send := "GET /a HTTP/1.1\r\nHost: h\r\nCookie: " + strings.Repeat("c", 6000) + "\r\n\r\n" +
		"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
	want := ok("a") + ok("hello") + ok("b") + ok("c")
	for _, size := range []int{1, 2, 7, 1000, 4096, len(send)} {
		synctest.Test(t, func(t *testing.T) {
			p := dial(t, &Server{Handler: handlerFunc(play), Now: clock})
			var wg sync.WaitGroup
			wg.Go(func() {
				for rest := send; rest != ""; {
					n := min(size, len(rest))
					p.send(rest[:n])
					rest = rest[n:]
					synctest.Wait()
				}
				_ = p.CloseWrite()
			})
			got, err := io.ReadAll(p)
			if string(got) != want || err != nil {
				t.Errorf("pieces of %d: got %.300q (%v), want %.300q", size, got, err, want)
			}
			wg.Wait()
			p.finish()
		})
	}
}

// TestPipelineWrites: replies to requests that came together go out together,
// and none is held back once nothing further is there to be answered.
func TestPipelineWrites(t *testing.T) {
	one := "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct {
		name   string
		send   string
		limit  int
		writes int
	}{
		{"one", one, 0, 1},
		{"ten", strings.Repeat(one, 10), 0, 1},
		{"ten and half of another", strings.Repeat(one, 10) + one[:9], 0, 1},
		{"above the limit each", strings.Repeat(one, 4), 10, 4},
		{"before content that is not there", one + "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na", 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := dial(t, &Server{Handler: handlerFunc(play), Now: clock, MaxPipeline: tt.limit})
			p.send(tt.send)
			synctest.Wait()
			if got := p.in.writeCount(); got != tt.writes {
				t.Errorf("%s: %d writes, want %d", tt.name, got, tt.writes)
			}
			p.expect(strings.Repeat(ok("a"), strings.Count(tt.send, one)))
			p.finish()
		})
	}
}

// TestWaitingHandler: a Handler that is about to wait does not hold back
// earlier replies.
func TestWaitingHandler(t *testing.T) {
	for name, wait := range map[string]func(*wire.Request, *wire.Reply){
		"by Flush":   func(_ *wire.Request, p *wire.Reply) { _ = p.Flush() },
		"by Context": func(r *wire.Request, _ *wire.Reply) { r.Context() },
	} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
				if string(r.Path()) == "/slow" {
					wait(r, p)
					<-release
				}
				play(r, p)
			})})
			p.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
			p.expect(ok("a"))
			t.Log(name)
			close(release)
			p.expect(ok("slow"))
			p.finish()
		})
	}
}

// TestRequest: what the Handler is told.
func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dial(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
			if got, want := r.Remote.String(), "192.0.2.7:4711"; got != want {
				t.Errorf("Remote: got %q, want %q", got, want)
			}
			if r.Secure || r.Interim != nil {
				t.Errorf("Secure %v, Interim is there: %v", r.Secure, r.Interim != nil)
			}
			if got, want := r.Body != nil, r.Method == wire.POST; got != want {
				t.Errorf("%s: Body is there: %v", r.MethodText(), got)
			}
			r.Interim = func(int, *wire.Head) {}
			answer(p, 200, "")
		})})
		p.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nHost: h\r\n\r\n")
		p.expect(ok("") + ok(""))
		p.finish()
	})
}

func TestMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: handlerFunc(play), Now: clock, MaxConns: 1}
		first := dial(t, s)
		synctest.Wait()
		second := dial(t, s)
		synctest.Wait()
		third := dial(t, s)
		third.expectEnd("")
		got := make([]byte, len("HTTP/1.1 503 "))
		if _, err := io.ReadFull(second, got); err != nil || string(got) != "HTTP/1.1 503 " {
			t.Errorf("got %q (%v), want 503", got, err)
		}
		first.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
		first.expect(ok("a"))
		for _, p := range []*peer{first, second, third} {
			p.finish()
		}
		if st := s.Stats(); st.Open != 0 || st.Conns != 3 || st.Requests != 1 || st.Refused[503] != 1 {
			t.Errorf("got %+v, want 3 connections, 1 request and 1 refused with 503", st)
		}
	})
}
