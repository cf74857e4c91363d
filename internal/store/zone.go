package store

import "opencache/internal/wire"

// ZoneOptions say what a Zone is made of. The zero value is ready to use.
type ZoneOptions struct {
	// Name tells zones apart in numbers and logs; may be empty.
	Name string
	// Memory is the bytes of slabs in memory; 0: 256 MiB. See Options.Size.
	Memory int64
	// MeanObject is the mean bytes of a record in memory; 0: 2 KiB. See Options.MeanObject.
	MeanObject int64
	// SiteShare and SiteLimit are those of sites that SetShare names no others
	// for, and of all together that have no account; 0: none.
	SiteShare, SiteLimit int64
	// Heap and Poison are those of Options.
	Heap   bool
	Poison bool
	// Seed makes hashes and versions the same in each run; zero: they are
	// random, as they must be where foreign requests come in.
	Seed [32]byte
}

// A Zone is what stores responses for the sites that share it: a volume in
// memory. Its methods may be called by any number of goroutines, until Close.
type Zone struct {
	*registry
	name   string
	memory *Memory

	siteShare, siteLimit int64 // of sites that have no others
}

// Open starts a zone. The caller closes it.
func Open(o ZoneOptions) (*Zone, error) {
	z := &Zone{registry: newRegistry(o.Seed), name: o.Name, siteShare: o.SiteShare, siteLimit: o.SiteLimit}
	var err error
	mo := Options{Size: o.Memory, MeanObject: o.MeanObject, Heap: o.Heap, Poison: o.Poison}
	if z.memory, err = newMemory(&mo, z.registry); err != nil {
		return nil, err
	}
	z.memory.accounts.set(0, o.SiteShare, o.SiteLimit)
	go z.sweepOn()
	return z, nil
}

// Close stops the zone. It is legal when no other call runs and none but Close
// and Release will follow. While pins are left the memory stays, and the error
// says how many; Close may then be called again.
func (z *Zone) Close() error {
	z.sweeps.stop()
	return z.memory.Close()
}

// Name is the zone's name.
func (z *Zone) Name() string { return z.name }

// SegmentSize is the size of this zone's segments, all but the last of a
// large content: SegmentSize, or less where slabs are smaller.
func (z *Zone) SegmentSize() int { return z.memory.SegmentSize() }

// Lookup fills e with what is stored under h and the full key: an Object
// pinned, Variants or HitForMiss unless expired at now (Unix milliseconds), or
// Nothing. What is in memory it finds without allocating.
func (z *Zone) Lookup(h Hash, key []byte, now int64, e *Entry) { z.memory.Lookup(h, key, now, e) }

// Segment returns the size bytes at off of segment n of the content named by
// version, pinned: the caller releases the Span. It is shorter where the
// segment ends before. False: the segment is not there, or not so long.
func (z *Zone) Segment(version uint64, n, off, size int) (wire.Span, bool) {
	return z.memory.Segment(version, n, off, size)
}

// Has reports whether segment n of the content named by version is stored. It
// reads no disk, and is no hit.
func (z *Zone) Has(version uint64, n int) bool { return z.memory.Has(version, n) }

// AppendTags appends the tags of the object that is under key.
func (z *Zone) AppendTags(dst []uint64, h Hash, key []byte) []uint64 {
	return z.memory.AppendTags(dst, h, key)
}

// Put stores r in place of what is under r.Hash. It is refused (ErrTooLarge,
// ErrQuota, ErrFull), when what is there is younger (ErrOlder), or when a
// purge since r.Born hits it (ErrPurged); then nothing has changed. When a
// soft purge since r.Validated hits it, it is stored to be validated. A
// variant's Key is the primary key, or that, a zero byte and anything: by this
// purges find it.
func (z *Zone) Put(r *Record) error { return z.memory.Put(r) }

// PutSegment stores segment n of the content named by version: at most
// SegmentSize bytes. One that is there already stays.
func (z *Zone) PutSegment(version uint64, n int, site uint64, pieces [][]byte) error {
	return z.memory.PutSegment(version, n, site, pieces)
}

// Freshen replaces the Meta of a record after a validation (RFC 9111, 4.3.4)
// that started at validated; version, tags, content, born and frequency stay. It is
// ErrGone when the record is no longer there with that version, ErrOlder when
// it was validated later than this; other errors are Put's.
func (z *Zone) Freshen(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	return z.memory.Freshen(h, key, version, meta, validated)
}

// Mark puts a marker under h in place of what is there, unless that is
// younger (ErrOlder) or a purge of the key since mk.Born hits it (ErrPurged).
//
// Variants: with the Generation of the marker that is there, or 0, the sets of
// both are joined, mk's first, and at most 4 are kept. Generation 0 where no
// marker is starts a new one; Lookup tells which. Another Generation makes all
// variants there are unreachable. It must come from a Lookup after Seq was
// noted as Born, or be new and random.
func (z *Zone) Mark(h Hash, mk Marker) error { return z.memory.Mark(h, mk) }

// Tally counts one more record under the marker of variants that is under h
// with that generation, and returns how many were counted, up to 1,023. 0: there
// is no such marker.
func (z *Zone) Tally(h Hash, generation uint32) int { return z.memory.Tally(h, generation) }

// Remove drops the object under key, or the marker under h; without a key
// whatever is under h.
func (z *Zone) Remove(h Hash, key []byte) { z.memory.Remove(h, key) }

// SetShare sets the share and the hard limit of a site in live bytes; 0 is
// none. Above its share its records are neither promoted nor copied forward,
// at its limit others of its records fall for a newcomer (OverLimit), and what
// finds no room even so is not admitted (ErrQuota). Records stored before its
// account was opened, here or by OpenSite, are not on it. At most 4,095 sites
// have one; more are an error and go on without.
func (z *Zone) SetShare(site uint64, share, limit int64) error {
	return z.memory.SetShare(site, share, limit)
}

// ZoneStats are a look at a zone, tier by tier. Its numbers are not of one instant.
type ZoneStats struct {
	Memory  Stats
	Purges  uint64
	Bans    int    // purges remembered one by one
	Pending int    // of them, those that not all was checked against that they may hit
	Sweeps  uint64 // of the index, behind such purges
}

// Total is the tiers' numbers added up: a record that is in two tiers counts twice.
func (s *ZoneStats) Total() Stats { return s.Memory }

// Stats returns the numbers of the zone. It looks at every slab: for once a
// second, not for every request.
func (z *Zone) Stats() ZoneStats {
	return ZoneStats{Memory: z.memory.Stats(), Purges: z.purged.Load(), Bans: len(z.bans.Load().list),
		Pending: z.pending(), Sweeps: z.sweeps.runs.Load()}
}
