// Package h1 serves HTTP/1.0 and HTTP/1.1 connections: it reads requests off a
// net.Conn, gives each to a wire.Handler in order, and puts the replies onto
// the connection, with keep-alive, pipelining, interim responses, full duplex,
// upgrades, time limits and draining (RFC 9112).
//
// It does not accept connections, terminate TLS or know what a request means:
// sockets are listen's, syntax is wire's, answers are the Handler's. It serves
// a *tls.Conn like any other.
//
//	s := &h1.Server{Handler: engine}
//	for {
//		c, err := ln.Accept()
//		if err != nil {
//			break
//		}
//		go s.ServeConn(c)
//	}
//	s.Drain() // no further requests: connections end behind the reply in flight
//	s.Close() // and now the rest
package h1

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// A Server serves connections. Its fields are set before the first ServeConn
// and not changed afterwards; the zero value of each but Handler means its
// default. A negative duration or count means that there is no such limit.
type Server struct {
	Handler wire.Handler
	Limits  wire.Limits // of a request head; zero: wire.DefaultLimits

	HeadTimeout  time.Duration // for the first request to begin, each head to end, and a TLS handshake; 0: 10 s
	IdleTimeout  time.Duration // without another request; 0: 75 s
	BodyTimeout  time.Duration // between two reads of request content; 0: 60 s
	WriteTimeout time.Duration // between two progresses of a write; 0: 60 s

	// MinRate is how many bytes per second a client must take of a response,
	// and send of request content, on average over the time that it was
	// waited for, once that is more than 10 s; 0: 240.
	MinRate int
	// MaxContent is how many bytes the content of a request may have; more is
	// refused with 413. 0: any number, since it is streamed.
	MaxContent int64
	// MaxDrain is how many bytes of request content that the Handler did not
	// read are read and dropped to keep the connection; 0: 256 KiB.
	MaxDrain int64
	// MaxPipeline is how many bytes of replies are held back while further
	// pipelined requests are complete; 0: 64 KiB.
	MaxPipeline int
	// MaxConns is how many connections are served at a time; up to as many
	// more are told so by 503 and closed, others closed at once; 0: no limit.
	MaxConns int

	// Limited is told when a limit ended something of a client's: its name as
	// in Stats.Limited, and who it was. It runs on connections' goroutines and
	// must be quick. Idle connections that close are counted only. nil: nobody.
	Limited func(limit string, remote netip.AddrPort)

	// Name is what Proxy-Status calls this server where it refuses a request,
	// an item of structured fields (RFC 9209, 2); "": no such field, as for an
	// origin server.
	Name string

	Now func() time.Time // for the Date field; nil: time.Now
	Log *slog.Logger     // nil: discards

	once     sync.Once // for the field below
	o        settings
	draining atomic.Bool
	tally    tally
	spare    sync.Pool // of *conn
	blocks   sync.Pool // of *block
	desks    sync.Pool // of *desk

	mu      sync.Mutex // guards the fields below
	closed  bool
	conns   roster
	tunnels map[*tunnel]struct{}
}

// grace is how long a client may be slower than MinRate.
const grace = 10 * time.Second

// The sizes from which on content is sent in another way (measured: copying
// costs less than a second vector below 16 KiB, sendfile pays from 64 KiB up).
const (
	copyMax = 16 << 10
	fileMin = 64 << 10
)

// ServeConn serves c until its end and closes it. It returns when the
// connection is done; when a Handler has hijacked it, when that Handler's
// Serve returns, and c is then closed by whoever has it.
//
// A connection with a method Outlive() (ended func()), under TLS or not, may go
// on without its caller: when ServeConn has called it, the connection is done
// when ended is called, after it was closed or hijacked. That gives the
// goroutine back, with the stack that it has grown, while the connection waits
// for a request.
func (s *Server) ServeConn(nc net.Conn) {
	c := newConn(s, nc)
	switch n, ok := s.enter(c); {
	case !ok:
		_ = nc.Close()
	case s.MaxConns > 0 && n > 2*s.MaxConns:
		c.reached(limitConns)
		_ = nc.Close()
	case s.MaxConns > 0 && n > s.MaxConns:
		c.turnAway()
	case !c.serve():
		return
	}
	s.release(c)
}

// release ends the connection's time with s.
func (s *Server) release(c *conn) {
	ended := c.ended
	s.leave(c)
	c.free()
	if ended != nil {
		ended()
	}
}

// Drain ends all connections without breaking an exchange: idle ones close
// now, others behind the response in flight, which says so (Connection:
// close). Tunnels go on. It does not wait.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns.first; c != nil; c = c.after {
		if c.phase.CompareAndSwap(phaseIdle, phaseEnding) {
			c.rd.stop()
		}
	}
}

// Close closes all connections and tunnels now; connections given to ServeConn
// later are closed at once. It does not wait.
func (s *Server) Close() {
	s.draining.Store(true)
	s.mu.Lock()
	s.closed = true
	open := make([]net.Conn, 0, s.conns.n+len(s.tunnels))
	for c := s.conns.first; c != nil; c = c.after {
		open = append(open, c.nc)
	}
	for t := range s.tunnels {
		open = append(open, t.nc)
	}
	s.mu.Unlock()
	for _, nc := range open {
		_ = transport(nc).Close()
	}
}

// enter registers c and returns how many connections there are with it; ok is
// false after Close.
func (s *Server) enter(c *conn) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, false
	}
	s.conns.add(c)
	return s.conns.n, true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns.remove(c)
	s.tally.add(&c.count)
}

// A roster lists connections. It takes no memory beside theirs: a map would
// take a third of what an idle one keeps.
type roster struct {
	first *conn
	n     int
}

func (l *roster) add(c *conn) {
	if c.before, c.after = nil, l.first; c.after != nil {
		c.after.before = c
	}
	l.first = c
	l.n++
	c.listed = true
}

// remove takes c off the list, if it is on it.
func (l *roster) remove(c *conn) {
	if !c.listed {
		return
	}
	if c.before != nil {
		c.before.after = c.after
	} else {
		l.first = c.after
	}
	if c.after != nil {
		c.after.before = c.before
	}
	c.before, c.after, c.listed = nil, nil, false
	l.n--
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// settings are a Server's options with the defaults filled in; durations and
// counts that are negative there are 0 here: no limit.
type settings struct {
	limits                  wire.Limits
	head, idle, body, write time.Duration
	rate                    int64
	drain, content          int64
	pipeline                int
	now                     func() time.Time
}

func (s *Server) fillIn() {
	o := settings{
		limits:   s.Limits,
		head:     either(s.HeadTimeout, 10*time.Second),
		idle:     either(s.IdleTimeout, 75*time.Second),
		body:     either(s.BodyTimeout, 60*time.Second),
		write:    either(s.WriteTimeout, 60*time.Second),
		rate:     int64(either(s.MinRate, 240)),
		drain:    either(s.MaxDrain, 256<<10),
		content:  s.MaxContent,
		pipeline: either(s.MaxPipeline, 64<<10),
		now:      s.Now,
	}
	o.limits.Line = either(o.limits.Line, wire.DefaultLimits.Line)
	o.limits.Head = either(o.limits.Head, wire.DefaultLimits.Head)
	o.limits.Fields = either(o.limits.Fields, wire.DefaultLimits.Fields)
	o.limits.Chunk = either(o.limits.Chunk, wire.DefaultLimits.Chunk)
	if o.now == nil {
		o.now = time.Now
	}
	s.o = o
}

// either returns v, or def when v is zero, or zero when v is negative.
func either[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return max(v, 0)
}
