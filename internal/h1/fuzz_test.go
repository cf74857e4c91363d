package h1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"opencache/internal/wire"
)

// A talk is what is expected of a connection on which certain bytes come: the
// handler's calls, in order, and whether a refusal follows.
type talk struct {
	calls   []string
	methods []string
	refused bool
	unsure  bool // it may be refused, or left without an answer
	skipped bool // more than one empty line came: how many are dropped depends on how they come
	cut     bool // the last request's content
}

// expected reads the bytes by wire alone, one message behind the other, as a
// connection must whatever pieces it gets them in.
func expected(in string) (k talk) {
	for rest := in; ; {
		if strings.HasPrefix(strings.TrimPrefix(rest, "\r\n"), "\r\n") {
			k.skipped = true
			return k
		}
		var r wire.Request
		n, err := wire.ParseRequest(&r, []byte(rest), wire.Limits{})
		if n == 0 {
			// What comes behind the last line feed is looked at when it is
			// longer than a line may be, or came with that; at the end of
			// the connection nobody waits. That of an empty line counts when
			// it does not come with the CR.
			lines := rest[:strings.LastIndexByte(rest, '\n')+1]
			_, sure := wire.ParseRequest(&r, []byte(lines), wire.Limits{})
			k.refused = sure != nil && strings.Contains(strings.TrimPrefix(lines, "\r\n"), "\n")
			k.unsure = err != nil && !k.refused
			return k
		}
		src := strings.NewReader(rest[n:])
		input := &wire.Input{Src: src, Buf: make([]byte, 32<<10)}
		var c wire.Content
		c.Side = wire.Client
		c.Reset(input, r.Framing(), wire.DefaultLimits)
		content, err := io.ReadAll(&c)
		k.calls = append(k.calls, call(&r, content, err))
		k.methods = append(k.methods, string(r.MethodText()))
		k.cut = err != nil
		if err != nil || r.Close {
			return k
		}
		left, _ := io.ReadAll(src)
		rest = string(input.Unread()) + string(left)
	}
}

func call(r *wire.Request, content []byte, err error) string {
	return fmt.Sprintf("%s %s %s %q %v", r.MethodText(), r.Authority(), r.Target(), content, err == nil)
}

// FuzzConversation: whatever comes on a connection, in whatever pieces, the
// handler is called for the requests that wire finds, with their content, and
// never behind one that is refused; each call is answered, in order, and a
// refusal is the last answer.
func FuzzConversation(f *testing.F) {
	for i, s := range []string{
		"GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.0\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /c",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.1\nHost: h\n\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\nabc",
	} {
		f.Add(s, uint8(i*7))
	}
	f.Fuzz(func(t *testing.T, in string, piece uint8) {
		if len(in) > 16<<10 {
			return
		}
		want := expected(in)
		calls, out := converse(in, int(piece)+1)
		if want.skipped {
			if len(calls) < len(want.calls) || !prefixOf(want.calls, calls) {
				t.Fatalf("%q: got calls %q, want first %q", in, calls, want.calls)
			}
			return
		}
		if len(calls) != len(want.calls) || !prefixOf(want.calls, calls) {
			t.Fatalf("%q by %d: got calls %q, want %q", in, int(piece)+1, calls, want.calls)
		}
		answered(t, in, out, want)
	})
}

func prefixOf(want, got []string) bool {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return false
		}
	}
	return true
}

// converse sends in by pieces and returns the handler's calls and all that was
// answered.
func converse(in string, piece int) (calls []string, out []byte) {
	s := &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		var content []byte
		var err error
		if r.Body != nil {
			content, err = io.ReadAll(r.Body)
		}
		calls = append(calls, call(r, content, err))
		answer(p, 200, fmt.Sprint("call ", len(calls)))
	})}
	client, server := newPipe(len(in) + 1)
	done, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(server)
	}()
	go func() {
		defer close(sent)
		for rest := in; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := client.Write([]byte(rest[:n])); err != nil {
				break
			}
			rest = rest[n:]
		}
		_ = client.CloseWrite()
	}()
	out, _ = io.ReadAll(client)
	_ = client.Close()
	<-done
	<-sent
	return calls, out
}

// answered checks by net/http that out is an answer to each call, one more for
// a refusal, and nothing else.
func answered(t *testing.T, in string, out []byte, want talk) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(out))
	next := func(method string) (*http.Response, string) {
		for {
			resp, err := http.ReadResponse(br, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q: answered %q: %v", in, out, err)
			}
			content, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("%q: answered %q: %v", in, out, err)
			}
			if resp.StatusCode >= 200 {
				return resp, string(content)
			}
		}
	}
	for i, method := range want.methods {
		if _, err := br.Peek(1); err != nil && want.cut && i == len(want.methods)-1 {
			return // whose request is cut short may be left without an answer
		}
		resp, content := next(method)
		if text := fmt.Sprint("call ", i+1); resp.StatusCode == 200 && method != "HEAD" && method != "CONNECT" && content != text {
			t.Fatalf("%q: answered %q: answer %d is %q, want %q", in, out, i+1, content, text)
		}
	}
	_, none := br.Peek(1)
	if want.refused || want.unsure && none == nil {
		if resp, _ := next("GET"); resp.StatusCode < 400 || !resp.Close {
			t.Fatalf("%q: answered %q: refused with %d, close %v", in, out, resp.StatusCode, resp.Close)
		}
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Fatalf("%q: answered %q: %q is no answer", in, out, rest)
	}
}
