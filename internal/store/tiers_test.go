package store

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// newTiers opens a memory over a disk on the heap.
func newTiers(t testing.TB, memory int64, change func(o *DiskOptions)) *Zone {
	t.Helper()
	d := DiskOptions{Dir: "heap", Size: 16 << 20, MeanObject: 2 << 10, Heap: true, Poison: true}
	if change != nil {
		change(&d)
	}
	z, err := Open(ZoneOptions{Memory: memory, MeanObject: 2 << 10, Heap: true, Poison: true, Disks: []DiskOptions{d}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return z
}

// store puts a record of size bytes, all of them the last letter of its key.
func (z *Zone) store(t testing.TB, key string, size int) Hash {
	t.Helper()
	body := make([]byte, size)
	for i := range body {
		body[i] = key[len(key)-1]
	}
	r := Record{
		Hash: z.Hash([]byte(key)), Key: []byte(key), Born: z.Seq(), Validated: z.Seq(),
		Tags: []uint64{7, 8}, Body: [][]byte{body}, Size: int64(size),
	}
	if err := z.Put(&r); err != nil {
		t.Fatalf("Put(%s): %v", key, err)
	}
	return r.Hash
}

// found reports whether the record that store has put is there, whole.
func (z *Zone) found(t testing.TB, key string, size int) bool {
	t.Helper()
	var e Entry
	z.Lookup(z.Hash([]byte(key)), []byte(key), 0, &e)
	defer e.Release()
	if e.Kind != Object {
		return false
	}
	for i, b := range e.Body.Mem {
		if b != key[len(key)-1] {
			t.Fatalf("%s: got byte %q at %d", key, b, i)
		}
	}
	if len(e.Body.Mem) != size {
		t.Fatalf("%s: got %d bytes, want %d", key, len(e.Body.Mem), size)
	}
	return true
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// fillDisk puts strangers until the disk has no slab left that was never used.
func (z *Zone) fillDisk(t testing.TB) {
	t.Helper()
	for n := 0; z.disks[0].fresh(); n++ {
		z.store(t, fmt.Sprint("fill", n), 20000)
	}
}

// TestPromotion: what memory has lost is found on disk, and in memory from then on.
func TestPromotion(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	h := z.store(t, "k", 3000)
	version := z.Version()
	if err := z.PutSegment(version, 0, 0, [][]byte{make([]byte, 100000)}); err != nil {
		t.Fatal(err)
	}
	z.ForgetMemory()
	if !z.found(t, "k", 3000) || !z.memory.contains(h) || z.Stats().Promoted != 1 {
		t.Errorf("got found or in memory not, or %d promoted; want both and 1", z.Stats().Promoted)
	}
	if got := z.memory.AppendTags(nil, h, []byte("k")); len(got) != 2 || got[1] != 8 {
		t.Errorf("got tags %v in memory, want 7 and 8", got)
	}
	s, ok := z.Segment(version, 0, 0, 100000)
	if !ok {
		t.Fatal("the segment is gone")
	}
	s.Release()
	if z.memory.contains(z.segmentHash(version, 0)) {
		t.Errorf("the segment was copied to memory")
	}
}

// TestPromotedSoft: what a soft purge hit on disk is to be validated in memory.
func TestPromotedSoft(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	for _, p := range []Purge{{Key: []byte("k"), Soft: true}, {Tags: []uint64{8}, Soft: true}} {
		z.store(t, "k", 100)
		z.ForgetMemory()
		z.Purge(p)
		for _, where := range []string{"disk", "memory"} {
			var e Entry
			z.Lookup(z.Hash([]byte("k")), []byte("k"), 0, &e)
			if e.Kind != Object || !e.Soft {
				t.Errorf("purge %+v, from %s: got kind %d, soft %v, want a soft object", p, where, e.Kind, e.Soft)
			}
			e.Release()
		}
	}
}

// TestOffers: a full disk takes what was hit in memory, and not what was not.
func TestOffers(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	z.fillDisk(t)
	d := z.disks[0]
	hit, cold := z.store(t, "hit", 5000), z.store(t, "cold", 5000)
	if d.contains(hit) || d.contains(cold) {
		t.Fatalf("a full disk took a newcomer")
	}
	if !z.found(t, "hit", 5000) {
		t.Fatal("hit: not found")
	}
	for n := 0; !d.contains(hit); n++ { // pushed out of the small queue, one was hit there
		if n == 2000 {
			t.Fatal("what was hit did not come to disk")
		}
		z.store(t, fmt.Sprint("push", n), 20000)
		runtime.Gosched()
	}
	if d.contains(cold) {
		t.Errorf("what nobody asked for came to disk")
	}
	z.ForgetMemory()
	if !z.found(t, "hit", 5000) {
		t.Errorf("hit: not found on disk")
	}
	if st := z.Stats(); st.Offered == 0 {
		t.Errorf("got none offered")
	}
}

// TestAskedTwice: what fell out of memory and is stored again comes to a full disk at once.
func TestAskedTwice(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	z.fillDisk(t)
	h := z.store(t, "k", 5000)
	for n := 0; z.memory.contains(h); n++ {
		z.store(t, fmt.Sprint("push", n), 20000)
	}
	eventually(t, "a full disk takes what comes again", func() bool {
		z.store(t, "k", 5000)
		return z.disks[0].contains(h)
	})
}

// TestMarkerOfDisk: a marker that memory has lost is joined, not replaced.
func TestMarkerOfDisk(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	h := z.Hash([]byte("k"))
	for n, field := range []string{"accept", "accept-language"} {
		set, _ := z.Intern([]byte(field))
		if err := z.Mark(h, Marker{Kind: Variants, Sets: [4]Set{set}, NumSets: 1, Born: z.Seq()}); err != nil {
			t.Fatal(err)
		}
		var e Entry
		z.Lookup(h, []byte("k"), 0, &e)
		if e.Kind != Variants || e.NumSets != n+1 {
			t.Errorf("%s: got kind %d with %d sets, want %d", field, e.Kind, e.NumSets, n+1)
		}
		if got := z.Tally(h, e.Generation); got != n+1 {
			t.Errorf("%s: got a tally of %d, want %d", field, got, n+1)
		}
		z.ForgetMemory()
	}
}

// TestStalledDisk: a disk that writes nothing takes no more, and memory goes on as if it were alone.
func TestStalledDisk(t *testing.T) {
	folder := newFaultyFolder()
	z := newTiers(t, 8<<20, func(o *DiskOptions) { o.folder = folder })
	stalled := make(chan struct{})
	folder.f.setWrite(inSlabs(z.disks[0], func([]byte, int64) error { <-stalled; return nil }))
	defer close(stalled)
	z.store(t, "hot", 1000)
	refused := z.Stats().Disks[0].RefusedFull
	for n := range 2000 {
		key := fmt.Sprint("n", n)
		h := z.store(t, key, 20000)
		if !z.memory.contains(h) || !z.found(t, key, 20000) {
			t.Fatalf("%s: not in memory", key)
		}
		if !z.found(t, "hot", 1000) {
			t.Fatalf("%s: what is hit all the time is gone", key)
		}
	}
	if st := z.Stats(); st.Disks[0].RefusedFull == refused || st.Memory.RefusedFull != 0 {
		t.Errorf("got %d refused by the disk and %d by memory, want some and none", st.Disks[0].RefusedFull-refused, st.Memory.RefusedFull)
	}
}

// TestScan: reading ten times the memory from disk does not push out of
// memory what is hit meanwhile.
func TestScan(t *testing.T) {
	z := newTiers(t, 4<<20, func(o *DiskOptions) { o.Size = 64 << 20 })
	const hot, cold, size = 50, 2000, 20000
	for n := range cold {
		z.store(t, fmt.Sprint("cold", n), size)
	}
	var hashes []Hash
	for n := range hot {
		hashes = append(hashes, z.store(t, fmt.Sprint("hot", n), size))
	}
	lost, fromDisk := 0, 0
	for n := range 2 * cold {
		if z.found(t, fmt.Sprint("cold", n%cold), size) {
			fromDisk++
		}
		if !z.memory.contains(hashes[n%hot]) {
			lost++
		}
		if !z.found(t, fmt.Sprint("hot", n%hot), size) {
			t.Fatalf("hot%d is gone", n%hot)
		}
	}
	if fromDisk < cold {
		t.Errorf("got %d of %d reads of the scan, want most: it is no scan of the disk", fromDisk, 2*cold)
	}
	t.Logf("%d reads of a scan of %d MiB over 4 MiB: %d of as many hits between them were not in memory, %d promoted",
		2*cold, cold*size>>20, lost, z.Stats().Promoted)
	if lost*100 > 2*cold {
		t.Errorf("got %d of %d hits that were not in memory, want at most one in a hundred", lost, 2*cold)
	}
}

// TestOverhead: what is said beforehand is what is there.
func TestOverhead(t *testing.T) {
	for _, o := range []ZoneOptions{
		{Memory: 8 << 20, Heap: true},
		{Heap: true, Disks: []DiskOptions{{Dir: "a", Size: 16 << 20, Heap: true}}},
		{Memory: 8 << 20, Heap: true, Disks: []DiskOptions{{Dir: "a", Size: 16 << 20, Heap: true}, {Dir: "b", Size: 32 << 20, Heap: true}}},
	} {
		z, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		st := z.Stats()
		if got, want := o.Overhead(), st.Total().Overhead; got != want {
			t.Errorf("memory %d, %d disks: got %d bytes foretold, want %d", o.Memory, len(o.Disks), got, want)
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOlderMarker: a marker does not replace a younger object that only the
// disk has.
func TestOlderMarker(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	born := z.Seq()
	z.Purge(Purge{Key: []byte("another")})
	h := z.store(t, "x", 100)
	for _, k := range []Kind{HitForMiss, Variants} {
		z.ForgetMemory()
		if err := z.Mark(h, Marker{Kind: k, Born: born}); !errors.Is(err, ErrOlder) {
			t.Errorf("kind %d: got %v, want %v", k, err, ErrOlder)
		}
	}
	if !z.found(t, "x", 100) {
		t.Error("the object is gone")
	}
}
