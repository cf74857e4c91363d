package main

import (
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls here never block, but for wait, or only once at the start. So they
// go past the scheduler (RawSyscall), which would otherwise take the
// processor away from the loop and give it back, for each of them.

const eventsMax = 256 // taken at once

// A poller tells which sockets have become readable or writable, each once
// per change (edge-triggered).
type poller struct {
	fd     int
	events [eventsMax]unix.EpollEvent
	spins  bool // the kernel has no epoll_pwait2: never sleep
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd}, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

// add watches fd; its events carry the number i.
func (p *poller) add(fd, i int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(i)}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// wait returns what has happened, after ns nanoseconds at most. With 0 it only
// looks.
func (p *poller) wait(ns int64) []unix.EpollEvent {
	at := uintptr(unsafe.Pointer(&p.events[0]))
	if ns > 0 && !p.spins {
		t := unix.NsecToTimespec(ns)
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), at, eventsMax, uintptr(unsafe.Pointer(&t)), 0, 0)
		if errno == 0 {
			return p.events[:n]
		}
		p.spins = errno == unix.ENOSYS
		return nil
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), at, eventsMax, 0, 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// read returns 0 and no error at the end.
func read(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), errno
}

// write raises no SIGPIPE.
func write(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// target is where to connect to.
type target struct {
	family int
	addr   unix.Sockaddr
}

func newTarget(a *net.TCPAddr) target {
	if ip := a.IP.To4(); ip != nil || len(a.IP) == 0 {
		t := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}
		copy(t.Addr[:], ip)
		return target{unix.AF_INET, t}
	}
	t := &unix.SockaddrInet6{Port: a.Port}
	copy(t.Addr[:], a.IP.To16())
	return target{unix.AF_INET6, t}
}

// open returns a socket that is connected, or is about to be when waits is
// false. Connecting and waiting is bounded by connectTime.
func (t target) open(waits bool) (fd int, err error) {
	kind := unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	if !waits {
		kind |= unix.SOCK_NONBLOCK
	}
	if fd, err = unix.Socket(t.family, kind, unix.IPPROTO_TCP); err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = t.connect(fd, waits); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (t target) connect(fd int, waits bool) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if !waits {
		if err := unix.Connect(fd, t.addr); err != nil && err != unix.EINPROGRESS {
			return os.NewSyscallError("connect", err)
		}
		return nil
	}
	bound := unix.NsecToTimeval(int64(connectTime))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &bound); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Connect(fd, t.addr); err != nil {
		return os.NewSyscallError("connect", err)
	}
	return os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
}
