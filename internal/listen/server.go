package listen

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	defaultMaxConns = 16384
	firstPause      = 5 * time.Millisecond
	longestPause    = time.Second
)

// A Server accepts connections and gives each to its protocol, on a goroutine
// of its own. Set the fields before the first Serve. The zero value refuses
// every connection, for want of a protocol.
//
// It is accepting until Shutdown, then draining until the last connection has
// ended; it cannot be used again.
type Server struct {
	// Protocols serve a connection until its end and close it, by their ALPN
	// name. Plain connections speak "http/1.1".
	Protocols map[string]func(net.Conn)
	// MaxConns is how many connections may be open at a time; 0: 16384. One
	// more is closed at once and counted: as the last bound it must cost
	// nothing. A protocol that wants to answer first has a lower bound of its
	// own.
	MaxConns int
	// MaxPerAddress is how many of them may come from one IPv4 address or one
	// IPv6 network of 64 bits; 0: any number. Connections without an address
	// (Unix sockets) do not count.
	MaxPerAddress int
	// Limited is told of each connection that a limit has closed: the limit's
	// name as in Stats.Limited, and the client. nil: nobody is.
	Limited func(limit string, client netip.AddrPort)
	// Trusts reports whether an address is a proxy's that says whom it connects
	// for; of Greeted listeners. nil: none is. Who comes by a Unix socket is.
	Trusts func(netip.Addr) bool
	// GreetTimeout is how long it may take to say so; 0: 5 s.
	GreetTimeout time.Duration
	Log          *slog.Logger // nil: nothing is logged

	mu        sync.Mutex // guards the fields below
	stats     Stats
	peers     peers
	idle      []*worker
	listeners map[net.Listener]struct{}
	drained   chan struct{} // made by Shutdown, closed when no connection is open
}

// Stats are counts since the start, and what is open now.
type Stats struct {
	Open       int    // connections being served
	Accepted   uint64 // connections given to a protocol
	Refused    uint64 // connections closed at once, for any reason
	TooMany    uint64 // of them, because of MaxConns
	PerAddress uint64 // of them, because of MaxPerAddress
	Greetings  uint64 // connections of proxies that were closed for want of a header that can be read
	Pauses     uint64 // times that accepting paused for an error (no descriptors left…)
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Limited yields how often each limit was reached, by its name.
func (s Stats) Limited() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		_ = yield(LimitConns, s.TooMany) && yield(LimitPerAddress, s.PerAddress) && yield(LimitGreetings, s.Greetings)
	}
}

// The names of a Server's limits.
const (
	LimitConns      = "connections"
	LimitPerAddress = "connections_per_address"
	LimitGreetings  = "proxy_header"
)

// Serve accepts connections from l until Shutdown, which makes it return nil,
// or until l breaks; it closes l. A Server may serve several listeners.
func (s *Server) Serve(l net.Listener) error {
	if !s.enter(l) {
		return l.Close()
	}
	defer s.leave(l)
	serve := s.Protocols["http/1.1"]
	var pause time.Duration
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
		case s.stopping():
			return nil
		case !temporary(err):
			return fmt.Errorf("listener %s: %w", l.Addr(), err)
		default:
			pause = min(max(2*pause, firstPause), longestPause)
			s.pause(pause, err)
			continue
		}
		var from address
		if s.MaxPerAddress > 0 && greetingOf(c) == nil { // else greet knows better
			from = addressOf(c)
		}
		if serve == nil {
			s.refuse(c, "")
		} else if limit, ok := s.take(from); ok {
			s.start(job{serve, c, from, leaseOf(c)})
		} else {
			s.refuse(c, limit)
		}
	}
}

// Shutdown stops accepting and waits until the last connection has ended, or
// ctx has: then the connections stay open and are for the protocol to close.
// It may be called again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.drained == nil {
		s.drained = make(chan struct{})
		if s.stats.Open == 0 {
			close(s.drained)
		}
		s.dismissLocked()
	}
	for l := range s.listeners {
		_ = l.Close() // Serve closes it too and has nobody to tell either
	}
	s.mu.Unlock()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d connections are still open: %w", s.Stats().Open, ctx.Err())
	}
}

// enter notes that l is served; false after Shutdown.
func (s *Server) enter(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained != nil {
		return false
	}
	if s.listeners == nil {
		s.listeners = map[net.Listener]struct{}{}
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) leave(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drained != nil
}

// take makes room for one connection more, unless a limit, which it names, is
// reached or Shutdown was first.
func (s *Server) take(from address) (limit string, ok bool) {
	most := s.MaxConns
	if most <= 0 {
		most = defaultMaxConns
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.drained != nil:
		return "", false
	case s.stats.Open >= most:
		s.stats.TooMany++
		return LimitConns, false
	case !s.peers.enter(from, s.MaxPerAddress):
		s.stats.PerAddress++
		return LimitPerAddress, false
	}
	s.stats.Open++
	s.stats.Accepted++
	return "", true
}

func (s *Server) refuse(c net.Conn, limit string) {
	s.mu.Lock()
	s.stats.Refused++
	s.mu.Unlock()
	if limit != "" && s.Limited != nil {
		s.Limited(limit, remoteOf(c))
	}
	_ = c.Close()
}

// pause waits before accepting again. Connections wait in the kernel's queue
// meanwhile.
func (s *Server) pause(d time.Duration, err error) {
	s.mu.Lock()
	s.stats.Pauses++
	s.mu.Unlock()
	if s.Log != nil {
		s.Log.Warn("accepting pauses", "error", err, "pause", d)
	}
	time.Sleep(d) // a second at most: Shutdown finds the listener closed after it
}

// temporary reports whether accepting may work again: accept(2) passes on
// errors of the connection that was to be accepted, and of this process'
// bounds.
func temporary(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(passing, errno)
}
