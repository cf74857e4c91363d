package store

import (
	"fmt"
	"testing"
)

// What a purge hits leaves the index though nobody looks it up, and then no
// purge is pending.
func TestSweepFreesSpace(t *testing.T) {
	z, err := Open(ZoneOptions{Memory: 8 << 20, MeanObject: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}()
	site := z.Site([]byte("s"))
	for n := range 5000 {
		key := fmt.Appendf(nil, "k%d", n)
		r := Record{Hash: z.Hash(key), Key: key, Site: site, Tags: []uint64{z.Tag(site, fmt.Append(nil, n%5))}, Size: 1, Body: [][]byte{{1}}}
		if err := z.Put(&r); err != nil {
			t.Fatal(err)
		}
	}
	c := NewCount()
	z.Purge(Purge{Tags: []uint64{z.Tag(site, []byte("2"))}, Site: site, Count: c})
	<-c.Done()
	if n, exact := c.Hits(); n != 1000 || !exact {
		t.Errorf("got count %d, exact %v, want 1000, true", n, exact)
	}
	if st := z.Stats(); st.Memory.Objects != 4000 || st.Pending != 0 || st.Bans != 1 || st.Sweeps == 0 {
		t.Errorf("got %d objects, %d of %d purges pending, %d sweeps, want 4000, 0 of 1, some", st.Memory.Objects, st.Pending, st.Bans, st.Sweeps)
	}
}

// Each purge is told of what it hit while that was there: a soft one what a
// later hard one dropped, a hard one nothing that an earlier one had dropped.
func TestCountsOfSeveralPurges(t *testing.T) {
	counts := make([]*Count, 4)
	var b bans
	for i, d := range []ban{
		{seq: 1, kind: banTag, tags: []uint64{1}}, {seq: 2, soft: true, kind: banTag, tags: []uint64{2}},
		{seq: 3, kind: banTag, tags: []uint64{2, 3}}, {seq: 4, kind: banPrefix, text: []byte("k")},
	} {
		counts[i] = NewCount()
		d.count = counts[i]
		b.list = append(b.list, d)
	}
	b.newest = 4
	for _, tt := range []struct {
		tag     uint64
		checked Seq
		want    [4]int64
	}{
		{1, 0, [4]int64{1, 0, 0, 0}},
		{2, 0, [4]int64{0, 1, 1, 0}},
		{3, 0, [4]int64{0, 0, 1, 0}},
		{2, 2, [4]int64{0, 0, 1, 0}},
		{1, 1, [4]int64{0, 0, 0, 1}},
	} {
		for _, c := range counts {
			c.hits.Store(0)
		}
		b.tell(face{key: []byte("k"), tags: appendTags(nil, []uint64{tt.tag})}, tt.checked, tt.checked)
		for i, c := range counts {
			if got := c.hits.Load(); got != tt.want[i] {
				t.Errorf("tag %d, checked to %d: purge %d: got count %d, want %d", tt.tag, tt.checked, i+1, got, tt.want[i])
			}
		}
	}
}

// A purge that was widened or stopped says that its count is not all.
func TestCountsThatAreNotAll(t *testing.T) {
	r := newRegistry([32]byte{1})
	first := NewCount()
	r.Purge(Purge{Prefix: []byte("first"), Count: first})
	for n := range maxBans {
		r.Purge(Purge{Prefix: fmt.Append(nil, n)})
	}
	last := NewCount()
	r.Purge(Purge{Prefix: []byte("last"), Count: last})
	if !r.sweepOnce() {
		t.Fatal("not swept")
	}
	for name, c := range map[string]*Count{"first": first, "last": last} {
		<-c.Done()
		if _, exact := c.Hits(); exact != (name == "last") {
			t.Errorf("%s: got exact %v", name, exact)
		}
	}
	if got := r.pending(); got != 0 {
		t.Errorf("got %d pending, want none", got)
	}
	late := NewCount()
	r.Purge(Purge{Prefix: []byte("late"), Count: late})
	if got := r.pending(); got != 1 {
		t.Errorf("got %d pending, want 1", got)
	}
	go r.sweepOn()
	r.sweeps.stop()
	<-late.Done()
}
