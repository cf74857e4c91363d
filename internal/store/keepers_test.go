package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// hangJournals has the journals of all disks hang until the function that it
// returns is called.
func (z *Zone) hangJournals() (release func()) {
	c := make(chan struct{})
	for _, d := range z.disks {
		hung := &faultyFile{file: d.v.journal.f}
		hung.setWrite(func([]byte, int64) error { <-c; return nil })
		d.v.journal.f = hung
	}
	return func() { close(c) }
}

// TestPurgeWhileDisksHang: a purge waits for disks that hang once, all together,
// and those behind it do not wait at all.
func TestPurgeWhileDisksHang(t *testing.T) {
	for name, p := range map[string]func(z *Zone) Purge{
		"tag": func(*Zone) Purge { return Purge{Tags: []uint64{7}} },
		"key": func(z *Zone) Purge { return Purge{Key: []byte("k"), Hash: z.Hash([]byte("k"))} },
		"all": func(*Zone) Purge { return Purge{All: true} },
	} {
		synctest.Test(t, func(t *testing.T) {
			var o ZoneOptions
			for i := range 4 {
				o.Disks = append(o.Disks, DiskOptions{Dir: fmt.Sprint("d", i), Size: 8 << 20, Heap: true, folder: newHeapFolder()})
			}
			z, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			release := z.hangJournals()
			start := time.Now()
			z.Purge(p(z))
			first := time.Since(start)
			z.Purge(p(z))
			if all := time.Since(start); first != 5*time.Second || all != first {
				t.Errorf("%s: got %v, two %v; want 5s for both", name, first, all)
			}
			release()
			if err := z.Close(); err == nil {
				t.Errorf("%s: Close says nothing of what could not be kept", name)
			}
		})
	}
}

// TestReplacedInBothTiers: a record that was seen replaced is not found again,
// not while the disk is on its way to know and memory has dropped the new one.
func TestReplacedInBothTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newTiers(t, 8<<20, nil)
		put := func(version uint64) error {
			key := []byte("key")
			return z.Put(&Record{Hash: z.Hash(key), Key: key, Version: version, Born: z.Seq(), Validated: z.Seq(), Body: [][]byte{{byte(version)}}, Size: 1})
		}
		seen := func() uint64 {
			var e Entry
			z.Lookup(z.Hash([]byte("key")), []byte("key"), 0, &e)
			defer e.Release()
			if e.Kind != Object {
				return 0
			}
			return e.Version
		}
		if err := put(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the disk has written it: replacing it takes a word in the journal
		release := z.hangJournals()
		done := make(chan error)
		go func() { done <- put(2) }()
		synctest.Wait()
		before := seen()
		z.memory.drop(z.Hash([]byte("key")), Cold)
		if after := seen(); before == 0 || after != 0 && after < before {
			t.Errorf("got version %d after version %d", after, before)
		}
		release()
		if err := <-done; err != nil || seen() != 2 {
			t.Errorf("got %v, version %d, want version 2", err, seen())
		}
	})
}

// TestExchangeGivenUp: a marker that was noted in the journal and could not be
// entered in the end does not come back.
func TestExchangeGivenUp(t *testing.T) {
	d := openTestDisk(t, nil)
	h := d.Hash([]byte("k"))
	mk := Marker{Kind: Variants, Generation: 1}
	if err := d.mark(h, &mk); err != nil {
		t.Fatal(err)
	}
	tries := 0
	mk.Generation = 1 << 20
	phantom := mk.cell()
	err := d.exchange(h, func(old *diskCell, _ bool) (diskCell, Loss, error) {
		tries++
		other := *old // changes whenever the journal was written
		other.state += 1 << 32
		d.index.setLocked(h, &other.cell)
		return diskCell{phantom}, Superseded, nil
	}, nil)
	if err != ErrFull || tries != exchangeTries {
		t.Fatalf("got %v after %d tries, want %v after %d", err, tries, ErrFull, exchangeTries)
	}
	r, j := newReplay(), d.v.journal
	if err := r.read(&window{f: j.f, at: journalHeader, end: j.size.Load()}, j.seed); err != nil {
		t.Fatal(err)
	}
	if k := r.marks[tagOf(h)]; k.place != 0 {
		t.Errorf("got %+v in the journal, want no marker", k)
	}
}

// TestNothingKeptOfRecovery: what a start has read of a volume is not kept once
// the volume is in use.
func TestNothingKeptOfRecovery(t *testing.T) {
	z := newTiers(t, 8<<20, nil)
	if v := z.disks[0].v; v.back != nil || v.buried != nil {
		t.Errorf("got %v, %v, want nothing", v.back, v.buried)
	}
}
