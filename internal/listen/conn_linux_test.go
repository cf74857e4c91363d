package listen

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"
)

// batch returns a listener that makes Conns, whatever the build.
func batch(t testing.TB, o Options) *batchListener {
	t.Helper()
	l, err := o.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if tcp, ok := l.(*net.TCPListener); ok {
		if l, err = batched(tcp); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*batchListener)
}

// pair returns both ends of a connection that l accepts.
func pair(t testing.TB, l net.Listener) (*Conn, *net.TCPConn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return server.(*Conn), client.(*net.TCPConn)
}

// A Conn is a net.Conn like any other.
func TestConnContract(t *testing.T) {
	l := batch(t, Options{})
	for name, order := range map[string]func(s *Conn, c net.Conn) (net.Conn, net.Conn){
		"first":  func(s *Conn, c net.Conn) (net.Conn, net.Conn) { return s, c },
		"second": func(s *Conn, c net.Conn) (net.Conn, net.Conn) { return c, s },
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				s, c := pair(t, l)
				c1, c2 = order(s, c)
				return c1, c2, func() { _, _ = s.Close(), c.Close() }, nil
			})
		})
	}
}

// A connection whose request is there, and whose answer fits, never meets the
// poller.
func TestConnDirect(t *testing.T) {
	s, c := pair(t, batch(t, Options{}))
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	readable(t, s)
	if err := s.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 10)
	if n, err := s.Read(got); err != nil || string(got[:n]) != "ping" {
		t.Errorf("got %q, %v", got[:n], err)
	}
	if n, err := s.Write([]byte("pong")); n != 4 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if s.polled.Load() {
		t.Error("it is polled though nothing had to wait")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if all, err := io.ReadAll(c); string(all) != "pong" || err != nil {
		t.Errorf("the client got %q, %v", all, err)
	}
}

// readable waits in the kernel until something has come.
func readable(t *testing.T, c *Conn) {
	t.Helper()
	_ = c.control(func(fd int) error {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		return err
	})
}

// Limits hold from before there is a poller to watch them.
func TestConnDeadlines(t *testing.T) {
	s, c := pair(t, batch(t, Options{}))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	readable(t, s)
	p := make([]byte, 1)
	for _, polled := range []bool{false, true} {
		if err := s.SetDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
			t.Errorf("polled %v: Read past its limit: got %v", polled, err)
		}
		if _, err := s.Write(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("polled %v: Write past its limit: got %v", polled, err)
		}
		if err := s.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if s.polled.Load() != polled {
			t.Errorf("got polled %v, want %v", !polled, polled)
		}
		if err := s.poll(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Read(p); n != 1 || err != nil {
		t.Errorf("without a limit: got %d, %v", n, err)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// A limit that was set while direct ends the wait.
func TestConnKeptDeadline(t *testing.T) {
	s, _ := pair(t, batch(t, Options{}))
	if err := s.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// System calls of the caller's own: at once, and after waiting.
func TestConnRaw(t *testing.T) {
	s, c := pair(t, batch(t, Options{}))
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	got, calls := make([]byte, 0, 8), 0
	read := func(fd uintptr) bool {
		calls++
		n, err := unix.Read(int(fd), got[len(got):cap(got)])
		if err != nil {
			return err != unix.EAGAIN
		}
		got = got[:len(got)+n]
		return true
	}
	if _, err := c.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	readable(t, s)
	if err := raw.Read(read); err != nil || string(got) != "one" || calls != 1 || s.polled.Load() {
		t.Errorf("at once: got %q, %v, %d calls, polled %v", got, err, calls, s.polled.Load())
	}
	go func() { _, _ = c.Write([]byte("two")) }()
	if err := raw.Read(read); err != nil || string(got) != "onetwo" {
		t.Errorf("after waiting: got %q, %v", got, err)
	}
	if err := raw.Write(func(fd uintptr) bool { _, err = unix.Write(int(fd), []byte("three")); return true }); err != nil {
		t.Error(err)
	}
	if err := raw.Control(func(fd uintptr) { _, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) }); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Read": raw.Read(read), "Write": raw.Write(read), "Control": raw.Control(func(uintptr) {}),
		"Close": s.Close(), "CloseWrite": s.CloseWrite(), "SetLinger": s.SetLinger(0), "SetDeadline": s.SetDeadline(time.Time{}),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s of a closed connection: got %v, want net.ErrClosed", name, err)
		}
	}
	if all, err := io.ReadAll(c); string(all) != "three" || err != nil {
		t.Errorf("the client got %q, %v", all, err)
	}
}

// Who waits, in either direction, returns when somebody closes.
func TestConnCloseWakes(t *testing.T) {
	s, _ := pair(t, batch(t, Options{}))
	ended := make(chan error, 2)
	go func() {
		_, err := s.Read(make([]byte, 1))
		ended <- err
	}()
	go func() {
		_, err := s.Write(make([]byte, 64<<20)) // more than a socket takes
		ended <- err
	}()
	for !s.polled.Load() {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want net.ErrClosed", err)
		}
	}
}

// The descriptor is there until the last who uses it has left, and gone then.
func TestConnCloseDuringCall(t *testing.T) {
	for _, polled := range []bool{false, true} {
		s, c := pair(t, batch(t, Options{}))
		if polled {
			if err := s.poll(); err != nil {
				t.Fatal(err)
			}
		}
		err := (*rawConn)(s).Control(func(fd uintptr) {
			if err := s.Close(); err != nil {
				t.Errorf("polled %v: %v", polled, err)
			}
			if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil {
				t.Errorf("polled %v: under a call the descriptor is gone: %v", polled, err)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("polled %v: the client got %d, %v, want EOF", polled, n, err)
		}
	}
}

// What one Write writes is not torn apart by another, though both wait.
func TestConnWritesWhole(t *testing.T) {
	const size, times = 64 << 10, 2
	l := batch(t, Options{})
	for range 20 {
		s, c := pair(t, l)
		_ = s.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) })
		var writers sync.WaitGroup
		for _, letter := range []byte("abc") {
			writers.Go(func() {
				for range times {
					if n, err := s.Write(slices.Repeat([]byte{letter}, size)); n != size || err != nil {
						t.Errorf("wrote %d, %v", n, err)
					}
				}
			})
		}
		got := make([]byte, size)
		for i := range 3 * times {
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
			if n := len(slices.Compact(got)); n != 1 {
				t.Errorf("block %d: %d pieces", i, n)
			}
			got = got[:size]
		}
		writers.Wait()
	}
}

// Nobody reads or writes on a number that belongs to another connection by
// now: each client says who it is, and who reads hears nobody else.
func TestConnCloseIsSafe(t *testing.T) {
	l := batch(t, Options{})
	var running sync.WaitGroup
	for worker := range uint32(4) {
		running.Go(func() {
			for round := range uint32(100) {
				hearOnly(t, l.Addr().String(), worker<<16|round)
			}
		})
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { closeWhileUsed(t, c.(*Conn)) })
		}
	}()
	running.Wait()
	_ = l.Close()
	<-served
}

// hearOnly says id again and again until the server closes, and wants to hear
// nothing else.
func hearOnly(t *testing.T, addr string, id uint32) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	word := binary.BigEndian.AppendUint32(nil, id)
	if _, err := c.Write(slices.Repeat(word, 64)); err != nil {
		return // closed already
	}
	got := make([]byte, 4)
	for {
		if _, err := io.ReadFull(c, got); err != nil {
			return
		}
		if heard := binary.BigEndian.Uint32(got); heard != id {
			t.Errorf("client %x heard %x", id, heard)
		}
	}
}

// closeWhileUsed echoes words, all of which must be the same, and closes from
// another goroutine in the middle of it.
func closeWhileUsed(t *testing.T, c *Conn) {
	var used sync.WaitGroup
	used.Go(func() { _ = c.Close() })
	used.Go(func() {
		var first []byte
		for word := make([]byte, 4); ; {
			if _, err := io.ReadFull(c, word); err != nil {
				return
			}
			if first == nil {
				first = slices.Clone(word)
			}
			if !slices.Equal(word, first) {
				t.Errorf("heard %x behind %x", word, first)
			}
			if _, err := c.Write(word); err != nil {
				return
			}
		}
	})
	used.Wait()
}

func TestConnEnds(t *testing.T) {
	l := batch(t, Options{})
	s, c := pair(t, l)
	if err := s.CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after CloseWrite the client got %d, %v, want EOF", n, err)
	}
	s, c = pair(t, l)
	if err := errors.Join(s.SetLinger(0), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after Close without lingering the client got %v, want a reset", err)
	}
	s, c = pair(t, l)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the client's end: got %d, %v, want EOF", n, err)
	}
}

func TestConnAddresses(t *testing.T) {
	for _, listening := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := Listen(listening)
		if err != nil {
			t.Logf("%s: %v", listening, err) // no IPv6 here
			continue
		}
		if tcp, ok := l.(*net.TCPListener); ok {
			if l, err = batched(tcp); err != nil {
				t.Fatal(err)
			}
		}
		s, c := pair(t, l)
		want := c.LocalAddr().(*net.TCPAddr).AddrPort()
		if got := s.RemoteAddrPort(); got.Port() != want.Port() || got.Addr() != want.Addr().Unmap() {
			t.Errorf("%s: got client %v, want %v", listening, got, want)
		}
		if got, want := s.RemoteAddr().String(), c.LocalAddr().String(); got != want {
			t.Errorf("%s: got client %s, want %s", listening, got, want)
		}
		if got, want := s.LocalPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort().Port(); got != want {
			t.Errorf("%s: got local port %d, want %d", listening, got, want)
		}
		if got, want := s.LocalAddr().String(), c.RemoteAddr().String(); got != want {
			t.Errorf("%s: got %s, want %s", listening, got, want)
		}
		_ = l.Close()
	}
}

// TLS runs on top, there and back, larger than any buffer.
func TestConnTLS(t *testing.T) {
	s, c := pair(t, batch(t, Options{}))
	keys := newKeys(t, "localhost")
	server := tls.Server(s, keys.Config("http/1.1"))
	client := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	const size = 4 << 20
	go func() {
		_, _ = io.Copy(server, io.LimitReader(server, size))
		_ = server.Close()
	}()
	go func() { _, _ = client.Write(make([]byte, size)) }()
	if n, err := io.Copy(io.Discard, client); n != size || err != nil {
		t.Errorf("got %d bytes, %v, want %d", n, err, size)
	}
	if got := client.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("got protocol %q", got)
	}
}

// What accepting took along is handed out or closed, never lost.
func TestBatch(t *testing.T) {
	l := batch(t, Options{})
	clients := make([]net.Conn, 3)
	for i := range clients {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		clients[i] = c
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if left := l.n - l.next; left != 2 {
		t.Errorf("got %d connections along with the first, want 2", left)
	}
	if err := errors.Join(first.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	for i, c := range clients {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("client %d: got %d, %v, want EOF", i, n, err)
		}
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: got %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Close after Close: got %v", err)
	}
}
