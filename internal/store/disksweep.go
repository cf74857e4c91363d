package store

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A disk is swept slab by slab. What may have been hit follows from the index:
// an object that is older than a purge which was not evaluated on it, and may be
// of its site. The directory of its slab says under which hash it is, and of the
// slab no more than such objects is read, in the order in which they lie, and
// compared with their checksums. A segment has no tags: it falls with its head.
//
// How far a sweep has come stands in the index (checked): what stops it and
// begins again reads nothing twice. When no object is left that was not
// checked, the purges were evaluated on the whole disk. They can be forgotten
// then, once the journal knows what they have dropped (owed): until that they
// would drop it again after a start.
const (
	// sweepAtStart is how long a sweep of what was purged before the start waits.
	sweepAtStart = time.Minute
	// diskRestMost is the longest rest behind a sweep (sweepRest).
	diskRestMost = time.Hour
	// sweepBurst is how much is read between two pauses.
	sweepBurst = 256 << 10
	// sweepYield is how long a sweep steps back from a device that is busy, and
	// sweepHang from one that hangs.
	sweepYield = 10 * time.Millisecond
	sweepHang  = time.Second
	// sweepTries is how often an object is read that the device refuses.
	sweepTries = 3
	// sweepHurry is how many times as fast it is when half of the purges that
	// can be remembered are pending.
	sweepHurry = 4
	// owedMost is how many notes for the journal may wait for the sweep.
	owedMost = 1024
)

// A diskSweep is what the sweep of a disk needs. Apart from left its goroutine's.
type diskSweep struct {
	left atomic.Int64 // slabs still to be read
	// blunt: a crash of the machine may have lost which sites had accounts, so
	// their numbers tell nothing. Constant.
	blunt bool

	read   int       // since the last pause
	met    int       // objects that this look has read or dropped
	begun  time.Time // of it
	reach  reach     // of the purges that the index was compared with last
	wanted []uint32  // by slab: 1 + sequence of the life in which something in it is to be looked at; 0: nothing
}

// sweepOn sweeps the disk whenever something was purged, until stop.
func (d *Disk) sweepOn() {
	if !d.sweepRest(sweepAtStart) {
		return
	}
	for {
		news := d.sweeps.news.next()
		swept, age := d.sweeps.of(d)
		newest := d.bans.Load().newest
		if d.down() {
			d.evaluated(nil, newest, age) // nobody waits for this one
		}
		if swept == newest || d.down() {
			select {
			case <-d.sweeps.quit:
				return
			case <-news:
			}
			continue
		}
		begun := time.Now()
		if d.sweepTo(newest) {
			d.evaluated(d, newest, age)
		} else if d.sweepEnds() {
			return
		}
		if !d.sweepRest(min(sweepRest*time.Since(begun), diskRestMost)) {
			return
		}
	}
}

// sweepRest waits, unless half of what can be remembered is pending or, at the
// start, somebody waits for a count; false: the sweeping ends.
func (d *Disk) sweepRest(rest time.Duration) bool {
	if rest < sweepPause {
		return !d.sweepEnds()
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	for {
		news := d.sweeps.news.next()
		if d.hurried() || d.down() || rest == sweepAtStart && d.sweeps.asked() {
			return true
		}
		select {
		case <-d.sweeps.quit:
			return false
		case <-timer.C:
			return true
		case <-news:
		}
	}
}

func (d *Disk) hurried() bool { return d.pending() > maxBans/2 }

func (d *Disk) sweepEnds() bool {
	select {
	case <-d.sweeps.quit:
		return true
	default:
		return false
	}
}

// asked reports whether a count waits.
func (s *sweeps) asked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.counts) > 0
}

// sweepTo checks every object against the purges up to newest, and younger
// ones; false: the sweeping ends, or the disk is ejected.
func (d *Disk) sweepTo(newest Seq) bool {
	w := &d.sweeping
	defer w.left.Store(0)
	wait := sweepYield
	for !d.down() && newest <= d.bans.Load().newest { // else the sequences have started again
		w.met = 0
		n, ok := d.unchecked(newest)
		if !ok {
			return false
		}
		if n == 0 {
			return true
		}
		w.left.Store(n)
		for i, life := range w.wanted {
			if life == 0 {
				continue
			}
			if !d.sweepSlab(&d.slabs[i], life-1, newest) {
				return false
			}
			d.pay(0)
			w.left.Add(-1)
		}
		// What was moved meanwhile is found by the next look, what is being
		// evacuated when that is done.
		if w.met > 0 {
			wait = sweepYield
			continue
		}
		if wait == sweepHang {
			d.expelLeft(newest)
		}
		if !d.sweepPause(wait) {
			return false
		}
		wait = min(2*wait, sweepHang)
	}
	return false
}

// expelLeft drops what no listing of its slab leads to, though nothing is on its
// way any more: exchange has struck it for a change that then came to something else.
func (d *Disk) expelLeft(newest Seq) {
	for i, life := range d.sweeping.wanted {
		if s := &d.slabs[i]; life != 0 && !s.fading.Load() {
			d.expelUnlisted(s, life-1, newest)
		}
	}
}

// unchecked notes which slabs hold objects that are to be read for the purges
// up to newest, and returns their number. What none of them can have hit is
// checked without being read.
func (d *Disk) unchecked(newest Seq) (slabs int64, ok bool) {
	w, x := &d.sweeping, &d.index
	if w.wanted == nil {
		w.wanted = make([]uint32, len(d.slabs))
	}
	clear(w.wanted)
	stride, span := 0, int(x.per)*bucketWords
	for s := range x.shards {
		for from, end := s*span, (s+1)*span; from < end; from += sweepBatch * bucketWords {
			slabs += d.uncheckedIn(&x.shards[s].mu, from, min(from+sweepBatch*bucketWords, end), newest)
			if stride += sweepBatch; stride >= sweepStride {
				stride = 0
				if !d.sweepPause(sweepPause) {
					return 0, false
				}
			}
		}
	}
	return slabs, true
}

// uncheckedIn does so for the entries between two places of the index, which
// are in the shard of mu.
func (d *Disk) uncheckedIn(mu *sync.Mutex, from, to int, newest Seq) (slabs int64) {
	mu.Lock()
	defer mu.Unlock()
	w := &d.sweeping
	b := d.bans.Load()
	w.reach.of(d, b)
	var c diskCell
	for at := from; at < to; at += bucketWords {
		for i := at; i < at+ways; i++ {
			d.index.readLocked(i, &c.cell)
			switch {
			case c.tag&^versionMask == 0 || c.kind() != Object || c.checked() >= newest:
			case w.reach.to(c.account()) <= max(c.checked(), c.born()):
				c.note(max(b.newest, c.checked()), c.soft())
				d.index.writeLocked(i, c.tag&^versionMask, &c.cell)
			default:
				if w.wanted[c.slab()] == 0 {
					slabs++
				}
				w.wanted[c.slab()] = c.seq() + 1
			}
		}
	}
	return slabs
}

// A reach is the youngest purge that what is on an account may be hit by.
type reach struct {
	bans  *bans
	sites *knownSites
	all   Seq
	site  map[uint64]Seq
}

// of makes r that of b.
func (r *reach) of(d *Disk, b *bans) {
	r.sites = d.sites.known.Load()
	if r.bans == b {
		return
	}
	r.bans, r.all, r.site = b, 0, map[uint64]Seq{}
	if d.sweeping.blunt {
		r.all = b.newest
	}
	for i := range b.list {
		if s := &b.list[i]; s.site == 0 {
			r.all = max(r.all, s.seq)
		} else {
			r.site[s.site] = s.seq
		}
	}
}

func (r *reach) to(account uint16) Seq {
	if account == 0 || int(account) >= len(r.sites.sites) || r.sites.sites[account] == 0 {
		return r.bans.newest
	}
	return max(r.all, r.site[r.sites.sites[account]])
}

// sweepSlab reads the objects of a slab, in that life of it, that were not
// checked against the purges up to newest; false: the sweeping ends.
func (d *Disk) sweepSlab(s *diskSlab, life uint32, newest Seq) bool {
	b, seed, ok := d.slotFor(s, life, newest)
	if !ok {
		return false
	}
	if b == nil {
		return true
	}
	defer b.Release()
	var l diskListing
	var c diskCell
	damaged := false
	for list := b.p[slotHeader:]; len(list) > 0; list = list[directorySize:] {
		if !l.decode(list[:directorySize], seed, d.space.size) {
			damaged = damaged || !zeros(list[:directorySize])
			continue
		}
		if l.kind != Object || !d.index.load(l.hash, &c.cell) || c.kind() != Object || c.slab() != s.n ||
			c.seq() != life || c.off() != l.off || c.checked() >= newest {
			continue
		}
		if !d.sweepObject(l.hash, &c) {
			return false
		}
	}
	if damaged {
		d.expelUnlisted(s, life, newest)
	}
	return true
}

// slotFor returns the slot of s and what its listings are seeded with; nil when
// that life of it is over or ends. What is in a slab whose slot cannot be read
// is dropped.
func (d *Disk) slotFor(s *diskSlab, life uint32, newest Seq) (b *readBuffer, seed uint32, ok bool) {
	for try := 1; ; try++ {
		if !d.sweepTurn() {
			return nil, 0, d.down()
		}
		s.pins.Add(1)
		if s.seq.Load()&seqMask != life {
			s.Release()
			return nil, 0, true
		}
		seed = s.seed
		b, err := d.slotNow(s)
		fading, wait := s.fading.Load(), errors.Is(err, errBusy) || errors.Is(err, errLate)
		lost := err != nil && !fading && !wait && try >= sweepTries
		s.Release()
		if lost {
			d.expelUnlisted(s, life, newest)
		}
		if err == nil || fading || lost {
			return b, seed, true
		}
		if !d.sweepPause(sweepYield) {
			return nil, 0, false
		}
	}
}

// slotNow reads the slot of s, which the caller has pinned.
func (d *Disk) slotNow(s *diskSlab) (*readBuffer, error) {
	b := d.buffers.take(d.v.slotSize())
	if b == nil {
		return nil, errBusy
	}
	if from := s.staged(); from != nil {
		from.mu.Lock()
		copy(b.p, from.slot)
		from.mu.Unlock()
		from.Release()
		return b, nil
	}
	// A write that hangs holds up nobody who only tries.
	if !d.slots.TryLock() {
		b.Release()
		return nil, errBusy
	}
	defer d.slots.Unlock()
	var h slot
	err := d.load(s, b, d.v.slotAt(s.n), time.Time{})
	if err == nil && (h.decode(b.p, s.n, d.space.size, d.space.listings) != slotValid || h.generation != s.generation) {
		err = errDamage
	}
	if err != nil {
		b.Release()
		return nil, err
	}
	d.sweptBytes(len(b.p))
	clear(b.p[slotHeader+h.records*directorySize:]) // of an earlier life
	return b, nil
}

// expelUnlisted drops what is still to be read in that life of a slab, and of which
// nobody can say under which hash it is. The journal is told first: what comes
// under their hashes would not know of them.
func (d *Disk) expelUnlisted(s *diskSlab, life uint32, newest Seq) {
	gone := entry{kind: entryKill, slab: s.n}
	still := func(x *cell) (c diskCell, ok bool) {
		c = diskCell{*x}
		return c, c.kind() == Object && c.slab() == s.n && c.seq() == life && c.checked() < newest
	}
	d.index.each(func(x *cell) {
		if c, ok := still(x); ok {
			gone.generation = s.generation
			gone.listings = append(gone.listings, uint16(c.listing()))
		}
	})
	if len(gone.listings) == 0 {
		return
	}
	d.tell(gone)
	d.index.each(func(x *cell) {
		if c, ok := still(x); ok && slices.Contains(gone.listings, uint16(c.listing())) {
			d.bans.Load().unsure(&c)
			d.dropLocked(&c, Damaged)
			d.sweeping.met++
		}
	})
}

// sweepObject reads an object and evaluates the purges on it; false: the
// sweeping ends. One that cannot be read is dropped.
func (d *Disk) sweepObject(h Hash, c *diskCell) bool {
	for try := 1; ; try++ {
		if !d.sweepTurn() {
			return d.down()
		}
		err := d.sweepRecord(h, c)
		switch {
		case err == nil:
			return true
		case errors.Is(err, errBusy) || errors.Is(err, errLate):
		case errors.Is(err, errDamage) || try >= sweepTries:
			d.bans.Load().unsure(c)
			d.mourn(h, c.place, errDamage)
			d.sweeping.met++
			return true
		}
		if !d.sweepPause(sweepYield) {
			return false
		}
	}
}

func (d *Disk) sweepRecord(h Hash, c *diskCell) error {
	s := d.pin(c)
	if s == nil {
		return nil // it was moved or dropped meanwhile
	}
	rec, owner, err := d.record(s, c)
	if err != nil {
		s.Release()
		return err
	}
	defer owner.Release()
	d.sweptBytes(c.length())
	var r header
	if !r.decode(rec) {
		return errDamage
	}
	d.weigh(h, c, d.bans.Load(), r.faceOf(rec))
	d.sweeping.met++
	return nil
}

func (d *Disk) sweptBytes(n int) {
	d.device.swept.Add(uint64(n))
	d.sweeping.read += n
}

// sweepTurn waits until a read is not in the way of requests, and within the
// rate; false: the sweeping ends, or the disk is ejected.
func (d *Disk) sweepTurn() bool {
	w := &d.sweeping
	if w.read >= sweepBurst {
		if !d.sweepPause(d.sweepDue()) {
			return false
		}
		w.read, w.begun = 0, time.Now()
	}
	for !d.down() {
		wait := sweepYield
		switch {
		case d.tokens.hung():
			wait = sweepHang
		case len(d.tokens.free) >= cap(d.tokens.free)/2:
			return true
		}
		if !d.sweepPause(wait) {
			return false
		}
	}
	return false
}

// sweepDue is how long what was read since the last pause should still take.
func (d *Disk) sweepDue() time.Duration {
	w, rate := &d.sweeping, d.o.SweepRate
	if rate < 0 {
		return 0
	}
	if d.hurried() {
		rate *= sweepHurry
	}
	due := time.Duration(float64(w.read) / float64(rate) * float64(time.Second))
	return due - min(time.Since(w.begun), due)
}

// sweepPause waits; false: the sweeping ends.
func (d *Disk) sweepPause(wait time.Duration) bool {
	if wait <= 0 {
		return !d.sweepEnds()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-d.sweeps.quit:
		return false
	case <-timer.C:
		return true
	}
}

// An owed is what the journal is to be told of what purges did, before they are
// forgotten.
type owed struct {
	paying sync.Mutex // held while it is told

	mu      sync.Mutex // guards the field below; taken under the locks of the index
	entries []entry
}

// add takes entries in. Those of one slab that follow each other become one.
func (o *owed) add(entries ...entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range entries {
		if n := len(o.entries); n > 0 {
			last := &o.entries[n-1]
			if last.kind == e.kind && last.slab == e.slab && last.generation == e.generation {
				last.listings = append(last.listings, e.listings...)
				continue
			}
		}
		o.entries = append(o.entries, e)
	}
}

func (o *owed) take(above int) (entries []entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.entries) > above {
		entries, o.entries = o.entries, nil
	}
	return entries
}

// pay tells the journal what is owed, if that is more than so many entries.
// When it returns, nothing that was owed before is still untold.
func (d *Disk) pay(above int) {
	if above > 0 && !d.owed.paying.TryLock() {
		return // somebody does
	} else if above <= 0 {
		d.owed.paying.Lock()
	}
	defer d.owed.paying.Unlock()
	if entries := d.owed.take(above); len(entries) > 0 {
		d.tell(entries...)
	}
}
