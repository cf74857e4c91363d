package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opencache/internal/wire"
)

// TestSplice sends content through a pipe.
func TestSplice(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }()
	pipe := &wire.Pipe{R: fds[0], W: fds[1], Size: 64 << 10}
	for _, size := range []int{32 << 10, copyMax, 1 << 10} {
		testSplice(t, pipe, bytes.Repeat([]byte("0123456789abcdef"), size/16))
	}
}

func testSplice(t *testing.T, pipe *wire.Pipe, piece []byte) {
	const pieces = 200
	var refused bool
	s := &Server{Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		p.Status, p.Length = 200, int64(pieces*len(piece))
		if string(r.Path()) == "/chunks" {
			p.Length = wire.Unknown
		}
		if wire.Splices(p.Sink) {
			t.Error("a reply splices before Start")
		}
		_ = p.Start()
		if refused = !wire.Splices(p.Sink); refused {
			p.Abort()
			return
		}
		for range pieces {
			if _, err := unix.Write(pipe.W, piece); err != nil {
				t.Error(err)
			}
			_ = p.Span(wire.Span{N: len(piece), Owner: pipe})
		}
		_ = p.End(nil)
	})}
	addr := listen(t, s, nil)
	ask := func(path string) (*http.Response, error) {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		if _, err := io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return http.ReadResponse(bufio.NewReader(nc), nil)
	}
	resp, err := ask("/length")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if !bytes.Equal(got, bytes.Repeat(piece, pieces)) || err != nil || refused {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, pieces*len(piece))
	}
	if resp, err = ask("/chunks"); err == nil {
		_, err = io.ReadAll(resp.Body)
	}
	if !refused || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want chunks to be refused a pipe", err)
	}
}

// TestSpliceSlow: what a pipe holds is not copied out for a client that is
// slow, since it can not be read at an offset.
func TestSpliceSlow(t *testing.T) {
	c := &conn{srv: &Server{}, desk: &desk{}}
	c.cargo = cargo{c: c, span: wire.Span{N: 1000, Owner: &wire.Pipe{R: -1, W: -1}}, fd: -1}
	c.cargo.began, c.cargo.moved, c.cargo.tick = time.Now(), time.Now(), 1000
	if err := c.slow(); err != nil || c.cargo.span.N != 1000 || len(c.cargo.own) != 0 {
		t.Errorf("got %v, %d bytes left and %d copied, want 1000 and none", err, c.cargo.span.N, len(c.cargo.own))
	}
}
