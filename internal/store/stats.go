package store

import (
	"errors"
	"sync/atomic"
)

// A Loss is why a record left the volume.
type Loss uint8

// The losses, in the order in which Stats.Lost counts them; number 0 is none.
const (
	kept       Loss = iota
	Cold            // not hit while it stood in the small queue
	Aged            // not hit while it stood in the main queue
	Behind          // hit, but copying forward did not keep up
	OverShare       // hit, but its site is above its share
	OverLimit       // for another record of its site, which is at its limit
	Crowded         // the coldest of a full bucket of the index
	Superseded      // by a younger record
	Purged
	Removed       // by its user
	Inactive      // not asked for during the time that its site has
	Damaged       // its slab's directory was not what had been written
	NumLosses int = iota
)

func (l Loss) String() string {
	return [NumLosses]string{
		"kept", "cold", "aged", "behind", "over-share", "over-limit", "crowded", "superseded", "purged", "removed", "inactive", "damaged",
	}[l]
}

// Stats is a look at a volume. Its numbers are not of one instant.
type Stats struct {
	Objects, Segments, Markers int64 // in the index, purged ones included until they are met

	Live     int64 // bytes of records in the index
	Capacity int64 // bytes of slabs
	Resident int64 // bytes of slabs, index and directories that have memory
	Overhead int64 // bytes of index, directories and ghosts at most

	SlabSize                                      int
	Slabs, Free, Open, Sealed, Small, Aside, Lent int // Small: of the small queue; Lent: pinned
	Exposed                                       int
	Pins                                          int64
	Retired                                       uint64 // slabs lost because they could not be punched
	Punched                                       uint64
	IndexEntries                                  int64 // that fit
	Admitted, AdmittedBytes                       uint64
	Forwarded, ForwardedBytes                     uint64
	GhostHits                                     uint64
	Lost                                          [NumLosses]uint64 // by Loss
	RefusedLarge, RefusedQuota, RefusedFull       uint64
	RefusedPurged, RefusedOlder                   uint64
}

// add adds o's numbers to st's. SlabSize is the larger one.
func (st *Stats) add(o *Stats) {
	for _, p := range []struct{ to, from *int64 }{
		{&st.Objects, &o.Objects}, {&st.Segments, &o.Segments}, {&st.Markers, &o.Markers},
		{&st.Live, &o.Live}, {&st.Capacity, &o.Capacity}, {&st.Resident, &o.Resident}, {&st.Overhead, &o.Overhead},
		{&st.Pins, &o.Pins}, {&st.IndexEntries, &o.IndexEntries},
	} {
		*p.to += *p.from
	}
	for _, p := range []struct{ to, from *int }{
		{&st.Slabs, &o.Slabs}, {&st.Free, &o.Free}, {&st.Open, &o.Open}, {&st.Sealed, &o.Sealed}, {&st.Small, &o.Small},
		{&st.Aside, &o.Aside}, {&st.Lent, &o.Lent}, {&st.Exposed, &o.Exposed},
	} {
		*p.to += *p.from
	}
	for _, p := range []struct{ to, from *uint64 }{
		{&st.Retired, &o.Retired}, {&st.Punched, &o.Punched}, {&st.Admitted, &o.Admitted}, {&st.AdmittedBytes, &o.AdmittedBytes},
		{&st.Forwarded, &o.Forwarded}, {&st.ForwardedBytes, &o.ForwardedBytes}, {&st.GhostHits, &o.GhostHits},
		{&st.RefusedLarge, &o.RefusedLarge}, {&st.RefusedQuota, &o.RefusedQuota}, {&st.RefusedFull, &o.RefusedFull},
		{&st.RefusedPurged, &o.RefusedPurged}, {&st.RefusedOlder, &o.RefusedOlder},
	} {
		*p.to += *p.from
	}
	for i, n := range o.Lost {
		st.Lost[i] += n
	}
	st.SlabSize = max(st.SlabSize, o.SlabSize)
}

// counts are the parts of Stats that are counted.
type counts struct {
	objects, segments, markers  atomic.Int64
	admitted, admittedBytes     atomic.Uint64
	forwarded, forwardedBytes   atomic.Uint64
	ghostHits, damaged          atomic.Uint64
	punched, retired            atomic.Uint64
	lost                        [NumLosses]atomic.Uint64
	large, quota, full          atomic.Uint64
	refusedPurged, refusedOlder atomic.Uint64
}

// refused counts err, and returns it.
func (c *counts) refused(err error) error {
	for _, r := range []struct {
		err   error
		count *atomic.Uint64
	}{
		{ErrTooLarge, &c.large}, {ErrQuota, &c.quota}, {ErrFull, &c.full},
		{ErrPurged, &c.refusedPurged}, {ErrOlder, &c.refusedOlder},
	} {
		if err != nil && errors.Is(err, r.err) {
			r.count.Add(1)
		}
	}
	return err
}

// Stats returns the numbers of the volume. It looks at every slab: for once a
// second, not for every request.
func (m *Memory) Stats() Stats {
	st := m.counts.stats()
	st.Capacity, st.Overhead = int64(len(m.slabMemory.b)), int64(len(m.tables.b))
	st.Resident = m.slabMemory.resident() + m.tables.resident() + m.index.idle.bytes()
	st.Overhead += m.index.idle.bytes()
	st.SlabSize, st.Slabs = m.space.size, len(m.slabs)
	st.IndexEntries = int64(len(m.index.words) / 4)
	for i := range m.slabs {
		s := &m.slabs[i]
		st.Live += s.live.Load()
		pins := int64(s.pins.Load())
		st.Pins += pins
		if pins > 0 {
			st.Lent++
		}
		if s.exposed.Load() {
			st.Exposed++
		}
	}
	m.space.describe(&st)
	return st
}

// stats is what is counted of a volume's Stats.
func (c *counts) stats() Stats {
	st := Stats{
		Objects: c.objects.Load(), Segments: c.segments.Load(), Markers: c.markers.Load(),
		Retired: c.retired.Load(), Punched: c.punched.Load(),
		Admitted: c.admitted.Load(), AdmittedBytes: c.admittedBytes.Load(),
		Forwarded: c.forwarded.Load(), ForwardedBytes: c.forwardedBytes.Load(),
		GhostHits:    c.ghostHits.Load(),
		RefusedLarge: c.large.Load(), RefusedQuota: c.quota.Load(), RefusedFull: c.full.Load(),
		RefusedPurged: c.refusedPurged.Load(), RefusedOlder: c.refusedOlder.Load(),
	}
	for i := range st.Lost {
		st.Lost[i] = c.lost[i].Load()
	}
	return st
}

func (p *space) describe(st *Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st.Free, st.Aside = len(p.free), len(p.aside)
	st.Open = len(p.small.open) + len(p.main.open)
	st.Sealed = len(p.small.sealed) + len(p.main.sealed)
	st.Small = p.small.slabs()
}
