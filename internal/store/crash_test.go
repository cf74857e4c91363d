package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A deed is one thing that a volume did to its files, in the order in which
// the kernel saw them. Files are known by a number, as a rename moves names.
type deed struct {
	what string // write, sync, create, rename, remove
	id   int
	off  int64
	p    []byte
	size int64
	name string
	to   string
}

// A diary is a folder on the heap that notes what is done in it.
type diary struct {
	*heapFolder
	mu    sync.Mutex // guards the fields below
	deeds []deed
	ids   int
}

func newDiary() *diary { return &diary{heapFolder: newHeapFolder()} }

func (d *diary) note(w deed) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deeds = append(d.deeds, w)
}

func (d *diary) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.deeds)
}

func (d *diary) create(name string, size, reserve int64) (file, error) {
	f, err := d.heapFolder.create(name, size, reserve)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids++
	d.deeds = append(d.deeds, deed{what: "create", id: d.ids, name: name, size: size})
	return &notedFile{f, d, d.ids}, err
}

func (d *diary) rename(from, to string) error {
	d.note(deed{what: "rename", name: from, to: to})
	return d.heapFolder.rename(from, to)
}

func (d *diary) remove(name string) error {
	d.note(deed{what: "remove", name: name})
	return d.heapFolder.remove(name)
}

type notedFile struct {
	file
	d  *diary
	id int
}

func (f *notedFile) write(p []byte, off int64) error {
	f.d.note(deed{what: "write", id: f.id, off: off, p: bytes.Clone(p)})
	return f.file.write(p, off)
}

func (f *notedFile) writeSlab(p []byte, off int64, _ bool) error { return f.write(p, off) }

func (f *notedFile) sync() error {
	f.d.note(deed{what: "sync", id: f.id})
	return f.file.sync()
}

// A scene is a folder that deeds are done in again.
type scene struct {
	*heapFolder
	byID map[int]file
}

func newScene() *scene { return &scene{newHeapFolder(), map[int]file{}} }

func (s *scene) do(w *deed) {
	switch w.what {
	case "write":
		if err := s.byID[w.id].write(w.p, w.off); err != nil {
			panic(err)
		}
	case "create":
		s.byID[w.id], _ = s.heapFolder.create(w.name, w.size, 0)
	case "rename":
		_ = s.heapFolder.rename(w.name, w.to)
	case "remove":
		_ = s.heapFolder.remove(w.name)
	}
}

// A drama drives a volume as a Disk does, at random, and knows what may come
// back of it: keys are numbers, contents tell key and version.
type drama struct {
	t      *testing.T
	d      *diary
	v      *volume
	r      *rand.Rand
	stamp  uint64
	seq    Seq
	open   *staged
	closed []*staged // oldest first
	free   []int
	index  map[int]spot   // by key
	marked map[int]uint64 // by key: the stamp of its marker
	events []event
	byRec  map[recID]content
	now    time.Time
}

type recID struct {
	hash  Hash
	stamp uint64
}

type content struct {
	key, version int
	b            []byte
}

// A staged slab is its bytes and its slot.
type staged struct {
	slot slot
	b    []byte
	list []byte
}

type spot struct {
	s       *staged
	at      int
	version int
}

// An event is something that was done: between started and ended deeds.
type event struct {
	what           string // put, gone, soft, ban, floor, mark, unmark, intern, clear, flushed
	key, version   int
	started, ended int
	stamp          uint64
	seq            Seq
	text           string
	live           map[int]int // flushed: version by key
}

func hashOf(key int) Hash { return Hash{uint64(key) * 0x9e3779b97f4a7c15, uint64(key)} }

func bytesOf(key, version, n int) []byte {
	b := make([]byte, n)
	binary.LittleEndian.PutUint32(b, uint32(key))
	binary.LittleEndian.PutUint32(b[4:], uint32(version))
	r := rand.NewChaCha8([32]byte{byte(key), byte(version), byte(version >> 8)})
	_, _ = r.Read(b[8:])
	return b
}

func newDrama(t *testing.T, seed uint64, boot string) *drama {
	t.Helper()
	dry := newDiary()
	d := dramaOn(t, seed, volumeOptions{dir: "heap", folder: dry, boot: boot})
	d.d = dry
	return d
}

// dramaOn drives the volume that o names.
func dramaOn(t *testing.T, seed uint64, o volumeOptions) *drama {
	t.Helper()
	d := &drama{
		t: t, d: newDiary(), r: rand.New(rand.NewPCG(seed, 1)), index: map[int]spot{}, marked: map[int]uint64{},
		byRec: map[recID]content{}, now: time.Unix(1e9, 0),
	}
	o.size, o.mean, o.now = minVolume, 16<<10, func() time.Time { return d.now }
	d.v = mustVolume(t, o)
	for i := range d.v.slabs {
		d.free = append(d.free, i)
	}
	return d
}

func (d *drama) happen(e event, f func()) {
	e.started = d.d.len()
	f()
	e.ended = d.d.len()
	d.events = append(d.events, e)
}

func (d *drama) journal(e entry) {
	if err := d.v.journal.append(e); err != nil {
		d.t.Fatal(err)
	}
}

func (d *drama) write(p []byte, off int64) {
	if err := d.v.f.write(p, off); err != nil {
		d.t.Fatal(err)
	}
}

func (d *drama) nextStamp() uint64 { d.stamp++; return d.stamp }

// room makes sure of an open slab with room for n bytes.
func (d *drama) room(n int) {
	if d.open != nil && (d.open.slot.used+n > d.v.slab || d.open.slot.records == d.v.listings) {
		d.flush()
		d.closed = append(d.closed, d.open)
		d.open = nil
	}
	if d.open != nil {
		return
	}
	if len(d.free) == 0 {
		s := d.closed[0]
		d.closed = d.closed[1:]
		// The slot first: what is evicted must not come back.
		b := make([]byte, slotHeader)
		s.slot.encodeInvalid(b)
		d.write(b, d.v.slotAt(s.slot.slab))
		for k, at := range d.index {
			if at.s == s {
				delete(d.index, k)
			}
		}
		d.free = append(d.free, s.slot.slab)
	}
	d.open = &staged{
		slot: slot{slab: d.free[0], generation: d.v.generation(), base: d.stamp},
		b:    make([]byte, d.v.slab), list: make([]byte, d.v.listings*directorySize),
	}
	d.free = d.free[1:]
}

// flush writes the open slab, as far as it is used.
func (d *drama) flush() {
	s := d.open
	if s == nil || s.slot.used == 0 {
		return
	}
	s.slot.sums = nil
	n := blocks(s.slot.used) * blockSize
	for i := 0; i < n; i += blockSize {
		s.slot.sums = append(s.slot.sums, crc32.Checksum(s.b[i:i+blockSize], castagnoli))
	}
	d.write(s.b[:n], d.v.slabAt(s.slot.slab))
	b := slices.Concat(make([]byte, slotHeader), s.list[:s.slot.records*directorySize])
	s.slot.newest = d.seq
	s.slot.encode(b)
	d.write(b, d.v.slotAt(s.slot.slab))
}

func (d *drama) kill(at spot) {
	d.journal(entry{kind: entryKill, slab: at.s.slot.slab, generation: at.s.slot.generation, listings: []uint16{uint16(at.at)}})
}

func (d *drama) put(key, version, n int) {
	d.room(n)
	if at, ok := d.index[key]; ok {
		d.kill(at)
	}
	if _, ok := d.marked[key]; ok {
		d.journal(entry{kind: entryMark, hash: hashOf(key), stamp: d.nextStamp()})
		delete(d.marked, key)
	}
	s, c := d.open, content{key, version, bytesOf(key, version, n)}
	stamp := d.nextStamp()
	l := diskListing{hash: hashOf(key), off: s.slot.used, n: n, kind: kindSegment, site: uint16(key % 3), stamp: uint32(stamp - s.slot.base)}
	if key%2 == 1 && n > headerSize && n <= MetaMax {
		l.kind = Object
		(&header{meta: n - headerSize}).encode((*[headerSize]byte)(c.b))
	}
	copy(s.b[l.off:], c.b)
	l.encode(s.list[s.slot.records*directorySize:], listingSeed(s.slot.slab, s.slot.generation))
	d.byRec[recID{l.hash, stamp}] = c
	d.index[key] = spot{s, s.slot.records, version}
	s.slot.used += aligned(n)
	s.slot.records++
}

// act does one thing at random.
func (d *drama) act(i int) {
	key := d.r.IntN(60)
	at, stored := d.index[key]
	switch x := d.r.IntN(100); {
	case x < 60:
		d.happen(event{what: "put", key: key, version: i}, func() { d.put(key, i, 8+d.r.IntN(200<<10)) })
	case x < 70 && stored:
		d.happen(event{what: "gone", key: key}, func() { d.kill(at) })
		delete(d.index, key)
	case x < 75 && stored:
		d.happen(event{what: "soft", key: key, version: at.version}, func() {
			d.journal(entry{kind: entrySoft, slab: at.s.slot.slab, generation: at.s.slot.generation, listings: []uint16{uint16(at.at)}})
		})
	case x < 80:
		d.seq++
		b := ban{seq: d.seq, kind: banPrefix, text: fmt.Appendf(nil, "ban %d", i)}
		d.happen(event{what: "ban", version: i, seq: d.seq, text: string(b.text)}, func() { d.journal(entry{kind: entryBan, ban: b}) })
	case x < 85:
		d.mark(key, at, stored)
	case x < 88:
		set := Set(1 + d.r.IntN(100))
		d.happen(event{what: "intern", key: int(set), text: fmt.Sprint("field-", set)}, func() {
			d.journal(entry{kind: entryIntern, number: uint16(set), text: fmt.Append(nil, "field-", set)})
		})
	case x < 89:
		d.happen(event{what: "clear"}, func() {
			d.journal(entry{kind: entryClear, stamp: d.stamp, ban: ban{seq: d.seq}})
		})
		clear(d.index)
		clear(d.marked)
	case x < 96:
		d.happen(event{what: "flushed", live: d.live()}, d.flush)
	case d.seq > 3:
		d.forget(d.seq - Seq(d.r.IntN(3)))
	}
}

// hits reports whether e is a purge that hits a version of a key.
func (e *event) hits(key, version int) bool {
	return e.what == "ban" && e.seq%6 == Seq(key)%6 && version < e.version
}

// forget notes as dropped what the purges up to floor hit, and then forgets them.
func (d *drama) forget(floor Seq) {
	bans := d.events
	d.happen(event{what: "floor", seq: floor}, func() {
		for i := range bans {
			for key, at := range d.index {
				if e := &bans[i]; e.hits(key, at.version) && e.seq <= floor {
					d.kill(at)
					delete(d.index, key)
				}
			}
		}
		d.journal(entry{kind: entryFloor, ban: ban{seq: floor}})
	})
}

func (d *drama) mark(key int, at spot, stored bool) {
	stamp := d.nextStamp()
	if _, ok := d.marked[key]; ok {
		d.happen(event{what: "unmark", key: key, stamp: stamp}, func() {
			d.journal(entry{kind: entryMark, hash: hashOf(key), stamp: stamp})
		})
		delete(d.marked, key)
		return
	}
	mk := Marker{Kind: Variants, Generation: uint32(stamp)}
	c := mk.cell()
	d.happen(event{what: "mark", key: key, stamp: stamp}, func() {
		if stored {
			d.kill(at)
		}
		d.journal(entry{kind: entryMark, hash: hashOf(key), stamp: stamp, place: c.place, state: c.state})
	})
	delete(d.index, key)
	d.marked[key] = stamp
}

func (d *drama) live() map[int]int {
	live := map[int]int{}
	for k, at := range d.index {
		live[k] = at.version
	}
	return live
}

// play acts for so many steps.
func (d *drama) play(steps int) {
	for i := range steps {
		d.act(i + 1)
	}
	d.happen(event{what: "flushed", live: d.live()}, d.flush)
}

// A return is what came back of a volume.
type comeback struct {
	back  *replay
	found findings
	keys  map[int]foundListing
	vers  map[int]int
	bad   int // listings whose blocks are not what was written
}

// recover opens what is in f and reads everything that comes back. Whatever it
// is, its bytes must be right or be known to be wrong.
func (d *drama) recover(f folder, boot string) comeback {
	v, err := openVolume(volumeOptions{dir: "heap", size: minVolume, folder: f, boot: boot, now: func() time.Time { return d.now }})
	if err != nil {
		d.t.Fatal(err)
	}
	defer stop(d.t, v)
	c := comeback{keys: map[int]foundListing{}, vers: map[int]int{}}
	var mu sync.Mutex
	err = v.slots(func(s *slot, l []foundListing) {
		mu.Lock()
		defer mu.Unlock()
		body := make([]byte, blocks(s.used)*blockSize)
		if err := v.f.read(body, v.slabAt(s.slab)); err != nil {
			d.t.Fatal(err)
		}
		for _, x := range l {
			if !sound(s, &x, body) {
				c.bad++
				continue
			}
			if again, generation, ok := v.listing(s.slab, x.at); !ok || generation != s.generation || again.stamp != x.stamp || again.hash != x.hash {
				d.t.Fatalf("slab %d listing %d: got %+v of %d, %v, want %+v of %d", s.slab, x.at, again, generation, ok, x, s.generation)
			}
			is, ok := d.byRec[recID{x.hash, x.stamp}]
			if !ok || !bytes.Equal(body[x.off:x.off+x.n], is.b) {
				d.t.Fatalf("wrong bytes: slab %d listing %d stamp %d: known %v, version %d of key %d", s.slab, x.at, x.stamp, ok, is.version, is.key)
			}
			if was, ok := c.keys[is.key]; ok && was.stamp > x.stamp {
				continue
			}
			c.keys[is.key], c.vers[is.key] = x, is.version
		}
	})
	if err != nil {
		d.t.Fatal(err)
	}
	c.back, c.found = v.back, v.found
	again := newReplay()
	facts := c.back.facts(nil, 1, d.now.UnixMilli())
	if err := again.read(&window{f: &heapFile{b: facts}, end: int64(len(facts))}, 1); err != nil {
		d.t.Fatal(err)
	}
	if again.bans.floor != c.back.bans.floor || len(again.bans.list) != len(c.back.bans.list) || again.seq != c.back.seq {
		d.t.Fatalf("written anew the journal says %+v up to %d, want %+v up to %d", again.bans, again.seq, c.back.bans, c.back.seq)
	}
	return c
}

// remembers reports whether a purge is in force still.
func (c *comeback) remembers(text string) bool {
	return slices.ContainsFunc(c.back.bans.list, func(b ban) bool { return string(b.text) == text })
}

// sound reports whether the blocks that x touches are what was written.
func sound(s *slot, x *foundListing, body []byte) bool {
	for i := x.off / blockSize; i < blocks(x.off+x.n); i++ {
		if i >= len(s.sums) || crc32.Checksum(body[i*blockSize:(i+1)*blockSize], castagnoli) != s.sums[i] {
			return false
		}
	}
	return true
}

// judge compares what came back after n deeds with what may. An event counts
// when all its deeds were done.
func (d *drama) judge(n int, c comeback) {
	if c.found.nothing || c.found.doubtful {
		d.t.Fatalf("after %d deeds: %s", n, c.found.why)
	}
	after := func(version, key int, f func(e *event)) {
		for i := range d.events {
			if e := &d.events[i]; e.ended <= n && i >= version && (e.key == key || e.what == "clear") {
				f(e)
			}
		}
	}
	for key, version := range c.vers {
		i := slices.IndexFunc(d.events, func(e event) bool { return e.what == "put" && e.key == key && e.version == version })
		soft := false
		after(i+1, key, func(e *event) {
			switch e.what {
			case "put", "gone", "clear", "mark":
				d.t.Fatalf("after %d deeds: version %d of key %d came back behind %+v", n, version, key, e)
			case "soft":
				soft = soft || e.version == version
			}
		})
		if soft && !c.keys[key].soft {
			d.t.Fatalf("after %d deeds: version %d of key %d came back without being soft", n, version, key)
		}
		for j := range d.events {
			if e := &d.events[j]; e.ended <= n && e.hits(key, version) && !c.remembers(e.text) {
				d.t.Fatalf("after %d deeds: version %d of key %d came back, and the purge %+v is forgotten", n, version, key, e)
			}
		}
	}
	d.judgeFacts(n, c)
}

func (d *drama) judgeFacts(n int, c comeback) {
	want, bans := map[int]uint64{}, map[string]Seq{}
	for i := range d.events {
		e := &d.events[i]
		if e.started > n {
			break
		}
		done := e.ended <= n
		switch e.what {
		case "mark":
			want[e.key] = e.stamp
		case "unmark", "put":
			delete(want, e.key)
		case "clear":
			clear(want)
			clear(bans)
		case "ban":
			bans[e.text] = e.seq
			if done && c.back.seq < e.seq {
				d.t.Fatalf("after %d deeds: sequence %d, want %d or more", n, c.back.seq, e.seq)
			}
		case "floor":
			maps.DeleteFunc(bans, func(_ string, s Seq) bool { return s <= e.seq })
		case "intern":
			if got := c.back.interned[Set(e.key)]; done && string(got) != e.text {
				d.t.Fatalf("after %d deeds: list %d is %q, want %q", n, e.key, got, e.text)
			}
		}
		if !done {
			return // what is under way may have happened or not
		}
	}
	for text := range bans {
		if !c.remembers(text) {
			d.t.Fatalf("after %d deeds: ban %q is lost", n, text)
		}
	}
	if len(c.back.bans.list) != len(bans) {
		d.t.Fatalf("after %d deeds: got %d bans, want %d", n, len(c.back.bans.list), len(bans))
	}
	for key, stamp := range want {
		if c.back.marks[tagOf(hashOf(key))].stamp != stamp {
			d.t.Fatalf("after %d deeds: marker of key %d has stamp %d, want %d", n, key, c.back.marks[tagOf(hashOf(key))].stamp, stamp)
		}
	}
	if len(c.back.marks) != len(want) {
		d.t.Fatalf("after %d deeds: got %d markers, want %d", n, len(c.back.marks), len(want))
	}
}

// all: behind a flush nothing is missing.
func (d *drama) all(n int, e *event, c comeback) {
	for key, version := range e.live {
		if got, ok := c.vers[key]; !ok || got != version {
			d.t.Fatalf("after %d deeds, all flushed: key %d has version %d (%v), want %d; %d bad", n, key, got, ok, version, c.bad)
		}
	}
}

// TestCrashPoints kills the process behind each write, and within each, and
// recovers: nothing that was purged or superseded comes back, what was flushed
// does, and every byte is right.
func TestCrashPoints(t *testing.T) {
	seeds, steps := uint64(3), 200
	if raceEnabled {
		seeds, steps = 1, 120
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			d := newDrama(t, seed, "b1")
			d.play(steps)
			if err := d.v.shut(false); err != nil {
				t.Fatal(err)
			}
			s := newScene()
			for i := range d.d.deeds {
				w := &d.d.deeds[i]
				if w.what == "write" && len(w.p) > 1 {
					half := *w
					half.p = w.p[:1+d.r.IntN(len(w.p)-1)]
					s.do(&half)
					d.check(s, i, false)
				}
				s.do(w)
				d.check(s, i+1, true)
			}
		})
	}
}

// check recovers what n deeds left, once there is a volume; between: none is
// half done.
func (d *drama) check(s *scene, n int, between bool) {
	if _, err := s.open(volumeName); err != nil {
		return
	}
	c := d.recover(s, "b1")
	d.judge(n, c)
	for i := range d.events {
		// A write that was cut short may have hit the block behind the last flush.
		if e := &d.events[i]; between && e.what == "flushed" && e.ended == n && (i+1 == len(d.events) || d.events[i+1].started == n) {
			d.all(n, e, c)
		}
	}
}

// TestCrashOfTheMachine loses pages: of what was written since the last sync
// of its file each page is there in any of its states. What comes back is
// soft, and its bytes are right.
func TestCrashOfTheMachine(t *testing.T) {
	var objects int
	for seed := range uint64(4) {
		d := newDrama(t, seed, "b1")
		d.play(250)
		for range 8 {
			n := 1 + d.r.IntN(len(d.d.deeds))
			s := d.lossy(n)
			if _, err := s.open(volumeName); err != nil {
				continue
			}
			c := d.recover(s, "b2")
			for key, x := range c.keys {
				if _, marked := c.back.marks[tagOf(x.hash)]; marked || !x.soft {
					t.Errorf("seed %d, %d deeds: key %d came back, soft %v, under a marker %v", seed, n, key, x.soft, marked)
				}
			}
			objects += len(c.keys)
			d.again(s)
		}
		if err := d.v.shut(false); err != nil {
			t.Fatal(err)
		}
	}
	if objects == 0 {
		t.Error("nothing ever came back")
	}
}

// lossy does n deeds and forgets pages.
func (d *drama) lossy(n int) *scene {
	s := newScene()
	synced := map[int]int{} // by file: the deed up to which nothing is lost
	for i, w := range d.d.deeds[:n] {
		if w.what == "sync" {
			synced[w.id] = i
		}
	}
	for i := range d.d.deeds[:n] {
		w := &d.d.deeds[i]
		if w.what != "write" || i < synced[w.id] {
			s.do(w)
			continue
		}
		for at := 0; at < len(w.p); {
			end := min(at+pageSize-int(w.off+int64(at))%pageSize, len(w.p))
			if d.r.IntN(3) > 0 {
				page := deed{what: "write", id: w.id, off: w.off + int64(at), p: w.p[at:end]}
				s.do(&page)
			}
			at = end
		}
	}
	return s
}

// again starts the volume that survived, and kills it at once: what was to be
// validated still is, though the machine runs on.
func (d *drama) again(s *scene) {
	v, err := openVolume(volumeOptions{dir: "heap", size: minVolume, folder: s, boot: "b2", now: func() time.Time { return d.now }})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := v.slots(func(*slot, []foundListing) {}); err != nil {
		d.t.Fatal(err)
	}
	if err := v.begin(); err != nil {
		d.t.Fatal(err)
	}
	back := v.back.seq
	if err := v.shut(false); err != nil {
		d.t.Fatal(err)
	}
	c := d.recover(s, "b2")
	for key, x := range c.keys {
		if !x.soft {
			d.t.Fatalf("key %d is no longer soft after another start", key)
		}
	}
	if c.found.nothing || c.back.seq < back {
		d.t.Fatalf("after another start: nothing %v (%s), sequence %d, want %d or more", c.found.nothing, c.found.why, c.back.seq, back)
	}
}

// TestCleanStop: closed in order a volume comes back as it was, after a crash
// of the machine too.
func TestCleanStop(t *testing.T) {
	d := newDrama(t, 1, "b1")
	d.play(200)
	if err := d.v.shut(true); err != nil {
		t.Fatal(err)
	}
	c := d.recover(d.d, "b2")
	d.judge(d.d.len(), c)
	if c.found.softened != int64(d.softs()) || c.back.wound != whole {
		t.Errorf("got %d soft, journal %v, want %d, %v", c.found.softened, c.back.wound, d.softs(), whole)
	}
}

func (d *drama) softs() (n int) {
	for key, at := range d.index {
		if slices.ContainsFunc(d.events, func(e event) bool { return e.what == "soft" && e.key == key && e.version == at.version }) {
			n++
		}
	}
	return n
}
