package script

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer bounds the bytes on their way in each direction of a
// connection in memory: a reader that stops stops its writer.
const pipeBuffer = 64 << 10

// pipe makes the two ends of a connection in memory, full duplex and
// buffered, that behaves like TCP: what was written before Close is still
// read; CloseWrite ends one direction; Close after SetLinger(0) is a reset,
// which drops what was not read. It works inside and outside of bubbles.
func pipe(a, b net.Addr) (*conn, *conn) {
	ab, ba := newHalf(), newHalf()
	return &conn{in: ba, out: ab, local: a, remote: b}, &conn{in: ab, out: ba, local: b, remote: a}
}

// half is one direction of a pipe.
type half struct {
	cond  *sync.Cond
	mu    sync.Mutex // guards the fields below
	buf   []byte     // written and not read
	fin   bool       // the writer closed: EOF after buf
	gone  bool       // the reader closed
	reset bool
	read  deadline // the reader's
	write deadline // the writer's
}

func newHalf() *half {
	h := &half{buf: make([]byte, 0, 512)}
	h.cond = sync.NewCond(&h.mu)
	return h
}

// deadline is a point in time and whether it has passed. The half's mutex
// guards it.
type deadline struct {
	timer *time.Timer
	past  bool
}

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.past = nil, false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.past = true
		h.cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if d.timer == timer { // not one that was replaced as it fired
			d.past = true
			h.cond.Broadcast()
		}
	})
	d.timer = timer
}

// take reads into p.
func (h *half) take(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.gone:
			return 0, net.ErrClosed
		case h.reset:
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		case h.read.past:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			h.buf = h.buf[:copy(h.buf, h.buf[n:])]
			h.cond.Broadcast()
			return n, nil
		case h.fin:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

// put writes all of p.
func (h *half) put(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.fin:
			return n, net.ErrClosed
		case h.reset:
			return n, os.NewSyscallError("write", syscall.ECONNRESET)
		case h.write.past:
			return n, os.ErrDeadlineExceeded
		case h.gone:
			return n, os.NewSyscallError("write", syscall.EPIPE)
		case len(p) == 0:
			return n, nil
		}
		if room := min(pipeBuffer-len(h.buf), len(p)); room > 0 {
			h.buf = append(h.buf, p[:room]...)
			p, n = p[room:], n+room
			h.cond.Broadcast()
			continue
		}
		h.cond.Wait()
	}
}

// conn is one end of a pipe.
type conn struct {
	in, out       *half
	local, remote net.Addr

	mu     sync.Mutex // guards the fields below
	abort  bool       // SetLinger(0)
	closed bool
}

var _ net.Conn = (*conn)(nil)

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.take(p)
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.put(p)
	return n, c.wrap("write", err)
}

// wrap makes errors look like those of package net.
func (c *conn) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends both directions.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.wrap("close", net.ErrClosed)
	}
	c.closed = true
	c.in.setDeadline(&c.in.read, time.Time{})
	c.out.setDeadline(&c.out.write, time.Time{})
	c.in.end(func(h *half) { h.gone = true; h.reset = h.reset || c.abort })
	c.out.end(func(h *half) { h.fin = true; h.reset = h.reset || c.abort })
	return nil
}

// end changes h's state and wakes who waits.
func (h *half) end(change func(*half)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
	h.cond.Broadcast()
}

// CloseWrite ends the direction from this end.
func (c *conn) CloseWrite() error {
	c.out.end(func(h *half) { h.fin = true })
	return nil
}

// Readable tells whether bytes, the end or an error can be read at once: what
// a look at a socket's descriptor tells.
func (c *conn) Readable() bool {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.buf) > 0 || h.fin || h.gone || h.reset
}

// SetLinger makes Close a reset when sec is 0, as TCPConn's does.
func (c *conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort = sec == 0
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.write, t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
