package listen

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many connections are accepted for one wake-up at most.
// More would make the first of them wait.
const batchSize = 16

// A batchListener accepts what is there at once, as Conns. Options that every
// connection needs are set on the listening socket: Linux hands them on.
type batchListener struct {
	file   *os.File // package net lets nobody wait on its listeners
	raw    syscall.RawConn
	addr   net.Addr
	accept func(fd uintptr) bool // fill

	mu      sync.Mutex // guards the fields below; held while waiting
	ready   [batchSize]*Conn
	next, n int           // ready[next:n] are accepted and not handed out
	err     syscall.Errno // of the last fill
	peer    unix.RawSockaddrInet6
}

var _ net.Listener = (*batchListener)(nil)

// batched returns a listener on the same socket that makes Conns; l is closed.
func batched(l *net.TCPListener) (net.Listener, error) {
	file, err := l.File()
	if closed := l.Close(); err == nil && closed != nil {
		err = errors.Join(closed, file.Close())
	}
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	b := &batchListener{file: file, raw: raw, addr: l.Addr()}
	b.accept = b.fill
	return b, nil
}

// Addr implements net.Listener.
func (l *batchListener) Addr() net.Addr { return l.addr }

// Accept implements net.Listener. The connection is a *Conn.
func (l *batchListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == l.n {
		if err := l.raw.Read(l.accept); err != nil {
			return nil, l.fault(net.ErrClosed) // it has no limit of time
		}
		if l.err != 0 {
			return nil, l.fault(os.NewSyscallError("accept4", l.err))
		}
	}
	c := l.ready[l.next]
	l.ready[l.next] = nil
	l.next++
	return c, nil
}

func (l *batchListener) fault(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
}

// Close stops listening and closes what was accepted and not handed out.
func (l *batchListener) Close() error {
	err := l.file.Close() // ends the Accept that waits
	if errors.Is(err, os.ErrClosed) {
		return l.fault(net.ErrClosed)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.next < l.n; l.next++ {
		_ = l.ready[l.next].Close() // nobody has used it
	}
	return err
}

// fill accepts until nobody waits, the batch is full or there is an error,
// which is told when there is nothing else to tell.
func (l *batchListener) fill(fd uintptr) bool {
	l.next, l.n, l.err = 0, 0, 0
	for l.n < batchSize {
		c, errno := l.one(fd)
		switch errno {
		case 0:
			l.ready[l.n] = c
			l.n++
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return l.n > 0
		default:
			if l.n == 0 {
				l.err = errno
			}
			return true
		}
	}
	return true
}

func (l *batchListener) one(fd uintptr) (*Conn, syscall.Errno) {
	// It never blocks, so the scheduler need not know of the call.
	size := uint32(unsafe.Sizeof(l.peer))
	nfd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(&l.peer)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return &Conn{fd: int(nfd), remote: l.remote(), local: l.addr}, 0
}

// remote returns the address that accept has left in peer.
func (l *batchListener) remote() netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&l.peer.Port)) // in network order
	n := int(port[0])<<8 | int(port[1])
	if l.peer.Family == unix.AF_INET {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&l.peer))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(n))
	}
	return addrPort6(l.peer.Addr, l.peer.Scope_id, n)
}

// addrPort6 returns an IPv6 address, or the IPv4 one that it stands for.
func addrPort6(ip [16]byte, zone uint32, port int) netip.AddrPort {
	addr := netip.AddrFrom16(ip).Unmap()
	if zone != 0 && addr.Is6() {
		addr = addr.WithZone(strconv.FormatUint(uint64(zone), 10))
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
