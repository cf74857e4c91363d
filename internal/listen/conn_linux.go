package listen

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is an accepted TCP connection. The runtime's poller does not know it
// until something has to wait for the client: reading and writing try the
// socket first, so a connection that is accepted, read, answered and closed
// costs no more than these four system calls. In everything else it is like a
// *net.TCPConn, but nothing closes one that is forgotten.
//
// It is direct, then polled when something first had to wait, and closed from
// either. While it is direct, limits of time are kept and looked at; they
// reach the poller with the connection. The descriptor is closed when Close
// was called and no direct system call is on it any more; those do not block.
type Conn struct {
	lease
	greeting
	fd     int
	remote netip.AddrPort
	local  net.Addr // the listener's

	users  atomic.Int32 // direct calls on fd, and closedBit
	polled atomic.Bool  // file and raw are there, and have fd

	file *os.File
	raw  syscall.RawConn

	writing sync.Mutex // one Write at a time, however often it waits

	mu     sync.Mutex // guards the fields below, and becoming polled
	rd, wr moment     // the limits while direct
}

var _ net.Conn = (*Conn)(nil)

const closedBit = 1 << 30

// A moment is a time in nanoseconds since 1970, in a third of the memory; 0 is
// none.
type moment int64

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return 0
	}
	return moment(max(t.UnixNano(), 1))
}

func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m))
}

// RemoteAddrPort returns the client's address, an IPv4 one as such.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return c.remote }

// RemoteAddr returns the client's address as a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// LocalPort returns the listener's port, without asking the system.
func (c *Conn) LocalPort() uint16 {
	if a, ok := c.local.(*net.TCPAddr); ok {
		return uint16(a.Port)
	}
	return 0
}

// LocalAddr returns the address that the client connected to, or the
// listener's once c is closed.
func (c *Conn) LocalAddr() net.Addr {
	addr := c.local
	_ = c.control(func(fd int) error {
		name, err := unix.Getsockname(fd)
		switch sa := name.(type) {
		case *unix.SockaddrInet4:
			addr = &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
		case *unix.SockaddrInet6:
			addr = net.TCPAddrFromAddrPort(addrPort6(sa.Addr, sa.ZoneId, sa.Port))
		}
		return err
	})
	return addr
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	if !c.polled.Load() {
		n, err = c.readDirect(p)
		if err == unix.EAGAIN {
			err = c.poll()
		} else {
			return n, c.fault("read", err)
		}
	}
	if err == nil {
		n, err = c.file.Read(p)
	}
	return n, c.fault("read", err)
}

func (c *Conn) readDirect(p []byte) (n int, err error) {
	if err := c.enter(&c.rd); err != nil {
		return 0, err
	}
	defer c.leave()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err = unix.Read(c.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.polled.Load() {
		n, err = c.writeDirect(p)
		if err == unix.EAGAIN {
			err = c.poll()
		} else {
			return n, c.fault("write", err)
		}
	}
	if err == nil {
		var rest int
		rest, err = c.file.Write(p[n:])
		n += rest
	}
	return n, c.fault("write", err)
}

func (c *Conn) writeDirect(p []byte) (n int, err error) {
	if err := c.enter(&c.wr); err != nil {
		return 0, err
	}
	defer c.leave()
	for n < len(p) {
		k, err := unix.Write(c.fd, p[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		default:
			n += k
		}
	}
	return n, nil
}

// fault returns err as *net.TCPConn would. What os and the poller say of a
// file that was closed is net.ErrClosed here.
func (c *Conn) fault(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	switch e := err.(type) { //nolint:errorlint // os wraps once
	case *os.PathError:
		err = e.Err
	case *os.SyscallError:
		err = e.Err
	}
	if _, ok := err.(syscall.Errno); !ok && err != os.ErrDeadlineExceeded && c.closed() { //nolint:errorlint // bare now
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.RemoteAddr(), Err: err}
}

func (c *Conn) closed() bool { return c.users.Load()&closedBit != 0 }

// Close closes the connection: what waits on it returns net.ErrClosed.
func (c *Conn) Close() error {
	for {
		n := c.users.Load()
		if n&closedBit != 0 {
			return c.fault("close", net.ErrClosed)
		}
		if c.users.CompareAndSwap(n, n|closedBit) {
			if n == 0 {
				return c.fault("close", c.shut())
			}
			return nil // by the last who leaves
		}
	}
}

// shut closes the descriptor, which nobody uses or will use directly.
func (c *Conn) shut() error {
	if c.polled.Load() {
		return c.file.Close()
	}
	// It does not wait for what is unsent, so the scheduler, whose watch
	// would wake up for it, need not know.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(c.fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// CloseWrite ends the sending side.
func (c *Conn) CloseWrite() error {
	return c.fault("close", c.control(func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }))
}

// SetLinger says what Close does with what is not sent yet, as
// *net.TCPConn's does: 0 drops it and resets the connection.
func (c *Conn) SetLinger(seconds int) error {
	var l unix.Linger
	if seconds >= 0 {
		l = unix.Linger{Onoff: 1, Linger: int32(min(seconds, 1<<16))}
	}
	return c.fault("set", c.control(func(fd int) error { return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l) }))
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.polled.Load() && c.keep(&c.rd, t) {
		return c.kept()
	}
	return c.fault("set", c.file.SetReadDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.polled.Load() && c.keep(&c.wr, t) {
		return c.kept()
	}
	return c.fault("set", c.file.SetWriteDeadline(t))
}

// keep notes a limit until c is polled; false when it is.
func (c *Conn) keep(at *moment, t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polled.Load() {
		return false
	}
	*at = momentOf(t)
	return true
}

// kept is the outcome of keep.
func (c *Conn) kept() error {
	if c.closed() {
		return c.fault("set", net.ErrClosed)
	}
	return nil
}

// hold keeps the descriptor open until leave.
func (c *Conn) hold() error {
	for {
		n := c.users.Load()
		if n&closedBit != 0 {
			return net.ErrClosed
		}
		if c.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

// enter holds the descriptor for a direct call under a limit of time.
func (c *Conn) enter(limit *moment) error {
	if err := c.hold(); err != nil {
		return err
	}
	c.mu.Lock()
	at := *limit
	c.mu.Unlock()
	if at != 0 && time.Now().UnixNano() >= int64(at) {
		c.leave()
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *Conn) leave() {
	switch {
	case c.users.Add(-1) != closedBit:
	case c.polled.Load(): // it waits for who is in a callback: that may be this goroutine
		go func() { _ = c.shut() }()
	default:
		_ = c.shut() // Close has returned
	}
}

// poll gives the descriptor to the runtime's poller, with the limits so far.
func (c *Conn) poll() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.polled.Load() {
		return nil
	}
	if err := c.hold(); err != nil {
		return err
	}
	defer c.leave()
	c.file = os.NewFile(uintptr(c.fd), "tcp")
	// The limits say as well whether the poller took it.
	err := c.file.SetReadDeadline(c.rd.time())
	if err == nil && c.wr != 0 {
		err = c.file.SetWriteDeadline(c.wr.time())
	}
	raw, rawErr := c.file.SyscallConn()
	if c.raw = raw; err == nil {
		err = rawErr
	}
	c.polled.Store(true) // in any case: the file has the descriptor
	return err
}

// control runs f on the descriptor.
func (c *Conn) control(f func(fd int) error) error {
	if err := c.hold(); err != nil {
		return err
	}
	defer c.leave()
	return f(c.fd)
}

// SyscallConn returns c for system calls of the caller's own. Its Read and
// Write run f at once, and wait only when f returns false.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return (*rawConn)(c), nil }

// A rawConn is a Conn for system calls.
type rawConn Conn

var _ syscall.RawConn = (*rawConn)(nil)

// Control implements syscall.RawConn.
func (r *rawConn) Control(f func(fd uintptr)) error {
	return (*Conn)(r).control(func(fd int) error {
		f(uintptr(fd))
		return nil
	})
}

// Read implements syscall.RawConn.
func (r *rawConn) Read(f func(fd uintptr) bool) error {
	c := (*Conn)(r)
	if !c.polled.Load() {
		if done, err := c.direct(f, &c.rd); done || err != nil {
			return c.fault("raw-read", err)
		}
		if err := c.poll(); err != nil {
			return c.fault("raw-read", err)
		}
	}
	return c.fault("raw-read", c.raw.Read(f))
}

// Write implements syscall.RawConn.
func (r *rawConn) Write(f func(fd uintptr) bool) error {
	c := (*Conn)(r)
	c.writing.Lock()
	defer c.writing.Unlock()
	if !c.polled.Load() {
		if done, err := c.direct(f, &c.wr); done || err != nil {
			return c.fault("raw-write", err)
		}
		if err := c.poll(); err != nil {
			return c.fault("raw-write", err)
		}
	}
	return c.fault("raw-write", c.raw.Write(f))
}

func (c *Conn) direct(f func(fd uintptr) bool, limit *moment) (done bool, err error) {
	if err := c.enter(limit); err != nil {
		return false, err
	}
	defer c.leave()
	return f(uintptr(c.fd)), nil
}
