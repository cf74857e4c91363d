package store

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A diskClaim is room for one record in an open slab's stage: the one who
// holds it fills it and calls done. The slab is not written before.
type diskClaim struct {
	claim
	d   *Disk
	s   *diskSlab
	b   *stage
	sum uint32
}

// write appends p to what has been written into the claim.
func (c *diskClaim) write(p []byte) {
	copy(c.b.mem[c.off+c.at:], p)
	c.at += len(p)
	c.sum = crc32.Update(c.sum, castagnoli, p)
}

// seal ends a record with its checksum. A segment has none.
func (c *diskClaim) seal() {
	binary.LittleEndian.PutUint32(c.b.mem[c.off+c.at:], c.sum)
	c.at += sumSize
}

// entry is the index entry for what was written.
func (c *diskClaim) entry(h Hash, kind Kind, account uint16) diskEntry {
	return diskEntry{
		hash: h, kind: kind, slab: c.s.n, off: c.off, n: c.at, listing: c.listing,
		sequence: c.s.seq.Load(), account: account,
	}
}

// list enters what was written in the slab's listings.
func (c *diskClaim) list(e *diskEntry, stamp uint64) {
	l := diskListing{hash: e.hash, off: e.off, n: e.n, kind: e.kind, site: e.account, print: e.print}
	c.b.list(c.listing, &l, stamp, c.s.seed)
}

// done lets the slab be written once it is full.
func (c *diskClaim) done() {
	if c.s.writers.Add(-1) == 1 && c.s.sealed.Load() {
		c.d.nudge(c.d.ticks)
	}
}

// claim takes room for n bytes of a queue and a stage to write them to.
func (d *Disk) claim(main bool, n, keep int) (diskClaim, bool) {
	c, low, ok := d.space.claim(main, n, keep)
	if low {
		d.nudge(d.wake)
	}
	if !ok {
		return diskClaim{}, false
	}
	d.coming.Add(int64(aligned(n)))
	s := &d.slabs[c.s.n]
	if c.fresh {
		d.nudge(d.ticks) // another one has been sealed for it
	}
	return diskClaim{claim: c, d: d, s: s, b: s.stage.Load(), sum: s.seed}, true
}

// room claims n bytes of a queue. When there is none it waits for the writer
// and the reclaimer as long as the options say, and no longer than there is hope.
func (d *Disk) room(main bool, n int) (diskClaim, error) {
	if d.down() {
		return diskClaim{}, ErrDown
	}
	c, ok := d.claim(main, n, reserve)
	if ok {
		return c, nil
	}
	if d.o.PutWait <= 0 {
		return c, ErrFull
	}
	timer := time.NewTimer(d.o.PutWait)
	defer timer.Stop()
	for passes := d.reclaimer.passes.Load(); d.hope(passes); {
		freed := d.freed.next()
		if c, ok = d.claim(main, n, reserve); ok {
			return c, nil
		}
		if !d.hope(passes) {
			break
		}
		select {
		case <-freed:
		case <-timer.C:
			return c, ErrFull
		}
	}
	return c, ErrFull
}

// hope reports whether there may soon be room where there was none when the
// reclaimer had made so many passes: the pass then under way may have been too
// early.
func (d *Disk) hope(passes uint64) bool {
	if d.stages.idle.Load() <= reserve {
		// Else borrowers have them all, or one has become idle just now: before its
		// slab counts as written.
		return d.space.settling() || d.stages.idle.Load() > reserve
	}
	return !d.down() && !(d.reclaimer.hopeless.Load() && d.reclaimer.passes.Load() >= passes+2)
}

// An arrival is a record on its way into the volume.
type arrival struct {
	hash Hash
	key  []byte
	tags []byte
	h    header

	account uint16
	main    bool
	// Purges up to here were looked at: hard ones count from the one on, soft
	// ones from the other, those of the key alone as well.
	hard, soft Seq
	softened   bool // by one of those
	write      func(c *diskClaim)
}

// Put is Zone.Put, with the volume's own ghost to choose the queue.
func (d *Disk) Put(r *Record) error { return d.put(r, d.popular(r.Hash, d.account(r.Site))) }

// put is Put into the main queue, or the small one.
func (d *Disk) put(r *Record, main bool) error {
	h, err := r.header()
	if err != nil {
		return d.refused(err)
	}
	if h.version == 0 {
		h.version = d.Version()
	}
	tags := appendTags(nil, r.Tags)
	a := arrival{
		hash: r.Hash, key: r.Key, tags: tags, h: h, account: d.account(r.Site), main: main, hard: r.Born, soft: r.Validated,
	}
	a.write = func(c *diskClaim) { c.record(r, &h, tags) }
	return d.refused(d.enter(&a))
}

func (c *diskClaim) record(r *Record, h *header, tags []byte) {
	var fixed [headerSize]byte
	h.encode(&fixed)
	c.write(fixed[:])
	c.write(r.Key)
	c.write(r.Meta)
	c.write(tags)
	for _, p := range r.Body {
		c.write(p)
	}
	c.seal()
}

// enter stores a record that arrives.
func (d *Disk) enter(a *arrival) error {
	n := aligned(a.h.length() + sumSize)
	if !d.fit(a.account, n) {
		return ErrQuota
	}
	c, err := d.room(a.main, n)
	if err != nil {
		d.accounts.add(a.account, -n)
		return err
	}
	defer c.done()
	a.write(&c)
	c.b.saw(max(a.h.born, a.h.validated))
	e := c.entry(a.hash, Object, a.account)
	e.born, e.print = a.h.born, printOf(a.key)
	err = d.exchange(a.hash, func(old *diskCell, found bool) (diskCell, Loss, error) {
		err := d.judge(a, &e, old, found)
		return e.cell(), Superseded, err
	}, func(stamp uint64) { c.list(&e, stamp) })
	if err != nil {
		d.accounts.add(a.account, -n)
		return err
	}
	d.keepSoft(&e)
	d.admitted(n)
	return nil
}

// keepSoft notes of a record that arrives that it is to be validated, which its
// listing does not say. The claim on it is still held: so the journal has it
// before the device has the record.
func (d *Disk) keepSoft(e *diskEntry) {
	if e.soft {
		c := e.cell()
		d.tell(d.softened(&c))
	}
}

// judge sets in e what purges and the old entry say of an arrival, or refuses it.
func (d *Disk) judge(a *arrival, e *diskEntry, old *diskCell, found bool) error {
	b := d.bans.Load()
	hard, soft := b.judge(a.h.face(a.key, a.tags), a.hard, a.soft)
	if hard || d.hard.since(a.hash, a.hard) || a.h.born > d.Seq() {
		return ErrPurged
	}
	if found && old.holds(a.key) && old.born() > a.h.born {
		return ErrOlder
	}
	e.checked, e.soft = b.newest, a.softened || soft || d.soft.since(a.hash, a.soft)
	if e.freq = 0; found && old.stored() {
		e.freq = old.freq()
	}
	return nil
}

func (d *Disk) admitted(n int) {
	d.counts.admitted.Add(1)
	d.counts.admittedBytes.Add(uint64(n))
}

func (d *Disk) refused(err error) error {
	if err == ErrDown {
		d.device.refused.Add(1)
	}
	return d.counts.refused(err)
}

// popular reports whether a newcomer goes into the main queue: it fell out
// of the small one not long ago, or replaces something in the main queue.
func (d *Disk) popular(h Hash, account uint16) bool {
	var c diskCell
	switch {
	case d.accounts.above(account):
		return false
	case d.index.load(h, &c.cell) && c.stored():
		return d.slabs[c.slab()].main.Load()
	}
	_, known := d.ghost.take(h)
	if known {
		d.counts.ghostHits.Add(1)
	}
	return known
}

// PutSegment is Zone.PutSegment.
func (d *Disk) PutSegment(version uint64, n int, site uint64, pieces [][]byte) error {
	return d.putSegment(segmentOf{version, n}, site, pieces, d.popular(d.segmentHash(version, n), d.account(site)))
}

// A segmentOf names a segment.
type segmentOf struct {
	version uint64
	n       int
}

// putSegment is PutSegment into the main queue, or the small one.
func (d *Disk) putSegment(of segmentOf, site uint64, pieces [][]byte, main bool) error {
	if of.n < 0 {
		return d.refused(ErrTooLarge)
	}
	return d.refused(d.enterSegment(d.segmentHash(of.version, of.n), d.account(site), pieces, main))
}

func (d *Disk) enterSegment(h Hash, account uint16, pieces [][]byte, main bool) error {
	size := total(pieces)
	if size == 0 || size > d.SegmentSize() {
		return ErrTooLarge
	}
	var old diskCell
	if d.index.load(h, &old.cell) && old.names(h) {
		return nil
	}
	n := aligned(size)
	if !d.fit(account, n) {
		return ErrQuota
	}
	c, err := d.room(main, n)
	if err != nil {
		d.accounts.add(account, -n)
		return err
	}
	defer c.done()
	for _, p := range pieces {
		c.write(p)
	}
	e := c.entry(h, kindSegment, account)
	err = d.exchange(h, func(old *diskCell, found bool) (diskCell, Loss, error) {
		if found && old.names(h) {
			return diskCell{}, kept, errSame
		}
		return e.cell(), Superseded, nil
	}, func(stamp uint64) { c.list(&e, stamp) })
	if err != nil {
		d.accounts.add(account, -n)
		if err == errSame {
			return nil
		}
		return err
	}
	d.admitted(n)
	return nil
}

// Freshen is Zone.Freshen.
func (d *Disk) Freshen(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	for range lookupTries {
		err := d.freshen(h, key, version, meta, validated)
		if err != errMoved {
			return d.refused(err)
		}
	}
	return ErrGone
}

func (d *Disk) freshen(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	f, ok := d.find(h, key)
	if !ok {
		return ErrGone
	}
	defer f.owner.Release()
	was := &f.h
	switch {
	case was.version != version:
		return ErrGone
	case was.validated > validated || validated > d.Seq():
		return ErrOlder
	}
	r := Record{
		Hash: h, Key: key, Site: was.site, Version: version, Born: was.born, Validated: validated,
		Meta: meta, Tags: parseTags(was.tagsOf(f.rec)), Size: was.size,
	}
	if was.body > 0 {
		r.Body = [][]byte{was.bodyOf(f.rec)}
	}
	nh, err := r.header()
	if err != nil {
		return err
	}
	return d.replace(&r, &nh, &f.c)
}

// renew is Freshen with the record as memory has it, which is not read from the
// device therefore.
func (d *Disk) renew(r *Record, h *header) error {
	err := errMoved
	for try := 0; err == errMoved && try < lookupTries; try++ {
		var was diskCell
		if d.down() || !d.index.load(r.Hash, &was.cell) || was.kind() != Object || !was.holds(r.Key) {
			return ErrGone
		}
		err = d.replace(r, h, &was)
	}
	return err
}

// replace writes r where a record with the same key and version is, at the
// place of was. The hard limit of the site does not count: as much as comes goes.
func (d *Disk) replace(r *Record, h *header, was *diskCell) error {
	account := d.account(r.Site)
	n := aligned(h.length() + sumSize)
	c, err := d.room(d.popular(r.Hash, account), n)
	if err != nil {
		return err
	}
	defer c.done()
	tags := appendTags(nil, r.Tags)
	c.record(r, h, tags)
	c.b.saw(h.validated)
	e := c.entry(r.Hash, Object, account)
	e.born, e.print = h.born, printOf(r.Key)
	d.accounts.add(account, n)
	err = d.exchange(r.Hash, func(old *diskCell, found bool) (diskCell, Loss, error) {
		if !found || old.place != was.place {
			return diskCell{}, kept, errMoved
		}
		b := d.bans.Load()
		hard, soft := b.judge(h.face(r.Key, tags), old.checked(), 0)
		if hard {
			return diskCell{}, Purged, ErrPurged
		}
		e.checked, e.soft, e.freq = b.newest, soft || d.soft.since(r.Hash, r.Validated), old.freq()
		return e.cell(), Superseded, nil
	}, func(stamp uint64) { c.list(&e, stamp) })
	if err != nil {
		d.accounts.add(account, -n)
	}
	if err == ErrPurged {
		d.expel(r.Hash, was.place, Purged)
	}
	if err == nil {
		d.keepSoft(&e)
		d.admitted(n)
	}
	return err
}

// fit takes n bytes on account a. When that goes above its limit, others of
// the account's records fall for it; false when too few could be found.
func (d *Disk) fit(a uint16, n int) bool {
	if d.accounts.admit(a, n) {
		return true
	}
	acc := &d.accounts[a]
	limit := acc.limit.Load()
	if int64(n) > limit {
		return false
	}
	d.trimming.Lock()
	defer d.trimming.Unlock()
	if d.accounts.admit(a, n) { // another one has made room
		return true
	}
	d.trim(a, limit-max(int64(n), limit/trimPart))
	return d.accounts.admit(a, n)
}

// trim drops records of account a until no more than most bytes are left, as a
// memory does. The caller holds d.trimming.
func (d *Disk) trim(a uint16, most int64) {
	acc := &d.accounts[a]
	buckets := len(d.index.words) / bucketWords
	looks := min(trimCells/ways, trimTurns*buckets)
	for looks > 0 && acc.live.Load() > most {
		n := min(trimBuckets, buckets, looks)
		d.trimBatch(a, n, acc.live.Load()-most)
		looks -= n
	}
}

// trimBuckets is how many buckets trim looks at before it tells the journal.
const trimBuckets = 64

// trimBatch drops records of account a in the next n buckets, until they have
// excess bytes.
func (d *Disk) trimBatch(a uint16, n int, excess int64) {
	acc := &d.accounts[a]
	buckets := d.index.rows()
	for n > 0 {
		to := min(acc.hand+n, buckets)
		d.dropTold(acc.hand, to, OverLimit, func(c *diskCell) bool {
			switch {
			case c.account() != a || excess <= 0:
				return false
			case c.freq() > 0:
				d.index.words[c.at+stateAt].CompareAndSwap(c.state, c.state-1)
				return false
			}
			excess -= int64(aligned(c.length()))
			return true
		})
		n -= to - acc.hand
		acc.hand = to % buckets
	}
}

// dropTold drops what falls says of the records between two buckets. The
// journal is told first: once they are out of the index, what comes under their
// hashes would not know of them.
func (d *Disk) dropTold(from, to int, why Loss, falls func(c *diskCell) bool) {
	var gone []entry
	var fallen []diskCell
	for n := from; n < to; n++ {
		d.index.bucket(n, func(x *cell) {
			if c := (diskCell{*x}); c.stored() && falls(&c) {
				gone = append(gone, d.goneLocked(Hash{}, &c, &diskCell{}, true)...)
				fallen = append(fallen, c)
			}
		})
	}
	if len(gone) > 0 {
		d.tell(gone...)
	}
	for i := range fallen {
		was := &fallen[i]
		d.index.bucket(was.at/bucketWords, func(x *cell) {
			if x.at == was.at && x.place == was.place {
				d.dropLocked(&diskCell{*x}, why)
			}
		})
	}
}

// admit takes in a record or a segment on its way from another tier, as a
// newcomer of the main queue or of the small one.
func (d *Disk) admit(c *carry, main bool) error {
	if c.segment {
		return d.enterSegment(c.hash, c.account, [][]byte{c.rec}, main)
	}
	var h header
	if !h.decode(c.rec) {
		return ErrTooLarge
	}
	rec := c.rec[:h.length()]
	a := arrival{
		hash: c.hash, key: h.keyOf(rec), tags: h.tagsOf(rec), h: h, account: d.accountNow(c.account, &h), main: main,
		hard: c.checked, soft: c.checked, softened: c.soft,
	}
	a.write = func(to *diskClaim) {
		to.write(rec)
		to.seal()
	}
	if c.checked > d.Seq() {
		return ErrPurged
	}
	return d.enter(&a)
}
