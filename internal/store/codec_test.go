package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

func aSuper() superblock {
	return superblock{
		writes: 7, geometry: geometry{size: 64 << 20, slab: smallSlab, slabs: 120, listings: 80, segment: smallSlab, mean: 8 << 10},
		secret: [2]uint64{1, 2}, set: [16]byte{3, 15: 4}, stripe: 1, number: 2, created: 5, boot: [16]byte{6, 15: 7}, clean: true,
		opens: 8, cleared: 11, doubted: 12, journal: 13,
	}
}

func aSlot() slot {
	return slot{slab: 3, generation: 1<<32 + 4, base: 5, main: true, records: 6, used: blockSize + 1, newest: 7, sums: []uint32{8, 9}}
}

// entries is one of each kind, and their borders.
func entries() []entry {
	mk := Marker{Kind: Variants, Sets: [4]Set{1, 2, 3, 4095}, NumSets: 4, Generation: 5, Expires: 6, Born: 7, tally: 8}
	c := mk.cell()
	return []entry{
		{kind: entryIntern, number: 1, text: []byte("accept-encoding")},
		{kind: entryIntern, number: maxSets - 1, text: bytes.Repeat([]byte("x"), maxFields)},
		{kind: entrySite, number: 1, hash: Hash{9}, text: []byte("http://example.org")},
		{kind: entrySite, number: maxSites - 1, hash: Hash{9}, text: bytes.Repeat([]byte("x"), siteNameMost)},
		{kind: entryBan, ban: ban{seq: 1, soft: true, kind: banKey, site: 2, text: []byte("key")}},
		{kind: entryBan, ban: ban{seq: 3, kind: banTag, tags: []uint64{4, 5}}},
		{kind: entryBan, ban: ban{seq: 1<<32 - 1}},
		{kind: entryBan, ban: ban{seq: 4, soft: true, kind: banPattern, site: 5, text: []byte("\x03\\.jpg$"), pattern: parsePattern([]byte("\x03\\.jpg$"))}},
		{kind: entryBan, ban: ban{seq: 5, kind: banWithin, text: []byte("\x00NVS\x00")}},
		{kind: entryBan, ban: ban{seq: 6, kind: banPrefix, text: []byte("http://a/b")}},
		{kind: entrySeq, ban: ban{seq: 6}},
		{kind: entryMark, hash: Hash{1, 2}, stamp: 3, place: c.place, state: c.state, extra: c.extra},
		{kind: entryMark, hash: Hash{1, 2}, stamp: 4},
		{kind: entryKill, slab: 1, generation: 2, listings: []uint16{3}},
		{kind: entrySoft, slab: slabMask, generation: 1 << 63, listings: []uint16{0, 1<<16 - 1}},
		{kind: entryClear, stamp: 1 << 50, ban: ban{seq: 2}},
		{kind: entryFloor, ban: ban{seq: 3}},
	}
}

// TestCodecs: what is written is read, and with one bit changed it is not.
func TestCodecs(t *testing.T) {
	super, slot1 := aSuper(), aSlot()
	l := diskListing{hash: Hash{1, 2}, off: largeSlab - unit, n: unit, kind: kindSegment, site: maxSites - 1, print: printMask, stamp: 1<<32 - 1}
	type codec struct {
		name   string
		b      []byte
		decode func(b []byte) any // nil: refused
		want   any
	}
	b := make([]byte, superSize)
	super.encode(b)
	codecs := []codec{{"superblock", b, func(b []byte) any {
		var s superblock
		if s.decode(b) != nil {
			return nil
		}
		return s
	}, super}}
	b = make([]byte, slotHeader)
	slot1.encode(b)
	codecs = append(codecs, codec{"slot", b, func(b []byte) any {
		var s slot
		if s.decode(b, 3, smallSlab, 6) != slotValid {
			return nil
		}
		return s
	}, slot1})
	b = make([]byte, directorySize)
	l.encode(b, listingSeed(3, 4))
	codecs = append(codecs, codec{"listing", b, func(b []byte) any {
		var l diskListing
		if !l.decode(b, listingSeed(3, 4), largeSlab) {
			return nil
		}
		return l
	}, l})
	for _, e := range entries() {
		codecs = append(codecs, codec{"entry", e.append(nil, 5), func(b []byte) any {
			var e entry
			if e.decode(b, 5) != len(b) {
				return nil
			}
			return e
		}, e})
	}
	for _, c := range codecs {
		if got := c.decode(c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		if got := c.decode(c.b[:len(c.b)-1]); got != nil {
			t.Errorf("%s cut short: got %+v, want none", c.name, got)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			bad := bytes.Clone(c.b)
			bit := r.IntN(8 * len(bad))
			bad[bit/8] ^= 1 << (bit % 8)
			if got := c.decode(bad); got != nil {
				t.Errorf("%s %+v with bit %d flipped: got %+v, want none", c.name, c.want, bit, got)
			}
		}
	}
}

func TestSuperblockCopies(t *testing.T) {
	old, young := aSuper(), aSuper()
	old.writes, young.writes, young.opens = 1, 2, 99
	a, b := make([]byte, superSize), make([]byte, superSize)
	old.encode(a)
	young.encode(b)
	foreign := bytes.Repeat([]byte("not a volume "), superSize)[:superSize]
	later := bytes.Clone(a)
	later[len(superMagic)]++
	torn := append(bytes.Clone(b[:1000]), a[1000:]...)
	for _, test := range []struct {
		name   string
		b      []byte
		opens  uint32
		intact int
		err    error
	}{
		{"both", append(bytes.Clone(a), a...), 8, 2, nil},
		{"torn between", append(bytes.Clone(b), a...), 99, 2, nil},
		{"the second newer", append(bytes.Clone(a), b...), 99, 2, nil},
		{"the first torn", append(bytes.Clone(torn), a...), 8, 1, nil},
		{"the second torn", append(bytes.Clone(b), torn...), 99, 1, nil},
		{"both torn", append(bytes.Clone(torn), torn...), 0, 0, errSuperDamage},
		{"foreign", append(bytes.Clone(foreign), foreign...), 0, 0, errNoVolume},
		{"one foreign, one torn", append(bytes.Clone(foreign), torn...), 0, 0, errSuperDamage},
		{"empty", nil, 0, 0, errNoVolume},
		{"short", a[:100], 0, 0, errNoVolume},
		{"version without its checksum", append(bytes.Clone(later), later...), 0, 0, errSuperDamage},
	} {
		got, intact, err := superOf(test.b)
		if got.opens != test.opens || intact != test.intact || !errors.Is(err, test.err) {
			t.Errorf("%s: got opens %d, %d intact, %v, want %d, %d, %v", test.name, got.opens, intact, err, test.opens, test.intact, test.err)
		}
	}
}

func TestSlotStates(t *testing.T) {
	s, valid := aSlot(), make([]byte, slotHeader)
	s.encode(valid)
	invalid := make([]byte, slotHeader)
	s.encodeInvalid(invalid)
	for _, test := range []struct {
		name                 string
		b                    []byte
		n, slab, listings    int
		want                 slotState
		generation           uint64
		mostListings, sumsOf int
	}{
		{name: "valid", b: valid, n: 3, slab: smallSlab, listings: 6, want: slotValid, generation: s.generation},
		{name: "invalidated", b: invalid, n: 3, slab: smallSlab, listings: 6, want: slotEmpty, generation: s.generation},
		{name: "never used", b: make([]byte, slotHeader), n: 3, slab: smallSlab, listings: 6, want: slotEmpty},
		{name: "of another slab", b: valid, n: 4, slab: smallSlab, listings: 6, want: slotDamaged},
		{name: "more listings than there is room for", b: valid, n: 3, slab: smallSlab, listings: 5, want: slotDamaged, generation: s.generation},
		{name: "more bytes than a slab has", b: valid, n: 3, slab: blockSize, listings: 6, want: slotDamaged, generation: s.generation},
		{name: "short", b: valid[:slotHeader-1], n: 3, slab: smallSlab, listings: 6, want: slotDamaged},
		{name: "zeros and something", b: append(make([]byte, slotHeader-1), 1), n: 3, slab: smallSlab, listings: 6, want: slotDamaged},
	} {
		var got slot
		if state := got.decode(test.b, test.n, test.slab, test.listings); state != test.want || got.generation != test.generation {
			t.Errorf("%s: got %d, generation %d, want %d, %d", test.name, state, got.generation, test.want, test.generation)
		}
	}
}

// TestListingOfAnotherLife: a listing counts for one life of its slab only.
func TestListingOfAnotherLife(t *testing.T) {
	var b [directorySize]byte
	l := diskListing{n: 1, kind: Object}
	l.encode(b[:], listingSeed(3, 4))
	for _, seed := range []uint32{listingSeed(3, 5), listingSeed(4, 4)} {
		if l.decode(b[:], seed, smallSlab) {
			t.Errorf("seed %d: got %+v, want none", seed, l)
		}
	}
}

// sealed is b with its checksum made right, which no flipped bit gets past.
func sealed(b []byte, at, from, to int, seed uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], crc32.Update(seed, castagnoli, b[from:to]))
	return b
}

func FuzzSuperblock(f *testing.F) {
	s := aSuper()
	b := make([]byte, 2*superSize)
	s.encode(b)
	s.encode(b[superSize:])
	f.Add(b)
	f.Add([]byte(superMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= superSize {
			b = sealed(b, superSize-4, 0, superSize-4, 0)
		}
		s, intact, err := superOf(b)
		if (intact == 0) != (err != nil) {
			t.Fatalf("got %d intact and %v", intact, err)
		}
		if err != nil {
			return
		}
		again := make([]byte, superSize)
		s.encode(again)
		if g, _, err := superOf(again); err != nil || g != s {
			t.Errorf("encoded and decoded: got %+v, %v, want %+v", g, err, s)
		}
	})
}

// FuzzSlot: whatever a slot holds, what is read from it lies in the slab and
// is what would be written.
func FuzzSlot(f *testing.F) {
	s := aSlot()
	b := make([]byte, slotHeader+directorySize)
	s.encode(b)
	l := diskListing{hash: Hash{1, 2}, off: 16, n: 100, kind: Object, site: 3, print: 4, stamp: 5}
	l.encode(b[slotHeader:], listingSeed(s.slab, s.generation))
	f.Add(b, 3)
	s.encodeInvalid(b)
	f.Add(b, 3)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if len(b) >= slotHeader {
			b = sealed(b, slotHeader-4, 0, slotHeader-4, 0)
		}
		var s, g slot
		if s.decode(b, n, smallSlab, 80) != slotValid {
			return
		}
		if s.records < 0 || s.records > 80 || s.used < 0 || s.used > smallSlab || len(s.sums) != blocks(s.used) {
			t.Fatalf("got %+v", s)
		}
		again := make([]byte, slotHeader)
		if s.encode(again); g.decode(again, n, smallSlab, 80) != slotValid || !reflect.DeepEqual(g, s) {
			t.Errorf("encoded and decoded: got %+v, want %+v", g, s)
		}
		var l, m diskListing
		seed := listingSeed(s.slab, s.generation)
		b = b[slotHeader:]
		if len(b) >= directorySize {
			b = sealed(b, 28, 0, 28, seed)
		}
		if !l.decode(b, seed, smallSlab) {
			return
		}
		if l.off < 0 || l.n <= 0 || l.off+l.n > smallSlab || l.off%unit != 0 {
			t.Errorf("got %d bytes at %d", l.n, l.off)
		}
		if l.encode(again, seed); !m.decode(again, seed, smallSlab) || m != l {
			t.Errorf("encoded and decoded: got %+v, want %+v", m, l)
		}
	})
}

// FuzzEntry: whatever a journal holds, an entry that is read is what would be
// written, byte for byte.
func FuzzEntry(f *testing.F) {
	for _, e := range entries() {
		f.Add(e.append(nil, 5))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= entryHeader {
			if end := entryHeader + int(binary.LittleEndian.Uint32(b[4:])&entryMost); end <= len(b) {
				b = sealed(b, 0, 4, end, 5)
			}
		}
		var e entry
		n := e.decode(b, 5)
		if n == 0 {
			return
		}
		if n > len(b) || n%entryAlign != 0 {
			t.Fatalf("got %d bytes of %d", n, len(b))
		}
		if again := e.append(nil, 5); !bytes.Equal(again, b[:n]) {
			t.Errorf("%+v encoded: got %x, want %x", e, again, b[:n])
		}
	})
}

func TestGeometry(t *testing.T) {
	const gib = 1 << 30
	for _, test := range []struct {
		size, mean            int64
		slab, slabs, listings int
	}{
		{8 << 20, 8 << 10, smallSlab, 15, 256},
		{64 << 20, 1 << 10, smallSlab, 122, 640},
		{256<<20 - 1, 8 << 10, smallSlab, 499, 256},
		{256 << 20, 8 << 10, largeSlab, 125, 1024},
		{10 * gib, 1 << 10, largeSlab, 4918, 2560},
		{10 * gib, 8 << 10, largeSlab, 5031, 1024},
		{10 * gib, 64 << 10, largeSlab, 5100, 128},
		{10 * gib, 1, largeSlab, 0, largeSlab / unit / 2},
	} {
		g, err := geometryOf(test.size, test.mean)
		if err != nil || g.slab != test.slab || test.slabs > 0 && g.slabs != test.slabs || g.listings != test.listings || !g.plausible() {
			t.Errorf("%d bytes of %d: got %+v, %v, want %+v", test.size, test.mean, g, err, test)
		}
		if end := g.slabAt(g.slabs); end > g.size || g.slabAt(0) < g.slotAt(g.slabs) || g.slabAt(0)%int64(g.slab) != 0 {
			t.Errorf("%d bytes of %d: slabs from %d to %d of %d, directories to %d", test.size, test.mean, g.slabAt(0), end, g.size, g.slotAt(g.slabs))
		}
	}
	for _, test := range [][2]int64{{0, 1}, {minVolume - 1, 1}, {minVolume, 0}, {1 << 62, 1 << 20}} {
		if g, err := geometryOf(test[0], test[1]); err == nil {
			t.Errorf("%d bytes of %d: got %+v, want an error", test[0], test[1], g)
		}
	}
}

// FuzzJournal: whatever stands in a journal, what it comes to is bounded by it,
// and written anew it comes to the same.
func FuzzJournal(f *testing.F) {
	var all []byte
	for _, e := range entries() {
		all = e.append(all, 5)
	}
	f.Add(all)
	f.Add(all[:len(all)-3])
	f.Add(append(bytes.Clone(all[:40]), all...))
	f.Add(append(make([]byte, 4096), all...))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Entries whose checksum alone is wrong are let through.
		for at := 0; at+entryHeader <= len(b); at += entryAlign {
			if end := at + entryHeader + int(binary.LittleEndian.Uint32(b[at+4:])&entryMost); end <= len(b) && end-at < 2000 {
				b = sealed(b, at, at+4, end, 5)
				at = (end - 1) &^ (entryAlign - 1)
			}
		}
		r, again := newReplay(), newReplay()
		if err := r.read(&window{f: &heapFile{b: b}, end: int64(len(b))}, 5); err != nil {
			t.Fatal(err)
		}
		if r.bytes+r.lost > int64(len(b)) || r.entries > len(b)/entryHeader {
			t.Fatalf("got %d entries, %d bytes and %d lost of %d", r.entries, r.bytes, r.lost, len(b))
		}
		if r.wound == whole && r.lost > 0 || r.wound != whole && r.lost == 0 {
			t.Fatalf("got %v with %d bytes lost", r.wound, r.lost)
		}
		anew := r.facts(nil, 6, math.MinInt64) // before anything expires
		if err := again.read(&window{f: &heapFile{b: anew}, end: int64(len(anew))}, 6); err != nil {
			t.Fatal(err)
		}
		for h, k := range r.marks {
			if k.place == 0 {
				delete(r.marks, h)
			}
		}
		if again.wound != whole || again.seq != r.seq || again.cleared != r.cleared || len(again.bans.list) != len(r.bans.list) ||
			!reflect.DeepEqual(again.marks, r.marks) || !reflect.DeepEqual(again.interned, r.interned) || !reflect.DeepEqual(again.sites, r.sites) {
			t.Errorf("got %+v, want %+v", again, r)
		}
		for n, l := range r.dead {
			if got := again.dead[n]; got == nil || got.generation != l.generation || !reflect.DeepEqual(got.listings(), l.listings()) {
				t.Errorf("slab %d: got %+v, want %+v", n, got, l)
			}
		}
	})
}
