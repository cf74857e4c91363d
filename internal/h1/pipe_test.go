package h1

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A memConn is one end of a connection in memory: full duplex, with buffers,
// deadlines, half-close and reset.
type memConn struct {
	in, out *stream
}

// newPipe returns the two ends of a connection whose directions hold size
// bytes each.
func newPipe(size int) (client, server *memConn) {
	a, b := newStream(size), newStream(size)
	return &memConn{in: a, out: b}, &memConn{in: b, out: a}
}

func (c *memConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *memConn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *memConn) Close() error {
	c.in.end(true, nil)
	c.out.end(false, io.EOF)
	return nil
}

func (c *memConn) CloseWrite() error {
	c.out.end(false, io.EOF)
	return nil
}

// SetLinger with 0 makes the Close that follows a reset.
func (c *memConn) SetLinger(int) error {
	c.out.end(false, syscall.ECONNRESET)
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error  { return c.in.rd.set(c.in, t) }
func (c *memConn) SetWriteDeadline(t time.Time) error { return c.out.wr.set(c.out, t) }
func (c *memConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
func (c *memConn) LocalAddr() net.Addr { return nil }
func (c *memConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}
}

// A stream is one direction.
type stream struct {
	mu     sync.Mutex // guards the fields below
	cond   sync.Cond
	buf    []byte
	n      int
	err    error // for the reader behind what is buffered
	closed bool  // by the reader
	writes int   // calls of write
	rd, wr alarm
}

// An alarm is a deadline of a stream.
type alarm struct {
	timer *time.Timer
	gone  bool
	sets  int
}

func newStream(size int) *stream {
	s := &stream{buf: make([]byte, size)}
	s.cond.L = &s.mu
	return s
}

func (a *alarm) set(s *stream, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.sets++
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	a.gone = false
	if d := time.Until(t); !t.IsZero() && d <= 0 {
		a.gone = true
	} else if !t.IsZero() {
		var timer *time.Timer
		timer = time.AfterFunc(d, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if a.timer == timer {
				a.gone = true
				s.cond.Broadcast()
			}
		})
		a.timer = timer
	}
	s.cond.Broadcast()
	return nil
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.rd.gone:
			return 0, os.ErrDeadlineExceeded
		case s.n > 0:
			n := copy(p, s.buf[:s.n])
			s.n = copy(s.buf, s.buf[n:s.n])
			s.cond.Broadcast()
			return n, nil
		case s.err != nil:
			return 0, s.err
		}
		s.cond.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for {
		switch {
		case s.err != nil:
			return n, net.ErrClosed
		case s.closed:
			return n, syscall.EPIPE
		case s.wr.gone:
			return n, os.ErrDeadlineExceeded
		}
		k := copy(s.buf[s.n:], p)
		s.n += k
		n += k
		if p = p[k:]; k > 0 {
			s.cond.Broadcast()
		}
		if len(p) == 0 {
			return n, nil
		}
		s.cond.Wait()
	}
}

func (s *stream) end(byReader bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if byReader {
		s.closed = true
	} else if s.err == nil {
		s.err = err
	}
	for _, a := range []*alarm{&s.rd, &s.wr} {
		if a.timer != nil && (a == &s.rd) == byReader {
			a.timer.Stop()
			a.timer = nil
		}
	}
	s.cond.Broadcast()
}

func (s *stream) writeCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// A peer is a client of a Server over memory, for one test.
type peer struct {
	t *testing.T
	*memConn
	done chan struct{} // closed when ServeConn has returned
}

// dial has s serve a connection in memory.
func dial(t *testing.T, s *Server) *peer {
	t.Helper()
	return dialSize(t, s, 1<<20)
}

func dialSize(t *testing.T, s *Server, size int) *peer {
	t.Helper()
	client, server := newPipe(size)
	p := &peer{t: t, memConn: client, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		s.ServeConn(server)
	}()
	return p
}

// send writes b.
func (p *peer) send(b string) {
	p.t.Helper()
	if _, err := io.WriteString(p, b); err != nil {
		p.t.Errorf("send %.60q: %v", b, err)
	}
}

// expect reads exactly want.
func (p *peer) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p, got)
	if err != nil || string(got) != want {
		p.t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// expectEnd reads exactly want and then the end of the connection.
func (p *peer) expectEnd(want string) {
	p.t.Helper()
	got, err := io.ReadAll(p)
	if err != nil || string(got) != want {
		p.t.Fatalf("got %q (%v), want %q and the end", got, err, want)
	}
}

// finish closes the client's end and waits for the server's.
func (p *peer) finish() {
	p.t.Helper()
	_ = p.Close()
	<-p.done
}
