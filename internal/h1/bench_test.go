package h1

import (
	"fmt"
	"io"
	"net"
	"testing"

	"opencache/internal/wire"
)

// A constant is a Handler that gives one span without allocating.
type constant struct {
	span   wire.Span
	length int64
}

var constantFields = []byte("Content-Type: text/plain\r\nETag: \"abc\"\r\nAge: 17\r\nX-Cache: HIT\r\n" +
	"Cache-Control: max-age=3600\r\nServer-Timing: cache\r\n")

func (h *constant) Serve(_ *wire.Request, p *wire.Reply) {
	p.Fields = append(p.Fields, constantFields...)
	p.Status, p.Length = 200, h.length
	_ = p.Start()
	_ = p.Span(h.span)
	_ = p.End(nil)
}

// A shelf is an Owner of bytes that stay.
type shelf struct{ fd int }

func (s *shelf) Release()                {}
func (s *shelf) Expose() int             { return s.fd }
func (s *shelf) Pressure() wire.Pressure { return wire.Keep }

const benchRequest = "GET /some/path/of/an/object.txt?and=query HTTP/1.1\r\nHost: example.org\r\n" +
	"User-Agent: test\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"

// connect has s serve one connection, in memory or over loopback.
func connect(t testing.TB, s *Server, memory bool) net.Conn {
	t.Helper()
	if !memory {
		nc, err := net.Dial("tcp", listen(t, s, nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return nc
	}
	client, server := newPipe(1 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(server)
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-done
	})
	return client
}

// trip sends a request and reads the answer of size bytes; of the first
// answer, where size is 0, it returns the size.
func trip(t testing.TB, nc net.Conn, req, buf []byte, size, content int) int {
	if _, err := nc.Write(req); err != nil {
		t.Fatal(err)
	}
	if size > 0 {
		if _, err := io.ReadFull(nc, buf[:size]); err != nil {
			t.Fatal(err)
		}
		return size
	}
	n := 0
	for n < len(buf) {
		k, err := nc.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
		if at := bytesAfterHead(buf[:n]); at >= content {
			return n
		}
	}
	t.Fatal("answer larger than expected")
	return 0
}

// bytesAfterHead returns how many bytes of content b has behind a head, -1
// when that is not complete.
func bytesAfterHead(b []byte) int {
	for i := 4; i <= len(b); i++ {
		if string(b[i-4:i]) == "\r\n\r\n" {
			return len(b) - i
		}
	}
	return -1
}

type way struct {
	name   string
	size   int
	chunks int // bytes of framing around the content, 0: by length
	file   bool
	memory bool
}

func ways() []way {
	return []way{
		{"memory 1K", 1 << 10, 0, false, true},
		{"memory 1K in chunks", 1 << 10, 5 + 2 + 5, false, true},
		{"memory 40K", 40 << 10, 0, false, true},
		{"socket 1K", 1 << 10, 0, false, false},
		{"socket 16K, copied", 16 << 10, 0, false, false},
		{"socket 40K, in a vector", 40 << 10, 0, false, false},
		{"socket 512K, by sendfile", 512 << 10, 0, true, false},
	}
}

func (w way) handler(l *library) *constant {
	h := &constant{length: int64(w.size)}
	h.span = wire.Span{Mem: l.data[:w.size], N: w.size}
	if w.chunks > 0 {
		h.length = wire.Unknown
	}
	if w.file {
		h.span.Owner = &shelf{int(l.file.Fd())}
	}
	return h
}

// TestNoAllocation: a request on a kept connection allocates nothing, however
// its answer goes out.
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("needs a build without the race detector, which allocates")
	}
	l := newLibrary(t, 1<<20)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			nc := connect(t, &Server{Handler: w.handler(l)}, w.memory)
			buf := make([]byte, 1<<20)
			size := trip(t, nc, []byte(benchRequest), buf, 0, w.size+w.chunks)
			req := []byte(benchRequest)
			got := testing.AllocsPerRun(200, func() { trip(t, nc, req, buf, size, 0) })
			if got != 0 {
				t.Errorf("%v allocations a request, want none", got)
			}
		})
	}
}

func BenchmarkKeepAlive(b *testing.B) {
	l := newLibrary(b, 1<<20)
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			nc := connect(b, &Server{Handler: w.handler(l)}, w.memory)
			buf := make([]byte, 1<<20)
			req := []byte(benchRequest)
			size := trip(b, nc, req, buf, 0, w.size+w.chunks)
			b.ReportAllocs()
			for b.Loop() {
				trip(b, nc, req, buf, size, 0)
			}
		})
	}
}

// BenchmarkPipelined shows the server's part: 100 requests in one write.
func BenchmarkPipelined(b *testing.B) {
	l := newLibrary(b, 1<<20)
	nc := connect(b, &Server{Handler: ways()[0].handler(l)}, true)
	buf := make([]byte, 1<<20)
	size := trip(b, nc, []byte(benchRequest), buf, 0, 1<<10)
	var req []byte
	for range 100 {
		req = fmt.Append(req, benchRequest)
	}
	b.ReportAllocs()
	for b.Loop() {
		trip(b, nc, req, buf, 100*size, 0)
	}
}
