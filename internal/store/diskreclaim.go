package store

import (
	"sync/atomic"
	"time"
)

// A reclaimer empties slabs of a disk. It is one goroutine, so its buffers
// need no lock. Nobody waits for it but who is willing to (DiskOptions.PutWait).
type reclaimer struct {
	slot      []byte // of the victim
	mem       []byte // bytes of the victim, at their places
	poison    []byte // what a free slab is filled with; nil: not yet needed
	survivors []survivor
	late      bool // a stage was waited for in vain for this victim

	passes   atomic.Uint64 // how often it has looked for free slabs
	hopeless atomic.Bool   // there were none to be had
}

// A survivor is a hit record of a victim.
type survivor struct {
	l diskListing
	c diskCell
}

// forwardWait is how long copying forward waits for a stage; once for a victim
// if there is none by then.
const forwardWait = time.Second

func (r *reclaimer) init(slab, slot int) {
	r.slot = make([]byte, slot)
	r.mem = pages(make([]byte, slab+pageSize))[:slab]
}

// refill keeps a few slabs free.
func (d *Disk) refill() {
	defer close(d.reclaimed)
	for {
		select {
		case <-d.quit:
			return
		case <-d.wake:
		}
		before := d.space.numFree()
		d.clearRuins()
		more := !d.down()
		goal := d.space.wantedFree
		if d.space.numFree() < goal {
			goal = d.cleaned
		}
		for more && d.space.numFree() < goal && !d.quitting() {
			more = d.reclaim()
		}
		// What was on its way to the device may have arrived behind the last look.
		hopeless := !more && !d.space.settling() && (d.down() || d.quitting() || !d.reclaim())
		d.reclaimer.hopeless.Store(hopeless)
		d.reclaimer.passes.Add(1)
		// Who waits is woken for news only: else each would wake the other on and on.
		if hopeless || d.space.numFree() > before {
			d.freed.tell()
		}
	}
}

func (d *Disk) quitting() bool {
	select {
	case <-d.quit:
		return true
	default:
		return false
	}
}

// reclaim makes one more slab free; false when there is none to be had now.
func (d *Disk) reclaim() bool {
	r := round{budget: copyMost * d.space.size}
	for r.net <= 0 {
		if s := d.space.unpinned(); s != nil {
			d.free(&d.slabs[s.n], &r)
			continue
		}
		s := d.space.victim()
		if s == nil {
			return false
		}
		if !d.evacuate(&d.slabs[s.n], &r) {
			d.space.putBack(s)
			return false
		}
		d.vacate(&d.slabs[s.n], &r)
	}
	return true
}

// vacate ends the life of a slab that no index entry points to.
func (d *Disk) vacate(s *diskSlab, r *round) {
	s.seq.Add(1)
	if s.pins.Load() != 0 {
		d.space.setAside(&s.slab)
		return
	}
	d.free(s, r)
}

// free makes s free: no index entry points to it, nobody holds a pin.
func (d *Disk) free(s *diskSlab, r *round) {
	if d.o.Poison {
		if d.reclaimer.poison == nil {
			d.reclaimer.poison = pages(make([]byte, d.space.size+pageSize))[:d.space.size]
			poison(d.reclaimer.poison)
		}
		mem := d.reclaimer.poison
		if err := d.v.f.writeSlab(mem, s.at(), s.exposed.Load()); err != nil {
			d.unwritten(err)
		} else if s.exposed.Swap(false) {
			d.counts.punched.Add(1)
		}
	}
	d.space.put(&s.slab)
	r.net++
}

// evacuate takes every record out of s: hit ones are copied forward within the
// budgets, the others dropped. Lookups go on meanwhile. It is false when the
// device did not let the slot be invalidated: then s is as it was.
func (d *Disk) evacuate(s *diskSlab, r *round) bool {
	listed := d.listings(s)
	if err := d.fade(s); err != nil {
		d.unwritten(err)
		return false
	}
	d.reclaimer.late = false
	r.chosen = 0
	d.choose(s, listed, r)
	d.rescue(s, r)
	if s.live.Load() != 0 {
		d.sweep(s)
	}
	return true
}

// fade has the slot of s list nothing. A sweep sees all of that or nothing.
func (d *Disk) fade(s *diskSlab) error {
	head := [slotHeader]byte{}
	d.slots.Lock()
	defer d.slots.Unlock()
	err := d.blank(s, head[:])
	if err == nil {
		s.fading.Store(true)
	}
	return err
}

// listings reads the slot of s; nil when it is not what was written.
func (d *Disk) listings(s *diskSlab) []byte {
	b := d.reclaimer.slot
	if err := d.v.f.read(b, d.v.slotAt(s.n)); err != nil {
		d.unread(err)
		return nil
	}
	var h slot
	if h.decode(b, s.n, d.space.size, d.space.listings) != slotValid || h.generation != s.generation {
		d.counts.damaged.Add(1)
		return nil
	}
	return b[slotHeader : slotHeader+h.records*directorySize]
}

// choose drops what is not worth a copy, and notes the survivors.
func (d *Disk) choose(s *diskSlab, listed []byte, r *round) {
	d.reclaimer.survivors = d.reclaimer.survivors[:0]
	seed := s.seed
	var v survivor
	for ; len(listed) > 0; listed = listed[directorySize:] {
		if !v.l.decode(listed, seed, d.space.size) {
			continue // never published or struck; what else it was is swept
		}
		if !d.evict(s, &v, r) {
			d.reclaimer.survivors = append(d.reclaimer.survivors, v)
		}
	}
}

// evict drops the record that v lists, unless it is worth a copy.
func (d *Disk) evict(s *diskSlab, v *survivor, r *round) (gone bool) {
	l := &v.l
	place := placeOf(l.kind, s.n, l.off, s.seq.Load())
	mu := d.index.lock(l.hash)
	defer mu.Unlock()
	if !d.index.findLocked(l.hash, &v.c.cell) || v.c.place != place {
		return true
	}
	why := d.fate(s, v, r)
	if why == kept {
		r.budget -= aligned(l.n)
		r.chosen += aligned(l.n)
		return false
	}
	d.bans.Load().unsure(&v.c)
	d.dropLocked(&v.c, why)
	if why == Cold {
		d.ghost.add(l.hash, aligned(l.n), 1)
	}
	return true
}

// fate decides what becomes of a live record of a victim: S3-FIFO keeps what
// was hit while it stood in its queue, as far as writing it again is worth it.
func (d *Disk) fate(s *diskSlab, v *survivor, r *round) Loss {
	n := aligned(v.l.n)
	switch {
	case v.c.freq() == 0 && s.main.Load():
		return Aged
	case v.c.freq() == 0:
		return Cold
	case d.accounts.above(v.c.account()):
		return OverShare
	case r.budget < n || !d.affords(r.chosen+n):
		return Behind
	}
	return kept
}

// affords reports whether n more bytes may be written for those admitted, behind
// those that are on their way.
func (d *Disk) affords(n int) bool {
	all := float64(d.device.written.Load()) + float64(d.coming.Load()) + float64(n)
	return all <= d.o.Amplification*float64(d.counts.admittedBytes.Load())
}

// rescue reads the survivors, those that lie close together in one go, and
// copies them forward.
func (d *Disk) rescue(s *diskSlab, r *round) {
	all := d.reclaimer.survivors
	for i := 0; i < len(all); {
		from, to := all[i].extent()
		end := i + 1
		for ; end < len(all); end++ {
			f, t := all[end].extent()
			if f > to+blockSize/2 || f < from {
				break
			}
			to = max(to, t)
		}
		to = min(to, d.space.size)
		err := d.v.f.read(d.reclaimer.mem[from:to], s.at()+int64(from))
		if err != nil {
			d.unread(err)
		}
		for ; i < end; i++ {
			if err != nil || !d.forward(s, &all[i], r) {
				d.lose(&all[i], Damaged)
			}
		}
	}
}

// extent is what has to be read for a survivor: of a segment whole blocks,
// which have the checksums.
func (v *survivor) extent() (from, to int) {
	from, to = v.l.off, v.l.off+v.l.n
	if v.l.kind == kindSegment {
		from, to = from&^(blockSize-1), blocks(to)*blockSize
	}
	return from, to
}

// lose drops a survivor after all, if it is still there.
func (d *Disk) lose(v *survivor, why Loss) {
	var c diskCell
	mu := d.index.lock(v.l.hash)
	defer mu.Unlock()
	if d.index.findLocked(v.l.hash, &c.cell) && c.place == v.c.place {
		d.dropLocked(&c, why)
	}
}

// forward copies a hit record to the main queue and points the index there. It
// is false when its bytes are not what was written.
func (d *Disk) forward(s *diskSlab, v *survivor, r *round) bool {
	b := d.reclaimer.mem[v.l.off : v.l.off+v.l.n]
	checked, soft := v.c.checked(), v.c.soft()
	var h header
	if v.l.kind == Object {
		if !intact(b, s.seed) || !h.decode(b[:len(b)-sumSize]) {
			return false
		}
		b = b[:len(b)-sumSize]
		bans, f := d.bans.Load(), h.faceOf(b)
		hard, softer := bans.judge(f, checked, checked)
		if hard || softer {
			bans.tell(f, checked, checked)
		}
		if hard {
			d.lose(v, Purged)
			return true
		}
		checked, soft = bans.newest, soft || softer
	} else if !d.sound(s, v) {
		return false
	}
	c, ok := d.forwardRoom(v.l.n)
	if !ok {
		d.lose(v, Behind)
		return true
	}
	defer c.done()
	if c.fresh {
		r.net--
	}
	c.write(b)
	if v.l.kind == Object {
		c.seal()
		c.b.saw(max(h.born, h.validated))
	}
	account := v.c.account()
	if v.l.kind == Object {
		account = d.accountNow(account, &h)
	}
	e := c.entry(v.l.hash, v.l.kind, account)
	e.print, e.born, e.checked, e.soft = v.c.print(), v.c.born(), checked, soft
	d.move(s, v, &c, &e)
	return true
}

// sound compares the blocks of a survivor in reclaimer.mem with their checksums.
func (d *Disk) sound(s *diskSlab, v *survivor) bool {
	from, to := v.extent()
	return s.compare(d.reclaimer.mem[from:to], from/blockSize) == nil
}

// forwardRoom claims n bytes of the main queue, and waits for a stage. Those of
// ruins nobody else gives back.
func (d *Disk) forwardRoom(n int) (c diskClaim, ok bool) {
	timer := time.NewTimer(forwardWait)
	defer timer.Stop()
	for {
		freed := d.freed.next()
		if c, ok = d.claim(true, n, 0); ok {
			return c, true
		}
		if d.clearRuins() {
			continue
		}
		if d.stages.idle.Load() > 0 || d.reclaimer.late {
			return c, false
		}
		select {
		case <-freed:
		case <-timer.C:
			d.reclaimer.late = true
		}
	}
}

// move points the index to the copy of a survivor, unless it was superseded or
// dropped while it was copied. From the small queue it starts anew; in the main
// queue a round costs it one hit.
func (d *Disk) move(s *diskSlab, v *survivor, to *diskClaim, e *diskEntry) {
	d.keepSoft(e) // void if the copy does not come to be
	var c diskCell
	mu := d.index.lock(v.l.hash)
	if !d.index.findLocked(v.l.hash, &c.cell) || c.place != v.c.place {
		mu.Unlock()
		return
	}
	softer := c.soft() && !e.soft && c.kind() == Object
	if s.main.Load() {
		e.freq = max(c.freq()-1, 0)
	}
	if c.kind() == Object {
		e.checked, e.soft = max(e.checked, c.checked()), e.soft || c.soft()
	}
	moved := e.cell()
	moved.at = c.at
	d.index.setLocked(v.l.hash, &moved.cell)
	to.list(e, d.stamp.Add(1))
	d.accounts.move(c.account(), e.account, aligned(v.l.n))
	n := int64(aligned(v.l.n))
	s.live.Add(-n)
	to.s.live.Add(n)
	mu.Unlock()
	d.counts.forwarded.Add(1)
	d.counts.forwardedBytes.Add(uint64(n))
	if softer {
		d.tell(d.softened(&moved))
	}
}

// sweep drops every index entry that points to s. It is what is left to do
// when its slot turns out damaged.
func (d *Disk) sweep(s *diskSlab) {
	d.index.each(func(x *cell) {
		if c := (diskCell{*x}); c.stored() && c.slab() == s.n {
			d.dropLocked(&c, Damaged)
		}
	})
}

// clearRuins reports whether there were any.
func (d *Disk) clearRuins() (some bool) {
	for s := d.space.ruin(); s != nil; s = d.space.ruin() {
		d.clearRuin(&d.slabs[s.n])
		some = true
	}
	return some
}

// clearRuin drops what is in a slab that the device refused. Until then it is
// served from its stage.
func (d *Disk) clearRuin(s *diskSlab) {
	if !s.blank {
		// An earlier flush has left a slot.
		head := [slotHeader]byte{}
		if err := d.blank(s, head[:]); err != nil {
			d.unwritten(err)
			d.disown(s)
		}
	}
	s.fading.Store(true)
	d.sweep(s)
	s.unstage()
	var r round
	d.vacate(s, &r)
}

// disown has nothing of a slab come back whose slot cannot be invalidated.
func (d *Disk) disown(s *diskSlab) {
	e := entry{kind: entryKill, slab: s.n, generation: s.generation}
	for i := range d.space.listings {
		e.listings = append(e.listings, uint16(i))
	}
	d.tell(e)
}
