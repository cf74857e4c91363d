package listen

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// control sets what a socket must have before it listens. Linux hands options
// of TCP on to the connections, so that none costs a system call there.
func (o Options) control(c syscall.RawConn) error {
	var err error
	outer := c.Control(func(fd uintptr) { err = o.set(int(fd)) })
	if err == nil {
		err = outer
	}
	return err
}

func (o Options) set(fd int) error {
	options := []struct {
		name              string
		level, opt, value int
	}{
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(keepAlive.Idle / time.Second)},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(keepAlive.Interval / time.Second)},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAlive.Count},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	}
	for _, s := range options {
		if err := unix.SetsockoptInt(fd, s.level, s.opt, s.value); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return o.setAsked(fd)
}

// setAsked sets what is not always set.
func (o Options) setAsked(fd int) error {
	if o.ReusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fmt.Errorf("SO_REUSEPORT: %w", err)
		}
	}
	if o.DeferAccept > 0 {
		seconds := int((o.DeferAccept + time.Second - 1) / time.Second)
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds); err != nil {
			return fmt.Errorf("TCP_DEFER_ACCEPT: %w", err)
		}
	}
	if o.NotSentLowat > 0 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.NotSentLowat); err != nil {
			return fmt.Errorf("TCP_NOTSENT_LOWAT: %w", err)
		}
	}
	return nil
}

// finish does what can only be done to a socket that listens, and closes it
// when that does not work.
func (o Options) finish(l net.Listener) (net.Listener, error) {
	if o.Backlog > 0 {
		if err := o.relisten(l.(syscall.Conn)); err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("backlog %d: %w", o.Backlog, err)
		}
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok || raceEnabled {
		return l, nil
	}
	return batched(tcp)
}

// relisten sets the length of the queue of a socket that listens already.
func (o Options) relisten(l syscall.Conn) error {
	c, err := l.SyscallConn()
	if err != nil {
		return err
	}
	if outer := c.Control(func(fd uintptr) { err = unix.Listen(int(fd), o.Backlog) }); outer != nil {
		return outer
	}
	return err
}

// passing are errors of accept(2) after which the next one may work.
var passing = []syscall.Errno{
	unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EINTR, unix.EAGAIN, unix.ECONNABORTED, unix.ECONNRESET,
	unix.EPERM, unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH,
	unix.EOPNOTSUPP, unix.ENETUNREACH,
}
