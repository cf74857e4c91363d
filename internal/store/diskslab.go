package store

import (
	"errors"
	"sync/atomic"

	"opencache/internal/wire"
)

// A diskSlab is a slab on disk. It lives as a slab in memory does (slab.go),
// with two more things between open and victim, and one before free:
//
//		free ──claim──▶ open ──claim──▶ sealed ──writer──▶ written ──reclaim──▶ victim ──▶ free
//		                 │ ▲                                                      │          ▲
//		                 └─┘ flush                                                └▶ aside ──┘
//
//	  - free: its slot on the device lists nothing.
//	  - open: claim gave it a stage and the next generation. Writers fill the
//	    stage outside of every lock, and readers find their records there.
//	  - flush: when nothing came for a while (DiskOptions.Idle) the writer brings
//	    what is there to the device, blocks first and the slot after. The slab
//	    stays open; the slot is written again with what comes.
//	  - sealed: in space.filled as well, until its last writer is done. The
//	    volume's writer counts as one of slab.writers from open to written, so
//	    that nobody evicts it. It brings the blocks to the device, then the slot,
//	    and only then detaches the stage.
//	  - What the device refused is broken: its records are dropped, and served
//	    from the stage until they are.
//	  - victim: FIRST its slot is invalidated, THEN its records leave the index
//	    or are copied forward. So whatever was evicted never comes back at a
//	    start, and needs no note in the journal. All other records that leave the
//	    index are struck from the stage's listings or, when the device may have
//	    them, noted as killed BEFORE what replaces them is published (exchange).
//	  - free again: readers that wait for the device hold pins like all others, so
//	    a device that hangs keeps its slab aside, not its successor's bytes.
//
// Pages of a slab that was exposed may sit in sockets. A direct write leaves
// them alone, and else they are replaced before (file.writeSlab); the flag
// falls when the whole slab was written over.
//
// Moved by claim (under space.mu), the writer, and reclaim. The lock order is
// that of the package; stage.mu, stages.mu and the journal's come last, and
// the journal is never written to under a shard's lock or space.mu.
type diskSlab struct {
	slab
	d *Disk

	stage  atomic.Pointer[stage] // nil once it is written
	fading atomic.Bool           // a victim: its slot lists nothing any more

	verified atomic.Uint64 // blocks of it whose checksum was right since they were written, or since the start

	// Constant from open to free.
	generation uint64
	seed       uint32 // of the checksums of listings and records
	virgin     bool   // nothing was in it since the start

	// blank: its slot on the device lists nothing. The reclaimer's and the
	// writer's, who never have it at the same time.
	blank bool

	// The writer's, until the stage is detached; then constant.
	sums   [slotMaxSums]uint32
	onDisk int // bytes of it that the device has
	seen   int // of used, when the writer last looked
}

var _ wire.Device = (*diskSlab)(nil)

// pin takes a pin for reading what c points to; nil when the slab has moved
// on since c was read.
func (d *Disk) pin(c *diskCell) *diskSlab {
	s := &d.slabs[c.slab()]
	s.pins.Add(1)
	if s.seq.Load()&seqMask != c.seq() {
		s.pins.Add(-1)
		return nil
	}
	return s
}

// staged borrows the stage of a slab that the caller has pinned; nil: its
// bytes are on the device.
func (s *diskSlab) staged() *stage {
	for {
		b := s.stage.Load()
		if b == nil {
			return nil
		}
		if b.borrow() {
			if s.stage.Load() == b {
				return b
			}
			b.Release()
		}
	}
}

// at is where the slab begins in the file.
func (s *diskSlab) at() int64 { return s.d.v.slabAt(s.n) }

// Expose returns the descriptor behind the page cache, -1 when the file has none.
func (s *diskSlab) Expose() int {
	fd := s.d.v.f.descriptor()
	if fd >= 0 && !s.exposed.Load() {
		s.exposed.Store(true)
	}
	return fd
}

// Pressure is that of a slab in memory.
func (s *diskSlab) Pressure() wire.Pressure {
	switch order := s.wanted.Load(); {
	case order == 0:
		return wire.Keep
	case order < s.d.space.yield.Load():
		return wire.Yield
	}
	return wire.Leave
}

// span returns a Span over n bytes at off of the file's slab. It takes over a pin.
func (s *diskSlab) span(off, n int) wire.Span {
	return wire.Span{Off: s.at() + int64(off), N: n, Owner: s}
}

// ReadAt is io.ReaderAt on the file, within the volume's time for a read. What
// the page cache has was compared when it came there; the rest is now.
func (s *diskSlab) ReadAt(p []byte, off int64) (int, error) {
	d := s.d
	if d.down() {
		return 0, ErrDown
	}
	if n, err := d.v.f.readNow(p, off); err == nil && n == len(p) {
		return n, nil
	}
	span, err := d.copied(s, int(off-s.at()), len(p))
	if err != nil {
		if errors.Is(err, errDamage) {
			d.device.damaged.Add(1) // who asks for the segment next drops it
		}
		return 0, err
	}
	defer span.Release()
	return copy(p, span.Mem), nil
}

// Enter takes a token for a sendfile of what is in memory of n bytes at off.
func (s *diskSlab) Enter(off int64, n int) int {
	d := s.d
	if d.down() || d.o.VerifyAlways || !d.tokens.try() {
		return 0
	}
	for _, n := range [2]int{n, min(n, blockSize)} {
		if d.v.f.resident(off, int64(n)) {
			return n
		}
	}
	d.tokens.give()
	return 0
}

// Leave gives the token back.
func (s *diskSlab) Leave() { s.d.tokens.give() }
