package store

import (
	"errors"
	"fmt"
	"time"

	"opencache/internal/wire"
)

// errMoved: what was read has another place by now.
var errMoved = errors.New("it was moved meanwhile")

// Lookup is Zone.Lookup. What has to be read from the device is a miss when
// that takes too long or fails.
func (d *Disk) Lookup(h Hash, key []byte, now int64, e *Entry) { d.lookup(h, key, now, e) }

// lookup is Lookup; of an Object it returns the record as well, which is good
// until e is released, and its place in the index.
func (d *Disk) lookup(h Hash, key []byte, now int64, e *Entry) (rec []byte, place uint64) {
	*e = Entry{}
	if d.down() {
		return nil, 0
	}
	var c diskCell
	for range lookupTries {
		if !d.index.load(h, &c.cell) {
			return nil, 0
		}
		switch c.kind() {
		case Object:
			if rec, ok := d.object(h, key, &c, e); ok {
				return rec, c.place
			}
		case Variants, HitForMiss:
			e.marker(&c.cell, now)
			d.index.stir(&c.cell)
			return nil, 0
		default:
			return nil, 0
		}
	}
	return nil, 0
}

// object fills e from the record that c points to. It is false when the
// record was moved meanwhile: look again.
func (d *Disk) object(h Hash, key []byte, c *diskCell, e *Entry) (rec []byte, ok bool) {
	if c.print() != printOf(key) {
		return nil, true
	}
	rec, owner, ok := d.fetch(h, c)
	if owner == nil {
		return nil, ok
	}
	var r header
	if !r.decode(rec) || string(r.keyOf(rec)) != string(key) {
		owner.Release()
		return nil, true
	}
	soft := c.soft()
	if bans := d.bans.Load(); c.checked() != bans.newest {
		hard, softer := d.weigh(h, c, bans, r.faceOf(rec))
		soft = soft || softer
		if hard || softer {
			d.pay(owedMost)
		}
		if hard {
			owner.Release()
			return nil, true
		}
	}
	d.index.touch(&c.cell)
	e.Kind, e.Tier, e.Doubt = Object, OnDisk, r.validated < d.soundSince
	soft = soft || e.Doubt
	e.Meta = r.metaOf(rec)
	e.Size, e.Version, e.Born, e.Validated, e.Soft = r.size, r.version, r.born, r.validated, soft
	if r.body > 0 {
		e.Body = wire.Span{Mem: r.bodyOf(rec), N: r.body, Owner: owner}
	}
	e.owner = owner
	return rec, true
}

// fetch returns the record that c points to and who lends it; nil when it
// cannot be had. It is false when it was moved meanwhile.
func (d *Disk) fetch(h Hash, c *diskCell) (rec []byte, owner wire.Owner, ok bool) {
	s := d.pin(c)
	if s == nil {
		return nil, nil, false
	}
	rec, owner, err := d.record(s, c)
	if err != nil {
		s.Release()
		d.mourn(h, c.place, err)
		return nil, nil, true
	}
	return rec, owner, true
}

// mourn drops what turned out not to be what was written.
func (d *Disk) mourn(h Hash, place uint64, err error) {
	if errors.Is(err, errDamage) {
		d.device.damaged.Add(1)
		d.expel(h, place, Damaged)
	}
}

// weigh evaluates on an object what was purged since c was checked, and counts it.
func (d *Disk) weigh(h Hash, c *diskCell, b *bans, f face) (hard, soft bool) {
	hard, soft = b.judge(f, c.checked(), c.checked())
	if d.checked(h, c, b.newest, hard, soft) && (hard || soft) {
		b.tell(f, c.checked(), c.checked())
	}
	return hard, soft
}

// checked notes in the entry what the purges up to newest did to it. What they
// dropped they drop after a start as well, so the journal need not know until
// they are forgotten (owed). It reports false when that was done by another, who
// may know of purges that are forgotten.
func (d *Disk) checked(h Hash, was *diskCell, newest Seq, hard, soft bool) bool {
	var c diskCell
	mu := d.index.lock(h)
	defer mu.Unlock()
	if !d.index.findLocked(h, &c.cell) || c.place != was.place || c.checked() != was.checked() {
		return false
	}
	if hard {
		d.owed.add(d.goneLocked(h, &c, &diskCell{}, true)...)
		d.dropLocked(&c, Purged)
		return true
	}
	if soft && !c.soft() {
		d.owed.add(d.softened(&c))
	}
	c.note(max(newest, c.checked()), soft || c.soft())
	d.index.setLocked(h, &c.cell)
	return true
}

// A finding is an object that was looked for without being hit.
type finding struct {
	c     diskCell
	h     header
	rec   []byte
	owner wire.Owner // to be released
}

// find reads the object under key.
func (d *Disk) find(h Hash, key []byte) (f finding, ok bool) {
	for range lookupTries {
		if d.down() || !d.index.load(h, &f.c.cell) || f.c.kind() != Object || !f.c.holds(key) {
			return f, false
		}
		if f.rec, f.owner, ok = d.fetch(h, &f.c); !ok {
			continue
		}
		if f.owner == nil {
			return f, false
		}
		if f.h.decode(f.rec) && string(f.h.keyOf(f.rec)) == string(key) {
			return f, true
		}
		f.owner.Release()
		return f, false
	}
	return f, false
}

// AppendTags is Zone.AppendTags.
func (d *Disk) AppendTags(dst []uint64, h Hash, key []byte) []uint64 {
	f, ok := d.find(h, key)
	if !ok {
		return dst
	}
	defer f.owner.Release()
	return append(dst, parseTags(f.h.tagsOf(f.rec))...)
}

// Has is Zone.Has.
func (d *Disk) Has(version uint64, n int) bool {
	var c diskCell
	h := d.segmentHash(version, n)
	return !d.down() && d.index.load(h, &c.cell) && c.names(h)
}

// Segment is Zone.Segment. The bytes are in memory, or in the file and the
// page cache a moment ago, their blocks compared with their checksums.
func (d *Disk) Segment(version uint64, n, off, size int) (wire.Span, bool) {
	return d.relay(version, n, off, size, true)
}

func (d *Disk) relay(version uint64, n, off, size int, hit bool) (wire.Span, bool) {
	h := d.segmentHash(version, n)
	var c diskCell
	for range lookupTries {
		if d.down() || !d.index.load(h, &c.cell) || !c.names(h) || off < 0 || size <= 0 || off >= c.length() {
			return wire.Span{}, false
		}
		s := d.pin(&c)
		if s == nil {
			continue
		}
		span, err := d.cut(s, c.off()+off, min(size, c.length()-off))
		if err != nil {
			s.Release()
			d.mourn(h, c.place, err)
			return wire.Span{}, false
		}
		if hit {
			d.index.touch(&c.cell)
		}
		return span, true
	}
	return wire.Span{}, false
}

// cut returns a Span over n bytes at off of s. Unless there is an error it
// takes over a pin.
func (d *Disk) cut(s *diskSlab, off, n int) (wire.Span, error) {
	if off+n > d.space.size {
		return wire.Span{}, fmt.Errorf("slab %d: %d bytes at %d: %w", s.n, n, off, errDamage)
	}
	if b := s.staged(); b != nil {
		span, err := d.lend(b, off, n)
		if err == nil {
			s.Release()
			d.device.staged.Add(1)
		}
		return span, err
	}
	if d.o.VerifyAlways || d.v.f.descriptor() < 0 {
		span, err := d.copied(s, off, n)
		if err == nil {
			s.Release()
		}
		return span, err
	}
	until := time.Now().Add(d.o.ReadTimeout)
	if err := d.verify(s, off, n, until); err != nil {
		return wire.Span{}, err
	}
	if err := d.warm(s, off, n, until); err != nil {
		return wire.Span{}, err
	}
	d.device.lentBytes.Add(uint64(n))
	return s.span(off, n), nil
}

// lend returns n bytes at off of a stage that was borrowed: the loan, or once a
// third of the stages is in use a copy. So those that slow readers keep leave
// enough for what comes.
func (d *Disk) lend(b *stage, off, n int) (wire.Span, error) {
	if int(d.stages.idle.Load()) > len(d.stages.every)*2/3 {
		return b.span(off, n), nil
	}
	defer b.Release()
	to := d.buffers.take(n)
	if to == nil {
		d.device.busy.Add(1)
		return wire.Span{}, errBusy
	}
	copy(to.p, b.mem[off:])
	return wire.Span{Mem: to.p, N: n, Owner: to}, nil
}

// Mark is Zone.Mark.
func (d *Disk) Mark(h Hash, mk Marker) error { return d.mark(h, &mk) }

// mark is Mark, and leaves in mk what is under h then.
func (d *Disk) mark(h Hash, mk *Marker) error {
	if err := mk.check(); err != nil {
		return err
	}
	if d.down() {
		return d.refused(ErrDown)
	}
	fresh := max(uint32(d.Version()), 1)
	var k Marker
	err := d.exchange(h, func(old *diskCell, found bool) (diskCell, Loss, error) {
		k = *mk
		switch {
		case d.hard.since(h, k.Born) || k.Born > d.Seq():
			return diskCell{}, kept, ErrPurged
		case found && k.joins(&old.cell):
		case found && old.born() > k.Born:
			return diskCell{}, kept, ErrOlder
		case k.Generation == 0:
			k.Generation = fresh
		}
		return diskCell{k.cell()}, Superseded, nil
	}, nil)
	if err == nil {
		*mk = k
	}
	return d.refused(err)
}

// Tally is Zone.Tally. The journal knows of it roughly: it bounds variants.
func (d *Disk) Tally(h Hash, generation uint32) int {
	k, e := d.tally(h, generation)
	if e.place != 0 && k&(k-1) == 0 {
		d.tell(e)
	}
	return k
}

func (d *Disk) tally(h Hash, generation uint32) (n int, e entry) {
	mu := d.index.lock(h)
	defer mu.Unlock()
	var c diskCell
	if !d.index.findLocked(h, &c.cell) || c.kind() != Variants {
		return 0, e
	}
	k := c.unmarker()
	if k.Generation != generation {
		return 0, e
	}
	if k.tally < tallyMax {
		k.tally++
		to := k.cell()
		to.at = c.at
		d.index.setLocked(h, &to)
		e = entry{kind: entryMark, hash: h, stamp: d.stamp.Add(1), place: to.place, state: to.state, extra: uint64(to.expires())}
	}
	return k.tally, e
}

// What the zone asks of the index alone.

// holds reports whether what is under h is still at that place.
func (d *Disk) holds(h Hash, place uint64) bool {
	var c diskCell
	return d.index.load(h, &c.cell) && c.place == place
}

// contains reports whether a record or a segment is under h.
func (d *Disk) contains(h Hash) bool {
	var c diskCell
	return !d.down() && d.index.load(h, &c.cell) && c.stored()
}

// marker returns the marker under h.
func (d *Disk) marker(h Hash) (mk Marker, ok bool) {
	var c diskCell
	if d.down() || !d.index.load(h, &c.cell) || c.stored() {
		return mk, false
	}
	return c.unmarker(), true
}

// younger reports whether what is under h came after born, so that Put would
// say ErrOlder. Without a key any object counts.
func (d *Disk) younger(h Hash, key []byte, born Seq) bool {
	var c diskCell
	return d.index.load(h, &c.cell) && (key == nil || c.holds(key)) && c.born() > born
}

// touch counts a hit elsewhere as one of the object under h.
func (d *Disk) touch(h Hash) {
	var c diskCell
	if d.index.load(h, &c.cell) && c.stored() {
		d.index.touch(&c.cell)
	}
}

// fresh reports whether there are slabs with nothing in them since the start:
// then everything is taken.
func (d *Disk) fresh() bool { return d.unused.Load() > reserve && !d.down() }
