package listen

import (
	"crypto/tls"
	"net"
)

// idleWorkers is how many goroutines wait for connections at most.
const idleWorkers = 64

// A worker is a goroutine that serves one connection after the other. A new
// goroutine begins with a small stack, and growing it to what a request needs
// costs more than accepting; so the one that was idle last is taken again.
type worker struct {
	next chan job // closed: it ends
}

// A job is a connection and what serves it to its end.
type job struct {
	serve func(net.Conn)
	conn  net.Conn
	from  address
	lease *lease // nil: the connection ends when serve returns
}

// A lease is a connection's place in a Server's count. It ends when the
// function that serves the connection returns or, when that has called
// Outlive, later.
type lease struct {
	server *Server
	from   address
	kept   bool // Outlive was called
}

// Outlive has the connection go on after the function that serves it has
// returned. It is called once, before that; the connection then ends when
// ended is called, on any goroutine, after Close.
func (l *lease) Outlive() (ended func()) {
	l.kept = true
	return l.end
}

func (l *lease) end() {
	if l.server != nil {
		l.server.release(l.from)
	}
}

// leaseOf returns what c has of a lease: connections that package net has
// accepted have none.
func leaseOf(c net.Conn) *lease {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if h, ok := c.(interface{ held() *lease }); ok {
		return h.held()
	}
	return nil
}

func (l *lease) held() *lease { return l }

// work serves first, then what comes, until enough workers are idle.
func (s *Server) work(first job) {
	w := &worker{next: make(chan job, 1)}
	for j, ok := first, true; ok; j, ok = <-w.next {
		if s.greet(&j) {
			j.serve(j.conn)
		}
		if !s.rest(w, j) {
			return
		}
	}
}

// start has j served by an idle worker, or a new one.
func (s *Server) start(j job) {
	s.mu.Lock()
	if j.lease != nil {
		j.lease.server, j.lease.from = s, j.from
	}
	n := len(s.idle)
	if n == 0 {
		s.mu.Unlock()
		go s.work(j)
		return
	}
	w := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	s.mu.Unlock()
	w.next <- j // has room
}

// rest reports whether w, which has served j, is to wait for the next one.
func (s *Server) rest(w *worker, j job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.lease == nil || !j.lease.kept {
		s.releaseLocked(j.from)
	}
	if s.drained != nil || len(s.idle) == idleWorkers {
		return false
	}
	s.idle = append(s.idle, w)
	return true
}

// release notes that a connection has ended.
func (s *Server) release(from address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(from)
}

func (s *Server) releaseLocked(from address) {
	s.stats.Open--
	s.peers.leave(from)
	if s.drained != nil && s.stats.Open == 0 {
		close(s.drained)
	}
}

// dismissLocked ends the idle workers.
func (s *Server) dismissLocked() {
	for _, w := range s.idle {
		close(w.next)
	}
	s.idle = nil
}
