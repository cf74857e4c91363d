package store

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sweepDisk sweeps d once, as its goroutine does.
func sweepDisk(t testing.TB, d *Disk) {
	t.Helper()
	_, age := d.sweeps.of(d)
	newest := d.bans.Load().newest
	if !d.sweepTo(newest) {
		t.Fatal("the sweep was stopped")
	}
	d.evaluated(d, newest, age)
}

func tagged(n int) Purge { return Purge{Tags: []uint64{uint64(n)}} }

// What a purge hits leaves the disk though nobody looks it up, and does not come
// back when the purge is forgotten; what it does not hit stays.
func TestDiskSweep(t *testing.T) {
	for name, change := range map[string]func(*DiskOptions){
		"heap":  func(o *DiskOptions) { o.Heap = true },
		"files": onFiles(t),
	} {
		t.Run(name, func(t *testing.T) {
			folder := &crashFolder{heapFolder: newHeapFolder()}
			d := openTestDisk(t, func(o *DiskOptions) {
				change(o)
				if o.SweepRate = -1; o.Heap {
					o.folder = folder
				}
			})
			d.remember = 0
			const n = 200
			for i := range n {
				putDisk(t, d, i)
				if i == n/2 {
					settle(t, d) // half of it is on the device
				}
			}
			hard, soft := NewCount(), NewCount()
			for i, c := range []*Count{hard, soft} {
				d.Purge(Purge{Prefix: diskKey(4 + i), Soft: c == soft, Count: c})
			}
			if got := d.pending(); got != 2 {
				t.Errorf("got %d purges pending, want 2", got)
			}
			sweepDisk(t, d)
			for i, c := range []*Count{hard, soft} {
				<-c.Done()
				// 4, 40 to 49; 5, 50 to 59
				if got, exact := c.Hits(); got != 11 || !exact {
					t.Errorf("purge %d: got count %d, exact %v, want 11, true", i, got, exact)
				}
			}
			if got := d.counts.objects.Load(); got != n-11 || d.counts.lost[Purged].Load() != 11 {
				t.Errorf("got %d objects, %d purged, want %d, 11", got, d.counts.lost[Purged].Load(), n-11)
			}
			if b := d.bans.Load(); d.pending() != 0 || len(b.list) != 0 || b.floor != d.Seq() {
				t.Errorf("got %d of %d purges pending, those up to %d forgotten, want none, %d", d.pending(), len(b.list), b.floor, d.Seq())
			}
			if d.device.swept.Load() == 0 || d.device.damaged.Load() != 0 {
				t.Errorf("got %d bytes swept, %d damaged, want some, none", d.device.swept.Load(), d.device.damaged.Load())
			}
			if !d.o.Heap {
				return
			}
			settle(t, d)
			again := openTestDisk(t, func(o *DiskOptions) { o.folder = folder.copied() })
			for _, d := range []*Disk{d, again} {
				for i := range n {
					key := diskKey(i)
					var e Entry
					d.Lookup(d.Hash(key), key, 0, &e)
					digit := key[len(diskKey(0))-1]
					hit := i < 10 || i >= 40 && i < 60
					if gone := digit == '4' && hit; gone != (e.Kind == Nothing) || e.Soft != (digit == '5' && hit) {
						t.Errorf("object %d: got kind %d, soft %v", i, e.Kind, e.Soft)
					}
					e.Release()
				}
			}
		})
	}
}

// What a purge cannot have hit is not read: what is younger, and what is on the
// account of another site.
func TestDiskSweepReadsNothing(t *testing.T) {
	d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate = -1 })
	one, other := d.Site([]byte("one")), d.Site([]byte("other"))
	for _, site := range []uint64{one, other} {
		if _, _, err := d.openAccount(site, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		r := diskRecord(d, i)
		r.Site = one
		if err := d.Put(r); err != nil {
			t.Fatal(err)
		}
	}
	d.Purge(Purge{Prefix: []byte("http"), Site: other})
	sweepDisk(t, d)
	d.Purge(tagged(3))
	seq := d.Seq()
	d.index.each(func(x *cell) { // as if they had come behind the purge
		c := diskCell{*x}
		e := diskEntry{kind: Object, born: seq}
		c.state, c.extra = e.cell().state, c.extra|e.cell().extra
		d.index.writeLocked(c.at, c.tag&^versionMask, &c.cell)
	})
	sweepDisk(t, d)
	if got := d.device.swept.Load(); got != 0 || d.pending() != 0 {
		t.Errorf("got %d bytes read and %d purges pending, want none", got, d.pending())
	}
	d.Purge(Purge{Prefix: []byte("http"), Site: one})
	sweepDisk(t, d)
	if got := d.counts.objects.Load(); got != 0 {
		t.Errorf("got %d objects after a purge of their site, want none", got)
	}
}

// Ten times as many purges as are remembered cost nobody else a record, and a
// fetch that is older than those remembered is refused.
func TestDiskForgets(t *testing.T) {
	folder := newHeapFolder()
	z, err := Open(ZoneOptions{Memory: 8 << 20, Seed: [32]byte{1}, Disks: []DiskOptions{{Size: minVolume, Heap: true, SweepRate: -1, folder: folder}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}()
	site := z.Site([]byte("s"))
	key := func(n int) []byte { return fmt.Append(nil, "s/", n) }
	put := func(n int, born Seq) error {
		return z.Put(&Record{
			Hash: z.Hash(key(n)), Key: key(n), Site: site, Tags: []uint64{z.Tag(site, key(n))}, Born: born, Validated: born,
			Size: 4, Body: [][]byte{[]byte("body")},
		})
	}
	const rounds, per, objects = 40, 250, 300
	for n := range objects {
		if err := put(n, z.Seq()); err != nil {
			t.Fatal(err)
		}
	}
	old := z.Seq()
	for round := range rounds {
		c := NewCount()
		for n := range per {
			p := Purge{Site: site, Tags: []uint64{z.Tag(site, fmt.Append(nil, "none", round, n))}}
			if n == per-1 {
				p = Purge{Site: site, Tags: []uint64{z.Tag(site, key(round))}, Count: c}
			}
			z.Purge(p)
		}
		<-c.Done()
		if n, exact := c.Hits(); n != 1 || !exact {
			t.Errorf("round %d: got count %d, exact %v, want 1, true", round, n, exact)
		}
	}
	for n := range objects {
		var e Entry
		z.Lookup(z.Hash(key(n)), key(n), 0, &e)
		if got := e.Kind == Object; got != (n >= rounds) {
			t.Errorf("object %d: got kind %d, want it found %v", n, e.Kind, n >= rounds)
		}
		e.Release()
	}
	z.forget()
	if st := z.Stats(); st.Bans > maxBans/2 {
		t.Errorf("got %d purges remembered, want %d", st.Bans, maxBans/2)
	}
	if err := put(rounds, old); !errors.Is(err, ErrPurged) {
		t.Errorf("a response from before what is remembered: got %v, want ErrPurged", err)
	}
	if err := put(rounds, z.Seq()); err != nil {
		t.Errorf("a fresh response: %v", err)
	}
}

// A disk that is slow, and then ejected, keeps nobody waiting: the count ends,
// and says that it is not all.
func TestDiskSweepEjected(t *testing.T) {
	folder := &faultyFolder{folder: newHeapFolder(), f: new(faultyFile)}
	z, err := Open(ZoneOptions{Seed: [32]byte{1}, Disks: []DiskOptions{{
		Size: minVolume, Heap: true, PutWait: 10 * time.Second, SweepRate: -1, Errors: 3, folder: folder,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	d := z.disks[0]
	for i := range 20 {
		putDisk(t, d, i)
	}
	settle(t, d)
	folder.f.setRead(func([]byte, int64) error { return errors.New("input/output error") })
	c := NewCount()
	z.Purge(Purge{Prefix: []byte("http"), Count: c})
	<-c.Done()
	if _, exact := c.Hits(); exact || !d.down() {
		t.Errorf("got exact %v, ejected %v, want false, true", exact, d.down())
	}
	if err := z.Close(); err != nil {
		t.Log(err)
	}
}

// What a lookup found to be purged does not come back either when the purge is
// forgotten, though no sweep has read it.
func TestDiskLookupOwes(t *testing.T) {
	folder := &crashFolder{heapFolder: newHeapFolder()}
	d := openTestDisk(t, func(o *DiskOptions) { o.folder, o.SweepRate = folder, -1 })
	d.remember = 0
	putDisk(t, d, 1)
	settle(t, d)
	d.Purge(tagged(1))
	if lookDisk(t, d, 1) {
		t.Error("found after its purge")
	}
	sweepDisk(t, d)
	if d.device.swept.Load() != 0 || len(d.bans.Load().list) != 0 {
		t.Errorf("got %d bytes read, %d purges remembered, want none", d.device.swept.Load(), len(d.bans.Load().list))
	}
	again := openTestDisk(t, func(o *DiskOptions) { o.folder = folder.copied() })
	if again.counts.objects.Load() != 0 || lookDisk(t, again, 1) {
		t.Error("came back when its purge was forgotten")
	}
}

// A stripe that was ejected before it had evaluated a purge remembers it, though
// the others have forgotten it: at the next start nothing comes back.
func TestDiskSweepOfStripes(t *testing.T) {
	o := ZoneOptions{Seed: [32]byte{1}}
	for i := range 2 {
		o.Disks = append(o.Disks, DiskOptions{
			Dir: fmt.Sprint("heap", i), Size: minVolume, Heap: true, PutWait: 10 * time.Second, SweepRate: -1, folder: newHeapFolder(),
		})
	}
	z, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	key := func(i int) []byte { return fmt.Append(nil, []string{"gone/", "left/"}[i%2], i) }
	for i := range n {
		if err := z.Put(&Record{Hash: z.Hash(key(i)), Key: key(i), Size: 1, Body: [][]byte{{1}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range z.disks {
		settle(t, d)
	}
	z.remember = 0
	z.disks[1].eject(errors.New("out of order"))
	c := NewCount()
	z.Purge(Purge{Prefix: []byte("gone/"), Count: c})
	<-c.Done()
	z.forget()
	if b := z.bans.Load(); len(b.list) != 0 || b.floor == 0 {
		t.Errorf("got %d purges remembered, those up to %d forgotten, want none, all", len(b.list), b.floor)
	}
	if err := z.Close(); err != nil {
		t.Log(err)
	}
	for i := range o.Disks {
		o.Disks[i].folder.(*heapFolder).locked = false
	}
	if z, err = Open(o); err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	left := map[*Disk]int{}
	for i := range n {
		var e Entry
		z.Lookup(z.Hash(key(i)), key(i), 0, &e)
		if (e.Kind == Object) != (i%2 == 1) {
			t.Errorf("%s: got kind %d", key(i), e.Kind)
		}
		left[z.disk(z.Hash(key(i)))]++
		e.Release()
	}
	if len(left) != 2 || len(z.bans.Load().list) != 1 {
		t.Errorf("got objects on %d disks and %d purges remembered, want 2 and 1", len(left), len(z.bans.Load().list))
	}
}

// What is in a slab whose slot cannot be read any more is dropped: nobody could
// say that no purge hit it. The sweep ends.
func TestDiskSweepDamagedSlot(t *testing.T) {
	d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate = -1 })
	const n = 60
	for i := range n {
		putDisk(t, d, i)
	}
	settle(t, d)
	var c diskCell
	d.index.load(d.Hash(diskKey(0)), &c.cell)
	if err := d.v.f.write(diskBody(1, 64), d.v.slotAt(c.slab())); err != nil {
		t.Fatal(err)
	}
	d.Purge(tagged(n))
	sweepDisk(t, d)
	if got := int(d.counts.objects.Load()); lookDisk(t, d, 0) || got == 0 || got == n || d.pending() != 0 {
		t.Errorf("got %d of %d objects, %d purges pending; want those of one slab gone, none pending", got, n, d.pending())
	}
}

// A listing that is not what was written says of nobody under which hash he is:
// who is to be read falls, and the sweep ends.
func TestDiskSweepDamagedListing(t *testing.T) {
	d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate = -1 })
	const n = 60
	for i := range n {
		putDisk(t, d, i)
	}
	settle(t, d)
	var c diskCell
	d.index.load(d.Hash(diskKey(3)), &c.cell)
	if err := d.v.f.write(diskBody(1, 8), d.v.slotAt(c.slab())+int64(slotHeader+c.listing()*directorySize)); err != nil {
		t.Fatal(err)
	}
	count := NewCount()
	d.Purge(Purge{Prefix: []byte("none"), Count: count})
	sweepDisk(t, d)
	if got := d.counts.objects.Load(); got != n-1 || lookDisk(t, d, 3) || !lookDisk(t, d, 4) {
		t.Errorf("got %d objects, want %d, and that of the listing gone", got, n-1)
	}
	<-count.Done()
	if hits, exact := count.Hits(); hits != 0 || exact {
		t.Errorf("got count %d, exact %v, want 0, false", hits, exact)
	}
}

// A write that hangs does not hold up a sweep, whose end the end of the zone
// waits for.
func TestDiskSweepBesideHungWrite(t *testing.T) {
	folder := &faultyFolder{folder: newHeapFolder(), f: new(faultyFile)}
	d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate, o.folder = -1, folder })
	n := 0
	for ; n < 60; n++ {
		putDisk(t, d, n)
	}
	settle(t, d)
	hangs, free := make(chan struct{}), make(chan struct{})
	hang := sync.OnceFunc(func() { close(hangs) })
	folder.f.setWrite(func(p []byte, off int64) error {
		if off < d.v.slabAt(0) { // slots
			hang()
			<-free
		}
		return nil
	})
	defer close(free)
	for ; ; n++ {
		putDisk(t, d, n)
		select {
		case <-hangs:
			d.Purge(tagged(n))
			sweepDisk(t, d)
			if d.pending() != 0 {
				t.Errorf("got %d purges pending, want none", d.pending())
			}
			return
		default:
		}
	}
}

// When the sequences start again a sweep that is under way ends.
func TestDiskSweepStartsAgain(t *testing.T) {
	d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate = -1 })
	d.seq.Store(math.MaxUint32 - 1)
	d.Purge(tagged(1))
	newest := d.bans.Load().newest
	d.Purge(tagged(2))
	putDisk(t, d, 1)
	if newest != math.MaxUint32 || d.sweepTo(newest) {
		t.Errorf("a sweep up to purge %d ended well behind purge %d", newest, d.Seq())
	}
	if !d.sweepTo(d.Seq()) || !lookDisk(t, d, 1) {
		t.Error("what came after the sequences had started again is gone")
	}
}

// A full index lets something else go than it was about to when the journal was
// written meanwhile; what was struck from its slab's listings by then is in the
// index still. It is read by no sweep, which ends nevertheless.
func TestDiskSweepUnlisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openTestDisk(t, func(o *DiskOptions) { o.SweepRate, o.folder = -1, newHeapFolder() })
		at := func(n int) Hash { return Hash{uint64(n+1) << 32, 1 << 31} } // two buckets for all
		mark := func(n int) {
			if err := d.Mark(at(n), Marker{Kind: Variants}); err != nil {
				t.Fatal(err)
			}
		}
		const most = 2*ways - 1
		for n := range most {
			r := diskRecord(d, n)
			r.Hash = at(n)
			if err := d.Put(r); err != nil {
				t.Fatal(err)
			}
		}
		mark(most) // as warm as an object that was hit
		mark(most + 1)
		settle(t, d)
		if got := d.objects(); got != most {
			t.Fatalf("got %d objects, want %d: nothing was about to go", got, most)
		}
		newest, _ := d.Purge(Purge{Tags: []uint64{1000}})
		ended := make(chan bool, 1)
		go func() { ended <- d.sweepTo(newest) }()
		time.Sleep(time.Hour)
		select {
		case whole := <-ended:
			if got := d.objects(); !whole || got != most-1 {
				t.Errorf("got %d objects after a sweep (whole: %v), want %d", got, whole, most-1)
			}
		default:
			t.Error("the sweep has not ended after an hour")
			d.eject(errBusy)
			<-ended
		}
	})
}
