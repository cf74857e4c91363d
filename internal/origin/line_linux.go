package origin

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newLine returns the line over nc, nil when nc is no plain socket.
func newLine(nc net.Conn) *line {
	var s syscall.Conn
	switch t := nc.(type) { // exactly these: what wraps one is to see what passes
	case *net.TCPConn:
		s = t
	case *net.UnixConn:
		s = t
	default:
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	l := &line{raw: raw}
	l.step, l.move = l.turn, l.splice
	return l
}

// turn reports whether it is over; false parks until something can be read.
func (l *line) turn(fd uintptr) bool {
	if !l.asked {
		if l.look && readable(fd) {
			l.stale = true
			return true
		}
		if !l.send(fd) || len(l.head) > 0 {
			return true
		}
		return l.into == nil
	}
	for {
		n, err := brief(syscall.SYS_READ, fd, l.into)
		switch err {
		case nil:
			l.n, l.ended = n, n == 0
			return true
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			l.err = os.NewSyscallError("read", err)
			return true
		}
	}
}

// splice reports whether content has been moved, or can not be; false parks
// until there is some.
func (l *line) splice(fd uintptr) bool {
	const flags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	for {
		n, err := unix.Splice(int(fd), nil, l.pipe.W, nil, l.most, flags)
		switch {
		case err == nil && n > 0:
			l.moved = int(n)
			return true
		case err == nil:
			l.fault = io.EOF
			return true
		case errors.Is(err, unix.EAGAIN):
			return false // the pipe is empty: nothing has come
		case !errors.Is(err, unix.EINTR):
			l.fault = os.NewSyscallError("splice", err)
			return true
		}
	}
}

// send writes what the socket takes of the head.
func (l *line) send(fd uintptr) bool {
	for {
		n, err := brief(syscall.SYS_WRITE, fd, l.head)
		switch err {
		case nil:
			l.head, l.asked = l.head[n:], true
			return true
		case syscall.EAGAIN:
			return true // the rest is written by who may wait
		case syscall.EINTR:
		default:
			l.err = os.NewSyscallError("write", err)
			return false
		}
	}
}

// brief reads or writes p on a socket that does not block. The scheduler need
// not know: telling it takes as long, and wakes up its monitor. The race
// detector takes package syscall's calls as order between the two ends.
func brief(call, fd uintptr, p []byte) (int, error) {
	switch {
	case raceEnabled && call == syscall.SYS_READ:
		return syscall.Read(int(fd), p)
	case raceEnabled:
		return syscall.Write(int(fd), p)
	}
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// readable reports whether a read from the socket would not wait.
func readable(fd uintptr) bool {
	var b [1]byte
	for {
		// It never blocks: the scheduler need not know of it.
		_, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1,
			syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}
