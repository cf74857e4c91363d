package store

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
)

// readAhead is how much of the directory area is read in one go.
const readAhead = 4 << 20

// findings are what was found in a volume when it was opened.
type findings struct {
	superCopies int // good ones

	// nothing: nothing comes back (why says why). doubtful: the machine crashed;
	// all that comes back is to be validated before use.
	nothing, doubtful bool
	why               string

	slabs, empty, damagedSlots    int // slots with records, without, and what is no slot
	objects, segments             int64
	bytes                         int64 // of both
	softened, dead, damaged, lost int64 // listings: to be validated; dropped in order; not what was written; below a marker
	marks                         int64
}

// replayJournal reads the journal and decides what it is worth.
//
// A torn end is what a kill leaves: what was being written had not taken
// effect. Anything else that is missing in a volume that was closed in order,
// or was used last in this run of the machine, was lost on the device, and it
// may have been any purge: then nothing comes back. After a crash of the
// machine writes may be missing anywhere, so all comes back to be validated.
func (v *volume) replayJournal() error {
	r := newReplay()
	v.back = r
	s := &v.super
	end, err := v.readJournal(r)
	if err != nil {
		return err
	}
	same := s.boot == bootBytes(v.o.boot) && s.boot != [16]byte{}
	switch {
	case s.opens < v.o.stripe.opens:
		v.found.nothing, v.found.why = true, "it was away while the rest of its set was in use"
	case s.empty:
		v.found.nothing, v.found.why = true, "its journal could not be written any more"
	case r.wound == missing:
		v.found.nothing, v.found.why = true, "its journal is missing"
	case s.clean && (r.wound != whole || end != s.journal):
		v.found.nothing, v.found.why = true, fmt.Sprintf("its journal is not as it was left: %v, %d bytes of %d", r.wound, end, s.journal)
	case s.clean:
	case same && r.wound == holed:
		v.found.nothing, v.found.why = true, "its journal is "+holed.String()
	case !same:
		v.found.doubtful, v.found.why = true, "the machine crashed while it was in use"
	}
	r.cleared = max(r.cleared, s.cleared)
	r.stamp, r.seq = max(r.stamp, r.cleared, s.doubted), max(r.seq, s.sound)
	return nil
}

// readJournal replays the journal's file into r, and returns how long it is.
func (v *volume) readJournal(r *replay) (end int64, err error) {
	f, err := v.folder.open(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		r.wound = missing
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.close()
	if end, err = f.size(); err != nil {
		return 0, err
	}
	b := make([]byte, min(end, journalHeader))
	if err := f.read(b, 0); err != nil {
		return 0, err
	}
	var h journalHead
	if !h.decode(b) || h.set != v.super.set || h.stripe != v.super.stripe {
		r.wound = missing
		return end, nil
	}
	return end, r.read(&window{f: f, at: journalHeader, end: end}, h.seed)
}

// A foundListing is a listing that comes back.
type foundListing struct {
	diskListing
	at    int    // in the slot
	stamp uint64 // in the order of all publishes
	soft  bool   // to be validated before use
}

// slots reads the directory area once, from its beginning to its end, and
// calls each for every slot of which something comes back, several at a time;
// l is each's own until it returns. No body is read. What was killed, cleared,
// or is older than a marker of its hash is left out. Afterwards back.marks are
// the markers that come back, and back.seq and back.stamp the newest there are.
//
// Should two listings of one hash come back, after a crash of the machine, the
// one with the higher stamp counts, and the other is to be buried.
func (v *volume) slots(each func(s *slot, l []foundListing)) error {
	workers := min(runtime.GOMAXPROCS(0), 8)
	p := pass{v: v, each: each, per: max(min(readAhead/v.slotSize(), v.slabs/workers), 1), beaten: map[Hash]bool{}, seq: v.back.seq, stamp: v.back.stamp}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(p.run)
	}
	wg.Wait()
	r := v.back
	if r.seq, r.stamp = p.seq, p.stamp; v.found.nothing {
		v.back = &replay{
			dead: map[int]*life{}, seq: r.seq, stamp: r.stamp,
			entries: r.entries, bytes: r.bytes, lost: r.lost, wound: r.wound,
		}
		return p.err
	}
	if v.found.doubtful { // what is fetched from now on is not
		r.seq++
		v.super.sound = r.seq
	}
	v.settleMarks(p.beaten)
	return p.err
}

// bury has a listing not come back at later starts. It is legal from slots
// until begin; from then on it takes a kill in the journal.
func (v *volume) bury(slab int, generation uint64, at int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.buried = append(v.buried, entry{slab: slab, generation: generation, listings: []uint16{uint16(at)}})
}

// listing reads the listing number at of a slab that comes back.
func (v *volume) listing(slab, at int) (l foundListing, generation uint64, ok bool) {
	b := make([]byte, slotHeader+directorySize)
	var s slot
	if v.f.read(b[:slotHeader], v.slotAt(slab)) != nil || s.decode(b, slab, v.slab, v.listings) != slotValid ||
		v.f.read(b[slotHeader:], v.slotAt(slab)+int64(slotHeader+at*directorySize)) != nil ||
		!l.decode(b[slotHeader:], listingSeed(slab, s.generation), v.slab) {
		return l, 0, false
	}
	l.at, l.stamp = at, s.base+uint64(l.diskListing.stamp)
	return l, s.generation, true
}

// settleMarks leaves the markers that come back: none that is gone or expired,
// lost to a younger record, or names a list that is not known.
func (v *volume) settleMarks(beaten map[Hash]bool) {
	now := v.o.now().UnixMilli()
	for tag, k := range v.back.marks {
		if k.place == 0 || k.expired(now) || beaten[k.hash] || !v.knows(&k) {
			delete(v.back.marks, tag)
		}
	}
	v.found.marks = int64(len(v.back.marks))
}

func (v *volume) knows(k *markFact) bool {
	c := cell{place: k.place, state: k.state, extra: k.extra}
	mk := c.unmarker()
	for _, s := range mk.Sets[:mk.NumSets] {
		if _, ok := v.back.interned[s]; !ok && s != 0 { // 0 is no list: a marker that is there for its generation
			return false
		}
	}
	return true
}

// A pass is one reading of the directory area.
type pass struct {
	v    *volume
	each func(s *slot, l []foundListing)
	per  int // slots in one read
	next atomic.Int64

	mu     sync.Mutex // guards the fields below, and v.found
	beaten map[Hash]bool
	seq    Seq
	stamp  uint64
	err    error
}

// run reads runs of slots until there are none left.
func (p *pass) run() {
	v := p.v
	size := v.slotSize()
	b := make([]byte, p.per*size)
	l := make([]foundListing, 0, v.listings)
	for {
		first := int(p.next.Add(int64(p.per))) - p.per
		n := min(p.per, v.slabs-first)
		if n <= 0 {
			return
		}
		if err := v.f.read(b[:n*size], v.slotAt(first)); err != nil {
			p.mu.Lock()
			p.err = errors.Join(p.err, err)
			p.mu.Unlock()
			return
		}
		for i := range n {
			p.slot(first+i, b[i*size:][:size], l)
		}
	}
}

// slot reads one slot; l has room for its listings.
func (p *pass) slot(n int, b []byte, l []foundListing) {
	var s slot
	var f findings
	seq, stamp := Seq(0), uint64(0)
	switch s.decode(b, n, p.v.slab, p.v.listings) {
	case slotEmpty:
		f.empty++
	case slotDamaged:
		f.damagedSlots++
	case slotValid:
		l, stamp = p.listings(&s, b[slotHeader:], l, &f)
		if len(l) > 0 {
			f.slabs++
			seq = s.newest
			p.each(&s, l)
		} else {
			f.empty++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq, p.stamp = max(p.seq, seq), max(p.stamp, stamp)
	p.v.found.add(&f)
}

// listings appends to l what comes back of a slot, and returns the newest
// stamp in it.
func (p *pass) listings(s *slot, b []byte, l []foundListing, f *findings) ([]foundListing, uint64) {
	v := p.v
	newest, seed := s.base, listingSeed(s.slab, s.generation)
	dead, soft := v.back.dead[s.slab], v.back.soft[s.slab]
	for i := range s.records {
		x := foundListing{at: i}
		e := b[i*directorySize:][:directorySize]
		switch {
		case x.decode(e, seed, v.slab):
		case zeros(e):
			continue // claimed, and never published
		default:
			f.damaged++
			continue
		}
		x.stamp = s.base + uint64(x.diskListing.stamp)
		newest = max(newest, x.stamp)
		if v.found.nothing || x.stamp <= v.back.cleared || dead.has(s.generation, i) {
			f.dead++
			continue
		}
		if p.below(&x, s) {
			f.lost++
			continue
		}
		x.soft = v.found.doubtful || x.stamp <= v.super.doubted || soft.has(s.generation, i)
		f.count(&x)
		l = append(l, x)
	}
	return l, newest
}

// below reports whether a marker of the same hash is younger than x; else it
// is beaten.
func (p *pass) below(x *foundListing, s *slot) bool {
	k, ok := p.v.back.marks[tagOf(x.hash)]
	switch {
	case !ok || k.hash != x.hash:
		return false
	case k.stamp > x.stamp:
		p.v.bury(s.slab, s.generation, x.at)
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beaten[x.hash] = true
	return false
}

func (f *findings) count(x *foundListing) {
	if x.kind == Object {
		f.objects++
	} else {
		f.segments++
	}
	f.bytes += int64(aligned(x.n))
	if x.soft {
		f.softened++
	}
}

func (f *findings) add(o *findings) {
	f.slabs += o.slabs
	f.empty += o.empty
	f.damagedSlots += o.damagedSlots
	f.objects += o.objects
	f.segments += o.segments
	f.bytes += o.bytes
	f.softened += o.softened
	f.dead += o.dead
	f.damaged += o.damaged
	f.lost += o.lost
}
