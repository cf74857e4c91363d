package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"opencache/internal/store"
)

// looking is what looks into a volume.
type looking interface {
	OpenSite(name []byte) uint64
	SiteName(site uint64) string
	Sites() []store.SiteStats
	Fits(site uint64, size int64) bool
	Walk(from store.Cursor, look store.Look, visit func(*store.Listed) bool) (next store.Cursor, more bool)
}

// walkAll returns how often each key is met on a walk of pages of n.
func walkAll(t *testing.T, v Volume, n int) map[string]int {
	t.Helper()
	met := map[string]int{}
	var at store.Cursor
	for more, pages := true, 0; more; pages++ {
		if pages > 1<<20 {
			t.Fatal("the walk has no end")
		}
		left := n
		at, more = v.Walk(at, store.Look{}, func(l *store.Listed) bool {
			met[string(l.Key)]++
			left--
			return left > 0
		})
	}
	return met
}

// walk: each record is met once, with what is known of it, whatever the size
// of the pages; what was dropped is not.
func walk(t *testing.T, v Volume) {
	site := v.OpenSite([]byte("http://a.example"))
	want := map[string]int{}
	for n := range 200 {
		it := item{key: fmt.Sprint("walk", n), version: 7, size: 100 * n}
		r := it.record(v, site)
		r.Tags = []uint64{v.Tag(site, []byte("tag"))}
		if err := patiently(v, func() error { return v.Put(r) }); err != nil {
			t.Fatal(err)
		}
		want[it.key] = len(tiers(v)) // each has room for all
	}
	if err := v.PutSegment(1, 0, site, [][]byte{make([]byte, 1000)}); err != nil {
		t.Fatal(err)
	}
	if err := v.Mark(v.Hash([]byte("marker")), store.Marker{Kind: store.HitForMiss, Born: v.Seq(), Expires: 1 << 60}); err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{1, 7, 1000} {
		if met := walkAll(t, v, page); !maps.Equal(met, want) {
			t.Errorf("pages of %d: met %d keys, want each of %d once", page, len(met), len(want))
		}
	}
	kind(v, "walk150")
	v.Remove(v.Hash([]byte("walk3")), []byte("walk3"))
	v.Purge(store.Purge{Prefix: []byte("walk11")})
	v.Purge(store.Purge{Prefix: []byte("walk12"), Soft: true})
	v.Walk(0, store.Look{}, func(l *store.Listed) bool {
		key := string(l.Key)
		var n int
		_, _ = fmt.Sscanf(key, "walk%d", &n)
		it := item{key: key, version: 7, size: 100 * n}
		if l.Size != int64(it.size) || string(l.Meta) != string(it.meta()) || l.Site != site || l.Tags != 1 || l.Version != 7 || l.Stored < it.size {
			t.Errorf("%s: got size %d, meta %q, site %d, %d tags, version %d, %d bytes", key, l.Size, l.Meta, l.Site, l.Tags, l.Version, l.Stored)
		}
		if soft := n/10 == 12 || n == 12; l.Soft != soft {
			t.Errorf("%s: got soft %v, want %v", key, l.Soft, soft)
		}
		if hot := n == 150; (l.Heat > 0) != hot && (l.Tier == store.InMemory || len(tiers(v)) == 1) {
			t.Errorf("%s: got heat %d, want some: %v", key, l.Heat, hot)
		}
		delete(want, key)
		return true
	})
	left := slices.Sorted(maps.Keys(want))
	if gone := []string{"walk11", "walk110", "walk111", "walk112", "walk113", "walk114", "walk115", "walk116", "walk117", "walk118", "walk119", "walk3"}; !slices.Equal(left, gone) {
		t.Errorf("not met: %v, want %v", left, gone)
	}
	if _, more := v.Walk(1<<60, store.Look{}, func(*store.Listed) bool { t.Error("met something behind the end"); return true }); more {
		t.Error("there is more behind the end")
	}
}

// walkBeside: a walk beside writers meets what stays, and no wrong byte.
func walkBeside(t *testing.T, v Volume) {
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				it := item{key: fmt.Sprintf("w%d/%d", w, n%5000), version: uint64(n + 1), size: n % 5000}
				_ = v.Put(it.record(v, 1)) // refused when all is being written
			}
		})
	}
	for range 20 {
		var at store.Cursor
		for more := true; more; {
			at, more = v.Walk(at, store.Look{}, func(l *store.Listed) bool {
				if it := (item{key: string(l.Key), version: l.Version}); string(l.Meta) != string(it.meta()) {
					t.Errorf("%s: got meta %q, want %q", l.Key, l.Meta, it.meta())
				}
				return true
			})
		}
	}
	close(stop)
	writers.Wait()
}

// siteAccounts: each site that is opened has an account, up to 4,095.
func siteAccounts(t *testing.T, v Volume) {
	var put []uint64
	for n := range 3 {
		name := fmt.Sprintf("http://s%d.example", n)
		site := v.OpenSite([]byte(name))
		if site != v.Site([]byte(name)) || v.SiteName(site) != name {
			t.Errorf("%s: opened as %d with the name %q, want %d", name, site, v.SiteName(site), v.Site([]byte(name)))
		}
		put = append(put, site)
		if err := v.Put(item{key: name, version: 1, size: 1000 * (n + 1)}.record(v, site)); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Put(item{key: "other", version: 1, size: 500}.record(v, v.Site([]byte("other")))); err != nil {
		t.Fatal(err)
	}
	sites := v.Sites()
	if len(sites) != 4 || sites[0].Site != 0 || sites[0].Memory+sites[0].Disk == 0 {
		t.Fatalf("got %d sites, the first %+v, want 4 and the others first", len(sites), sites[0])
	}
	var sum int64
	for n, s := range sites[1:] {
		if s.Site != put[n] || s.Name != fmt.Sprintf("http://s%d.example", n) || s.Memory+s.Disk < int64(1000*(n+1)) || s.Memory+s.Disk > int64(len(tiers(v))*(1000*(n+1)+500)) {
			t.Errorf("site %d: got %+v", n, s)
		}
		sum += s.Memory + s.Disk
	}
	if live := total(v).Live; sum+sites[0].Memory+sites[0].Disk != live {
		t.Errorf("sites have %d bytes together, want %d", sum+sites[0].Memory+sites[0].Disk, live)
	}
	if err := v.SetShare(put[0], 0, 5000); err != nil {
		t.Fatal(err)
	}
	if !v.Fits(put[0], 5000) || v.Fits(put[0], 5001) || !v.Fits(put[1], 1<<40) {
		t.Error("Fits: want up to the limit, and all where there is none")
	}
	for n := range 5000 {
		v.OpenSite(fmt.Append(nil, "junk", n))
	}
	if sites = v.Sites(); len(sites) != 4096 {
		t.Errorf("got %d accounts, want 4096", len(sites))
	}
	late := v.OpenSite([]byte("late"))
	if err := v.Put(item{key: "late", version: 1, size: 700}.record(v, late)); err != nil || v.SiteName(late) != "" {
		t.Errorf("a site too many: %v, name %q, want it stored and counted with the others", err, v.SiteName(late))
	}
	if now, was := v.Sites()[0], sites[0]; now.Memory+now.Disk < was.Memory+was.Disk+700 {
		t.Errorf("others have %d bytes, want %d and 700 at least", now.Memory+now.Disk, was.Memory+was.Disk)
	}
}
