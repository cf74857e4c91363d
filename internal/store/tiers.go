package store

import (
	"errors"
	"sync"
	"sync/atomic"

	"opencache/internal/wire"
)

// A joint is memory over disk. A record may be in both, and is the same in
// both then: every change under a hash is made in both under the hash's lock.
// Only these ways lead from one to the other:
//
//   - Put writes to both while the disk has room that was never used, and what
//     was asked for before, which the ghost knows. Else what the disk has
//     under the hash is dropped.
//   - What is found on disk is copied to memory as a newcomer (promote), but
//     for what is in doubt since a crash of the machine.
//   - What enters the main queue in memory, and what is copied forward there,
//     is offered to disk (offers).
//
// Segments the disk has are not put into memory too: the page cache is their
// memory. Purges take no lock here: they pass through all tiers, and a copy on
// its way is checked against those that were not done when it was read.
type joint struct {
	locks    *[stripes]stripe // nil: there are not two tiers
	offers   offers
	promoted atomic.Uint64
}

const stripes = 1024

// A stripe is the lock of every hash that falls on it.
type stripe struct {
	mu sync.Mutex
	_  [56]byte // one cache line each
}

func (z *Zone) stripe(h Hash) *sync.Mutex { return &z.joint.locks[h[1]%stripes].mu }

// join has memory and disk kept the same.
func (z *Zone) join() {
	z.joint.locks = new([stripes]stripe)
	z.joint.offers.start(z)
	z.memory.offers = &z.joint.offers
	z.registry.doubles = z.doubles
}

func (z *Zone) lock(h Hash) *sync.Mutex {
	mu := z.stripe(h)
	mu.Lock()
	return mu
}

// disk is the volume that a hash belongs to. The bits are none that tells
// entries or buckets of an index apart.
func (z *Zone) disk(h Hash) *Disk {
	return z.disks[(h[0]&0xffff)*uint64(len(z.disks))>>16]
}

// lookupDisk looks for what memory does not have.
func (z *Zone) lookupDisk(h Hash, key []byte, now int64, e *Entry) {
	d := z.disk(h)
	if z.memory == nil {
		d.Lookup(h, key, now, e)
		return
	}
	checked := z.settled()
	rec, at := d.lookup(h, key, now, e)
	switch e.Kind {
	case Object:
		if e.Doubt { // memory does not tell it from what a soft purge hit
			return
		}
		z.promote(d, at, &carry{hash: h, rec: rec, soft: e.Soft, checked: checked})
	case Variants:
		z.promoteMarker(h)
	}
}

// promote copies what was read from disk at a place to memory, if it is still
// what the disk has. Who would have to wait for that leaves it.
func (z *Zone) promote(d *Disk, at uint64, c *carry) bool {
	mu := z.stripe(c.hash)
	if !mu.TryLock() {
		return false
	}
	defer mu.Unlock()
	if !d.holds(c.hash, at) || z.memory.admit(c) != nil {
		return false
	}
	z.joint.promoted.Add(1)
	return true
}

func (z *Zone) promoteMarker(h Hash) {
	if mu := z.stripe(h); mu.TryLock() {
		z.promoteMarkerLocked(h)
		mu.Unlock()
	}
}

// promoteMarkerLocked gives memory the marker that the disk has, where it has
// nothing. The caller holds the lock of h.
func (z *Zone) promoteMarkerLocked(h Hash) {
	if _, ok := z.memory.marker(h); ok {
		return
	}
	checked := z.settled()
	if k, ok := z.disk(h).marker(h); ok {
		z.memory.admitMarker(h, &k, checked)
	}
}

func (z *Zone) segmentOfTiers(version uint64, n, off, size int, hit bool) (wire.Span, bool) {
	if z.memory != nil {
		if s, ok := z.memory.relay(version, n, off, size, hit); ok {
			return s, true
		}
	}
	return z.disk(z.segmentHash(version, n)).relay(version, n, off, size, hit)
}

// HasIn is Has of one tier alone.
func (z *Zone) HasIn(t Tier, version uint64, n int) bool {
	if t == InMemory {
		return z.memory != nil && z.memory.Has(version, n)
	}
	return z.disks != nil && z.disk(z.segmentHash(version, n)).Has(version, n)
}

func (z *Zone) hasInTiers(version uint64, n int) bool {
	return z.memory != nil && z.memory.Has(version, n) || z.disk(z.segmentHash(version, n)).Has(version, n)
}

func (z *Zone) putInTiers(r *Record) error {
	mu := z.lock(r.Hash)
	defer mu.Unlock()
	d := z.disk(r.Hash)
	if d.younger(r.Hash, r.Key, r.Born) {
		return z.memory.counts.refused(ErrOlder)
	}
	if r.Version == 0 {
		named := *r
		named.Version = z.Version()
		r = &named
	}
	h, err := r.header()
	if err != nil {
		return z.memory.counts.refused(err)
	}
	if z.memory.younger(r.Hash, r.Key, r.Born) {
		return z.memory.counts.refused(ErrOlder)
	}
	// The disk first. Who looks goes by memory: were the record found there
	// before the disk has it, or has nothing, and evicted, the old one would be
	// found again by those who have seen it replaced.
	w := z.memory.welcome(r.Hash, z.account(r.Site), h.length())
	onDisk := (w.known || d.fresh()) && d.put(r, w.known) == nil
	if !onDisk {
		d.supersede(r.Hash)
	}
	err = z.memory.put(r, w)
	if err == nil || errors.Is(err, ErrPurged) {
		return err
	}
	// What is too much for memory may still be little for the disk.
	if onDisk || d.put(r, false) == nil {
		z.memory.drop(r.Hash, Superseded)
		return nil
	}
	return err
}

func (z *Zone) putSegmentInTiers(version uint64, n int, site uint64, pieces [][]byte) error {
	if size := total(pieces); size == 0 || size > z.SegmentSize() || n < 0 {
		return z.memory.counts.refused(ErrTooLarge)
	}
	h := z.segmentHash(version, n)
	mu := z.lock(h)
	defer mu.Unlock()
	d, account := z.disk(h), z.account(site)
	if d.contains(h) || z.memory.contains(h) {
		return nil
	}
	w := z.memory.welcome(h, account, total(pieces))
	if (w.known || d.fresh()) && d.putSegment(segmentOf{version, n}, site, pieces, w.known) == nil {
		return nil
	}
	return z.memory.putSegment(h, account, pieces, w)
}

// freshenInTiers has memory read the record first, so that nobody waits for
// the disk with the lock held.
func (z *Zone) freshenInTiers(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	d := z.disk(h)
	if !z.memory.contains(h) {
		var e Entry
		z.lookupDisk(h, key, 0, &e)
		e.Release()
	}
	mu := z.lock(h)
	defer mu.Unlock()
	if !z.memory.contains(h) {
		return d.Freshen(h, key, version, meta, validated) // memory had no room for it
	}
	r := Record{Hash: h, Key: key, Version: version, Meta: meta, Validated: validated}
	var e Entry
	hd, err := z.memory.renewed(&r, &e)
	defer e.Release()
	if err != nil {
		return z.memory.counts.refused(err)
	}
	onDisk := d.renew(&r, &hd) == nil // first, as in Put
	if !onDisk {
		d.supersede(h) // an ejected disk still has it at the next start
	}
	err = z.memory.replace(&r, &hd)
	if err != nil && onDisk && !errors.Is(err, ErrPurged) {
		z.memory.drop(h, Superseded)
		return nil
	}
	return z.memory.counts.refused(err)
}

func (z *Zone) markInTiers(h Hash, mk *Marker) error {
	if err := mk.check(); err != nil {
		return err
	}
	mu := z.lock(h)
	defer mu.Unlock()
	d := z.disk(h)
	if mk.Kind == Variants {
		z.promoteMarkerLocked(h)
	}
	if z.hard.since(h, mk.Born) || mk.Born > z.Seq() {
		return z.memory.counts.refused(ErrPurged)
	}
	if old, ok := z.memory.marker(h); !ok || !mk.join(&old) {
		if d.younger(h, nil, mk.Born) || z.memory.younger(h, nil, mk.Born) {
			return z.memory.counts.refused(ErrOlder)
		}
		if mk.Generation == 0 {
			mk.Generation = max(uint32(z.Version()), 1)
		}
	}
	// The disk first, as in Put. That a response can not be shared is for a
	// moment, and not worth a disk.
	if mk.Kind != Variants || d.mark(h, mk) != nil {
		d.supersede(h)
	}
	return z.memory.mark(h, mk)
}

func (z *Zone) tallyInTiers(h Hash, generation uint32) int {
	mu := z.lock(h)
	defer mu.Unlock()
	z.promoteMarkerLocked(h)
	z.disk(h).Tally(h, generation)
	return z.memory.Tally(h, generation)
}

// doubles counts the objects that are in both tiers.
func (z *Zone) doubles() (n int) {
	m := z.memory
	m.index.each(func(c *cell) {
		var l listing
		if c.kind() != Object || !l.decode(m.directory(c.slab()).at(c.listing()), m.space.size) {
			return
		}
		if z.disk(l.hash).contains(l.hash) {
			n++
		}
	})
	return n
}

func (z *Zone) removeInTiers(h Hash, key []byte) {
	mu := z.lock(h)
	defer mu.Unlock()
	z.memory.Remove(h, key)
	z.disk(h).Remove(h, key)
}
