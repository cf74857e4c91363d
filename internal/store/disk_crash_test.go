package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A crashFolder can be copied at any moment between two writes, as a kill
// leaves it.
type crashFolder struct {
	*heapFolder
	mu sync.Mutex // held while one of its files is written, or it is copied
}

// A crashFile is a file of a crashFolder.
type crashFile struct {
	file
	d *crashFolder
	// before, which may be nil, is called before each write.
	before func()
}

func (f *crashFile) write(p []byte, off int64) error {
	f.before()
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.file.write(p, off)
}

func (f *crashFile) writeSlab(p []byte, off int64, exposed bool) error {
	f.before()
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.file.writeSlab(p, off, exposed)
}

// A crashing folder hands out crashFiles.
type crashing struct {
	*crashFolder
	before func()
}

func (d *crashing) wrap(f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return &crashFile{f, d.crashFolder, d.before}, nil
}

func (d *crashing) open(name string) (file, error) { return d.wrap(d.heapFolder.open(name)) }

func (d *crashing) create(name string, size, reserve int64) (file, error) {
	return d.wrap(d.heapFolder.create(name, size, reserve))
}

func (d *crashing) rename(from, to string) error {
	d.crashFolder.mu.Lock()
	defer d.crashFolder.mu.Unlock()
	return d.heapFolder.rename(from, to)
}

// copied returns the folder as it is now.
func (d *crashFolder) copied() *heapFolder {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newHeapFolder()
	for name, f := range d.files {
		switch f := f.(type) {
		case *heapFile:
			c.files[name] = &heapFile{bytes.Clone(f.b)}
		case *growingFile:
			c.files[name] = &growingFile{heapFile: heapFile{bytes.Clone(f.b)}}
		}
	}
	return c
}

// A crashPoint is what a kill would have left, and what had been acknowledged
// by then: no older version may come back, and none older than soft without
// being to be validated.
type crashPoint struct {
	left        *heapFolder
	floor, soft map[int]uint64
}

// A crasher plays with a volume and takes crash points.
type crasher struct {
	t      *testing.T
	folder *crashFolder

	mu     sync.Mutex // guards the fields below
	floor  map[int]uint64
	soft   map[int]uint64
	points []crashPoint
	rng    *rand.Rand
	most   int
}

// before takes a crash point now and then.
func (c *crasher) before() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.points) < c.most && c.rng.IntN(30) == 0 {
		c.points = append(c.points, crashPoint{c.folder.copied(), maps.Clone(c.floor), maps.Clone(c.soft)})
	}
}

func (c *crasher) acknowledge(k int, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor[k] = max(c.floor[k], version)
}

// sweep sweeps d, again and again, and has all but the two youngest purges
// forgotten, until quit is closed.
func (c *crasher) sweep(d *Disk, quit <-chan struct{}) {
	for {
		sweepDisk(c.t, d)
		select {
		case <-quit:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

const crashKeys = 30

// play changes keys in turn. Versions only grow; a drop is a version too.
func (c *crasher) play(d *Disk, steps int) {
	rng := rand.New(rand.NewPCG(7, 7))
	for n := 1; n <= steps; n++ {
		k, version := rng.IntN(crashKeys), uint64(n)
		key := diskKey(k)
		h := d.Hash(key)
		var err error
		switch p := rng.IntN(20); {
		case p < 12:
			r := diskRecord(d, k)
			r.Version, r.Meta = version, fmt.Appendf(nil, "%d", version)
			err = d.Put(r)
		case p < 14:
			d.Remove(h, key)
		case p < 16:
			d.Purge(Purge{Key: key})
		case p < 17 && n%3 == 0:
			d.Purge(Purge{Tags: []uint64{uint64(k)}, Soft: true})
			c.mu.Lock()
			c.soft[k] = version
			c.mu.Unlock()
			continue
		case p < 17:
			d.Purge(Purge{Tags: []uint64{uint64(k)}})
		case p < 18:
			err = d.Mark(h, Marker{Kind: Variants, Born: d.Seq()})
		case p < 19:
			err = d.Mark(h, Marker{Kind: HitForMiss, Born: d.Seq()})
		default:
			// Strangers, so that slabs are used again.
			for i := range 8 {
				putDisk(c.t, d, 1000+(n*8+i)%3000)
			}
			continue
		}
		if err == nil {
			c.acknowledge(k, version)
		} else if !errors.Is(err, ErrFull) {
			c.t.Errorf("step %d: %v", n, err)
		}
		var e Entry
		if d.Lookup(h, key, 0, &e); e.Kind == Object && e.Version < version && err == nil {
			c.t.Errorf("step %d: found version %d after version %d", n, e.Version, version)
		}
		e.Release()
	}
}

// TestDiskKilled: wherever the process is killed, what comes back is no older
// than what was acknowledged, and every byte is right.
func TestDiskKilled(t *testing.T) {
	c := &crasher{
		t: t, folder: &crashFolder{heapFolder: newHeapFolder()}, floor: map[int]uint64{}, soft: map[int]uint64{},
		rng: rand.New(rand.NewPCG(3, 4)), most: 60,
	}
	o := DiskOptions{Size: minVolume, Heap: true, PutWait: 10 * time.Second, Idle: 4 * time.Millisecond, SweepRate: -1}
	o.folder = &crashing{c.folder, c.before}
	r := newRegistry([32]byte{1})
	r.remember = 2
	d, err := openDisk(r, o)
	if err != nil {
		t.Fatal(err)
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c.sweep(d, quit)
	}()
	steps := 3000
	if testing.Short() {
		steps = 800
	}
	c.play(d, steps)
	close(quit)
	<-ended
	if b := d.bans.Load(); b.floor == 0 || len(b.list) > 2 && d.pending() == 0 {
		t.Errorf("got %d purges remembered and those up to %d forgotten; want 2 and some", len(b.list), b.floor)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	back, floors := 0, 0
	for i, p := range c.points {
		o.folder = p.left
		// What came back is looked at, and again after all was forgotten and another start.
		for again := range 2 {
			p.left.locked = false
			r := newRegistry([32]byte{1})
			d, err := openDisk(r, o)
			if err != nil {
				t.Fatalf("point %d: %v", i, err)
			}
			if r.bans.Load().floor > 0 {
				floors++
			}
			if i%2 == again {
				r.remember = 0
				sweepDisk(t, d)
			}
			back += p.look(t, i, d)
			if err := d.Close(); err != nil {
				t.Errorf("point %d: Close: %v", i, err)
			}
		}
	}
	if back == 0 || floors == 0 {
		t.Errorf("%d records and %d journals with forgotten purges came back, want some", back, floors)
	}
	t.Logf("%d kills, %d records came back", len(c.points), back)
}

// look looks what came back, and returns how many records that are.
func (p *crashPoint) look(t *testing.T, i int, d *Disk) (back int) {
	for k := range crashKeys {
		var e Entry
		d.Lookup(d.Hash(diskKey(k)), diskKey(k), 0, &e)
		if e.Kind != Object {
			continue
		}
		back++
		if e.Version < p.floor[k] || string(e.Meta) != fmt.Sprint(e.Version) || !bytes.Equal(e.Body.Mem, diskBody(k, diskSize(k))) {
			t.Errorf("point %d, key %d: got version %d with meta %q, want %d or younger", i, k, e.Version, e.Meta, p.floor[k])
		}
		if e.Version < p.soft[k] && !e.Soft {
			t.Errorf("point %d, key %d: got version %d, not to be validated, after a soft purge in step %d", i, k, e.Version, p.soft[k])
		}
		e.Release()
	}
	return back
}

// TestDiskSoftArrival: a record that a soft purge hit before it came, by its key
// or on its way from another tier, is still to be validated after a kill.
func TestDiskSoftArrival(t *testing.T) {
	folder := &crashFolder{heapFolder: newHeapFolder()}
	d := openTestDisk(t, func(o *DiskOptions) { o.folder = folder })
	put := diskRecord(d, 1)
	d.registry.Purge(Purge{Key: put.Key, Soft: true})
	if err := d.Put(put); err != nil {
		t.Fatal(err)
	}
	carried := diskRecord(d, 2)
	h, err := carried.header()
	if err != nil {
		t.Fatal(err)
	}
	var fixed [headerSize]byte
	h.encode(&fixed)
	rec := slices.Concat(fixed[:], carried.Key, carried.Meta, appendTags(nil, carried.Tags), carried.Body[0])
	if err := d.admit(&carry{hash: carried.Hash, rec: rec, soft: true, checked: d.Seq()}, true); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	again := openTestDisk(t, func(o *DiskOptions) { o.folder = folder.copied() })
	for n := 1; n <= 2; n++ {
		var e Entry
		again.Lookup(again.Hash(diskKey(n)), diskKey(n), 0, &e)
		if e.Kind != Object || !e.Soft {
			t.Errorf("object %d: got kind %d, soft %v, want %d, true", n, e.Kind, e.Soft, Object)
		}
		e.Release()
	}
}
