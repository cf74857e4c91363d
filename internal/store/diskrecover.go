package store

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// readDisk opens the volume in o.Dir, or makes one, as a stripe of a set: what
// it remembers of purges, sites and lists of fields is r's then, and its secret.
// It does not count as in use yet: the caller calls begin or abandon. An error
// has words.
func readDisk(r *registry, o DiskOptions, id identity) (*Disk, error) {
	o.defaults()
	begun := time.Now()
	v, err := openVolume(volumeOptions{dir: o.Dir, size: o.Size, mean: o.MeanObject, stripe: id, folder: o.folder, boot: o.Boot, wait: o.JournalTimeout})
	if err != nil {
		return nil, err
	}
	d, err := newDisk(r, o, v)
	if err != nil {
		return nil, errors.Join(err, v.shut(false))
	}
	if err := d.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("disk volume in %s: %w", o.Dir, err), d.abandon())
	}
	d.recovered = v.recovery()
	d.recovered.Took = time.Since(begun)
	return d, nil
}

// begin has the volume in use, as a tier of its registry, or abandons it. The
// caller closes it.
func (d *Disk) begin() error {
	if err := d.v.begin(); err != nil {
		return errors.Join(err, d.abandon())
	}
	d.v.back, d.v.buried = nil, nil // it is in the new journal, and in force
	d.sweeping.blunt = d.v.super.doubted > 0
	d.tiers = append(d.tiers, d)
	d.keepers = append(d.keepers, d)
	d.start()
	return nil
}

// abandon gives up a volume that is not in use, and leaves it as it is.
func (d *Disk) abandon() error {
	return errors.Join(d.tables.close(), d.stages.bytes.close(), d.v.shut(false))
}

// recover brings back what is on the device: directories and journal; bodies
// are not read.
func (d *Disk) recover() error {
	v := d.v
	d.k0, d.k1 = v.super.secret[0], v.super.secret[1]
	if err := v.slots(d.restore); err != nil {
		return err
	}
	for tag, k := range v.back.marks {
		if !d.restoreMark(k.hash, cell{place: k.place, state: k.state, extra: k.extra}) {
			delete(v.back.marks, tag) // at no later start either
		}
	}
	d.registry.restore(v.back)
	d.soundSince = v.super.sound
	d.stamp.Store(v.back.stamp)
	d.arrange()
	return nil
}

// restore takes in the slab whose slot is h, with the listings that come back.
// It is called by several goroutines, for one slab each.
func (d *Disk) restore(h *slot, list []foundListing) {
	s := &d.slabs[h.slab]
	s.begin(h.generation)
	s.used, s.records, s.onDisk = h.used, h.records, h.used
	s.main.Store(h.main)
	copy(s.sums[:], h.sums)
	s.virgin = false
	for i := range list {
		if i%warmed == 0 {
			d.index.warm(list[i:min(i+warmed, len(list))])
		}
		l := &list[i]
		// It was fetched before everything that this process fetches, so its birth
		// need not be known: 0. What forgotten purges hit does not come back.
		e := diskEntry{
			hash: l.hash, kind: l.kind, slab: s.n, off: l.off, n: l.n, listing: l.at, sequence: s.seq.Load(),
			account: l.site, print: l.print, soft: l.soft, checked: d.v.back.bans.floor,
		}
		d.restoreRecord(&e, l.stamp)
	}
}

// warmed is how many listings' buckets are brought into the caches together.
const warmed = 256

// warm reads the buckets of what is about to be entered. These reads wait for
// memory all at once; each entering would wait for its own.
func (x *index) warm(list []foundListing) {
	var sum uint64
	for i := range list {
		a, b := x.buckets(list[i].hash)
		// Of the second bucket, which is rarely used, the tags.
		sum += x.words[a].Load() + x.words[a+placeAt].Load() + x.words[a+stateAt].Load() + x.words[a+extraAt].Load() + x.words[b].Load()
	}
	runtime.KeepAlive(sum)
}

func (d *Disk) restoreRecord(e *diskEntry, stamp uint64) {
	var old diskCell
	mu := d.index.lock(e.hash)
	defer mu.Unlock()
	there, why := d.index.findLocked(e.hash, &old.cell), Superseded
	if there {
		if other, _, ok := d.v.listing(old.slab(), old.listing()); ok && other.stamp > stamp {
			d.v.bury(e.slab, d.slabs[e.slab].generation, e.listing)
			return
		}
	} else {
		d.index.roomLocked(e.hash, &old.cell)
		there, why = old.tag&^versionMask != 0, Crowded
	}
	if there {
		d.v.bury(old.slab(), d.slabs[old.slab()].generation, old.listing())
	}
	c := e.cell()
	d.accounts.add(e.account, aligned(e.n))
	d.applyLocked(e.hash, &old, &c, there, why)
}

// restoreMark takes in a marker, unless a record is under its hash: or none
// but markers are where it would be. It reports whether it did.
func (d *Disk) restoreMark(h Hash, k cell) bool {
	var old diskCell
	mu := d.index.lock(h)
	defer mu.Unlock()
	if d.index.findLocked(h, &old.cell) {
		return false
	}
	d.index.roomLocked(h, &old.cell)
	there := old.tag&^versionMask != 0
	if there && !old.stored() {
		return false
	}
	if there {
		d.v.bury(old.slab(), d.slabs[old.slab()].generation, old.listing())
	}
	d.applyLocked(h, &old, &diskCell{k}, there, Crowded)
	return true
}

// arrange puts the slabs where they were: those of which something came back
// into their queues, the oldest first, all others among the free ones.
func (d *Disk) arrange() {
	var back []*diskSlab
	for i := range d.slabs {
		if s := &d.slabs[i]; s.virgin {
			d.space.free = append(d.space.free, &s.slab)
		} else {
			back = append(back, s)
		}
	}
	d.unused.Store(int64(len(d.space.free)))
	slices.SortFunc(back, func(a, b *diskSlab) int { return cmp.Compare(a.generation, b.generation) })
	for _, s := range back {
		q := &d.space.small
		if s.main.Load() {
			q = &d.space.main
		}
		q.sealed = append(q.sealed, &s.slab)
	}
}

// restore takes over what a volume remembers. The stripes of a set remember
// the same; each may have lost something in a crash of the machine.
func (r *registry) restore(b *replay) {
	r.seq.Store(max(r.seq.Load(), uint32(b.seq)))
	r.done.Store(r.seq.Load())
	r.interned.restore(b.interned)
	r.sites.restore(b.sites)
	had := r.bans.Load()
	n := &bans{floor: b.bans.floor, list: slices.Clone(had.list)}
	if r.restored {
		n.floor = min(n.floor, had.floor) // what one has forgotten another may not have evaluated
	}
	r.restored = true
	for _, d := range b.bans.list {
		if !slices.ContainsFunc(had.list, func(o ban) bool { return o.equal(&d) }) {
			n.list = append(n.list, d)
		}
	}
	if len(n.list) > 0 {
		slices.SortStableFunc(n.list, func(a, b ban) int { return cmp.Compare(a.seq, b.seq) })
		n.settle()
	}
	n.newest = max(n.newest, had.newest, b.bans.newest)
	r.bans.Store(n)
}

// restore takes over lists with their numbers. A number that is missing stays
// so: what was stored under it must not be found under another list.
func (t *interned) restore(lists map[Set][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sets == nil {
		t.sets = map[string]Set{}
	}
	most := Set(len(t.sets))
	for s, list := range lists {
		most = max(most, s)
		t.lists[s].Store(&list)
		t.sets[string(list)] = s
	}
	for s := Set(1); s <= most; s++ {
		gap := fmt.Sprintf("\x00%d", s) // no list of field names
		if t.lists[s].Load() == nil {
			t.sets[gap] = s
		} else {
			delete(t.sets, gap)
		}
	}
}

// restore takes over accounts with their numbers.
func (t *siteTable) restore(sites map[uint16]siteFact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := noSites()
	old := t.known.Load()
	k.sites, k.names = slices.Clone(old.sites), slices.Clone(old.names)
	for n, s := range sites {
		for int(n) >= len(k.sites) {
			k.sites, k.names = append(k.sites, 0), append(k.names, "")
		}
		k.sites[n], k.names[n] = s.hash, string(s.name)
	}
	for n, site := range k.sites {
		if n > 0 && site != 0 {
			k.numbers[site] = uint16(n)
		}
	}
	k.mapped = len(k.sites)
	t.known.Store(k)
}
