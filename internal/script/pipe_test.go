package script

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func ends() (*conn, *conn) {
	return pipe(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2})
}

func TestPipeCarriesBothWays(t *testing.T) {
	a, b := ends()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3*pipeBuffer/16)
	for _, ends := range [][2]*conn{{a, b}, {b, a}} {
		go func() { _, _ = ends[0].Write(sent); _ = ends[0].CloseWrite() }()
	}
	for _, c := range []*conn{a, b} {
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("end at %v: got %d bytes and %v, want the %d sent", c.LocalAddr(), len(got), err, len(sent))
		}
	}
	if got, want := a.RemoteAddr(), b.LocalAddr(); got != want {
		t.Errorf("remote address: got %v, want %v", got, want)
	}
}

func TestPipeHoldsItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ends()
		done := false
		go func() { _, _ = a.Write(make([]byte, pipeBuffer+1)); done = true }()
		synctest.Wait()
		if done {
			t.Errorf("writer of %d bytes to a reader that does not read: got done, want held", pipeBuffer+1)
		}
		_, _ = b.Read(make([]byte, 1))
		synctest.Wait()
		if !done {
			t.Errorf("writer: got held, want done after a byte was read")
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := ends()
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(time.Hour))
		_ = a.SetReadDeadline(start.Add(time.Minute))
		_, err := a.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after its deadline: got %v, want a timeout", err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("read with a deadline of 1m returned after %s", got)
		}
		_ = a.SetDeadline(start.Add(2 * time.Minute))
		if _, err := a.Write(make([]byte, pipeBuffer+1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write after its deadline: got %v, want a timeout", err)
		}
		_ = a.SetDeadline(time.Time{})
		_ = a.Close()
	})
}

// TestPipeEnds looks at what each end meets after the other one did something.
func TestPipeEnds(t *testing.T) {
	for _, tt := range []struct {
		name        string
		end         func(c *conn)
		read        string
		readErr     error
		writeErr    error
		ownReadErr  error
		ownWriteErr error
	}{
		{"close", func(c *conn) { _ = c.Close() }, "abc", nil, syscall.EPIPE, net.ErrClosed, net.ErrClosed},
		{"half close", func(c *conn) { _ = c.CloseWrite() }, "abc", nil, nil, os.ErrDeadlineExceeded, net.ErrClosed},
		{"reset", func(c *conn) { reset(c) }, "", syscall.ECONNRESET, syscall.ECONNRESET, net.ErrClosed, net.ErrClosed},
	} {
		a, b := ends()
		before := b.Readable()
		_, _ = a.Write([]byte("abc"))
		tt.end(a)
		if before || !b.Readable() {
			t.Errorf("%s: readable: got %t, then %t, want false, then true", tt.name, before, b.Readable())
		}
		got, err := io.ReadAll(b)
		if string(got) != tt.read || !errors.Is(err, tt.readErr) {
			t.Errorf("%s: read: got %q and %v, want %q and %v", tt.name, got, err, tt.read, tt.readErr)
		}
		_ = a.SetReadDeadline(time.Now())
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, tt.ownReadErr) {
			t.Errorf("%s: own read: got %v, want %v", tt.name, err, tt.ownReadErr)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, tt.writeErr) {
			t.Errorf("%s: write: got %v, want %v", tt.name, err, tt.writeErr)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, tt.ownWriteErr) {
			t.Errorf("%s: own write: got %v, want %v", tt.name, err, tt.ownWriteErr)
		}
	}
}
