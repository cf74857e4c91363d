package store

import (
	"errors"
	"slices"

	"opencache/internal/wire"
)

// ZoneOptions say what a Zone is made of. The zero value is ready to use.
type ZoneOptions struct {
	// Name tells zones apart in numbers and logs; may be empty.
	Name string
	// Memory is the bytes of slabs in memory; 0: none when there are Disks,
	// else 256 MiB. See Options.Size.
	Memory int64
	// Disks are the volumes on disk. Several share the hashes between them and
	// belong together from their first start on.
	Disks []DiskOptions
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

// A Zone is what stores responses for the sites that share it: in memory, on
// disk, or in memory over disk. Its methods may be called by any number of
// goroutines, until Close.
type Zone struct {
	*registry
	name   string
	memory *Memory // nil: none
	disks  []*Disk // each has the hashes that fall on it; nil: none
	joint  joint   // of memory over disk

	inactivity inactivity

	siteShare, siteLimit int64 // of sites that have no others
	shares               shares
}

// Open starts a zone. The caller closes it.
func Open(o ZoneOptions) (*Zone, error) {
	z := &Zone{registry: newRegistry(o.Seed), name: o.Name, siteShare: o.SiteShare, siteLimit: o.SiteLimit}
	go z.sweepOn()
	if err := z.openDisks(&o); err != nil {
		return nil, errors.Join(err, z.Close())
	}
	if o.Memory != 0 || z.disks == nil {
		var err error
		if z.memory, err = newMemory(z.memoryOptions(&o), z.registry); err != nil {
			return nil, errors.Join(err, z.Close())
		}
		if z.disks != nil {
			z.join()
		}
	}
	for n := range z.sites.known.Load().sites { // those that a disk brought back have an account already
		z.setShare(uint16(n), o.SiteShare, o.SiteLimit)
	}
	for _, d := range z.disks {
		z.sweeps.disks.Go(d.sweepOn)
	}
	return z, nil
}

// A DiskError is why a volume on disk could not be opened.
type DiskError struct{ error }

func (e *DiskError) Unwrap() error { return e.error }

// openDisks opens the volumes, each as the stripe that it is.
func (z *Zone) openDisks(o *ZoneOptions) error {
	if len(o.Disks) == 0 {
		return nil
	}
	disks := slices.Clone(o.Disks)
	dirs, folders := make([]string, len(disks)), make([]folder, len(disks))
	for i := range disks {
		disks[i].defaults()
		dirs[i], folders[i] = disks[i].Dir, disks[i].folder
		if folders[i] == nil {
			folders[i] = &realFolder{path: dirs[i]}
		}
	}
	ids, err := identify(dirs, folders)
	if err != nil {
		return &DiskError{err}
	}
	read := make([]*Disk, len(disks)) // by stripe
	for i := range disks {
		if read[ids[i].i], err = readDisk(z.registry, disks[i], ids[i]); err != nil {
			break
		}
	}
	// Only when all are there: a stripe that is not in use while others are
	// comes back empty.
	for _, d := range read {
		switch {
		case err == nil:
			if err = d.begin(); err == nil {
				z.disks = append(z.disks, d)
			}
		case d != nil:
			err = errors.Join(err, d.abandon())
		}
	}
	if err != nil {
		return &DiskError{err}
	}
	return nil
}

// memoryOptions are those of the memory of a zone whose disks are open: it
// takes their segments, and its ghost remembers as much as all of them hold.
func (z *Zone) memoryOptions(o *ZoneOptions) *Options {
	m := &Options{Size: o.Memory, MeanObject: o.MeanObject, Heap: o.Heap, Poison: o.Poison}
	for _, d := range z.disks {
		m.slab = d.SegmentSize()
		m.remember.bytes += d.capacity()
		m.remember.records += d.capacity() / d.v.mean
	}
	return m
}

// Close stops the zone. It is legal when no other call runs and none but Close
// and Release will follow. While pins are left the memory stays, and the error
// says how many; Close may then be called again.
func (z *Zone) Close() (err error) {
	z.sweeps.stop()
	z.inactivity.stop()
	z.joint.offers.stop()
	for _, d := range z.disks {
		err = errors.Join(err, d.Close())
	}
	if z.memory != nil {
		err = errors.Join(err, z.memory.Close())
	}
	return err
}

// Name is the zone's name.
func (z *Zone) Name() string { return z.name }

// SegmentSize is the size of this zone's segments, all but the last of a
// large content: SegmentSize, or less where slabs are smaller.
func (z *Zone) SegmentSize() int {
	if z.disks != nil {
		return z.disks[0].SegmentSize()
	}
	return z.memory.SegmentSize()
}

// Lookup fills e with what is stored under h and the full key: an Object
// pinned, Variants or HitForMiss unless expired at now (Unix milliseconds), or
// Nothing. What is in memory it finds without allocating.
func (z *Zone) Lookup(h Hash, key []byte, now int64, e *Entry) {
	if z.memory != nil {
		if z.memory.Lookup(h, key, now, e); z.disks == nil || e.Kind != Nothing {
			return
		}
	}
	z.lookupDisk(h, key, now, e)
}

// Segment returns the size bytes at off of segment n of the content named by
// version, pinned: the caller releases the Span. It is shorter where the
// segment ends before. False: the segment is not there, or not so long.
func (z *Zone) Segment(version uint64, n, off, size int) (wire.Span, bool) {
	if z.disks != nil {
		return z.segmentOfTiers(version, n, off, size, true)
	}
	return z.memory.Segment(version, n, off, size)
}

// Relay is Segment for whoever has had it stored for himself: that is no hit.
func (z *Zone) Relay(version uint64, n, off, size int) (wire.Span, bool) {
	if z.disks != nil {
		return z.segmentOfTiers(version, n, off, size, false)
	}
	return z.memory.relay(version, n, off, size, false)
}

// Has reports whether segment n of the content named by version is stored. It
// reads no disk, and is no hit.
func (z *Zone) Has(version uint64, n int) bool {
	if z.disks != nil {
		return z.hasInTiers(version, n)
	}
	return z.memory.Has(version, n)
}

// AppendTags appends the tags of the object that is under key.
func (z *Zone) AppendTags(dst []uint64, h Hash, key []byte) []uint64 {
	if z.memory != nil {
		if z.disks == nil || z.memory.contains(h) {
			return z.memory.AppendTags(dst, h, key)
		}
	}
	return z.disk(h).AppendTags(dst, h, key)
}

// Put stores r in place of what is under r.Hash. It is refused (ErrTooLarge,
// ErrQuota, ErrFull), when what is there is younger (ErrOlder), or when a
// purge since r.Born hits it (ErrPurged); then nothing has changed. When a
// soft purge since r.Validated hits it, it is stored to be validated. A
// variant's Key is the primary key, or that, a zero byte and anything: by this
// purges find it.
func (z *Zone) Put(r *Record) error {
	switch {
	case z.disks == nil:
		return z.memory.Put(r)
	case z.memory == nil:
		return z.disk(r.Hash).Put(r)
	}
	return z.putInTiers(r)
}

// PutSegment stores segment n of the content named by version: at most
// SegmentSize bytes. One that is there already stays.
func (z *Zone) PutSegment(version uint64, n int, site uint64, pieces [][]byte) error {
	switch {
	case z.disks == nil:
		return z.memory.PutSegment(version, n, site, pieces)
	case z.memory == nil:
		return z.disk(z.segmentHash(version, n)).PutSegment(version, n, site, pieces)
	}
	return z.putSegmentInTiers(version, n, site, pieces)
}

// Freshen replaces the Meta of a record after a validation (RFC 9111, 4.3.4)
// that started at validated; version, tags, content, born and frequency stay. It is
// ErrGone when the record is no longer there with that version, ErrOlder when
// it was validated later than this; other errors are Put's.
func (z *Zone) Freshen(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	switch {
	case z.disks == nil:
		return z.memory.Freshen(h, key, version, meta, validated)
	case z.memory == nil:
		return z.disk(h).Freshen(h, key, version, meta, validated)
	}
	return z.freshenInTiers(h, key, version, meta, validated)
}

// Mark puts a marker under h in place of what is there, unless that is
// younger (ErrOlder) or a purge of the key since mk.Born hits it (ErrPurged).
//
// Variants: with the Generation of the marker that is there, or 0, the sets of
// both are joined, mk's first, and at most 4 are kept. Generation 0 where no
// marker is starts a new one; Lookup tells which. Another Generation makes all
// variants there are unreachable. It must come from a Lookup after Seq was
// noted as Born, or be new and random.
func (z *Zone) Mark(h Hash, mk Marker) error {
	switch {
	case z.disks == nil:
		return z.memory.Mark(h, mk)
	case z.memory == nil:
		return z.disk(h).Mark(h, mk)
	}
	return z.markInTiers(h, &mk)
}

// Tally counts one more record under the marker of variants that is under h
// with that generation, and returns how many were counted, up to 1,023. 0: there
// is no such marker.
func (z *Zone) Tally(h Hash, generation uint32) int {
	switch {
	case z.disks == nil:
		return z.memory.Tally(h, generation)
	case z.memory == nil:
		return z.disk(h).Tally(h, generation)
	}
	return z.tallyInTiers(h, generation)
}

// Remove drops the object under key, or the marker under h; without a key
// whatever is under h.
func (z *Zone) Remove(h Hash, key []byte) {
	switch {
	case z.disks == nil:
		z.memory.Remove(h, key)
	case z.memory == nil:
		z.disk(h).Remove(h, key)
	default:
		z.removeInTiers(h, key)
	}
}

// SetShare sets the share and the hard limit of a site in live bytes of the
// zone's largest tier; the others' are so much less as they are smaller; 0 is
// none. Above its share its records are neither promoted nor copied forward,
// at its limit others of its records fall for a newcomer (OverLimit), and what
// finds no room even so is not admitted (ErrQuota). Records stored before its
// account was opened, here or by OpenSite, are not on it. At most 4,095 sites
// have one; more are an error and go on without.
func (z *Zone) SetShare(site uint64, share, limit int64) error {
	n, _, err := z.openAccount(site, nil)
	if err != nil {
		return err
	}
	z.setShare(n, share, limit)
	return nil
}

// ZoneStats are a look at a zone, tier by tier. Its numbers are not of one instant.
type ZoneStats struct {
	Memory Stats
	Disks  []DiskStats

	Purges  uint64
	Bans    int    // purges remembered one by one
	Pending int    // of them, those that not all was checked against that they may hit
	Sweeps  uint64 // of a tier, behind such purges

	Promoted uint64 // records copied from disk to memory
	Offered  uint64 // records copied from memory to disk
	Unwanted uint64 // of those offered: the disk did not take them
	Unasked  uint64 // to be offered: too many were waiting
}

// Total is the tiers' numbers added up: a record that is in two tiers counts twice.
func (s *ZoneStats) Total() Stats {
	t, d := s.Memory, s.Disk()
	t.add(&d)
	return t
}

// Disk is the numbers of all disks added up.
func (s *ZoneStats) Disk() (sum Stats) {
	for i := range s.Disks {
		sum.add(&s.Disks[i].Stats)
	}
	return sum
}

// Stats returns the numbers of the zone. It looks at every slab: for once a
// second, not for every request.
func (z *Zone) Stats() ZoneStats {
	o := &z.joint.offers
	st := ZoneStats{
		Purges: z.purged.Load(), Bans: len(z.bans.Load().list), Pending: z.pending(), Sweeps: z.sweeps.runs.Load(),
		Promoted: z.joint.promoted.Load(), Offered: o.taken.Load(), Unwanted: o.refused.Load(), Unasked: o.dropped.Load(),
	}
	if z.memory != nil {
		st.Memory = z.memory.Stats()
	}
	for _, d := range z.disks {
		st.Disks = append(st.Disks, d.Stats())
	}
	return st
}
