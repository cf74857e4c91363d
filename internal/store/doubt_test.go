package store

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// A wreck is a zone on a disk of a machine that crashes.
type wreck struct {
	*Zone
	t      *testing.T
	folder *heapFolder
	boots  int
}

func (w *wreck) open() {
	w.t.Helper()
	z, err := Open(ZoneOptions{
		Memory: 8 << 20, Heap: true,
		Disks: []DiskOptions{{Dir: "heap", Size: 8 << 20, Heap: true, folder: w.folder, Boot: fmt.Sprint("run ", w.boots),
			Amplification: 100, PutWait: time.Minute, ReadTimeout: time.Minute}}, // nothing is lost to a busy machine
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Zone = z
}

// again closes the zone in order and opens it; crashed, as if the machine had
// crashed when all was written, and started again.
func (w *wreck) again(crashed bool) {
	w.t.Helper()
	if err := w.Close(); err != nil {
		w.t.Fatal(err)
	}
	if crashed {
		f, err := w.folder.open(volumeName)
		if err != nil {
			w.t.Fatal(err)
		}
		b := make([]byte, superCopies*superSize)
		if err := f.read(b, 0); err != nil {
			w.t.Fatal(err)
		}
		s, _, err := superOf(b)
		if err != nil {
			w.t.Fatal(err)
		}
		s.clean = false
		if err := s.write(f); err != nil {
			w.t.Fatal(err)
		}
		w.boots++
	}
	w.open()
}

// state is what a lookup says of key: nothing, sound, soft or in doubt, and
// whether memory has it.
func (w *wreck) state(key string) (state string, inMemory bool) {
	var e Entry
	w.Lookup(w.Hash([]byte(key)), []byte(key), 0, &e)
	defer e.Release()
	switch {
	case e.Kind != Object:
		return "nothing", false
	case e.Doubt && e.Soft:
		state = "in doubt"
	case e.Soft:
		state = "soft"
	default:
		state = "sound"
	}
	return state, e.Tier == InMemory
}

// is compares what keys are. Lookups copy to memory what is not in doubt.
func (w *wreck) is(want string, keys ...string) {
	w.t.Helper()
	for _, key := range keys {
		got, inMemory := w.state(key)
		for n := 0; n < 1000 && !inMemory && want != "in doubt"; n++ { // who would have to wait does not copy
			runtime.Gosched()
			got, inMemory = w.state(key)
		}
		if again, now := w.state(key); got != want || again != want || now != (want != "in doubt") {
			w.t.Errorf("run %d: %s is %s, then %s, in memory %t; want %s", w.boots, key, got, again, now, want)
		}
	}
}

func (w *wreck) freshen(key string) {
	w.t.Helper()
	var e Entry
	h := w.Hash([]byte(key))
	w.Lookup(h, []byte(key), 0, &e)
	version := e.Version
	e.Release()
	if err := w.Freshen(h, []byte(key), version, []byte("meta"), w.Seq()); err != nil {
		w.t.Errorf("Freshen(%s): %v", key, err)
	}
}

// TestDoubt: what a machine had stored when it crashed is in doubt until it is
// validated, over further starts and wherever it is moved: it is never copied to
// memory. What is stored, or softly purged, after the crash is not.
func TestDoubt(t *testing.T) {
	w := &wreck{t: t, folder: newHeapFolder()}
	w.open()
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, key := range []string{"a", "b", "moved"} {
		w.store(t, key, 1000)
	}
	w.again(false)
	w.is("sound", "a", "b")
	w.again(true)
	w.is("in doubt", "a", "b")
	w.freshen("a")
	w.is("sound", "a")
	w.is("in doubt", "b")
	w.store(t, "c", 1000)
	w.store(t, "d", 1000)
	w.Purge(Purge{Key: []byte("d"), Soft: true})
	w.is("sound", "c")
	w.is("soft", "d")
	w.again(false)
	w.is("sound", "a", "c")
	w.is("in doubt", "b")
	w.is("soft", "d")
	before := w.disks[0].place("moved")
	for i := range 400 {
		w.store(t, fmt.Sprint("filling ", i), 40<<10)
		if got, _ := w.state("moved"); got != "in doubt" {
			t.Fatalf("behind %d others it is %s", i+1, got)
		}
	}
	if now := w.disks[0].place("moved"); now == before {
		t.Error("nothing was moved")
	}
	w.again(false)
	w.is("in doubt", "moved")
	w.again(true)
	w.is("in doubt", "moved")
}

// place is where on the device the object under key is.
func (d *Disk) place(key string) uint64 {
	var c diskCell
	d.index.load(d.Hash([]byte(key)), &c.cell)
	return c.place
}
