package h1

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawOf returns what system calls on nc go through: a stream socket's, TCP or
// Unix; nil for everything else.
func rawOf(nc net.Conn) syscall.RawConn {
	s, ok := nc.(interface {
		syscall.Conn
		CloseWrite() error
	})
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
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
// (true), what comes next is to be copied (true) or the socket takes no more
// (false). It is RawConn.Write's callback.
func (g *cargo) writeTo(fd uintptr) bool {
	for g.rest() > 0 {
		n, err := g.writeOnce(int(fd))
		switch {
		case err == nil && n > 0:
			g.advance(n)
		case err == nil:
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

// writeOnce writes what one call takes. 0 without an error says that what comes
// next is to be copied first.
func (g *cargo) writeOnce(fd int) (int, error) {
	switch {
	case g.span.N == 0, len(g.own) > 0 && (raceEnabled || g.span.Mem == nil):
		return writeFD(fd, g.own)
	case g.span.Mem == nil:
		return g.sendFile(fd)
	case raceEnabled && g.fd < 0:
		return writeFD(fd, g.span.Mem)
	case g.fd < 0:
		return g.writev(fd, g.span.N)
	case raceEnabled:
	case len(g.own) > 0:
		return g.writev(fd, min(g.span.N, toPage(g.span.Off)+withHead))
	case toPage(g.span.Off) > 0:
		return g.writev(fd, min(g.span.N, toPage(g.span.Off)))
	}
	off := g.span.Off
	n, err := sendfile(fd, g.fd, &off, g.span.N)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not with this kind of file
		g.fd = -1
		return 0, unix.EINTR
	}
	return n, err
}

// sendFile writes of a span that is not in memory.
func (g *cargo) sendFile(fd int) (n int, err error) {
	off := g.span.Off
	switch {
	case g.fd < 0:
		return 0, nil
	case piped(g.span):
		if n, err = spliceOut(g.fd, fd, g.span.N); n == 0 && err == nil {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	case g.dev == nil:
		n, err = sendfile(fd, g.fd, &off, g.span.N)
	default:
		if n = g.dev.Enter(off, g.span.N); n <= 0 {
			return 0, nil
		}
		n, err = syscall.Sendfile(fd, g.fd, &off, n) // it may wait: the scheduler is to know
		g.dev.Leave()
	}
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return 0, nil // copying shows whether it is the file's or the client's
	}
	return n, err
}

// withHead is how much of content that goes by sendfile is copied out with its
// head, beyond what lies in front of the first page's end: the head needs a
// packet anyway, and sendfile takes 16 pages at a time, so that 64 KiB which do
// not begin with a page would take it two rounds. Without MSG_MORE: corked with
// the head, pages of a file cost more than behind it (Linux 6.18, loopback).
const withHead = 12 << 10

// toPage returns how many bytes lie between off and the next page.
func toPage(off int64) int {
	const page = 4 << 10
	return int(-off & (page - 1))
}

// writev writes the own bytes and the first n of the span.
func (g *cargo) writev(fd, n int) (int, error) {
	v, k := &g.vec, 0
	if len(g.own) > 0 {
		v.iov[k].Base = &g.own[0]
		v.iov[k].SetLen(len(g.own))
		k++
	}
	v.iov[k].Base = &g.span.Mem[0]
	v.iov[k].SetLen(n)
	v.msg.Iov = &v.iov[0]
	v.msg.SetIovlen(k + 1)
	sent, errno := sendmsg(fd, &v.msg, len(g.own)+n)
	v.iov = [2]unix.Iovec{}
	if errno != 0 {
		return 0, errno
	}
	return sent, nil
}

// unacked returns how many bytes the kernel keeps for the client, which has
// not acknowledged them.
func (c *conn) unacked() (n int) {
	c.control(func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ) })
	return n
}

// slowQueue is how much of a slow reader's answer waits unsent in the kernel.
const slowQueue = 128 << 10

// queueLess keeps the send buffer of a slow reader small: it can grow to
// megabytes. For a quick one that would mean waking up too often.
func (c *conn) queueLess() {
	c.control(func(fd int) { // a Unix socket has no such option, nor needs it
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, slowQueue)
	})
}

// acknowledge has what came acknowledged now.
func (c *conn) acknowledge() {
	c.control(func(fd int) { // a Unix socket has no such option, nor needs it
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}

// control runs f on the connection's socket, also below TLS, if there is one.
func (c *conn) control(f func(fd int)) {
	if raw := rawOf(transport(c.nc)); raw != nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // closed: the write says so
	}
}
