package script

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing/synctest"
	"time"
)

// A place is where a play is performed: what differs between memory and
// sockets, and nothing else.
type place interface {
	where() where
	// pair makes the two ends of a connection to the given side.
	// from is the address that the accepted end reports as remote.
	pair(from netip.Addr) (dialled, accepted net.Conn, err error)
	now() time.Time
	jump(d time.Duration)
	// settle waits until nothing moves any more.
	settle()
	// patience is how long an expectation waits for what it needs.
	patience() time.Duration
	close() error
}

// where names a place.
type where string

const (
	anywhere where = ""
	memory   where = "memory"
	sockets  where = "sockets"
)

// inBubble is the place of connections in memory and of a synctest bubble,
// in whose goroutines all its methods are called. A bubble's time goes forward
// only: who steps back sees it from there on with a difference.
type inBubble struct {
	port atomic.Uint32
	back atomic.Int64 // nanoseconds
}

func newMemory() *inBubble { return &inBubble{} }

func (b *inBubble) where() where { return memory }

func (b *inBubble) pair(from netip.Addr) (net.Conn, net.Conn, error) {
	port := 20000 + b.port.Add(1)%40000
	near := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, uint16(port)))
	far := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 80))
	dialled, accepted := pipe(near, far)
	return dialled, accepted, nil
}

func (b *inBubble) now() time.Time { return time.Now().Add(-time.Duration(b.back.Load())) }

func (b *inBubble) jump(d time.Duration) {
	if d < 0 {
		b.back.Add(-int64(d))
		return
	}
	time.Sleep(d)
	synctest.Wait()
}

func (b *inBubble) settle()                 { synctest.Wait() }
func (b *inBubble) patience() time.Duration { return 10 * time.Minute }
func (b *inBubble) close() error            { return nil }

const (
	glance    = 8 * time.Millisecond   // between two looks at what moves
	glances   = 4                      // looks that saw nothing move: settled
	quietMax  = 300 * time.Millisecond // the longest real wait of a play that passes
	realLimit = 5 * time.Second        // the patience of a play that fails
)

// loopback is the place of real connections. Its time stands still, on a
// whole second so that fields count alike in both places, and moves by jump.
type loopback struct {
	listener *net.TCPListener
	base     time.Time
	moved    atomic.Int64 // nanoseconds
	traffic  atomic.Int64 // reads and writes that ended

	mu sync.Mutex // held from dialling to accepting, so that ends pair up
}

func newLoopback() (*loopback, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	base := time.Now().Round(0).Truncate(time.Second).Add(time.Second)
	return &loopback{listener: l, base: base}, nil
}

func (l *loopback) where() where { return sockets }

func (l *loopback) pair(from netip.Addr) (net.Conn, net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dialled, err := net.DialTCP("tcp4", nil, l.listener.Addr().(*net.TCPAddr))
	if err != nil {
		return nil, nil, err
	}
	for {
		accepted, err := l.listener.AcceptTCP()
		if err != nil {
			_ = dialled.Close()
			return nil, nil, err
		}
		remote := accepted.RemoteAddr().(*net.TCPAddr)
		if remote.Port != dialled.LocalAddr().(*net.TCPAddr).Port {
			_ = accepted.Close() // a stranger's
			continue
		}
		watched := &watchedConn{Conn: dialled, traffic: &l.traffic}
		if from.IsLoopback() {
			return watched, accepted, nil
		}
		from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, uint16(remote.Port)))
		return watched, &relabelled{TCPConn: accepted, remote: from}, nil
	}
}

func (l *loopback) now() time.Time          { return l.base.Add(time.Duration(l.moved.Load())) }
func (l *loopback) jump(d time.Duration)    { l.moved.Add(int64(d)) }
func (l *loopback) patience() time.Duration { return realLimit }
func (l *loopback) close() error            { return l.listener.Close() }

func (l *loopback) settle() {
	// Several short looks rather than a long one: a machine that stands still
	// meanwhile makes one of them late, not all.
	end := time.Now().Add(quietMax)
	still := 0
	for seen := int64(-1); still < glances && time.Now().Before(end); time.Sleep(glance) {
		now := l.traffic.Load()
		if now != seen {
			seen, still = now, 0
			continue
		}
		still++
	}
}

// watchedConn is the play's end of a connection; it counts what moves.
type watchedConn struct {
	net.Conn
	traffic *atomic.Int64
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.traffic.Add(1)
	return n, err
}

func (c *watchedConn) Write(p []byte) (int, error) {
	c.traffic.Add(1)
	n, err := c.Conn.Write(p)
	c.traffic.Add(1)
	return n, err
}

func (c *watchedConn) CloseWrite() error       { return c.Conn.(*net.TCPConn).CloseWrite() }
func (c *watchedConn) SetLinger(sec int) error { return c.Conn.(*net.TCPConn).SetLinger(sec) }

// relabelled is a socket whose peer has another address than it really has.
type relabelled struct {
	*net.TCPConn
	remote net.Addr
}

func (c *relabelled) RemoteAddr() net.Addr { return c.remote }

// halfCloser and lingerer are what both kinds of connections can besides.
type (
	halfCloser interface{ CloseWrite() error }
	lingerer   interface{ SetLinger(sec int) error }
)

// reset ends c so that its peer gets ECONNRESET.
func reset(c net.Conn) {
	_ = c.(lingerer).SetLinger(0) // fails on ended connections only
	_ = c.Close()
}

// refused is what dialling an origin that is down returns.
func refused(network, addr string) error {
	return &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// neverMade waits as dialling an address that does not answer does.
func neverMade(ctx context.Context, network, addr string) error {
	<-ctx.Done()
	return &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: ctx.Err()}
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// board is a condition variable whose waits end. Its mutex guards the state
// of those who wait with it.
type board struct {
	mu   sync.Mutex
	cond *sync.Cond
}

func newBoard() *board {
	b := &board{}
	b.cond = sync.NewCond(&b.mu)
	return b
}

// change runs f under the mutex and wakes everybody.
func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.cond.Broadcast()
}

// await waits until done, called under the mutex, is true, but not longer
// than limit; it returns whether it came true.
func (b *board) await(limit time.Duration, done func() bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	late := false
	timer := time.AfterFunc(limit, func() { b.change(func() { late = true }) })
	defer timer.Stop()
	for !done() {
		if late {
			return false
		}
		b.cond.Wait()
	}
	return true
}

// peek runs f under the mutex.
func (b *board) peek(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}
