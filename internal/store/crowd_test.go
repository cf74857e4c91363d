package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// overflow marks six times as many hashes as an index has entries.
func overflow(t *testing.T, x *index, mark func(h Hash, mk Marker) error) (hashes []Hash) {
	t.Helper()
	far := time.Now().AddDate(10, 0, 0).UnixMilli()
	for i := range 6 * len(x.words) / 4 {
		h := Hash{uint64(i+1) * 0x9e3779b97f4a7c15, uint64(i+1) * 0xbf58476d1ce4e5b9}
		if err := mark(h, Marker{Kind: Variants, Expires: far}); err != nil {
			t.Fatalf("marker %d: %v", i, err)
		}
		hashes = append(hashes, h)
	}
	return hashes
}

// TestMarkersMakeRoom: markers that nobody asks for leave room for records, and
// those that are asked for stay.
func TestMarkersMakeRoom(t *testing.T) {
	disk := openTestDisk(t, nil)
	zone, err := Open(ZoneOptions{Memory: 8 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer zone.Close()
	memory := zone.memory
	for _, v := range []struct {
		name   string
		index  *index
		hash   func([]byte) Hash
		mark   func(Hash, Marker) error
		put    func(*Record) error
		lookup func(Hash, []byte, int64, *Entry)
	}{
		{"memory", &memory.index, memory.Hash, memory.Mark, memory.Put, memory.Lookup},
		{"disk", &disk.index, disk.Hash, disk.Mark, disk.Put, disk.Lookup},
	} {
		t.Run(v.name, func(t *testing.T) {
			asked := v.hash([]byte("asked for"))
			if err := v.mark(asked, Marker{Kind: Variants}); err != nil {
				t.Fatal(err)
			}
			var e Entry
			overflow(t, v.index, func(h Hash, mk Marker) error {
				v.lookup(asked, nil, 0, &e)
				return v.mark(h, mk)
			})
			if v.lookup(asked, nil, 0, &e); e.Kind != Variants {
				t.Error("the marker that was asked for all the time is gone")
			}
			most := len(v.index.words) / 4 / 2
			for i := range most {
				key := fmt.Append(nil, "record", i)
				if err := v.put(&Record{Hash: v.hash(key), Key: key, Body: [][]byte{key}, Size: int64(len(key))}); err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
			}
			found := 0
			for i := range most {
				key := fmt.Append(nil, "record", i)
				if v.lookup(v.hash(key), key, 0, &e); e.Kind == Object {
					found++
				}
				e.Release()
			}
			if found < most*3/4 {
				t.Errorf("found %d of %d records, which are half of what the index holds", found, most)
			}
		})
	}
}

// TestCrowdedMarkers: a marker that had to make room does not come back: what
// took the place of its variants since may have left no trace.
func TestCrowdedMarkers(t *testing.T) {
	folder := &crashFolder{heapFolder: newHeapFolder()}
	d := openTestDisk(t, func(o *DiskOptions) { o.folder = folder })
	hashes := overflow(t, &d.index, d.Mark)
	marked := func(d *Disk, h Hash) bool {
		_, ok := d.marker(h)
		return ok
	}
	left := folder.copied()
	for range 2 { // what a start leaves out stays out at the next
		again := openTestDisk(t, func(o *DiskOptions) { o.folder = left })
		back := 0
		for i, h := range hashes {
			switch {
			case !marked(again, h):
			case marked(d, h):
				back++
			default:
				t.Fatalf("marker %d came back", i)
			}
		}
		if back < len(d.index.words)/4/2 {
			t.Errorf("%d markers came back, want most of %d", back, len(d.index.words)/4)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTrimmedWhileReplaced: what makes room for its site is noted as gone before
// it is: a record that comes under its hash meanwhile is not acknowledged sooner.
func TestTrimmedWhileReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := &crashFolder{heapFolder: newHeapFolder()}
		var hold atomic.Bool
		release := make(chan struct{})
		d := openTestDisk(t, func(o *DiskOptions) {
			o.folder = &crashing{folder, func() {
				if hold.Load() {
					<-release
				}
			}}
		})
		const site = 7
		record := func(key string, size int) *Record {
			return &Record{
				Hash: d.Hash([]byte(key)), Key: []byte(key), Site: site, Meta: fmt.Append(nil, size),
				Body: [][]byte{make([]byte, size)}, Size: int64(size),
			}
		}
		if err := d.SetShare(site, 0, 50000); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(record("key", 40000)); err != nil {
			t.Fatal(err)
		}
		settle(t, d)
		hold.Store(true)
		var wg sync.WaitGroup
		var acknowledged atomic.Bool
		wg.Go(func() { _ = d.Put(record("another", 40000)) })
		synctest.Wait()
		wg.Go(func() {
			if d.Put(record("key", 100)) == nil {
				acknowledged.Store(true)
			}
		})
		synctest.Wait()
		if acknowledged.Load() {
			again := openTestDisk(t, func(o *DiskOptions) { o.folder = folder.copied() })
			var e Entry
			again.Lookup(d.Hash([]byte("key")), []byte("key"), 0, &e)
			if e.Kind != Nothing && string(e.Meta) != "100" {
				t.Errorf("after a kill: got the record of %s bytes, want that of 100 or none", e.Meta)
			}
			e.Release()
		}
		hold.Store(false)
		close(release)
		wg.Wait()
	})
}
