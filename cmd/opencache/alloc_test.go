//go:build !race

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"opencache/internal/config"
)

// browserFields are what a browser sends beside what a test is about.
const browserFields = "Host: cache.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n" +
	"Cookie: a=1; b=2\r\nReferer: http://cache.test/index.html\r\n"

const modified = "Sun, 22 Nov 2015 03:00:00 GMT"

// The whole way of a hit, from a connection's bytes to a connection's bytes,
// allocates nothing and is one write, with metrics and whatever else is on.
func TestHotPathAllocatesNothing(t *testing.T) {
	log := filepath.Join(t.TempDir(), "access.log")
	for _, tt := range []struct {
		name  string
		flags []string
	}{
		{"as it comes", nil},
		{"with a log", []string{"--access-log", log}},
		{"with everything", []string{
			"--access-log", log, "--server-timing", "--request-id", "keep",
			"--default-ttl", `\.zip$=1h`, "--passthrough", "^/private/", "--preserve-host",
		}},
		{"with little", []string{"--request-id", "off", "--no-sort-query"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Logf("%s: opencache serve %s", t.Name(), strings.Join(tt.flags, " "))
			hotPath(t, serveOneConn(t, tt.flags))
		})
	}
	t.Run("edge", func(t *testing.T) {
		var set config.Set
		s, err := openStack(&stackOptions{pop: "iad", name: "cache-iad-01.pfsdns.com", heap: true, dial: dialVarying, shot: set.Load(map[string][]byte{
			nodeKey: []byte(`{"monitoring": {"serverTiming": true}}`),
			siteKeys + "a": []byte(`{"id": "a", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "http://origin.test"}]}],
				"headers": [{"name": "X-Site", "value": "a"}, {"name": "X-Status", "value": "$upstream_cache_status"}], "cors": {"enabled": true}}`),
		})}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		hotPath(t, oneConn(t, s))
	})
}

func hotPath(t *testing.T, w *wireConn) {
	const get = "GET /vary?z=1&b=2&a=3&utm_source=x HTTP/1.1\r\n"
	tests := []struct{ name, request, want, body string }{
		{"hit", get, "200 OK", "1024"},
		{"hit without query", "GET /vary HTTP/1.1\r\n", "200 OK", "1024"},
		{"HEAD", strings.Replace(get, "GET", "HEAD", 1), "200 OK", "0"},
		{"range", get + "Range: bytes=100-299\r\n", "206 Partial Content", "200"},
		{"range from", get + "Range: bytes=1000-\r\n", "206 Partial Content", "24"},
		{"suffix range", get + "Range: bytes=-10\r\n", "206 Partial Content", "10"},
		{"range beyond the end", get + "Range: bytes=9000-\r\n", "416 Range Not Satisfiable", "0"},
		{"If-Range", get + "Range: bytes=1-2\r\nIf-Range: \"id\"\r\n", "206 Partial Content", "2"},
		{"304 by tag", get + "If-None-Match: \"x\", W/\"id\"\r\n", "304 Not Modified", "0"},
		{"304 by date", get + "If-Modified-Since: " + modified + "\r\n", "304 Not Modified", "0"},
		{"changed", get + "If-None-Match: \"x\"\r\n", "200 OK", "1024"},
		{"Vary, gzip", get + "Accept-Encoding: gzip\r\n", "200 OK", "gzip"},
		{"Vary, 304 of gzip", get + "Accept-Encoding: gzip\r\nIf-None-Match: \"gz\"\r\n", "304 Not Modified", "0"},
		{"Vary, range of gzip", get + "Accept-Encoding: gzip\r\nRange: bytes=2-4\r\n", "206 Partial Content", "3"},
	}
	for _, tt := range tests {
		request := []byte(tt.request + browserFields + "\r\n")
		w.ask(request) // stored, and seen
		w.ask(request) // seen again
		w.writes = 0
		w.ask(request)
		head, body, _ := bytes.Cut(w.out, []byte("\r\n\r\n"))
		got := fmt.Sprint(len(body))
		if bytes.Contains(head, []byte("Content-Encoding: gzip")) && len(body) > 10 {
			got = "gzip"
		}
		if w.writes != 1 || !bytes.HasPrefix(head, []byte("HTTP/1.1 "+tt.want+"\r\n")) || got != tt.body ||
			!bytes.Contains(head, []byte("X-Cache-Status: HIT")) {
			t.Errorf("%s: got %d writes, content of %s and\n%s\nwant 1 write, %s, HIT and content of %s", tt.name, w.writes, got, head, tt.want, tt.body)
			continue
		}
		allocs := testing.AllocsPerRun(200, func() { w.ask(request) })
		t.Logf("%-22s %v allocations, 1 write of %d bytes", tt.name+":", allocs, len(w.out))
		if allocs != 0 {
			t.Errorf("%s: got %v allocations, want 0", tt.name, allocs)
		}
	}
	// Large content is in segments, and goes out beside its head.
	large := []byte("GET /large HTTP/1.1\r\nRange: bytes=1000000-1065535\r\n" + browserFields + "\r\n")
	for range 10_000 { // the rest is still being fetched
		if w.ask(large); bytes.Contains(w.out, []byte("X-Cache-Status: HIT")) {
			break
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { w.ask(large) }); allocs != 0 ||
		!bytes.HasPrefix(w.out, []byte("HTTP/1.1 206 ")) || !bytes.Contains(w.out, []byte("X-Cache-Status: HIT")) || len(w.out) < 64<<10 {
		t.Errorf("range of large content: got %v allocations, %d bytes and %.500s, want 0 and a hit of 64 KiB", allocs, len(w.out), w.out)
	} else {
		t.Logf("%-22s 0 allocations", "64 KiB of 3 MiB:")
	}
	two := []byte(strings.Repeat(get+browserFields+"\r\n", 2))
	w.writes = 0
	w.ask(two)
	if n := bytes.Count(w.out, []byte("X-Cache-Status: HIT")); n != 2 || w.writes != 1 {
		t.Errorf("pipelined: got %d hits in %d writes, want 2 in 1", n, w.writes)
	}
	if allocs := testing.AllocsPerRun(100, func() { w.ask(two) }); allocs != 0 {
		t.Errorf("pipelined: got %v allocations for two hits, want 0", allocs)
	}
}

// A wireConn is a client's connection in memory that allocates nothing: ask
// hands bytes to the server and returns when it reads for more, which it does
// only once its answer is written.
type wireConn struct {
	net.Conn // nil: what is not below is not called

	in, rest []byte
	out      []byte // written since the last ask
	writes   int

	turn chan struct{} // in is the server's
	back chan struct{} // it is the test's again
	end  chan struct{}
}

func (w *wireConn) ask(request []byte) {
	w.in, w.out = request, w.out[:0]
	w.turn <- struct{}{}
	<-w.back
}

func (w *wireConn) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		select {
		case w.back <- struct{}{}:
		case <-w.end:
			return 0, io.EOF
		}
		select {
		case <-w.turn:
		case <-w.end:
			return 0, io.EOF
		}
		w.rest = w.in
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *wireConn) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	w.writes++
	return len(p), nil
}

func (w *wireConn) Close() error                     { return nil }
func (w *wireConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711} }
func (w *wireConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }
func (w *wireConn) SetDeadline(time.Time) error      { return nil }
func (w *wireConn) SetReadDeadline(time.Time) error  { return nil }
func (w *wireConn) SetWriteDeadline(time.Time) error { return nil }

// serveOneConn starts the one-line mode with one client.
func serveOneConn(t *testing.T, flags []string) *wireConn {
	var c struct {
		Options serveOptions `embed:""`
	}
	parser, err := kong.New(&c, kong.Vars{"adminDefault": adminDefault})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"--origin", "http://origin.test", "--memory", "32M"}, flags...)); err != nil {
		t.Fatal(err)
	}
	c.Options.dial = dialVarying
	s, err := newStack(&c.Options, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return oneConn(t, s)
}

// dialVarying connects to varyingOrigin.
func dialVarying(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go varyingOrigin(far)
	return near, nil
}

// oneConn is the one client of a stack.
func oneConn(t *testing.T, s *stack) *wireConn {
	w := &wireConn{turn: make(chan struct{}), back: make(chan struct{}), end: make(chan struct{}), out: make([]byte, 0, 128<<10)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.ServeConn(w)
	}()
	<-w.back
	t.Cleanup(func() {
		close(w.end)
		<-served
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// varyingOrigin answers on c: 1 KiB, or the same in gzip.
func varyingOrigin(c net.Conn) {
	defer func() { _ = c.Close() }()
	plain := bytes.Repeat([]byte("0123456789abcdef"), 64)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(plain)
	_ = z.Close()
	for from := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(from)
		if err != nil {
			return // the end
		}
		body, more := plain, "ETag: \"id\"\r\n"
		if r.URL.Path == "/large" {
			body = bytes.Repeat(plain, 3<<10)
		}
		if r.Header.Get("Accept-Encoding") != "" {
			body, more = zipped.Bytes(), "ETag: \"gz\"\r\nContent-Encoding: gzip\r\n"
		}
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nVary: Accept-Encoding\r\nCache-Control: max-age=3600\r\n"+
			"Last-Modified: %s\r\nDate: %s\r\nServer: origin\r\nContent-Length: %d\r\n%s\r\n",
			modified, time.Now().UTC().Format(http.TimeFormat), len(body), more)
		if _, err := c.Write(append([]byte(head), body...)); err != nil {
			return
		}
	}
}
