package store

import (
	"sync/atomic"
	"time"
)

// deviceCounts are what a volume on disk counts beside counts.
type deviceCounts struct {
	reads, waits, busy, timeouts           atomic.Uint64
	readErrors, writeErrors, journalErrors atomic.Uint64
	damaged, refused                       atomic.Uint64
	staged                                 atomic.Uint64
	swept                                  atomic.Uint64
	written, readBytes, lentBytes          atomic.Uint64
	row                                    atomic.Int32 // errors since the last success
	fault                                  atomic.Pointer[error]
}

// DiskStats is a look at a volume on disk. Its numbers are not of one instant.
type DiskStats struct {
	Stats
	Dir string

	Staged   uint64 // reads of what was in memory still
	Reads    uint64 // calls that read
	Waited   uint64 // of them, those that the page cache had no answer to
	TimedOut uint64 // reads that were given up because the device did not answer
	Busy     uint64 // reads not tried because too many were waiting, or too much was lent

	ReadBytes uint64 // by these calls
	LentBytes uint64 // of segments, lent as parts of the file: what is sent of them is not read

	ReadErrors, WriteErrors, JournalErrors uint64
	JournalBytes                           int64  // of the file now
	JournalRewrites                        uint64 // how often it was written anew since the start
	Recovered                              Recovery

	SweptBytes uint64 // of them, those read to look for what was purged
	SweepLeft  int    // slabs that the sweep that is under way has still to read

	Damaged      uint64 // records and segments whose checksum was wrong
	Written      uint64 // bytes, of slabs and their slots
	RefusedDown  uint64 // puts refused because the volume is ejected
	Waiting      int    // calls that wait for the device now
	Stuck        int    // of them, those that nobody waits for any more
	Stages       int    // buffers for slabs that are being filled or written
	StagesIdle   int
	BuffersBytes int64 // of read buffers, lent now
	Ejected      bool
	Fault        string // why it was ejected
}

// A Recovery is what a start found on the device.
type Recovery struct {
	Took              time.Duration
	Objects, Segments int64
	Bytes             int64 // of both
	Markers           int64
	Damaged           int64 // listings and slots that were not what was written
	// Soft says that all that came back is to be validated before use: the
	// machine crashed, or stopped without closing the volume.
	Soft bool
	// Empty is why nothing came back, "" otherwise.
	Empty string
}

// recovery is what the volume has found; it is constant from then on.
func (v *volume) recovery() Recovery {
	f := &v.found
	r := Recovery{
		Objects: f.objects, Segments: f.segments, Bytes: f.bytes, Markers: f.marks,
		Damaged: f.damaged + int64(f.damagedSlots), Soft: f.doubtful,
	}
	if f.nothing {
		r.Empty = f.why
	}
	return r
}

// Stats returns the numbers of the volume. It looks at every slab: for once a
// second, not for every request.
func (d *Disk) Stats() DiskStats {
	c := &d.device
	st := DiskStats{
		Stats: d.stats(), Dir: d.o.Dir,
		Staged: c.staged.Load(), ReadBytes: c.readBytes.Load(), LentBytes: c.lentBytes.Load(),
		Reads: c.reads.Load(), Waited: c.waits.Load(), TimedOut: c.timeouts.Load(), Busy: c.busy.Load(),
		ReadErrors: c.readErrors.Load(), WriteErrors: c.writeErrors.Load(), JournalErrors: c.journalErrors.Load(),
		Damaged: c.damaged.Load(), Written: c.written.Load(), RefusedDown: c.refused.Load(),
		Waiting: cap(d.tokens.free) - len(d.tokens.free), Stuck: int(d.tokens.stuck.Load()),
		Stages: len(d.stages.every), StagesIdle: int(d.stages.idle.Load()), BuffersBytes: d.buffers.lent.Load(),
		JournalBytes: d.v.journal.size.Load(), JournalRewrites: uint64(d.v.journal.rewrote.Load()),
		SweptBytes: c.swept.Load(), SweepLeft: int(d.sweeping.left.Load()),
		Ejected: d.down(), Recovered: d.recovered,
	}
	if err := c.fault.Load(); err != nil {
		st.Fault = (*err).Error()
	}
	return st
}

func (d *Disk) stats() Stats {
	st := d.counts.stats()
	st.Capacity = d.capacity()
	st.Overhead = int64(len(d.tables.b)) + int64(len(d.stages.bytes.b)) + d.buffers.most
	st.Resident = d.tables.resident() + d.stages.bytes.resident() + d.buffers.lent.Load() + d.index.idle.bytes()
	st.Overhead += d.index.idle.bytes()
	st.SlabSize, st.Slabs = d.space.size, len(d.slabs)
	st.IndexEntries = int64(len(d.index.words) / 4)
	for i := range d.slabs {
		s := &d.slabs[i]
		st.Live += s.live.Load()
		if s.pins.Load() > 0 {
			st.Lent++
		}
		if s.exposed.Load() {
			st.Exposed++
		}
	}
	st.Pins = d.pins()
	d.space.describe(&st)
	return st
}

// capacity is the bytes of slabs.
func (d *Disk) capacity() int64 { return int64(d.v.slabs) * int64(d.v.slab) }
