package main

import (
	"strings"
	"testing"
)

// TestScanRequest: what the reference reader takes, and what it calls it.
func TestScanRequest(t *testing.T) {
	const host = "Host: a\r\n"
	for _, c := range []struct{ text, want string }{
		{"GET / HTTP/1.1\r\n" + host + "\r\n", "ok"},
		{"get /?x HTTP/1.0\r\n\r\n", "ok"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", "ok"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", "ok"},
		{"GET http://a/ HTTP/1.1\r\n" + host + "\r\n", "ok"},
		{"", "incomplete"},
		{"GET / HT", "incomplete"},
		{"GET / HTTP/1.1\r\n" + host, "incomplete"},
		{"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhell", "incomplete"},
		{"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "incomplete"},
		{"\r\nGET / HTTP/1.1\r\n" + host + "\r\n", "request line"},
		{"\x00", "begins with"},
		{"GET  / HTTP/1.1\r\n" + host + "\r\n", "request line"},
		{"GET / HTTP/1.2\r\n" + host + "\r\n", "version"},
		{"GET /\x80 HTTP/1.1\r\n" + host + "\r\n", "in the target"},
		{"GET / HTTP/1.1\n" + host + "\r\n", "bare LF"},
		{"GET / HTTP/1.1\r\n" + host + "X: a\rb", "bare CR"},
		{"GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", "folded"},
		{"GET / HTTP/1.1\r\n" + host + "X : a\r\n\r\n", "field line"},
		{"GET / HTTP/1.1\r\n" + host + "X: \x00\r\n\r\n", "control byte"},
		{"GET / HTTP/1.1\r\n\r\n", "0 Host lines"},
		{"GET / HTTP/1.1\r\n" + host + host + "\r\n", "2 Host lines"},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "name in Host"},
		{"GET http://b/ HTTP/1.1\r\n" + host + "\r\n", "with Host"},
		{"GET / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "Content-Length and Transfer-Encoding"},
		{"GET / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "framed 2 times"},
		{"GET / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\n", "Content-Length \"+5\""},
		{"GET / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length"},
		{"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding"},
		{"GET / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"},
		{"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5 \r\n", "chunk line"},
		{"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\n", "chunk line"},
		{"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nhello", "behind a chunk"},
		{"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", "in the trailer section"},
	} {
		_, n, err := scanRequest([]byte(c.text))
		switch {
		case c.want == "ok" && (err != nil || n != len(c.text)):
			t.Errorf("%q: got %d, %v, want all of it", c.text, n, err)
		case c.want != "ok" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

// TestScanAnswer: where answers end.
func TestScanAnswer(t *testing.T) {
	for _, c := range []struct {
		text, method string
		ended        bool
		want         string // the content, or the error
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", false, "hello"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", false, ""},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", false, ""},
		{"HTTP/1.1 200 OK\r\n\r\nhello", "GET", true, "hello"},
		{"HTTP/1.1 200 OK\r\n\r\nhello", "GET", false, "incomplete"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "GET", true, "incomplete"},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", false, "with framing"},
		{"HTTP/2.0 200 OK\r\n\r\n", "GET", false, "status line"},
		{"HTTP/1.1 20 OK\r\n\r\n", "GET", false, "status line"},
		{"hello\r\n", "GET", false, "status line"},
	} {
		m, _, err := scanAnswer([]byte(c.text), c.method, c.ended)
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		case err == nil && string(m.body) != c.want:
			t.Errorf("%q: got %q, want %q", c.text, m.body, c.want)
		}
	}
}

// FuzzScan: the reference readers take any bytes and stay within them.
func FuzzScan(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), true)
	f.Fuzz(func(t *testing.T, b []byte, ended bool) {
		for _, scan := range []func() (*message, int, error){
			func() (*message, int, error) { return scanRequest(b) },
			func() (*message, int, error) { return scanAnswer(b, "GET", ended) },
		} {
			if m, n, err := scan(); err == nil && (m == nil || n <= 0 || n > len(b)) {
				t.Errorf("%q: got %v, %d", b, m, n)
			}
		}
	})
}
