package store

import (
	"fmt"
	"testing"
)

// walkDisk returns how often each key is met on a walk of pages of n.
func walkDisk(t *testing.T, d *Disk, n int, look Look) map[string]int {
	t.Helper()
	met := map[string]int{}
	for at, more := 0, true; more; {
		left := n
		at, more = d.walk(at, &look, func(l *Listed) bool {
			met[string(l.Key)]++
			if l.Tier != OnDisk || string(l.Meta) != "meta" || l.Size != 300 || l.Soft != (string(l.Key) == string(diskKey(7))) {
				t.Errorf("%s: got %+v", l.Key, l)
			}
			left--
			return left > 0
		})
	}
	return met
}

// A walk tells what is being written and what is on the device, of one site
// without reading the others, and nothing that was purged.
func TestDiskWalk(t *testing.T) {
	dir := t.TempDir()
	place := func(o *DiskOptions) { o.Heap, o.Dir, o.MeanObject = false, dir, 512 }
	d := openTestDisk(t, place)
	sites := [2]uint64{d.Site([]byte("a")), d.Site([]byte("b"))}
	for _, s := range sites {
		if _, _, err := d.openAccount(s, nil); err != nil {
			t.Fatal(err)
		}
	}
	const records = 4000 // several slabs
	for n := range records {
		key := diskKey(n)
		r := &Record{
			Hash: d.Hash(key), Key: key, Site: sites[n%2], Version: 1, Born: d.Seq(), Validated: d.Seq(), Meta: []byte("meta"),
			Size: 300, Body: [][]byte{make([]byte, 300)},
		}
		if err := d.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	d.Purge(Purge{Key: diskKey(3)})
	d.Purge(Purge{Prefix: diskKey(3999)})
	d.Purge(Purge{Key: diskKey(7), Soft: true})
	check := func(page int) {
		t.Helper()
		met := walkDisk(t, d, page, Look{})
		for n := range records {
			want := 1
			if n == 3 || n == 3999 {
				want = 0
			}
			if got := met[string(diskKey(n))]; got != want {
				t.Fatalf("pages of %d: %s was met %d times, want %d", page, diskKey(n), got, want)
			}
		}
	}
	check(77)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTestDisk(t, place)
	if r := d.Stats().Recovered; r.Objects < records-2 || r.Objects > records || r.Took <= 0 || r.Soft || r.Empty != "" {
		t.Errorf("got %+v, want about %d objects", r, records)
	}
	check(1)
	check(1 << 20)
	before := d.Stats()
	if met := walkDisk(t, d, 100, Look{Site: sites[1]}); len(met) != records/2-2 { // 3 and 3999 are purged
		t.Errorf("one site: met %d, want %d", len(met), records/2-2)
	}
	after := d.Stats()
	if n := after.Reads + after.Staged - before.Reads - before.Staged; n > records/2+100 {
		t.Errorf("one site: %d reads for %d records", n, records/2)
	}
	if bytes := after.ReadBytes - before.ReadBytes; after.Reads == before.Reads || bytes < 300*records/2 {
		t.Errorf("%d reads of %d bytes, want %d and more", after.Reads-before.Reads, bytes, 300*records/2)
	}
}

// The ways of reads are told apart, with their bytes.
func TestDiskReadCounts(t *testing.T) {
	d := openTestDisk(t, onFiles(t))
	body := make([]byte, 1000)
	for n := range 3 {
		key := fmt.Appendf(nil, "k%d", n)
		if err := d.Put(&Record{Hash: d.Hash(key), Key: key, Version: 1, Size: 1000, Body: [][]byte{body}}); err != nil {
			t.Fatal(err)
		}
		var e Entry
		if d.Lookup(d.Hash(key), key, 0, &e); e.Kind != Object {
			t.Fatal("not found")
		}
		e.Release()
	}
	if st := d.Stats(); st.Staged != 3 || st.Reads != 0 || st.ReadBytes != 0 {
		t.Errorf("from memory: got %d staged, %d read, %d bytes, want 3, 0, 0", st.Staged, st.Reads, st.ReadBytes)
	}
}
