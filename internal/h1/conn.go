package h1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"opencache/internal/wire"
)

// The phases of a connection, for Drain and Stats. The connection's own
// goroutine moves it, but Drain moves an idle one to ending.
const (
	phaseBusy   int32 = iota
	phaseIdle         // waits for the first byte of a request
	phaseEnding       // no further request is taken
)

// A fate is what becomes of the connection behind the exchange at hand.
type fate uint8

const (
	keep   fate = iota
	finish      // close
	linger      // close so that a client which still sends gets the reply
	reset       // close so that nobody takes what came for whole
	away        // hijacked: somebody else closes it
	moved       // none yet: it parks on another goroutine
)

// What the connection reads, which says how long it may take.
const (
	readFresh uint8 = iota // the first byte of the first request
	readSoon               // that of another one, which may come soon
	readIdle               // that of another one, parked
	readUntil              // a head, or what is dropped: until a moment
	readBody               // content
)

// A conn is the state of one connection. It is used again for another after
// free, so that a connection costs no allocation of its own.
//
// Three goroutines may use it while the Handler serves: the connection's (the
// Handler's: writes), one that reads the request's content (in, body, rd) and,
// only once that is complete, the watcher (in, rd).
type conn struct {
	srv    *Server
	nc     net.Conn
	raw    syscall.RawConn // of a socket, for system calls of our own; nil: nc's Read and Write
	remote netip.AddrPort
	client netip.AddrPort // for whom, where it said so
	port   uint16         // that the client connected to; 0: not known
	tls    *wire.Channel  // nil: plain
	ended  func()         // what Outlive returned, once it was asked
	phase  atomic.Int32
	count  count

	before, after *conn // on the Server's roster, by its mu
	listed        bool  // on it

	secure    bool
	lasting   bool // it may outlive ServeConn
	served    bool // a request was
	deep      bool // on this goroutine: its stack has grown
	parked    bool // there is no request, and has not been for a while
	hasParked bool // once
	passed    bool // others went first before it waited
	limited   bool // the limit of time for this wait is in force
	fate      fate
	reading   uint8
	one       [1]byte // what a parked connection reads into

	rd, wr deadline

	*desk            // nil while it waits
	in    wire.Input // on the desk

	reads   func(fd uintptr) bool // readFirst
	readErr error                 // of that, or of what woke a parked connection
}

func newConn(s *Server, nc net.Conn) *conn {
	s.once.Do(s.fillIn)
	c, ok := s.spare.Get().(*conn)
	if !ok {
		c = &conn{}
		c.in.Src = (*source)(c)
		c.reads, c.wr.writing = c.readFirst, true
	}
	c.srv, c.nc = s, nc
	c.sit()
	c.rd.reset(nc)
	c.wr.reset(nc)
	c.phase.Store(phaseBusy)
	c.fate, c.served, c.deep, c.parked, c.hasParked = keep, false, false, false, false
	below := transport(nc)
	c.remote, c.client, c.port, c.tls = remoteOf(below), clientOf(below), portOf(below), nil
	_, c.lasting = below.(outliver)
	_, c.secure = nc.(*tls.Conn)
	c.raw = rawOf(nc)
	return c
}

// remoteOf returns the client's address, the zero AddrPort for one without.
func remoteOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.(interface{ RemoteAddrPort() netip.AddrPort }); ok {
		return a.RemoteAddrPort()
	}
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// clientOf returns for whom the other end says that it has connected, the zero
// AddrPort when it says nothing.
func clientOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.(interface{ ClientAddrPort() netip.AddrPort }); ok {
		return a.ClientAddrPort()
	}
	return netip.AddrPort{}
}

// portOf returns the port that the client connected to, 0 for one without.
func portOf(nc net.Conn) uint16 {
	if p, ok := nc.(interface{ LocalPort() uint16 }); ok {
		return p.LocalPort()
	}
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		return uint16(a.Port)
	}
	return 0
}

// free gives c back for another connection. Nobody else may know it any more.
func (c *conn) free() {
	s := c.srv
	c.lend(&c.grown)
	c.lend(&c.stage)
	c.shrinkOut()
	c.req.Reset()
	c.req.Body, c.req.Watch, c.req.Interim = nil, nil, nil
	c.rise()
	c.srv, c.nc, c.raw, c.remote, c.client, c.ended, c.tls = nil, nil, nil, netip.AddrPort{}, netip.AddrPort{}, nil, nil
	c.rd.reset(nil)
	c.wr.reset(nil)
	s.spare.Put(c)
}

// serve runs the connection to its end, or until a successor goes on with it:
// then it returns false, and c is that one's.
func (c *conn) serve() bool {
	// What woke a parked connection is here: first makes it busy.
	if c.parked && c.first() || !c.hasParked && c.handshake() {
		for c.next() && c.exchange() {
		}
	}
	if c.fate == moved {
		c.move()
		return false
	}
	c.end()
	return true
}

// tellPlain answers a client that speaks plain HTTP where TLS is expected.
func (c *conn) tellPlain(err error) {
	var plain tls.RecordHeaderError
	if !errors.As(err, &plain) || plain.Conn == nil || plain.RecordHeader[0] < 'A' || plain.RecordHeader[0] > 'Z' {
		return
	}
	c.srv.tally.refuse(400)
	c.appendRefusal(400, errPlain)
	_, _ = plain.Conn.Write(c.out) // as much as it takes
	c.out = c.out[:0]
	c.fate = linger
}

func (c *conn) handshake() bool {
	tc, ok := c.nc.(*tls.Conn)
	if !ok {
		return true
	}
	c.deep = true
	begun, limit := time.Now(), time.Time{}
	if c.srv.o.head > 0 {
		limit = begun.Add(c.srv.o.head)
	}
	c.rd.until(limit)
	c.wr.until(limit)
	if err := tc.Handshake(); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.reached(limitHandshake)
		}
		c.srv.log().Debug("TLS handshake", "remote", c.remote, "err", err)
		c.fate = reset
		c.tellPlain(err)
		return false
	}
	// The client's last message of TLS 1.3 is not answered. One that holds its
	// request back until that is acknowledged would wait 40 ms.
	c.acknowledge()
	c.tls = channelOf(tc.ConnectionState(), time.Since(begun))
	return true
}

// next parses the next request's head into c.req. When there is none it
// returns false and the connection ends by c.fate.
func (c *conn) next() bool {
	c.recycle()
	c.by = time.Time{}
	c.skipEmptyLine()
	for seen := 0; ; {
		u := c.in.Unread()
		// A head that is not complete can become so by a line feed only, and
		// its first line too long without one. What begins like a TLS
		// handshake need not be waited for.
		if bytes.IndexByte(u[seen:], '\n') >= 0 || seen <= c.srv.o.limits.Line && len(u) > c.srv.o.limits.Line || seen == 0 && binary(u) {
			n, err := wire.ParseRequest(&c.req, u, c.srv.o.limits)
			if err != nil {
				c.refuse(err)
				return false
			}
			if n > 0 {
				c.in.R += n
				if c.srv.o.content > 0 && c.req.Length > c.srv.o.content {
					c.refuse(&wire.Error{Side: wire.Client, Status: 413, Err: errLargeContent})
					return false
				}
				return true
			}
		}
		seen = len(u)
		if !c.more() {
			return false
		}
		if seen == 0 {
			c.skipEmptyLine()
		}
	}
}

// binary reports that what has come can not be the beginning of a request or
// of an empty line.
func binary(u []byte) bool {
	return len(u) > 0 && (u[0] < ' ' && u[0] != '\r' && u[0] != '\n' || u[0] > '~')
}

// skipEmptyLine drops an empty line in front of a request line (RFC 9112,
// 2.2), so that a connection with nothing else to read counts as idle.
func (c *conn) skipEmptyLine() {
	if u := c.in.Unread(); len(u) >= 2 && u[0] == '\r' && u[1] == '\n' {
		c.in.R += 2
	}
}

// more reads more of a head. What was held back goes out before it may block.
func (c *conn) more() bool {
	if err := c.flush(); err != nil {
		c.lost(err)
		return false
	}
	if len(c.in.Unread()) == 0 {
		return c.first()
	}
	if !c.grow() {
		c.refuse(&wire.Error{Side: wire.Client, Status: 431, Err: errLongHead})
		return false
	}
	if c.by.IsZero() && c.srv.o.head > 0 {
		c.by = time.Now().Add(c.srv.o.head)
	}
	c.reading = readUntil
	err := c.in.Fill()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.reached(limitHead)
		c.refuse(&wire.Error{Side: wire.Client, Status: 408, Err: errSlowHead})
		return false
	}
	if err != nil {
		c.fate = finish // half a head and then nothing: nobody waits for an answer
		return false
	}
	return true
}

// grow makes room behind a head that fills its buffer; false: it is too long.
func (c *conn) grow() bool {
	if c.in.R > 0 || c.in.W < len(c.in.Buf) {
		return true
	}
	most := max(c.srv.o.limits.Head, len(desk{}.input))
	if len(c.in.Buf) >= most {
		return false
	}
	bigger := c.srv.borrow(most)
	copy(bigger, c.in.Unread())
	c.lend(&c.grown)
	c.grown, c.in.Buf = bigger, bigger
	return true
}

// recycle brings what is unread into the smallest buffer that takes it. No
// request borrows from the buffers any more.
func (c *conn) recycle() {
	rest := c.in.Unread()
	if c.grown == nil && c.stage == nil {
		return
	}
	if d := c.input[:]; len(rest) <= len(d) {
		c.in.W = copy(d, rest)
		c.in.Buf, c.in.R = d, 0
		c.lend(&c.grown)
		c.lend(&c.stage)
		return
	}
	if c.stage != nil {
		c.lend(&c.grown)
		c.grown, c.stage = c.stage, nil
	}
}

// A source is a conn as its Input reads it.
type source conn

func (s *source) Read(p []byte) (int, error) {
	c := (*conn)(s)
	now, ok := c.limit()
	if !ok || c.reading == readBody && c.body.closed.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.nc.Read(p)
	if n > 0 {
		c.count.in.Add(uint64(n))
		err = nil // it comes again
	}
	if c.reading == readBody && err == nil {
		if err = c.body.pace(n, time.Since(now)); err != nil {
			n = 0
		}
	}
	return n, err
}

// limit puts the limit of time in force for what is read next. It returns now
// when that is content, and whether reading was not stopped.
func (c *conn) limit() (now time.Time, ok bool) {
	switch c.reading {
	case readFresh:
		return c.rd.within(c.srv.o.head)
	case readSoon:
		return c.rd.within(settle)
	case readIdle:
		idle := c.srv.o.idle
		if c.parked && idle > 0 {
			idle -= settle // has passed
		}
		return c.rd.within(idle)
	case readBody:
		return c.rd.within(c.srv.o.body)
	}
	return now, c.rd.until(c.by)
}

// end closes the connection the way that its fate says.
func (c *conn) end() {
	c.phase.Store(phaseEnding)
	if c.fate == away {
		return
	}
	if err := c.flush(); err != nil {
		c.fate = reset
	}
	switch c.fate {
	case reset:
		cut(c.nc)
	case linger:
		c.linger()
		_ = c.nc.Close()
	default:
		_ = c.nc.Close()
	}
}

// The bounds of lingering, and of dropping content to keep a connection.
const (
	lingerTime = 2 * time.Second
	dropTime   = 5 * time.Second
)

// linger ends the sending side and reads what the client still sends, since
// closing with unread bytes would reset the connection and take the reply
// from the client (RFC 9112, 9.6).
func (c *conn) linger() {
	if tc, ok := c.nc.(*tls.Conn); ok {
		_ = tc.CloseWrite()
	}
	half, ok := transport(c.nc).(interface {
		io.Reader
		CloseWrite() error
	})
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.rd.resume()
	c.rd.until(time.Now().Add(lingerTime))
	for dropped := int64(0); dropped <= c.srv.o.drain; {
		n, err := half.Read(c.in.Buf)
		dropped += int64(n)
		c.count.in.Add(uint64(n))
		if err != nil {
			return
		}
	}
}

// cut closes nc without the signs of an orderly end: RST on TCP, no
// close_notify on TLS. Without it, content that ends with the connection
// would look whole.
func cut(nc net.Conn) {
	nc = transport(nc)
	if l, ok := nc.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = nc.Close()
}

// transport returns what carries nc: under TLS the connection below.
func transport(nc net.Conn) net.Conn {
	if tc, ok := nc.(*tls.Conn); ok {
		return tc.NetConn()
	}
	return nc
}

var (
	errLongHead     = errors.New("request head: longer than allowed")
	errLargeContent = errors.New("request content: larger than allowed")
	errPlain        = errors.New("plain HTTP where HTTPS is spoken")
	errSlowHead     = errors.New("request head: not complete in time")
)
