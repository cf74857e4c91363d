package store

import "errors"

// exchangeTries bounds how often a change is tried again because what is under
// its hash changed while the journal was written.
const exchangeTries = 64

// errSame: what is there already is as good.
var errSame = errors.New("it is there already")

// A deciding says what is to be under a hash in place of old, if that was
// found: a cell of place 0 is nothing. It is called under the shard's lock,
// and once more when the journal was written in between; and must then decide
// the same of the same.
type deciding func(old *diskCell, found bool) (e diskCell, why Loss, err error)

// exchange changes what is under h. What the device may have of the old record
// or marker is noted in the journal as gone BEFORE the new one can be found: a
// crash at any moment brings back the old one or nothing, and nothing only
// once somebody could have seen the new one. So the lock is given up for the
// journal, and the change decided again. entered, which may be nil, is called
// under the lock with the stamp of the change.
func (d *Disk) exchange(h Hash, decide deciding, entered func(stamp uint64)) error {
	var told diskCell
	var toldOf bool // told was found
	var entries []entry
	for range exchangeTries {
		var old diskCell
		mu := d.index.lock(h)
		found := d.index.findLocked(h, &old.cell)
		e, why, err := decide(&old, found)
		there := found
		if err == nil && !found {
			there, why = d.makeRoomLocked(h, &old, &e)
		}
		if err == nil && (entries == nil || found != toldOf || !old.same(&told)) {
			entries = d.goneLocked(h, &old, &e, there)
		} else if err == nil {
			entries = nil // they are written
		}
		if err == nil && len(entries) == 0 {
			d.applyLocked(h, &old, &e, there, why)
			if entered != nil {
				entered(d.stamp.Add(1))
			}
			mu.Unlock()
			return nil
		}
		mu.Unlock()
		if err != nil {
			d.takeBack(h, entries)
			return err
		}
		told, toldOf = old, found
		d.tell(entries...)
	}
	d.takeBack(h, entries)
	return ErrFull
}

// same reports whether c is still what it was, hits apart.
func (c *diskCell) same(was *diskCell) bool {
	return c.place == was.place && (c.stored() || c.state == was.state && c.expires() == was.expires())
}

// makeRoomLocked fills old with what a new entry e takes the place of.
func (d *Disk) makeRoomLocked(h Hash, old, e *diskCell) (there bool, why Loss) {
	if e.place == 0 {
		return false, kept
	}
	d.index.roomLocked(h, &old.cell)
	return old.tag&^versionMask != 0, Crowded
}

// goneLocked returns what the journal has to say before e replaces old. What is
// on a stage only is struck from its listings, and needs no word.
func (d *Disk) goneLocked(h Hash, old, e *diskCell, there bool) (entries []entry) {
	if there && old.stored() {
		if s := &d.slabs[old.slab()]; !s.fading.Load() && !s.strike(old.listing()) {
			entries = append(entries, entry{
				kind: entryKill, slab: s.n, generation: s.generation, listings: []uint16{uint16(old.listing())},
			})
		}
	}
	tag := old.tag &^ versionMask
	if there && old.kind() == Variants && tag != tagOf(h) {
		entries = append(entries, entry{kind: entryMark, hash: Hash{tag}, stamp: d.stamp.Add(1)}) // crowded out: no more is known of its hash
	}
	mark := entry{kind: entryMark, hash: h, stamp: d.stamp.Add(1)}
	switch {
	case e.kind() == Variants:
		mark.place, mark.state, mark.extra = e.place, e.state, uint64(e.expires())
		entries = append(entries, mark)
	case there && old.kind() == Variants && tag == tagOf(h):
		entries = append(entries, mark)
	}
	return entries
}

// strike takes a listing off the slab's stage; false when the device may have it.
func (s *diskSlab) strike(listing int) bool {
	b := s.stage.Load()
	return b != nil && b.strike(listing)
}

// takeBack unsays a marker that was noted and did not come to be.
func (d *Disk) takeBack(h Hash, entries []entry) {
	for i := range entries {
		if e := &entries[i]; e.kind == entryMark && e.place != 0 {
			d.tell(entry{kind: entryMark, hash: h, stamp: d.stamp.Add(1)})
		}
	}
}

// tell writes to the journal, that of an ejected volume too: at the next start
// its device may answer again. When it cannot, it has seen to it that nothing
// comes back of which it does not know; or it says errUnsafe.
func (d *Disk) tell(entries ...entry) {
	if err := d.v.journal.append(entries...); err != nil {
		d.device.journalErrors.Add(1)
		if errors.Is(err, errUnsafe) {
			d.eject(err)
			return
		}
		d.strain(err)
	}
}

// applyLocked puts e in place of old, which counts as lost if it was there.
func (d *Disk) applyLocked(h Hash, old, e *diskCell, there bool, why Loss) {
	if there {
		d.forgetLocked(old, why)
	}
	if e.place == 0 {
		if there {
			d.index.clearLocked(&old.cell)
		}
		return
	}
	e.at = old.at
	d.index.setLocked(h, &e.cell)
	if !e.stored() {
		d.counts.markers.Add(1)
		return
	}
	d.slabs[e.slab()].live.Add(int64(aligned(e.length())))
	if e.kind() == Object {
		d.counts.objects.Add(1)
	} else {
		d.counts.segments.Add(1)
	}
}

// forgetLocked counts the entry c as gone; the caller overwrites it.
func (d *Disk) forgetLocked(c *diskCell, why Loss) {
	if !c.stored() {
		d.counts.markers.Add(-1)
		return
	}
	n := aligned(c.length())
	d.slabs[c.slab()].live.Add(-int64(n))
	d.accounts.add(c.account(), -n)
	if c.kind() == Object {
		d.counts.objects.Add(-1)
	} else {
		d.counts.segments.Add(-1)
	}
	d.counts.lost[why].Add(1)
}

// dropLocked takes the entry c out of the index without a word to the journal:
// its slab is fading, or what drops it is remembered otherwise.
func (d *Disk) dropLocked(c *diskCell, why Loss) {
	d.forgetLocked(c, why)
	d.index.clearLocked(&c.cell)
}

// expel drops what is under h when it is still at that place.
func (d *Disk) expel(h Hash, place uint64, why Loss) {
	_ = d.exchange(h, func(old *diskCell, found bool) (diskCell, Loss, error) {
		if !found || old.place != place {
			return diskCell{}, why, errSame
		}
		return diskCell{}, why, nil
	}, nil)
}

// Remove is Zone.Remove.
func (d *Disk) Remove(h Hash, key []byte) { d.unlink(h, key, Removed, nil) }

// supersede drops whatever is under h.
func (d *Disk) supersede(h Hash) { d.unlink(h, nil, Superseded, nil) }

// unlink drops what is under h, an object only when key is nil or its own; was,
// which may be nil, becomes the kind of what it was.
func (d *Disk) unlink(h Hash, key []byte, why Loss, was *Kind) {
	_ = d.exchange(h, func(old *diskCell, found bool) (diskCell, Loss, error) {
		if !found || key != nil && !old.holds(key) {
			return diskCell{}, why, errSame
		}
		if was != nil {
			*was = old.kind()
		}
		return diskCell{}, why, nil
	}, nil)
}

// holds reports whether c is no object, or that of key.
func (c *diskCell) holds(key []byte) bool { return c.kind() != Object || c.print() == printOf(key) }

func (d *Disk) objects() int64 { return d.counts.objects.Load() }

// clear drops everything. One word in the journal says so of all that was
// listed up to then, younger records that came meanwhile included: they are
// lost at the next start only.
func (d *Disk) clear() {
	d.index.each(func(c *cell) { d.dropLocked(&diskCell{*c}, Purged) })
	d.tell(entry{kind: entryClear, stamp: d.stamp.Load(), ban: ban{seq: d.Seq()}})
}

func (d *Disk) purgeKey(p *Purge) (kind Kind) {
	if !p.Soft {
		d.unlink(p.Hash, p.Key, Purged, &kind)
		return kind
	}
	mu := d.index.lock(p.Hash)
	var c diskCell
	if !d.index.findLocked(p.Hash, &c.cell) || !c.holds(p.Key) {
		mu.Unlock()
		return Nothing
	}
	if c.kind() != Object {
		mu.Unlock()
		return c.kind()
	}
	c.state |= softBit
	d.index.setLocked(p.Hash, &c.cell)
	soft := d.softened(&c)
	mu.Unlock()
	d.tell(soft)
	return Object
}

// softened is the journal's word for an object that a soft purge hit.
func (d *Disk) softened(c *diskCell) entry {
	return entry{
		kind: entrySoft, slab: c.slab(), generation: d.slabs[c.slab()].generation, listings: []uint16{uint16(c.listing())},
	}
}

// keepBan, keepSeq, keepSet and keepSite note what the zone remembers.
func (d *Disk) keepBan(b *ban) { d.tell(entry{kind: entryBan, ban: *b}) }
func (d *Disk) keepSeq(s Seq)  { d.tell(entry{kind: entrySeq, ban: ban{seq: s}}) }

// keepFloor notes that purges are forgotten, behind all that they did.
func (d *Disk) keepFloor(s Seq) {
	d.pay(0)
	d.tell(entry{kind: entryFloor, ban: ban{seq: s}})
}

func (d *Disk) keepSet(s Set, fields []byte) {
	d.tell(entry{kind: entryIntern, number: uint16(s), text: fields})
}

func (d *Disk) keepSite(number uint16, hash uint64, name []byte) {
	d.tell(entry{kind: entrySite, number: number, hash: Hash{hash}, text: name})
}
