package origin

import "sync/atomic"

// Stats is what an Upstream did and has.
type Stats struct {
	Open    int // connections, used or not, being dialled included
	Idle    int // connections kept for the next exchange
	InUse   int // connections with an exchange on them, or being dialled for one
	Waiting int // exchanges that wait for a connection

	Dials   uint64 // connections made or tried
	Reuses  uint64 // exchanges begun on a kept connection
	Retries uint64 // exchanges begun a second time
	Stale   uint64 // kept connections found closed, or with bytes nobody asked for, before use
	Surplus uint64 // connections closed for bytes behind the end of a response
	Queued  uint64 // exchanges that had to wait for a connection
	Refused uint64 // exchanges that got none: the queue was full, or the wait too long

	Unresolved uint64 // lookups of the name that failed, also where older addresses were at hand

	Faults [NumFaults]uint64 // failed exchanges by Fault
}

// counts are the counters that are not under the pool's mutex.
type counts struct {
	dials, retries, stale, surplus, unresolved atomic.Uint64

	faults [NumFaults]atomic.Uint64
}

// Stats returns the present figures.
func (u *Upstream) Stats() Stats {
	s := Stats{
		Dials: u.counts.dials.Load(), Retries: u.counts.retries.Load(),
		Stale: u.counts.stale.Load(), Surplus: u.counts.surplus.Load(),
		Unresolved: u.counts.unresolved.Load(),
	}
	for i := range s.Faults {
		s.Faults[i] = u.counts.faults[i].Load()
	}
	s.Refused = s.Faults[QueueFull] + s.Faults[QueueTimeout]
	u.figures(&s)
	u.two.figures(u, &s)
	return s
}
