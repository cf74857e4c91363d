package store

import (
	"syscall"
	"testing"
	"testing/synctest"
)

// TestEjectedRemembers: what is purged, removed or replaced while a volume is
// ejected does not come back when its device answers at the next start.
func TestEjectedRemembers(t *testing.T) {
	folder := &crashFolder{heapFolder: newHeapFolder()}
	d := openTestDisk(t, func(o *DiskOptions) { o.folder = folder })
	for i := range 4 {
		putDisk(t, d, i)
	}
	settle(t, d)
	d.eject(syscall.EIO)
	d.registry.Purge(Purge{Key: diskKey(0)})
	d.Remove(d.Hash(diskKey(1)), diskKey(1))
	d.registry.Purge(Purge{Tags: []uint64{2}})
	again := openTestDisk(t, func(o *DiskOptions) { o.folder = folder.copied() })
	for i, want := range []bool{false, false, false, true} {
		if got := lookDisk(t, again, i); got != want {
			t.Errorf("object %d: found %v, want %v", i, got, want)
		}
	}
}

// TestEjectedFreshened: of what was freshened in memory meanwhile, an ejected
// disk does not bring back the old head.
func TestEjectedFreshened(t *testing.T) {
	folder := &crashFolder{heapFolder: newHeapFolder()}
	z := newTiers(t, 8<<20, func(o *DiskOptions) { o.folder = folder })
	h := z.store(t, "x", 100)
	d := z.disks[0]
	settle(t, d)
	d.eject(syscall.EIO)
	var e Entry
	z.Lookup(h, []byte("x"), 0, &e)
	version := e.Version
	e.Release()
	if err := z.Freshen(h, []byte("x"), version, []byte("new"), z.Seq()); err != nil {
		t.Fatal(err)
	}
	again := newTiers(t, 8<<20, func(o *DiskOptions) { o.folder = folder.copied() })
	again.Lookup(h, []byte("x"), 0, &e)
	defer e.Release()
	if e.Kind != Nothing {
		t.Errorf("got kind %d with Meta %q, want nothing", e.Kind, e.Meta)
	}
}

// A hungSync is a file whose sync does not end until it is released.
type hungSync struct {
	file
	release chan struct{}
}

func (f *hungSync) sync() error { <-f.release; return nil }

// TestCloseHung: a device that does not take the last sync does not keep the
// process from ending.
func TestCloseHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := openDisk(newRegistry([32]byte{1}), DiskOptions{Size: diskVolume, Heap: true})
		if err != nil {
			t.Fatal(err)
		}
		hung := &hungSync{d.v.f, make(chan struct{})}
		d.v.f = hung
		if err := d.Close(); err == nil {
			t.Error("got no error, want one that the device does not answer")
		}
		close(hung.release)
		if err := d.Close(); err != nil {
			t.Errorf("once it answers: got %v", err)
		}
	})
}
