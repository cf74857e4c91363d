package listen

import (
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// option reads a socket's option back.
func option(t *testing.T, c any, level, opt int) (value int) {
	t.Helper()
	read := func(fd uintptr) {
		var err error
		if value, err = unix.GetsockoptInt(int(fd), level, opt); err != nil {
			t.Error(err)
		}
	}
	if err := control(c, read); err != nil {
		t.Error(err)
	}
	return value
}

func control(c any, f func(fd uintptr)) error {
	if l, ok := c.(*batchListener); ok {
		return l.raw.Control(f)
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(f)
}

// Connections have the options of the socket that accepted them, and no
// system call of their own was needed for that.
func TestInherited(t *testing.T) {
	s, _ := pair(t, batch(t, Options{NotSentLowat: 16 << 10}))
	for _, c := range []struct {
		name             string
		level, opt, want int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
		{"TCP_NOTSENT_LOWAT", unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 16 << 10},
	} {
		if got := option(t, s, c.level, c.opt); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	flags := -1
	_ = s.control(func(fd int) (err error) {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err
	})
	if flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("got flags %x: a child would inherit the connection", flags)
	}
}

func TestDeferAccept(t *testing.T) {
	l := batch(t, Options{DeferAccept: 2500 * time.Millisecond})
	// The kernel counts in doublings of a second: 3 s are two of them.
	if got := option(t, l, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT); got != 3 {
		t.Errorf("got %d s, want 3", got)
	}
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	eager, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = eager.Close() }()
	if _, err := eager.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if got, want := c.RemoteAddr().String(), eager.LocalAddr().String(); got != want {
		t.Errorf("accepted %s, want %s, which has sent something", got, want)
	}
	if got := option(t, batch(t, Options{}), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT); got != 0 {
		t.Errorf("without the option: got %d", got)
	}
}

func TestReusePort(t *testing.T) {
	first, err := Options{ReusePort: true}.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	second, err := Options{ReusePort: true}.Listen(first.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if l, err := Listen(first.Addr().String()); err == nil {
		_ = l.Close()
		t.Error("a third without the option listens too")
	}
	if got := option(t, second, unix.SOL_SOCKET, unix.SO_REUSEPORT); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

func TestBacklog(t *testing.T) {
	l := batch(t, Options{Backlog: 7})
	var info *unix.TCPInfo
	err := l.raw.Control(func(fd uintptr) {
		var err error
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			t.Error(err)
		}
	})
	if err != nil || info == nil || info.Sacked != 7 { // of a listening socket: the queue's length
		t.Errorf("got %+v, %v, want a queue of 7", info, err)
	}
}
