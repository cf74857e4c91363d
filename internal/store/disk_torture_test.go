package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// A diskTorment is one writer's keys and what it knows of them: nobody else
// changes them, so an older version, or one that was dropped, must not be found.
type diskTorment struct {
	t      *testing.T
	d      *Disk
	name   string
	rng    *rand.Rand
	latest map[int]uint64 // by key; 0: dropped
	lent   []wire.Span
}

const tormentKeys = 60

func (m *diskTorment) key(k int) []byte { return fmt.Appendf(nil, "%s/%d", m.name, k) }

// seed is what the bytes of a version follow from.
func (m *diskTorment) seed(k int, version uint64) int {
	return k*1000003 + int(version)*7919 + len(m.name)
}

func (m *diskTorment) record(k int, version uint64) *Record {
	key, seed := m.key(k), m.seed(k, version)
	size := 100 + seed%30000
	return &Record{
		Hash: m.d.Hash(key), Key: key, Site: m.d.Site([]byte(m.name)), Version: version, Born: m.d.Seq(), Validated: m.d.Seq(),
		Meta: diskBody(seed, 90), Body: [][]byte{diskBody(seed, size)}, Size: int64(size),
	}
}

// step does one random thing.
func (m *diskTorment) step(n int) {
	k := m.rng.IntN(tormentKeys)
	key, h := m.key(k), m.d.Hash(m.key(k))
	switch p := m.rng.IntN(100); {
	case p < 40:
		m.look(k, m.rng.IntN(8) == 0)
	case p < 70:
		version := m.latest[k] + 1 + uint64(n)<<8
		if err := m.d.Put(m.record(k, version)); err == nil {
			m.latest[k] = version
		} else if err != ErrFull && err != ErrPurged {
			m.t.Errorf("Put %s: %v", key, err)
		}
	case p < 75:
		seed := m.seed(k, m.latest[k])
		err := m.d.Freshen(h, key, m.latest[k], diskBody(seed, 90), m.d.Seq())
		if err != nil && err != ErrGone && err != ErrFull && err != ErrPurged {
			m.t.Errorf("Freshen %s: %v", key, err)
		}
	case p < 85:
		m.segment(k)
	case p < 90:
		m.d.Remove(h, key)
		m.latest[k] = 0
	case p < 95:
		m.d.Purge(Purge{Key: key, Soft: n%2 == 0})
		if n%2 != 0 {
			m.latest[k] = 0
		}
	case p < 96:
		m.d.Purge(Purge{Site: m.d.Site([]byte(m.name)), Soft: true})
	case p < 97:
		if err := m.d.Mark(h, Marker{Kind: Variants, Born: m.d.Seq()}); err == nil {
			m.latest[k] = 0
		}
	default:
		for len(m.lent) > 0 {
			m.lent[0].Release()
			m.lent = m.lent[1:]
		}
	}
}

// look looks a key up. keep keeps what is lent for a while.
func (m *diskTorment) look(k int, keep bool) {
	var e Entry
	m.d.Lookup(m.d.Hash(m.key(k)), m.key(k), 0, &e)
	if e.Kind != Object {
		return
	}
	seed := m.seed(k, e.Version)
	if e.Version != m.latest[k] || !bytes.Equal(e.Meta, diskBody(seed, 90)) || !bytes.Equal(e.Body.Mem, diskBody(seed, 100+seed%30000)) {
		m.t.Errorf("%s: got version %d or other bytes, want version %d", m.key(k), e.Version, m.latest[k])
	}
	if keep && len(m.lent) < 4 {
		m.lent = append(m.lent, e.Body)
		return
	}
	e.Release()
}

func (m *diskTorment) segment(k int) {
	version, size := uint64(1000+k), m.d.SegmentSize()-16*k
	off := m.rng.IntN(size / 2)
	s, ok := m.d.Segment(version, 0, off, size)
	if !ok {
		if err := m.d.PutSegment(version, 0, 0, [][]byte{diskBody(k, size)}); err != nil && err != ErrFull {
			m.t.Errorf("segment %d: %v", k, err)
		}
		return
	}
	defer s.Release()
	got := make([]byte, s.N)
	if err := s.Copy(got); err != nil {
		m.t.Errorf("segment %d: %v", k, err)
	} else if !bytes.Equal(got, diskBody(k, size)[off:]) {
		m.t.Errorf("segment %d from %d: got other bytes than were put", k, off)
	}
}

func TestDiskTorture(t *testing.T) {
	for name, change := range map[string]func(*DiskOptions){
		"heap":   func(o *DiskOptions) { o.folder = newHeapFolder() },
		"files":  onFiles(t),
		"verify": func(o *DiskOptions) { o.Heap, o.Dir, o.VerifyAlways = false, t.TempDir(), true },
	} {
		t.Run(name, func(t *testing.T) { tortureDisk(t, change) })
	}
}

func tortureDisk(t *testing.T, change func(*DiskOptions)) {
	var o DiskOptions
	d := openTestDisk(t, func(p *DiskOptions) {
		p.Idle = 5 * time.Millisecond
		change(p)
		o = *p
	})
	rounds := 1500
	if testing.Short() {
		rounds = 400
	}
	var wg sync.WaitGroup
	all := make([]*diskTorment, 4)
	for w := range all {
		m := &diskTorment{t: t, d: d, name: fmt.Sprint("http://w", w), rng: rand.New(rand.NewPCG(uint64(w), 5)), latest: map[int]uint64{}}
		all[w] = m
		wg.Go(func() {
			for n := range rounds {
				m.step(n)
			}
			for _, s := range m.lent {
				s.Release()
			}
		})
	}
	wg.Wait()
	st := d.Stats()
	if st.Lost[Aged]+st.Lost[Cold] == 0 || st.Lost[Damaged] != 0 {
		t.Errorf("got %v lost; want some to age and none damaged", st.Lost)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := openDisk(newRegistry([32]byte{9}), o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, m := range all {
		m.d, m.lent = d, nil
		for k := range tormentKeys {
			m.look(k, false)
		}
	}
	if d.Stats().Objects == 0 {
		t.Error("nothing came back")
	}
}

// TestDiskHitCost: a hit in the page cache is one call, and allocates nothing.
func TestDiskHitCost(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	folder := &faultyFolder{folder: &realFolder{path: t.TempDir()}, f: new(faultyFile)}
	d := openTestDisk(t, func(o *DiskOptions) { o.Heap, o.folder, o.Poison = false, folder, false })
	key := []byte("http://disk.example/hot")
	h := d.Hash(key)
	if err := d.Put(&Record{Hash: h, Key: key, Meta: make([]byte, 200), Body: [][]byte{make([]byte, 1024)}, Size: 1024}); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	hit := func() {
		var e Entry
		d.Lookup(h, key, 0, &e)
		if e.Kind != Object {
			t.Fatal("not found")
		}
		e.Release()
	}
	hit()
	calls := 0
	folder.f.setRead(func([]byte, int64) error { calls++; return nil })
	allocs := testing.AllocsPerRun(100, hit)
	if calls != 101 || allocs != 0 {
		t.Errorf("got %d calls and %v allocations a hit, want 101 calls for 101 hits and none", calls, allocs)
	}
}

// TestDiskIdle: what nobody adds to is brought to the device after a while,
// and its slab goes on being filled.
func TestDiskIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := newHeapFolder()
		var o DiskOptions
		d := openTestDisk(t, func(p *DiskOptions) { p.folder = folder; o = *p })
		stored := 0
		for round := range 3 {
			putDisk(t, d, stored)
			stored++
			time.Sleep(11 * time.Second)
			synctest.Wait()
			if st := d.Stats(); st.Open != 1 || st.Free != st.Slabs-1 || st.Written == 0 {
				t.Errorf("round %d: got %d open and %d free of %d slabs, %d bytes written", round, st.Open, st.Free, st.Slabs, st.Written)
			}
			d.Remove(d.Hash(diskKey(100)), diskKey(100))
		}
		putDisk(t, d, 100)
		time.Sleep(11 * time.Second)
		d.Remove(d.Hash(diskKey(100)), diskKey(100))
		// The process is killed: the files stay as they are.
		copied := newHeapFolder()
		for name, f := range folder.files {
			switch f := f.(type) {
			case *heapFile:
				copied.files[name] = &heapFile{bytes.Clone(f.b)}
			case *growingFile:
				copied.files[name] = &growingFile{heapFile: heapFile{bytes.Clone(f.b)}}
			}
		}
		o.folder = copied
		back, err := openDisk(newRegistry([32]byte{9}), o)
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		for i := range stored {
			if !lookDisk(t, back, i) {
				t.Errorf("object %d: lost when the process was killed", i)
			}
		}
		if lookDisk(t, back, 100) {
			t.Error("what was removed came back")
		}
	})
}

// TestDiskExposed: what is sent by reference is of a slab that is written
// around the page cache, or into fresh pages.
func TestDiskExposed(t *testing.T) {
	d := openTestDisk(t, onFiles(t))
	version := d.Version()
	if err := d.PutSegment(version, 0, 0, [][]byte{diskBody(1, d.SegmentSize())}); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	s, ok := d.Segment(version, 0, 0, 1<<20)
	if !ok || s.Mem != nil {
		t.Fatalf("segment: got %v, in memory %v; want it in the file", ok, s.Mem != nil)
	}
	device := s.Owner.(wire.Device)
	if fd := device.Expose(); fd < 0 || d.Stats().Exposed != 1 {
		t.Errorf("got descriptor %d and %d slabs exposed, want one", fd, d.Stats().Exposed)
	}
	n := device.Enter(s.Off, s.N)
	if n != s.N || d.Stats().Waiting != 1 {
		t.Errorf("got leave for %d of %d bytes with %d calls under way", n, s.N, d.Stats().Waiting)
	}
	device.Leave()
	s.Release()
	for i := range 1200 {
		putDisk(t, d, i)
	}
	settle(t, d)
	if st := d.Stats(); st.Exposed != 0 || st.Punched == 0 {
		t.Errorf("after reuse: got %d slabs exposed and %d punched, want 0 and some", st.Exposed, st.Punched)
	}
}
