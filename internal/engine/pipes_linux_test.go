package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"opencache/internal/origin"
	"opencache/internal/wire"
)

// spliced is a client that takes content through pipes.
type spliced struct {
	sink
	pieces int // Spans of a pipe
	most   int // content bytes before the client goes; 0: it stays
}

func (*spliced) Splices() bool { return true }

func (s *spliced) Span(sp wire.Span) error {
	if sp.Owner == nil {
		return s.sink.Span(sp)
	}
	s.pieces++
	if s.most > 0 && s.body.Len() >= s.most {
		s.reply.Err = errGone
		return errGone
	}
	b := make([]byte, sp.N)
	for at := 0; at < len(b); {
		n, err := unix.Read(sp.Owner.Expose(), b[at:])
		if n <= 0 {
			s.reply.Err = fmt.Errorf("%d bytes in the pipe, want %d: %w", at, sp.N, err)
			return s.reply.Err
		}
		at += n
	}
	_, err := s.sink.Write(b)
	return err
}

// raw is an origin on loopback that answers each request with these bytes.
func raw(t *testing.T, answer []byte, end bool) *origin.Upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				for r := bufio.NewReader(c); ; {
					for line := ""; line != "\r\n"; {
						var err error
						if line, err = r.ReadString('\n'); err != nil {
							return
						}
					}
					if _, err := c.Write(answer); err != nil || end {
						return
					}
				}
			})
		}
	})
	u := &origin.Upstream{Scheme: "http", Addr: l.Addr().String(), Host: "origin"}
	t.Cleanup(func() {
		_ = u.Close()
		_ = l.Close()
		wg.Wait()
	})
	return u
}

// TestSplice hands content through a pipe, from an origin's socket to a client
// that can take it so.
func TestSplice(t *testing.T) {
	const size = 3<<20 + 17
	content := []byte(pattern(size))
	length := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	chunked := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for _, tt := range []struct {
		name    string
		answer  []byte
		end     bool
		most    int
		content []byte
		spliced bool
		aborted bool
		kept    int // pipes afterwards
	}{
		{"whole", append(length, content...), false, 0, content, true, false, 1},
		{"until it ends early", append(length, content[:size/2]...), true, 0, content[:size/2], true, true, 0},
		{"until the client goes", append(length, content...), false, 1 << 20, nil, true, true, 0},
		{"chunks", fmt.Appendf(chunked, "%x\r\n%s\r\n0\r\n\r\n", size, content), false, 0, content, false, false, 0},
		{"until the end", append([]byte("HTTP/1.1 200 OK\r\n\r\n"), content...), true, 0, content, false, false, 0},
		{"small", append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), "too small"...), false, 0, []byte("too small"), false, false, 0},
	} {
		g := newRig(t, nil)
		g.pol.Bypass, g.pol.Upstream = true, raw(t, tt.answer, tt.end)
		for range 2 { // the second through the pipe of the first
			s := &spliced{most: tt.most}
			var r wire.Request
			if _, err := wire.ParseRequest(&r, []byte("GET /a HTTP/1.1\r\nHost: c\r\n\r\n"), wire.Limits{}); err != nil {
				t.Fatal(err)
			}
			s.reply.Sink = s
			out := g.e.Serve(&r, &s.reply, []byte("http://origin.test/a"), &g.pol)
			got := s.body.Bytes()
			if tt.content == nil {
				got = nil
			}
			if !bytes.Equal(got, tt.content) || s.aborted != tt.aborted && s.reply.Err == nil {
				t.Errorf("%s: got %d bytes, aborted %t (%+v); want %d, %t", tt.name, len(got), s.aborted, out, len(tt.content), tt.aborted)
			}
			if (s.pieces > 0) != tt.spliced {
				t.Errorf("%s: %d pieces through a pipe, want some: %t", tt.name, s.pieces, tt.spliced)
			}
			if free, made := len(g.e.pipes.free), len(g.e.pipes.made); free != tt.kept || made != tt.kept {
				t.Errorf("%s: %d pipes of %d are kept, want %d", tt.name, free, made, tt.kept)
			}
		}
		g.close()
		if n := len(g.e.pipes.free); n != 0 {
			t.Errorf("%s: %d pipes left open", tt.name, n)
		}
	}
}

// TestPipes: there are so many pipes, and each that is lent is empty.
func TestPipes(t *testing.T) {
	var pool pipes
	pool.init()
	var lent []*wire.Pipe
	for range maxPipes {
		p := pool.get()
		if p == nil {
			t.Fatalf("no pipe number %d", len(lent))
		}
		lent = append(lent, p)
	}
	if p := pool.get(); p != nil {
		t.Errorf("got one more than %d pipes", maxPipes)
	}
	if _, err := unix.Write(lent[0].W, []byte("left over")); err != nil {
		t.Fatal(err)
	}
	pool.put(lent[0], true) // whole, as its user takes it
	pool.put(lent[1], false)
	for range 2 {
		p := pool.get()
		if p == nil {
			t.Fatal("no pipe in place of one that was given back")
		}
		var b [1]byte
		if n, err := unix.Read(p.R, b[:]); err != unix.EAGAIN {
			t.Errorf("got %d bytes, %v, from a pipe that was lent; want none", n, err)
		}
		pool.put(p, true)
	}
	for _, p := range lent[2:] {
		pool.put(p, true)
	}
	pool.close()
	if _, err := unix.FcntlInt(uintptr(lent[2].R), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a pipe was left open: %v", err)
	}
}
