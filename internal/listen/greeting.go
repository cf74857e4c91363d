package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Greeted returns l for clients that come through proxies which speak the PROXY
// protocol, version 1 or 2: a connection of such a proxy begins with a header
// that says whom it is for. Which those are is the Server's Trusts; others say
// nothing before they speak, and a header of theirs is what it looks like, no
// HTTP. It goes below TLS.
func Greeted(l net.Listener) net.Listener { return &greetedListener{l} }

type greetedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l *greetedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if g, ok := c.(interface{ greets() *greeting }); ok {
		g.greets().pending = true
		return c, nil
	}
	s, ok := c.(stream)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listener %s: no stream", l.Addr()), c.Close())
	}
	return &greetedStream{stream: s, greeting: greeting{pending: true}}, nil
}

// A greeting is what a connection's proxy says of it.
type greeting struct {
	pending bool           // it may come yet
	client  netip.AddrPort // whom the connection is for; zero: for who has made it
}

func (g *greeting) greets() *greeting { return g }

// ClientAddrPort returns whom the connection is for, where its proxy has said
// so; else the zero AddrPort.
func (g *greeting) ClientAddrPort() netip.AddrPort { return g.client }

// A stream is what package net accepts of TCP and Unix sockets.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// A greetedStream is a stream with a greeting.
type greetedStream struct {
	stream
	greeting
}

// RemoteAddrPort returns the address of who has connected.
func (s *greetedStream) RemoteAddrPort() netip.AddrPort { return remoteOf(s.stream) }

// SetLinger is as *net.TCPConn's, where the stream has it.
func (s *greetedStream) SetLinger(seconds int) error {
	if l, ok := s.stream.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

// greetingOf returns the greeting that c may begin with, nil when there is none.
func greetingOf(c net.Conn) *greeting {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if g, ok := c.(interface{ greets() *greeting }); ok && g.greets().pending {
		return g.greets()
	}
	return nil
}

// defaultGreetTimeout is how long a header may take to come.
const defaultGreetTimeout = 5 * time.Second

// greet reads the header of j's connection, when it is of a proxy's, and counts
// the connection for whom it is. False: it is refused, and closed.
func (s *Server) greet(j *job) bool {
	g := greetingOf(j.conn)
	if g == nil {
		return true
	}
	c, from := j.conn, remoteOf(j.conn)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g.pending = false
	if !from.IsValid() || s.Trusts != nil && s.Trusts(from.Addr()) { // who may open a Unix socket is let to by its folder
		timeout := s.GreetTimeout
		if timeout <= 0 {
			timeout = defaultGreetTimeout
		}
		_ = c.SetReadDeadline(time.Now().Add(timeout)) // reading tells
		client, err := readHeader(c)
		if err != nil {
			s.refuseGreeting(c, from, err)
			return false
		}
		_ = c.SetReadDeadline(time.Time{})
		g.client = client
	}
	return s.settle(j, g.client, from)
}

// refuseGreeting closes a connection whose header can not be read.
func (s *Server) refuseGreeting(c net.Conn, from netip.AddrPort, err error) {
	s.mu.Lock()
	s.stats.Greetings++
	s.mu.Unlock()
	if s.Limited != nil {
		s.Limited(LimitGreetings, from)
	}
	if s.Log != nil {
		s.Log.Debug("PROXY header", "remote", from, "error", err)
	}
	_ = c.Close()
}

// settle counts j's connection for its client, where there is a limit for each.
func (s *Server) settle(j *job, client, from netip.AddrPort) bool {
	if s.MaxPerAddress <= 0 {
		return true
	}
	if client.IsValid() {
		from = client
	}
	counts := addressIn(from.Addr())
	s.mu.Lock()
	ok := s.peers.enter(counts, s.MaxPerAddress)
	if ok {
		j.from = counts
		if j.lease != nil {
			j.lease.from = counts
		}
	} else {
		s.stats.PerAddress++
		s.stats.Refused++
	}
	s.mu.Unlock()
	if !ok {
		if s.Limited != nil {
			s.Limited(LimitPerAddress, from)
		}
		_ = j.conn.Close()
	}
	return ok
}

// readHeader reads a header of the PROXY protocol, and not a byte beyond it:
// what follows is the connection's. It returns whom that is for, the zero
// AddrPort when it is for the proxy itself or nobody who has an address.
func readHeader(r io.Reader) (netip.AddrPort, error) {
	var first [len(signature)]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return netip.AddrPort{}, err
	}
	if string(first[:]) == signature {
		return readBinary(r)
	}
	return readText(r, first[:])
}

// readBinary reads what follows the signature of version 2.
func readBinary(r io.Reader) (netip.AddrPort, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return netip.AddrPort{}, err
	}
	n := int(fixed[2])<<8 | int(fixed[3])
	if n > maxBinary {
		return netip.AddrPort{}, fmt.Errorf("header of %d bytes: expected at most %d", n, maxBinary)
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.AddrPort{}, err
	}
	return parseBinary(fixed[0], fixed[1], rest)
}

// readText reads a line of version 1, which begins with first.
func readText(r io.Reader, first []byte) (netip.AddrPort, error) {
	var room [longestText]byte
	n := copy(room[:], first)
	for least := leastText(first); ; least = n + 1 { // a byte at a time, since the next one may be the connection's
		if least > len(room) {
			return netip.AddrPort{}, errors.New("line longer than 107 bytes")
		}
		got, err := io.ReadFull(r, room[n:least])
		if err != nil {
			return netip.AddrPort{}, err
		}
		if n += got; room[n-1] == '\n' {
			return parseText(string(room[:n]))
		}
	}
}
