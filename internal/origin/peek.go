//go:build unix

package origin

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peeker returns a function that reports whether a read from nc would not
// wait; nil when there is no way to know.
func peeker(nc net.Conn) func() bool {
	if r, ok := nc.(interface{ Readable() bool }); ok {
		return r.Readable
	}
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	p := &poller{raw: raw}
	p.check = p.poll
	return p.ready
}

// A poller asks the kernel; it is kept with its connection so that asking
// allocates nothing.
type poller struct {
	raw   syscall.RawConn
	check func(fd uintptr)
	fds   [1]unix.PollFd
	found bool
}

func (p *poller) ready() bool {
	p.found = true // also when the connection is closed and check never runs
	if p.raw.Control(p.check) != nil {
		return true
	}
	return p.found
}

func (p *poller) poll(fd uintptr) {
	p.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	for {
		n, err := unix.Poll(p.fds[:], 0)
		if err == unix.EINTR {
			continue
		}
		p.found = n != 0 || err != nil
		return
	}
}
