package h1

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawOf returns what system calls on nc go through, nil when it is not plain
// TCP.
func rawOf(nc net.Conn) syscall.RawConn {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// A vector is memory for sendmsg that must not move.
type vector struct {
	msg unix.Msghdr
	iov [2]unix.Iovec
}

// writeTo writes the cargo on fd until it is out (true), there is an error
// (true) or the socket takes no more (false). It is RawConn.Write's callback.
func (g *cargo) writeTo(fd uintptr) bool {
	for g.rest() > 0 {
		n, err := g.writeOnce(int(fd))
		switch {
		case err == nil && n > 0:
			g.advance(n)
		case err == nil:
			g.err = io.ErrUnexpectedEOF // the file is shorter than the span
			return true
		case errors.Is(err, unix.EAGAIN):
			g.arm()
			return false
		case !errors.Is(err, unix.EINTR):
			g.err = err
			return true
		}
	}
	return true
}

func (g *cargo) writeOnce(fd int) (int, error) {
	switch {
	case g.span.N == 0 || raceEnabled && len(g.own) > 0:
		return syscall.Write(fd, g.own)
	case g.fd < 0 && raceEnabled:
		return syscall.Write(fd, g.span.Mem)
	case g.fd < 0:
		return g.writev(fd)
	case len(g.own) > 0:
		// Without MSG_MORE: corked with the head, the pages of a file cost
		// three times as much as behind it (64 KiB over loopback, Linux 6.18).
		return syscall.Write(fd, g.own)
	}
	off := g.span.Off
	n, err := syscall.Sendfile(fd, g.fd, &off, g.span.N)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not with this kind of file
		if g.span.Mem != nil {
			g.fd = -1
			return 0, unix.EINTR
		}
		if err := g.copyOut(); err != nil {
			return 0, err
		}
		return 0, unix.EINTR
	}
	return n, err
}

// writev writes the own bytes, and the span unless it goes by sendfile.
func (g *cargo) writev(fd int) (int, error) {
	v, n := &g.vec, 0
	if len(g.own) > 0 {
		v.iov[n].Base = &g.own[0]
		v.iov[n].SetLen(len(g.own))
		n++
	}
	if g.fd < 0 {
		v.iov[n].Base = &g.span.Mem[0]
		v.iov[n].SetLen(g.span.N)
		n++
	}
	v.msg.Iov = &v.iov[0]
	v.msg.SetIovlen(n)
	sent, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.msg)), unix.MSG_NOSIGNAL)
	v.iov = [2]unix.Iovec{}
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}

// passes is how many requests in a row a connection may wait for by letting
// others go first before it parks.
const passes = 2

// await reads the first bytes of a request. While there are none, a plain TCP
// connection has no buffers.
func (c *conn) await() error {
	if c.raw == nil {
		return c.in.Fill()
	}
	if _, ok := c.limit(); !ok {
		return os.ErrDeadlineExceeded
	}
	c.readErr = nil
	if c.served && c.passed < passes {
		// Others that are ready go first: by then the next request may be
		// here, and a read that finds nothing, and parking, are saved. Not for
		// ever, since connections that have parked are looked at only when
		// nobody is ready.
		c.passed++
		runtime.Gosched()
	}
	err := c.raw.Read(c.reads)
	c.sit()
	if err == nil {
		err = c.readErr
	}
	return err
}

// readFirst reads from fd what is there, or gives the buffers back and returns
// false. It is RawConn.Read's callback.
func (c *conn) readFirst(fd uintptr) bool {
	c.sit()
	n, err := syscall.Read(int(fd), c.in.Buf)
	for errors.Is(err, unix.EINTR) {
		n, err = syscall.Read(int(fd), c.in.Buf)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		c.passed = 0
		c.rise()
		return false
	case err != nil:
		c.readErr = err
	case n == 0:
		c.readErr = io.EOF
	default:
		c.in.R, c.in.W = 0, n
		c.count.in.Add(uint64(n))
	}
	return true
}

// preadFull fills p from the file at off.
func preadFull(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pread(fd, p, off)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		default:
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}
