package h1

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are counts since the Server's start, and what is open now.
type Stats struct {
	Open    int // connections in ServeConn
	Idle    int // of them, waiting for a request
	Tunnels int // hijacked connections that are not closed yet

	Conns    uint64         // connections served so far
	Requests uint64         // requests given to the Handler
	Refused  map[int]uint64 // heads refused, by status
	Timeouts Timeouts       // limits of time that passed
	Slow     uint64         // responses aborted because their reader was too slow
	Aborted  uint64         // responses left incomplete for any reason
	Panics   uint64         // panics of the Handler
	BytesIn  uint64         // read off connections
	BytesOut uint64         // written onto connections

	limits [limitCount]uint64 // what each limit ended
}

// Timeouts counts connections that ended because a limit of time passed.
type Timeouts struct {
	Handshake, Head, Idle, Body, Write uint64
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.tally.stats()
	st.Open, st.Tunnels = s.conns.n, len(s.tunnels)
	for c := s.conns.first; c != nil; c = c.after {
		if c.phase.Load() == phaseIdle {
			st.Idle++
		}
		st.Requests += c.count.requests.Load()
		st.BytesIn += c.count.in.Load()
		st.BytesOut += c.count.out.Load()
	}
	return st
}

// A count is one connection's share of the counts; it is kept apart so that
// connections do not meet on a cache line for each request.
type count struct {
	requests, in, out atomic.Uint64
}

// A tally sums up what is rare and what connections that ended have counted.
type tally struct {
	conns, aborted, panics atomic.Uint64
	limits                 limits
	ended                  count

	mu      sync.Mutex // guards the field below
	refused map[int]uint64
}

// add takes over the counts of a connection that ended.
func (t *tally) add(c *count) {
	t.conns.Add(1)
	t.ended.requests.Add(c.requests.Swap(0))
	t.ended.in.Add(c.in.Swap(0))
	t.ended.out.Add(c.out.Swap(0))
}

func (t *tally) refuse(status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil {
		t.refused = map[int]uint64{}
	}
	t.refused[status]++
}

func (t *tally) stats() Stats {
	t.mu.Lock()
	refused := maps.Clone(t.refused)
	t.mu.Unlock()
	n := t.limits.load()
	return Stats{
		Conns: t.conns.Load(), Requests: t.ended.requests.Load(), Refused: refused,
		Timeouts: Timeouts{
			Handshake: n[limitHandshake], Head: n[limitHead], Idle: n[limitIdle],
			Body: n[limitBody] + n[limitSlowSender], Write: n[limitWrite],
		},
		Slow: n[limitSlowReader] + n[limitYield], Aborted: t.aborted.Load(), Panics: t.panics.Load(),
		BytesIn: t.ended.in.Load(), BytesOut: t.ended.out.Load(),
		limits: n,
	}
}
