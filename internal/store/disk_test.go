package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// diskVolume is the size of the volumes of these tests.
const diskVolume = minVolume

// openDisk opens a volume that is a set of its own.
func openDisk(r *registry, o DiskOptions) (*Disk, error) {
	d, err := readDisk(r, o, identity{})
	if err == nil {
		err = d.begin()
	}
	return d, err
}

// openTestDisk opens a volume of its own; change, which may be nil, changes the
// options.
func openTestDisk(t testing.TB, change func(o *DiskOptions)) *Disk {
	t.Helper()
	o := DiskOptions{Size: diskVolume, Heap: true, Poison: true, PutWait: 10 * time.Second}
	if change != nil {
		change(&o)
	}
	d, err := openDisk(newRegistry([32]byte{1}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() && d.pins() != 0 {
			t.Errorf("%d pins left", d.pins())
		}
		if err := d.Close(); err != nil && !d.down() {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// realFolderAt has a volume on a file system.
func onFiles(t testing.TB) func(o *DiskOptions) {
	return func(o *DiskOptions) { o.Heap, o.Dir = false, t.TempDir() }
}

// diskKey, diskBody: all bytes follow from a number.
func diskKey(n int) []byte { return fmt.Appendf(nil, "http://disk.example/%d", n) }

func diskBody(n, size int) []byte {
	b := make([]byte, size+64)
	for at := 0; at < 64; at += 8 {
		binary.LittleEndian.PutUint64(b[at:], uint64(n+1)*0x9e3779b97f4a7c15+uint64(at))
	}
	for at := 64; at < size; at *= 2 {
		copy(b[at:], b[:at])
	}
	for at := 0; at < size; at += pageSize {
		binary.LittleEndian.PutUint64(b[at:], uint64(n)<<32+uint64(at))
	}
	return b[:size:size]
}

func diskSize(n int) int { return 200 + n*2713%40000 }

func putDisk(t testing.TB, d *Disk, n int) {
	t.Helper()
	if err := d.Put(diskRecord(d, n)); err != nil {
		t.Fatalf("Put %d: %v", n, err)
	}
}

func diskRecord(d *Disk, n int) *Record {
	key, size := diskKey(n), diskSize(n)
	return &Record{
		Hash: d.Hash(key), Key: key, Version: uint64(n + 1), Born: d.Seq(), Validated: d.Seq(),
		Meta: diskBody(n, 100), Tags: []uint64{uint64(n)}, Body: [][]byte{diskBody(n, size)}, Size: int64(size),
	}
}

// lookDisk looks object n up and checks its bytes; false: it is not there.
func lookDisk(t testing.TB, d *Disk, n int) bool {
	t.Helper()
	var e Entry
	d.Lookup(d.Hash(diskKey(n)), diskKey(n), 0, &e)
	defer e.Release()
	if e.Kind != Object {
		return false
	}
	if !bytes.Equal(e.Meta, diskBody(n, 100)) || !bytes.Equal(e.Body.Mem, diskBody(n, diskSize(n))) || e.Version != uint64(n+1) {
		t.Errorf("object %d: got other bytes than were put", n)
	}
	return true
}

// settle waits until everything put is on the device.
func settle(t testing.TB, d *Disk) {
	t.Helper()
	for {
		freed := d.freed.next()
		for _, f := range d.space.fillings() {
			d.space.seal(f.s) // the reclaimer may have opened one again
		}
		d.nudge(d.ticks)
		if int(d.stages.idle.Load()) == d.o.Stages {
			return
		}
		select {
		case <-freed:
		case <-time.After(10 * time.Second):
			t.Fatal("the writer does not get on")
		}
	}
}

func TestDiskRoundTrip(t *testing.T) {
	for name, change := range map[string]func(*DiskOptions){"heap": nil, "files": onFiles(t)} {
		t.Run(name, func(t *testing.T) {
			d := openTestDisk(t, change)
			const n = 150
			for i := range n {
				putDisk(t, d, i)
				if !lookDisk(t, d, i) {
					t.Errorf("object %d: not found on its stage", i)
				}
			}
			settle(t, d)
			for round := range 2 {
				for i := range n {
					if !lookDisk(t, d, i) {
						t.Errorf("round %d: object %d: not found on the device", round, i)
					}
				}
			}
			st := d.Stats()
			if st.Objects != n || st.Reads == 0 || st.Written < uint64(st.Live) {
				t.Errorf("got %d objects, %d reads, %d bytes written of %d live", st.Objects, st.Reads, st.Written, st.Live)
			}
		})
	}
}

func TestDiskReopen(t *testing.T) {
	for name, change := range map[string]func(*DiskOptions){"heap": func(o *DiskOptions) { o.folder = newHeapFolder() }, "files": onFiles(t)} {
		t.Run(name, func(t *testing.T) {
			var o DiskOptions
			d := openTestDisk(t, func(p *DiskOptions) { change(p); o = *p })
			const n = 100
			for i := range n {
				putDisk(t, d, i)
			}
			version := d.Version()
			segment := diskBody(7, d.SegmentSize())
			if err := d.PutSegment(version, 0, 0, [][]byte{segment}); err != nil {
				t.Fatal(err)
			}
			set, _ := d.Intern([]byte("accept-encoding"))
			mark := Marker{Kind: Variants, Sets: [4]Set{set}, NumSets: 1, Born: d.Seq()}
			if err := d.Mark(d.Hash([]byte("marked")), mark); err != nil {
				t.Fatal(err)
			}
			// Superseded, removed, purged, softly purged: each in a slab that is on the device.
			settle(t, d)
			settle(t, d)
			again := diskRecord(d, 1)
			again.Meta = []byte("younger")
			if err := d.Put(again); err != nil {
				t.Fatal(err)
			}
			d.Remove(d.Hash(diskKey(2)), diskKey(2))
			d.Purge(Purge{Key: diskKey(3)})
			d.Purge(Purge{Key: diskKey(4), Soft: true})
			d.Purge(Purge{Tags: []uint64{5}})
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d, err := openDisk(newRegistry([32]byte{2}), o)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for i := range n {
				var e Entry
				d.Lookup(d.Hash(diskKey(i)), diskKey(i), 0, &e)
				want := Object
				if i == 2 || i == 3 || i == 5 {
					want = Nothing
				}
				if e.Kind != want || e.Soft != (i == 4) {
					t.Errorf("object %d: got kind %d, soft %v; want %d", i, e.Kind, e.Soft, want)
				}
				if i == 1 && string(e.Meta) != "younger" {
					t.Errorf("object 1: got %q, want the younger one", e.Meta)
				}
				e.Release()
			}
			if s, ok := d.Segment(version, 0, 10, 1000); !ok {
				t.Errorf("segment: not found")
			} else {
				got := make([]byte, s.N)
				if err := s.Copy(got); err != nil || !bytes.Equal(got, segment[10:1010]) {
					t.Errorf("segment: got %v and other bytes than were put", err)
				}
				s.Release()
			}
			var e Entry
			d.Lookup(d.Hash([]byte("marked")), []byte("marked"), 0, &e)
			if e.Kind != Variants || e.NumSets != 1 || string(d.Fields(e.Sets[0])) != "accept-encoding" {
				t.Errorf("marker: got %+v", e)
			}
			if d.Seq() < 3 {
				t.Errorf("got sequence %d, want one above all that was purged", d.Seq())
			}
		})
	}
}

// TestDiskTurnover fills a volume several times over while it is read.
func TestDiskTurnover(t *testing.T) {
	d := openTestDisk(t, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for i := range 1500 {
		putDisk(t, d, i)
		if lookDisk(t, d, 0) {
			hits++
		}
		if lookDisk(t, d, rng.IntN(i+1)) {
			hits++
		}
	}
	st := d.Stats()
	if st.Forwarded == 0 || hits < 1500 || st.Lost[Damaged] != 0 {
		t.Errorf("got %d forwarded, %d hits, %d damaged; want the hot object kept", st.Forwarded, hits, st.Lost[Damaged])
	}
	// But for the slots of what is on its way.
	if most := 1.5*float64(st.AdmittedBytes) + float64(st.Stages*d.v.slotSize()); float64(st.Written) > most {
		t.Errorf("got %d bytes written for %d admitted, want at most %.0f", st.Written, st.AdmittedBytes, most)
	}
	t.Logf("written %d admitted %d forwarded %d lost %v", st.Written, st.AdmittedBytes, st.ForwardedBytes, st.Lost)
	if errors.Is(d.Put(diskRecord(d, 0)), ErrOlder) {
		t.Error("the same again is refused as older")
	}
}
