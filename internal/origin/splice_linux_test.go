package origin

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"opencache/internal/wire"
)

// newPipe makes a pipe for a test.
func newPipe(t *testing.T) *wire.Pipe {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) })
	return &wire.Pipe{R: fds[0], W: fds[1], Size: 64 << 10}
}

// drain reads what is in p.
func drain(t *testing.T, p *wire.Pipe, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for at := 0; at < n; {
		k, err := unix.Read(p.R, b[at:])
		if k <= 0 {
			t.Fatalf("%d of %d bytes in the pipe, %v", at, n, err)
		}
		at += k
	}
	return b
}

// moveAll takes content by SpliceTo, and by Read where that is asked for.
func moveAll(t *testing.T, b wire.Body, p *wire.Pipe) (content []byte, moved int, err error) {
	t.Helper()
	buf := make([]byte, 1000)
	for {
		n, err := wire.SpliceTo(b, p)
		switch {
		case n > 0:
			content, moved = append(content, drain(t, p, n)...), moved+n
			continue
		case err == nil:
			n, err = b.Read(buf)
			content = append(content, buf[:n]...)
		}
		if err != nil {
			return content, moved, err
		}
	}
}

// TestSpliceTo: all content arrives, some of it through the pipe, and the
// connection is kept.
func TestSpliceTo(t *testing.T) {
	want := strings.Repeat("0123456789abcdef", 20<<10)
	for _, tt := range []struct {
		name, framing, text string
		moves               bool
	}{
		{"length", "Content-Length: 327680", want, true},
		{"chunks", "Transfer-Encoding: chunked", "50000\r\n" + want + "\r\n0\r\n\r\n", false},
	} {
		u := sockets(t, func(s *socket) {
			for range 2 {
				s.head()
				s.say("HTTP/1.1 200 OK\r\n" + tt.framing + "\r\n\r\n" + tt.text)
			}
			s.untilEnd()
		})
		p := newPipe(t)
		for range 2 {
			resp, err := u.Exchange(t.Context(), get(t))
			if err != nil {
				t.Fatal(err)
			}
			got, moved, err := moveAll(t, resp.Body, p)
			if !bytes.Equal(got, []byte(want)) || err != io.EOF {
				t.Errorf("%s: got %d bytes, %v, want %d and EOF", tt.name, len(got), err, len(want))
			}
			if (moved > 0) != tt.moves {
				t.Errorf("%s: %d bytes were moved, want some: %t", tt.name, moved, tt.moves)
			}
			_ = resp.Body.Close()
			if n, err := wire.SpliceTo(resp.Body, p); n != 0 || err == nil {
				t.Errorf("%s: got %d, %v, after Close", tt.name, n, err)
			}
		}
		if st := u.Stats(); st.Dials != 1 || st.Idle != 1 {
			t.Errorf("%s: got %+v, want one connection, kept", tt.name, st)
		}
	}
}

// TestSpliceEnds: what ends content that is being moved.
func TestSpliceEnds(t *testing.T) {
	var closing sync.WaitGroup
	for _, tt := range []struct {
		name  string
		wait  time.Duration // BodyTimeout
		after func(b wire.Body, leave func())
		end   bool // the origin ends it
		want  wire.Error
		fault Fault
	}{
		{"silence", glance + time.Millisecond, func(wire.Body, func()) {}, false, upstream(504, true), BodyTimeout},
		{"short", 0, func(wire.Body, func()) {}, true, upstream(502, true), Cut},
		{"client leaves", 0, func(_ wire.Body, leave func()) { leave() }, false, wire.Error{Side: wire.Client, Status: 499, Sent: true}, Canceled},
		{"close", 0, func(b wire.Body, _ func()) { closing.Go(func() { _ = b.Close() }) }, false, wire.Error{}, None},
	} {
		u := sockets(t, func(s *socket) {
			s.head()
			s.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun")
			if !tt.end {
				s.untilEnd()
			}
		})
		u.BodyTimeout = tt.wait
		ctx, leave := context.WithCancel(t.Context())
		resp, err := u.Exchange(ctx, get(t))
		if err != nil {
			t.Fatal(err)
		}
		tt.after(resp.Body, leave)
		got, _, err := moveAll(t, resp.Body, newPipe(t))
		if tt.fault != None {
			wantError(t, err, tt.want, tt.fault)
		}
		if tt.fault != Canceled && tt.fault != None && string(got) != "begun" || ended(err) {
			t.Errorf("%s: got %q, %v, want what had come and an error", tt.name, got, err)
		}
		_ = resp.Body.Close()
		closing.Wait()
		leave()
	}
}
