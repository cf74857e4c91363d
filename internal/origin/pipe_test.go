package origin

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipe returns the two ends of a connection in memory. Unlike net.Pipe's it
// has buffers, of 64 KiB each way, as sockets have.
func pipe() (client, server *end) {
	a, b := &flow{}, &flow{}
	a.changed, b.changed = make(chan struct{}), make(chan struct{})
	return &end{in: a, out: b}, &end{in: b, out: a}
}

// flow is one direction.
type flow struct {
	mu      sync.Mutex // guards the fields below
	changed chan struct{}
	data    []byte
	eof     bool // no more will be written
	reset   bool // cut: reading and writing fail
	gone    bool // nobody reads
	shut    bool // closed by the reader itself
	stop    bool // closed by the writer itself
	readBy  time.Time
	writeBy time.Time
}

const flowSize = 64 << 10

func (f *flow) set(change func()) {
	f.mu.Lock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
}

// try calls step until it is done, waiting for changes and at most until by().
func (f *flow) try(by func() time.Time, step func() (int, error, bool)) (int, error) {
	for {
		f.mu.Lock()
		until := by()
		if !until.IsZero() && !time.Now().Before(until) {
			f.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		n, err, done := step()
		changed := f.changed
		f.mu.Unlock()
		if done {
			return n, err
		}
		var late <-chan time.Time
		if !until.IsZero() {
			late = time.After(time.Until(until))
		}
		select {
		case <-changed:
		case <-late:
		}
	}
}

// end is a net.Conn.
type end struct {
	in, out *flow
	blind   bool // hide Readable's answer
}

func (e *end) Read(p []byte) (int, error) {
	n, err := e.in.try(func() time.Time { return e.in.readBy }, func() (int, error, bool) {
		switch {
		case e.in.shut:
			return 0, net.ErrClosed, true
		case e.in.reset:
			return 0, syscall.ECONNRESET, true
		case len(e.in.data) > 0:
			n := copy(p, e.in.data)
			e.in.data = e.in.data[n:]
			return n, nil, true
		case e.in.eof:
			return 0, io.EOF, true
		}
		return 0, nil, len(p) == 0
	})
	if n > 0 {
		e.in.set(func() {})
	}
	return n, err
}

func (e *end) Write(p []byte) (total int, err error) {
	for err == nil && total < len(p) {
		var n int
		n, err = e.out.try(func() time.Time { return e.out.writeBy }, func() (int, error, bool) {
			switch {
			case e.out.stop:
				return 0, net.ErrClosed, true
			case e.out.gone || e.out.reset || e.out.eof:
				return 0, syscall.EPIPE, true
			}
			n := min(flowSize-len(e.out.data), len(p)-total)
			e.out.data = append(e.out.data, p[total:total+n]...)
			return n, nil, n > 0
		})
		total += n
		e.out.set(func() {})
	}
	return total, err
}

func (e *end) Close() error {
	e.in.set(func() { e.in.shut, e.in.gone = true, true })
	e.out.set(func() { e.out.eof, e.out.stop = true, true })
	return nil
}

func (e *end) CloseWrite() error {
	e.out.set(func() { e.out.eof = true })
	return nil
}

// Reset cuts the connection.
func (e *end) Reset() {
	e.in.set(func() { e.in.reset = true })
	e.out.set(func() { e.out.reset = true })
}

func (e *end) Readable() bool {
	if e.blind {
		return false
	}
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	return e.in.shut || e.in.reset || e.in.eof || len(e.in.data) > 0
}

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.set(func() { e.in.readBy = t })
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.set(func() { e.out.writeBy = t })
	return nil
}

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

func (e *end) LocalAddr() net.Addr  { return addr{} }
func (e *end) RemoteAddr() net.Addr { return addr{} }

var _ net.Conn = (*end)(nil)
