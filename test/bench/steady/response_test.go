package main

import (
	"errors"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	for _, c := range []struct {
		in   string
		want head
		err  error
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head{200, 5, false}, nil},
		{"HTTP/1.1 200\r\ncontent-length:\t5 \r\n\r\n", head{200, 5, false}, nil},
		{"HTTP/1.1 200 OK\r\nA: b\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", head{200, 0, true}, nil},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", head{200, 0, true}, nil},
		{"HTTP/1.1 204 No Content\r\n\r\n", head{204, 0, false}, nil},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", head{304, 0, false}, nil},
		{"HTTP/1.1 100 Continue\r\n\r\n", head{100, 0, false}, nil},
		{"HTTP/1.1 503 \r\nContent-Length: 3\r\n\r\n", head{503, 3, false}, nil},
		{"HTTP/1.1 200 OK\r\n\r\n", head{}, errLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", head{}, errLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", head{}, errLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", head{}, errLength},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456789\r\n\r\n", head{}, errLength},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head{}, errLength},
		{"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 2000\r\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 0x0 OK\r\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n", head{}, errHead},
		{"\r\n\r\n", head{}, errHead},
		{"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", headMax) + "\r\n\r\n", head{}, errHeadMax},
		{strings.Repeat("x", headMax+1), head{}, errHeadMax},
	} {
		got, n, err := parseHead([]byte(c.in + "rest"))
		if !errors.Is(err, c.err) || got != c.want {
			t.Errorf("%.80q: got %+v, %v; want %+v, %v", c.in, got, err, c.want, c.err)
		}
		if want := len(c.in); err == nil && n != want {
			t.Errorf("%.80q: got a head of %d bytes, want %d", c.in, n, want)
		}
	}
}

// An answer may come in any parts.
func TestTake(t *testing.T) {
	const answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	for size := 1; size <= len(answer); size++ {
		l := &loop{buffer: make([]byte, readMax)}
		c := &conn{}
		for from := 0; from < len(answer); from += size {
			part := answer[from:min(from+size, len(answer))]
			done, good := l.take(c, l.buffer[:copy(l.buffer, part)])
			if last := from+size >= len(answer); done != last || good != last {
				t.Fatalf("in parts of %d, at %d: got %v, %v; want %v, %v", size, from, done, good, last, last)
			}
		}
		if got := c.current.status; got != 200 {
			t.Errorf("in parts of %d: got status %d, want 200", size, got)
		}
	}
	c := &conn{}
	if done, good := (&loop{}).take(c, []byte(answer+"!")); !done || good {
		t.Errorf("%q: got %v, %v; want an answer that is not good", answer+"!", done, good)
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
	f.Add("HTTP/1.1 304 Not Modified\r\n\r\n")
	f.Add("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	f.Add(": \r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		h, n, err := parseHead([]byte(in))
		switch {
		case n < 0 || n > len(in):
			t.Errorf("%q: got a head of %d bytes, of %d", in, n, len(in))
		case n > 0 && (err != nil || h.length < 0 || h.status < 100 || h.status > 999 || !strings.HasSuffix(in[:n], "\r\n\r\n")):
			t.Errorf("%q: got %+v, %d bytes, %v", in, h, n, err)
		case n == 0 && err == nil && strings.Contains(in, "\r\n\r\n"):
			t.Errorf("%q: got no head, want one or an error", in)
		}
		for cut := range n { // a part of a head is no head
			if _, got, err := parseHead([]byte(in[:cut])); got != 0 || err != nil {
				t.Errorf("%q, the first %d bytes: got %d, %v; want 0", in, cut, got, err)
			}
		}
	})
}
