package store

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"unsafe"
)

func newTest(t testing.TB, o Options) *Memory {
	t.Helper()
	if o.Size == 0 {
		o.Size = 8 << 20
	}
	m, err := newMemory(&o, newRegistry([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

func put(t testing.TB, m *Memory, key string, size int) {
	t.Helper()
	r := Record{
		Hash: m.Hash([]byte(key)), Key: []byte(key), Born: m.Seq(), Validated: m.Seq(),
		Body: [][]byte{make([]byte, size)}, Size: int64(size),
	}
	if err := m.Put(&r); err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
}

func has(m *Memory, key string) bool {
	var e Entry
	m.Lookup(m.Hash([]byte(key)), []byte(key), 0, &e)
	defer e.Release()
	return e.Kind == Object
}

func TestListing(t *testing.T) {
	want := listing{hash: Hash{1, 2}, off: 4096, n: 77, site: 4095, segment: true}
	var b [directorySize]byte
	want.encode(b[:])
	var got listing
	if !got.decode(b[:], smallSlab) || got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i := range b {
		b[i] ^= 0x10
		if got.decode(b[:], smallSlab) {
			t.Errorf("byte %d changed: got no error", i)
		}
		b[i] ^= 0x10
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		o           Options
		slabs, size int
		fault       string
	}{
		{Options{}, 128, largeSlab, ""},
		{Options{Size: 4 << 20}, 8, smallSlab, ""},
		{Options{Size: 64<<20 + 12345}, 128, smallSlab, ""},
		{Options{Size: 1 << 20}, 0, 0, "at least 4194304"},
		{Options{Size: -1}, 0, 0, "at least 4194304"},
		{Options{MeanObject: -1}, 0, 0, "not negative"},
	} {
		m, err := newMemory(&test.o, newRegistry([32]byte{}))
		if test.fault != "" {
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%+v: got error %v, want %q", test.o, err, test.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", test.o, err)
			continue
		}
		if st := m.Stats(); st.Slabs != test.slabs || st.SlabSize != test.size || st.Capacity != int64(test.slabs*test.size) {
			t.Errorf("%+v: got %d slabs of %d, want %d of %d", test.o, st.Slabs, st.SlabSize, test.slabs, test.size)
		}
		if err := m.Close(); err != nil {
			t.Errorf("%+v: Close: %v", test.o, err)
		}
	}
}

func TestClosePinned(t *testing.T) {
	m, err := newMemory(&Options{Size: 4 << 20}, newRegistry([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, "k", 10)
	var e Entry
	m.Lookup(m.Hash([]byte("k")), []byte("k"), 0, &e)
	if err := m.Close(); err == nil || !strings.Contains(err.Error(), "1 spans") {
		t.Errorf("Close with a pin: got %v, want an error that says 1 spans", err)
	}
	if len(e.Body.Mem) != 10 || e.Body.Mem[9] != 0 {
		t.Errorf("the bytes are gone though they are lent")
	}
	e.Release()
	for range 2 {
		if err := m.Close(); err != nil {
			t.Errorf("Close after the last Release: %v", err)
		}
	}
}

func TestSlabLayout(t *testing.T) {
	if got := unsafe.Sizeof(slab{}); got%64 != 0 {
		t.Errorf("a slab takes %d bytes, want whole cache lines", got)
	}
	if got := unsafe.Offsetof(slab{}.wanted); got != 64 {
		t.Errorf("what readers do not use begins at %d, want 64", got)
	}
}

func TestSeed(t *testing.T) {
	a, b, c := newRegistry([32]byte{1}), newRegistry([32]byte{1}), newRegistry([32]byte{})
	k := []byte("key")
	if a.Hash(k) != b.Hash(k) || a.Version() != b.Version() {
		t.Errorf("one seed: hashes or versions differ")
	}
	if a.Hash(k) == c.Hash(k) || a.Site(k) == c.Site(k) {
		t.Errorf("no seed: the secret is not random")
	}
}

// TestSequenceWraps: the order of purges starts again on an empty volume.
func TestSequenceWraps(t *testing.T) {
	m := newTest(t, Options{})
	m.seq.Store(math.MaxUint32 - 1)
	put(t, m, "old", 10)
	late := Record{Hash: m.Hash([]byte("late")), Key: []byte("late"), Born: m.Seq(), Validated: m.Seq()}
	m.Purge(Purge{Key: []byte("a")})
	m.Purge(Purge{Key: []byte("b")})
	if has(m, "old") || m.Seq() > 10 {
		t.Errorf("after the last sequence: got %d, want a new start without records", m.Seq())
	}
	if err := m.Put(&late); !errors.Is(err, ErrPurged) {
		t.Errorf("Put of before: got %v, want ErrPurged", err)
	}
	put(t, m, "new", 10)
	if !has(m, "new") {
		t.Errorf("nothing can be stored after the new start")
	}
	m.Purge(Purge{Prefix: []byte("n")})
	if has(m, "new") {
		t.Errorf("purges have no effect after the new start")
	}
}

// TestCrowded: more records than the index has entries for.
func TestCrowded(t *testing.T) {
	m := newTest(t, Options{MeanObject: 8 << 10})
	n := int(m.Stats().IndexEntries)
	for i := range 2 * n {
		put(t, m, fmt.Sprint(i), 100)
		if i%10 == 0 {
			for range 3 {
				has(m, fmt.Sprint(i))
			}
		}
	}
	st := m.Stats()
	if st.Objects > int64(n) || st.Objects < int64(n)*9/10 || st.Lost[Crowded] == 0 {
		t.Errorf("got %d objects and %d crowded out of %d entries, want nearly full and some", st.Objects, st.Lost[Crowded], n)
	}
	hot := 0
	for i := 0; i < 2*n; i += 10 {
		if has(m, fmt.Sprint(i)) {
			hot++
		}
	}
	if hot < n/5*95/100 {
		t.Errorf("got %d of %d hit records left, want nearly all: the coldest go", hot, n/5)
	}
}

// TestIndexFill: at the mean it was made for, the index drops next to nothing.
func TestIndexFill(t *testing.T) {
	m := newTest(t, Options{Size: 64 << 20, MeanObject: 1 << 10})
	for i := range 60 << 10 {
		put(t, m, fmt.Sprint(i), 1<<10-headerSize-8)
	}
	if st := m.Stats(); st.Lost[Crowded] > 60 {
		t.Errorf("got %d of %d records crowded out, want at most one in a thousand", st.Lost[Crowded], 60<<10)
	}
}

// TestDamagedDirectory: a slab whose directory is damaged is emptied anyway.
func TestDamagedDirectory(t *testing.T) {
	m := newTest(t, Options{})
	put(t, m, "k", 100)
	var c cell
	m.index.load(m.Hash([]byte("k")), &c)
	m.directory(c.slab()).at(c.listing())[3] ^= 1
	for i := range 2 * 8 << 20 / 10000 {
		put(t, m, fmt.Sprint(i), 10000)
	}
	if st := m.Stats(); has(m, "k") || st.Lost[Damaged] != 1 {
		t.Errorf("got it still there or %d damaged, want it dropped and 1", st.Lost[Damaged])
	}
}

// TestBubble: a volume lives in a synctest bubble, makes room there without
// time passing, and leaves no goroutine.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := newMemory(&Options{Size: 4 << 20}, newRegistry([32]byte{}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			put(t, m, fmt.Sprint(i), 10000)
			has(m, fmt.Sprint(i/2))
		}
		synctest.Wait()
		if st := m.Stats(); st.Free < m.space.wantedFree {
			t.Errorf("got %d slabs free, want %d kept by the background", st.Free, m.space.wantedFree)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestBehind: with nobody in the background every Put still finds room, and
// hit records go on living.
func TestBehind(t *testing.T) {
	m := newTest(t, Options{})
	m.space.wantedFree = 0
	put(t, m, "hot", 100)
	for i := range 4 * 8 << 20 / 10000 {
		put(t, m, fmt.Sprint(i), 10000)
		has(m, "hot")
	}
	if st := m.Stats(); !has(m, "hot") || st.Forwarded == 0 || st.RefusedFull != 0 {
		t.Errorf("got %d copied forward, %d refused, hot left %v; want some, 0, true", st.Forwarded, st.RefusedFull, has(m, "hot"))
	}
}

func TestLookupAllocates(t *testing.T) {
	m := newTest(t, Options{})
	put(t, m, "k", 1000)
	v, _ := m.Intern([]byte("accept-encoding"))
	mk := Marker{Kind: Variants, Sets: [4]Set{v}, NumSets: 1}
	if err := m.Mark(m.Hash([]byte("m")), mk); err != nil {
		t.Fatal(err)
	}
	keys := [][]byte{[]byte("k"), []byte("m"), []byte("nobody")}
	var e Entry
	got := testing.AllocsPerRun(1000, func() {
		for _, k := range keys {
			h := m.Hash(k)
			m.Lookup(h, k, 0, &e)
			m.Variant(h, 1, v, k)
			m.Fields(v)
			e.Release()
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations a lookup, want 0", got)
	}
}
