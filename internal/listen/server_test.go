package listen

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A memListener accepts what a test sends it.
type memListener struct {
	next   chan any // net.Conn or error
	closed chan struct{}
}

func newMemListener() *memListener {
	return &memListener{next: make(chan any, 8), closed: make(chan struct{})}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case v := <-l.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	select {
	case <-l.closed:
		return net.ErrClosed
	default:
		close(l.closed)
		return nil
	}
}

func (l *memListener) Addr() net.Addr { return &net.UnixAddr{Name: "mem", Net: "unix"} }

// dial returns the client's end of a connection.
func (l *memListener) dial() net.Conn {
	client, server := net.Pipe()
	l.next <- server
	return client
}

// echo serves a connection until the client closes it.
func echo(c net.Conn) {
	_, _ = io.Copy(c, c)
	_ = c.Close()
}

func serve(t *testing.T, s *Server, l net.Listener) (result chan error) {
	t.Helper()
	s.Protocols = map[string]func(net.Conn){"http/1.1": echo}
	result = make(chan error, 1)
	go func() { result <- s.Serve(l) }()
	return result
}

// closed reports whether the other end has closed c.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

func TestServerMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newMemListener(), &Server{MaxConns: 2}
		result := serve(t, s, l)
		a, b, c := l.dial(), l.dial(), l.dial()
		synctest.Wait()
		if got, want := s.Stats(), (Stats{Open: 2, Accepted: 2, Refused: 1, TooMany: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if closed(a) || closed(b) || !closed(c) {
			t.Error("want the third connection closed, and no other")
		}
		_ = a.Close()
		synctest.Wait()
		d := l.dial()
		synctest.Wait()
		if closed(d) {
			t.Error("a connection was refused though there was room again")
		}
		_, _ = b.Close(), d.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-result; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestServerShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newMemListener(), &Server{}
		result := serve(t, s, l)
		c := l.dial()
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := s.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "1 connections are still open") {
			t.Errorf("with a connection open: got %v", err)
		}
		if err := <-result; err != nil {
			t.Errorf("Serve: got %v, want nil after Shutdown", err)
		}
		if closed(c) {
			t.Error("Shutdown closed a connection")
		}
		go func() {
			time.Sleep(time.Hour)
			_ = c.Close()
		}()
		start := time.Now()
		if err := s.Shutdown(context.Background()); err != nil || time.Since(start) < 59*time.Minute {
			t.Errorf("got %v after %v, want nil when the connection ended", err, time.Since(start))
		}
		if err := s.Serve(newMemListener()); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

func TestServerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newMemListener(), &Server{}
		result := serve(t, s, l)
		start := time.Now()
		for range 3 {
			l.next <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		c := l.dial()
		_, _ = c.Write([]byte("x")) // is read when accepting goes on
		if got, want := time.Since(start), 35*time.Millisecond; got != want {
			t.Errorf("three pauses took %v, want %v", got, want)
		}
		if got := s.Stats().Pauses; got != 3 {
			t.Errorf("got %d pauses, want 3", got)
		}
		_ = c.Close()
		l.next <- errors.New("broken")
		if err := <-result; err == nil || err.Error() != "listener mem: broken" {
			t.Errorf("Serve: got %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Without a protocol nothing is served.
func TestServerZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newMemListener(), &Server{}
		go func() { _ = s.Serve(l) }()
		c := l.dial()
		synctest.Wait()
		if !closed(c) || s.Stats().Refused != 1 {
			t.Errorf("got %+v, want the connection refused", s.Stats())
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// Sockets, once: options that only they have.
func TestServerSocket(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	result := serve(t, s, l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = c.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
