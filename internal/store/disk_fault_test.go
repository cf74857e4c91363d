package store

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// A faultyFolder has a faulty file for the volume.
type faultyFolder struct {
	folder
	f *faultyFile
}

func newFaultyFolder() *faultyFolder {
	return &faultyFolder{folder: newHeapFolder(), f: new(faultyFile)}
}

func (d *faultyFolder) wrap(name string, f file, err error) (file, error) {
	if err != nil || !strings.HasPrefix(name, volumeName) {
		return f, err
	}
	d.f.file = f
	return d.f, nil
}

func (d *faultyFolder) open(name string) (file, error) {
	f, err := d.folder.open(name)
	return d.wrap(name, f, err)
}

func (d *faultyFolder) create(name string, size, reserve int64) (file, error) {
	f, err := d.folder.create(name, size, reserve)
	return d.wrap(name, f, err)
}

// faultyDisk opens a volume whose file can be told to fail.
func faultyDisk(t testing.TB, change func(o *DiskOptions)) (*Disk, *faultyFile) {
	t.Helper()
	folder := newFaultyFolder()
	d := openTestDisk(t, func(o *DiskOptions) {
		o.folder = folder
		if change != nil {
			change(o)
		}
	})
	return d, folder.f
}

// inSlabs has a hook for what is read or written of slabs alone.
func inSlabs(d *Disk, hook func(p []byte, off int64) error) func([]byte, int64) error {
	return func(p []byte, off int64) error {
		if off < d.v.slabAt(0) {
			return nil
		}
		return hook(p, off)
	}
}

func TestDiskReadErrors(t *testing.T) {
	for name, fault := range map[string]error{"EIO": syscall.EIO, "permission": syscall.EPERM} {
		t.Run(name, func(t *testing.T) {
			var said atomic.Int32
			d, f := faultyDisk(t, func(o *DiskOptions) {
				o.Errors = 5
				o.Ejected = func(string, error) { said.Add(1) }
			})
			for i := range 100 {
				putDisk(t, d, i)
			}
			settle(t, d)
			failing := atomic.Bool{}
			f.setRead(func([]byte, int64) error {
				if failing.Load() {
					return fault
				}
				return nil
			})
			// Errors that are not in a row are misses, and nothing is lost.
			for i := range 20 {
				failing.Store(i%2 == 0)
				if got, want := lookDisk(t, d, i), i%2 != 0; got != want {
					t.Errorf("object %d: found %v, want %v", i, got, want)
				}
			}
			failing.Store(false)
			for i := range 100 {
				if !lookDisk(t, d, i) {
					t.Errorf("object %d: gone after errors that passed", i)
				}
			}
			putDisk(t, d, 1000)
			failing.Store(true)
			for i := range 6 {
				if lookDisk(t, d, i) {
					t.Errorf("object %d: found with a device that fails", i)
				}
			}
			failing.Store(false)
			if lookDisk(t, d, 1000) || lookDisk(t, d, 50) {
				t.Error("found something in a volume that is ejected")
			}
			if err := d.Put(diskRecord(d, 1)); !errors.Is(err, ErrDown) {
				t.Errorf("Put: got %v, want ErrDown", err)
			}
			st := d.Stats()
			if !st.Ejected || st.ReadErrors < 15 || st.Fault == "" || said.Load() != 1 || st.RefusedDown != 1 {
				t.Errorf("got ejected %v, %d errors, fault %q, said %d times, %d refused", st.Ejected, st.ReadErrors, st.Fault, said.Load(), st.RefusedDown)
			}
		})
	}
}

// TestDiskWriteErrors: what the device does not take is lost, and nothing else;
// nobody waits for time to pass.
func TestDiskWriteErrors(t *testing.T) {
	for name, fault := range map[string]error{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				d, f := faultyDisk(t, func(o *DiskOptions) { o.Errors, o.Idle = 1000, time.Hour })
				n := atomic.Int64{}
				f.setWrite(inSlabs(d, func([]byte, int64) error {
					if n.Add(1)%3 == 0 {
						return fault
					}
					return nil
				}))
				found := 0
				for i := range 800 {
					putDisk(t, d, i)
					if lookDisk(t, d, i) {
						found++
					}
					lookDisk(t, d, i/2)
				}
				f.setWrite(nil)
				settle(t, d)
				left := 0
				for i := range 800 {
					if lookDisk(t, d, i) {
						left++
					}
				}
				synctest.Wait() // the reclaimer has no slab in hand
				st := d.Stats()
				if st.WriteErrors == 0 || st.Lost[Damaged] == 0 || left == 0 || found < 400 {
					t.Errorf("got %d errors, %d lost to them, %d found, %d left; want some", st.WriteErrors, st.Lost[Damaged], found, left)
				}
				if st.Free+st.Open+st.Sealed+st.Aside != st.Slabs {
					t.Errorf("got %d free, %d open, %d sealed, %d aside of %d slabs, want all", st.Free, st.Open, st.Sealed, st.Aside, st.Slabs)
				}
				if got := time.Since(start); got != 0 {
					t.Errorf("got %v spent waiting, want none: there is always one who goes on", got)
				}
			})
		})
	}
}

// TestDiskSlotErrors: a slot that cannot be invalidated keeps its slab.
func TestDiskSlotErrors(t *testing.T) {
	d, f := faultyDisk(t, func(o *DiskOptions) { o.Errors, o.PutWait = 1<<30, time.Second })
	for i := range 700 {
		putDisk(t, d, i)
	}
	settle(t, d)
	f.setWrite(func(p []byte, off int64) error {
		if off < d.v.slabAt(0) && len(p) == slotHeader {
			return syscall.EIO
		}
		return nil
	})
	refused := 0
	for i := range 800 {
		if err := d.Put(diskRecord(d, 1000+i)); errors.Is(err, ErrFull) {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Error("slabs were used again whose slots still list records")
	}
	f.setWrite(nil)
	for i := range 800 {
		putDisk(t, d, 5000+i)
		lookDisk(t, d, 5000+i)
	}
}

// TestDiskShortReads: the page cache has the half, a worker reads the rest.
func TestDiskShortReads(t *testing.T) {
	d, f := faultyDisk(t, nil)
	for i := range 100 {
		putDisk(t, d, i)
	}
	settle(t, d)
	f.short.Store(true)
	for i := range 100 {
		if !lookDisk(t, d, i) {
			t.Errorf("object %d: not found", i)
		}
	}
	if st := d.Stats(); st.Waited != 100 {
		t.Errorf("got %d reads that waited, want 100", st.Waited)
	}
	f.noNow.Store(true)
	for i := range 100 {
		if !lookDisk(t, d, i) {
			t.Errorf("object %d: not found", i)
		}
	}
}

// TestDiskCut: a file that somebody cuts is given up, whether reading or
// writing meets it, and what was behind the cut is never zeros.
func TestDiskCut(t *testing.T) {
	for _, writing := range []bool{false, true} {
		d, f := faultyDisk(t, nil)
		for i := range 200 {
			putDisk(t, d, i)
		}
		settle(t, d)
		for i := range 200 {
			lookDisk(t, d, i) // all blocks are compared
		}
		f.cut.Store(d.v.slabAt(0) + blockSize)
		if writing {
			for i := range 1000 {
				if err := d.Put(diskRecord(d, 1000+i)); errors.Is(err, ErrDown) {
					break
				}
			}
		}
		for i := range 200 {
			lookDisk(t, d, i)
		}
		if !d.down() {
			t.Errorf("writing %v: the volume is in use with a file that was cut", writing)
		}
	}
}

// flipped flips a bit of the volume's file.
func flipped(f *faultyFile, at int64, bit uint) {
	var b [1]byte
	_ = f.file.read(b[:], at)
	b[0] ^= 1 << (bit % 8)
	_ = f.file.write(b[:], at)
}

// filledFolder returns a volume with objects and segments in it, closed.
func filledFolder(t *testing.T, o DiskOptions) (folder *faultyFolder, version uint64, segments int) {
	t.Helper()
	folder = newFaultyFolder()
	o.folder = folder
	d, err := openDisk(newRegistry([32]byte{1}), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		putDisk(t, d, i)
	}
	version = d.Version()
	for segments = range 4 {
		if err := d.PutSegment(version, segments, 0, [][]byte{diskBody(segments, d.SegmentSize()-16*segments)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return folder, version, segments + 1
}

// segmentRight returns whether segment n is there; its bytes are checked.
func segmentRight(t *testing.T, d *Disk, version uint64, n int) bool {
	t.Helper()
	s, ok := d.Segment(version, n, 0, d.SegmentSize())
	if !ok {
		return false
	}
	defer s.Release()
	got := make([]byte, s.N)
	if err := s.Copy(got); err != nil {
		return false
	}
	if !bytes.Equal(got, diskBody(n, d.SegmentSize()-16*n)) {
		t.Errorf("segment %d: got other bytes than were put", n)
	}
	return true
}

// TestDiskFlips: a bit is flipped in each block of a volume that is not
// running. What it hit is missed, all else is right.
func TestDiskFlips(t *testing.T) {
	o := DiskOptions{Size: minVolume, Heap: true, PutWait: 10 * time.Second, MeanObject: 64 << 10}
	folder, version, segments := filledFolder(t, o)
	o.folder = folder
	whole := bytes.Clone(folder.f.file.(*heapFile).b)
	files := folder.folder.(*heapFolder).files
	said := bytes.Clone(files[journalName].(*growingFile).b)
	missed, refused := 0, 0
	const rounds = 16 // each flips the blocks that far apart
	for round := range int64(rounds) {
		for block := round; block < int64(len(whole)/blockSize); block += rounds {
			at := block*blockSize + (block*7919)%blockSize
			if block == 0 {
				at = superSize / 2 // of one of the superblocks
			}
			flipped(folder.f, at, uint(block))
		}
		d, err := openDisk(newRegistry([32]byte{1}), o)
		if err != nil {
			refused++
		} else {
			found := 0
			for i := range 120 {
				if lookDisk(t, d, i) {
					found++
				}
			}
			for n := range segments {
				if segmentRight(t, d, version, n) {
					found++
				}
			}
			missed += 120 + segments - found
			if err := d.Close(); err != nil {
				t.Errorf("round %d: Close: %v", round, err)
			}
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
		copy(folder.f.file.(*heapFile).b, whole)
		files[journalName] = &growingFile{heapFile: heapFile{bytes.Clone(said)}}
	}
	if missed < 20 || missed > 400 || refused > 0 {
		t.Errorf("got %d missed, %d starts refused; want some, and none", missed, refused)
	}
	t.Logf("%d blocks flipped: %d misses", len(whole)/blockSize, missed)
}

// TestDiskFlipsLive: bits flip under a running volume that verifies always.
func TestDiskFlipsLive(t *testing.T) {
	o := DiskOptions{Size: minVolume, Heap: true, PutWait: 10 * time.Second, VerifyAlways: true}
	folder, version, segments := filledFolder(t, o)
	o.folder = folder
	d, err := openDisk(newRegistry([32]byte{1}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all := func() (found int) {
		for i := range 120 {
			if lookDisk(t, d, i) {
				found++
			}
		}
		for n := range segments {
			if segmentRight(t, d, version, n) {
				found++
			}
		}
		return found
	}
	before := all()
	for at := d.v.slabAt(0); at < d.v.size; at += blockSize {
		flipped(folder.f, at+(at/blockSize*4099)%blockSize, uint(at>>16))
	}
	after := all()
	st := d.Stats()
	if before != 120+segments || after > before-segments || st.Damaged == 0 {
		t.Errorf("got %d found before and %d after, %d damaged; want fewer, and no segment", before, after, st.Damaged)
	}
	if again := all(); again != after {
		t.Errorf("got %d found the next time, want the %d that were right", again, after)
	}
}

// TestDiskHungSoon: few clients find out for all.
func TestDiskHungSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := faultyDisk(t, func(o *DiskOptions) { o.Idle = time.Hour })
		for i := range 100 {
			putDisk(t, d, i)
		}
		settle(t, d)
		f.noNow.Store(true)
		hang := make(chan struct{})
		f.setRead(func([]byte, int64) error { <-hang; return nil })
		start := time.Now()
		for i := range 100 {
			if lookDisk(t, d, i) {
				t.Error("got an answer from a device that hangs")
			}
		}
		if got, want := time.Since(start), defaultReads/8*time.Second; got != want {
			t.Errorf("a hundred reads, one after the other, took %v, want %v", got, want)
		}
		close(hang)
		synctest.Wait()
		for i := range 100 {
			if !lookDisk(t, d, i) {
				t.Errorf("object %d: gone after the device woke up", i)
			}
		}
	})
}

// TestDiskHungReads: the device answers no read. What is on stages goes on
// being served; who reads waits a second, and nobody waits once some have done
// so in vain. When the device wakes up nothing is left of it.
func TestDiskHungReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := faultyDisk(t, func(o *DiskOptions) { o.Idle = time.Hour })
		for i := range 100 {
			putDisk(t, d, i)
		}
		settle(t, d)
		putDisk(t, d, 500)
		f.noNow.Store(true)
		hang := make(chan struct{})
		f.setRead(func([]byte, int64) error { <-hang; return nil })
		start := time.Now()
		for range 2 {
			if lookDisk(t, d, 1) {
				t.Error("got an answer from a device that hangs")
			}
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("two reads took %v, want a second each", got)
		}
		done := make(chan struct{})
		for i := range 100 {
			go func() {
				lookDisk(t, d, i)
				done <- struct{}{}
			}()
		}
		for range 100 {
			<-done
		}
		st := d.Stats()
		if st.Stuck != defaultReads || st.Waiting != defaultReads || st.TimedOut != defaultReads || st.Busy != 100+2-defaultReads { // who came at once took all tokens
			t.Errorf("got %d stuck, %d waiting, %d timed out, %d busy", st.Stuck, st.Waiting, st.TimedOut, st.Busy)
		}
		start = time.Now()
		for i := range 100 {
			if lookDisk(t, d, i) || !lookDisk(t, d, 500) {
				t.Error("got an answer from the device, or none from the stage")
			}
		}
		putDisk(t, d, 501)
		if got := time.Since(start); got != 0 {
			t.Errorf("with calls stuck: misses and hits took %v, want none", got)
		}
		close(hang)
		synctest.Wait()
		if st := d.Stats(); st.Pins != 0 || st.Stuck != 0 || st.Waiting != 0 || st.BuffersBytes != 0 || st.Ejected {
			t.Errorf("after the device woke up: got %d pins, %d stuck, %d waiting, %d bytes lent, ejected %v",
				st.Pins, st.Stuck, st.Waiting, st.BuffersBytes, st.Ejected)
		}
		for i := range 100 {
			if !lookDisk(t, d, i) {
				t.Errorf("object %d: gone after the device woke up", i)
			}
		}
	})
}

// TestDiskHungReadKeepsSlab: a slab under a read that hangs is not used again.
func TestDiskHungReadKeepsSlab(t *testing.T) {
	d, f := faultyDisk(t, func(o *DiskOptions) { o.ReadTimeout = time.Millisecond })
	putDisk(t, d, 0)
	settle(t, d)
	f.noNow.Store(true)
	hang, hung := make(chan struct{}), make(chan struct{})
	f.setRead(inSlabs(d, func([]byte, int64) error { close(hung); <-hang; return nil }))
	if lookDisk(t, d, 0) {
		t.Error("got an answer from a device that hangs")
	}
	<-hung
	f.setRead(nil)
	f.noNow.Store(false)
	for i := range 1000 {
		putDisk(t, d, 1+i)
	}
	if st := d.Stats(); st.Aside != 1 {
		t.Errorf("got %d slabs aside, want the one that is being read", st.Aside)
	}
	close(hang)
	for i := range 500 {
		putDisk(t, d, 4000+i)
	}
	if st := d.Stats(); st.Aside != 0 || st.Pins != 0 {
		t.Errorf("got %d slabs aside and %d pins, want none", st.Aside, st.Pins)
	}
}

// TestDiskHungWrites: the device takes no write. Puts are refused when the
// stages are full, at once; what is on stages is served.
func TestDiskHungWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := faultyDisk(t, func(o *DiskOptions) { o.PutWait = 0 })
		hang := make(chan struct{})
		f.setWrite(inSlabs(d, func([]byte, int64) error { <-hang; return nil }))
		start, stored := time.Now(), 0
		for ; stored < 10000; stored++ {
			if err := d.Put(diskRecord(d, stored)); err != nil {
				if !errors.Is(err, ErrFull) {
					t.Errorf("Put: got %v, want ErrFull", err)
				}
				break
			}
		}
		for i := range stored {
			if !lookDisk(t, d, i) {
				t.Errorf("object %d of %d: not served from its stage", i, stored)
			}
		}
		if got := time.Since(start); got != 0 || stored == 10000 {
			t.Errorf("%d puts took %v, want some, at once", stored, got)
		}
		if st := d.Stats(); st.StagesIdle > reserve || st.RefusedFull != 1 {
			t.Errorf("got %d stages idle and %d refused, want all in use and 1", st.StagesIdle, st.RefusedFull)
		}
		close(hang)
		synctest.Wait()
		if err := d.Put(diskRecord(d, stored)); err != nil {
			t.Errorf("Put after the device woke up: %v", err)
		}
		for i := range stored {
			if !lookDisk(t, d, i) {
				t.Errorf("object %d: gone after the device woke up", i)
			}
		}
	})
}

// TestDiskSlowReaders: stages that are still lent do no harm: before there are
// too many, copies are lent.
func TestDiskSlowReaders(t *testing.T) {
	d := openTestDisk(t, nil)
	var lent []wire.Span
	for n := range 2 * d.o.Stages {
		content := diskBody(n, d.SegmentSize()-100)
		if err := d.PutSegment(1, n, 0, [][]byte{content}); err != nil {
			t.Fatal(err)
		}
		if s, ok := d.Segment(1, n, 0, len(content)); ok {
			lent = append(lent, s)
		}
	}
	for i := range 1000 {
		putDisk(t, d, 50000+i)
	}
	var asked [3]int
	for n, s := range lent {
		asked[s.Owner.Pressure()]++
		if !bytes.Equal(s.Mem, diskBody(n, d.SegmentSize()-100)) {
			t.Errorf("segment %d: its bytes changed while it was lent", n)
		}
		s.Release()
	}
	if len(lent) != 2*d.o.Stages || asked[wire.Leave]+asked[wire.Yield] == 0 {
		t.Errorf("got %d lent, asked to keep, leave, yield: %v; want some to leave", len(lent), asked)
	}
}

// TestDiskLentStages: when borrowers have all stages, a Put does not wait for
// them.
func TestDiskLentStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openTestDisk(t, nil)
		var lent []*stage
		for b := d.stages.take(0, 0); b != nil; b = d.stages.take(0, 0) {
			lent = append(lent, b)
		}
		start := time.Now()
		if err := d.Put(diskRecord(d, 1)); !errors.Is(err, ErrFull) || time.Since(start) != 0 {
			t.Errorf("Put: got %v after %v, want ErrFull at once", err, time.Since(start))
		}
		for _, b := range lent {
			b.Release()
		}
		putDisk(t, d, 1)
	})
}
