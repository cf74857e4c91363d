package store

import (
	"fmt"
	"sync/atomic"

	"opencache/internal/wire"
)

// A slab is a run of bytes of fixed size that records are appended to and
// that is emptied as a whole. Its life:
//
//		free ──claim──▶ open ──claim──▶ sealed ──reclaim──▶ victim ──▶ free
//		                                                      │          ▲
//		                                                      └▶ aside ──┘
//
//	  - free: nobody reads or writes it. It waits in space.free.
//	  - open: claim gave it to a queue and appends records to it. A claim is a
//	    run of bytes that one writer fills outside of every lock; writers counts
//	    those that have not called done yet.
//	  - sealed: claim found it too full. Its last writers may still be at work.
//	    It waits in its queue, oldest first.
//	  - victim: reclaim took it out of its queue, which it only does when no
//	    writer is left. One by one its records are dropped or copied to another
//	    slab; lookups are served from it all the while. When no index entry
//	    points to it any more its sequence is bumped, and THEN the pins are read.
//	    A reader pins first and compares the sequence after: either the reader
//	    sees the new sequence and lets go, or the reclaimer sees the pin.
//	  - aside: a victim that was still pinned. Its bytes stay as they are. Each
//	    reclaim looks whether the last pin is gone; Pressure tells borrowers.
//	  - On its way to free a slab that was exposed is punched: the pages that
//	    sockets may refer to leave the file and live on by themselves. The flag
//	    falls only then. What is written to it next goes by pwrite into the hole.
//
// Only claim (under space.mu) and reclaim (under Memory.reclaiming) move it.
// Legal at any time while a pin is held: reading the pinned record, Expose,
// Pressure, Release.
type slab struct {
	// One cache line that every reader uses.
	pins atomic.Int32
	seq  atomic.Uint32
	m    *Memory
	mem  []byte
	n    int // its number
	_    [16]byte

	wanted  atomic.Uint64 // when it was set aside, in order; 0: it is not
	live    atomic.Int64  // aligned bytes of records that the index points to
	writers atomic.Int32
	exposed atomic.Bool
	main    atomic.Bool // of the main queue
	sealed  atomic.Bool // of those with a stage: it waits to be written

	used, records, passed int  // guarded by space.mu
	hole                  bool // written by pwrite; constant from claim to victim
}

var _ wire.Owner = (*slab)(nil)

// pin takes a pin for reading what c points to; nil when the slab has moved
// on since c was read.
func (m *Memory) pin(c *cell) *slab {
	s := &m.slabs[c.slab()]
	s.pins.Add(1)
	if s.seq.Load()&seqMask != c.seq() {
		s.pins.Add(-1)
		return nil
	}
	return s
}

// Release ends one loan.
func (s *slab) Release() {
	if s.pins.Add(-1) < 0 {
		panic(fmt.Sprintf("store: slab %d: released more often than lent", s.n))
	}
}

// Expose returns the memfd, or -1 when the slabs are on the heap. The order
// exposed, then unpinned is what the reclaimer relies on.
func (s *slab) Expose() int {
	fd := s.m.slabMemory.fd
	if fd >= 0 && !s.exposed.Load() {
		s.exposed.Store(true)
	}
	return fd
}

// Pressure is Keep while the slab holds records, Leave when it is set aside
// for its readers, Yield when so many slabs are that the volume shrinks and
// this is one of those that wait longest.
func (s *slab) Pressure() wire.Pressure {
	switch order := s.wanted.Load(); {
	case order == 0:
		return wire.Keep
	case order < s.m.space.yield.Load():
		return wire.Yield
	}
	return wire.Leave
}

// span returns a Span over n bytes at off. It takes over a pin.
func (s *slab) span(off, n int) wire.Span {
	return wire.Span{
		Mem: s.mem[off : off+n : off+n], Off: int64(s.n)*int64(len(s.mem)) + int64(off), N: n, Owner: s,
	}
}

// A claim is room for one record in an open slab: the one who holds it fills
// it and calls done. The slab is not evicted before.
type claim struct {
	s       *slab
	off     int
	listing int
	fresh   bool // the slab was opened for it
	at      int  // how far write has come
	err     error
}

// write appends p to what has been written into the claim.
func (c *claim) write(p []byte) {
	if c.err != nil || len(p) == 0 {
		return
	}
	off := c.off + c.at
	c.at += len(p)
	if c.s.hole {
		c.err = c.s.m.slabMemory.writeAt(p, int64(c.s.n)*int64(len(c.s.mem))+int64(off))
		return
	}
	copy(c.s.mem[off:], p)
}

// list writes the claim's entry in the slab's directory. Every claim is
// listed, one that failed too: evicting reads all entries.
func (c *claim) list(h Hash, account uint16, segment bool) {
	l := listing{hash: h, off: c.off, n: c.at, site: account, segment: segment}
	l.encode(c.s.m.directory(c.s.n).at(c.listing))
}

// cell is the index entry for what was written.
func (c *claim) cell(k Kind, state uint64) cell {
	return cell{
		place: placeOf(k, c.s.n, c.off, c.s.seq.Load()), state: state, extra: extraOf(c.listing, c.at),
	}
}

func (c *claim) done() { c.s.writers.Add(-1) }
