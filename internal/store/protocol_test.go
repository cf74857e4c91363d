package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// fillTwice puts twice the volume through m.
func fillTwice(t testing.TB, m *Memory, name string) {
	t.Helper()
	for i := range int(2 * m.Stats().Capacity / 10000) {
		put(t, m, fmt.Sprint(name, i), 10000)
	}
}

// TestStalePin: who read an index entry and then slept until the slab was
// reused gets no pin.
func TestStalePin(t *testing.T) {
	m := newTest(t, Options{})
	put(t, m, "k", 100)
	var c cell
	m.index.load(m.Hash([]byte("k")), &c)
	if s := m.pin(&c); s == nil {
		t.Errorf("a fresh entry: got no pin")
	} else {
		s.Release()
	}
	fillTwice(t, m, "a")
	if s := m.pin(&c); s != nil {
		t.Errorf("an entry of before the reuse: got a pin")
		s.Release()
	}
}

// TestWrittenSlabStays: a slab with a writer in it is never a victim, however
// long that takes.
func TestWrittenSlabStays(t *testing.T) {
	m := newTest(t, Options{})
	c, _, ok := m.space.claim(false, 1000, reserve)
	if !ok {
		t.Fatal("got no claim in an empty volume")
	}
	seq := c.s.seq.Load()
	fillTwice(t, m, "a")
	if got := c.s.seq.Load(); got != seq {
		t.Errorf("the slab was emptied while it was being written")
	}
	h := m.Hash([]byte("k"))
	c.write(make([]byte, 1000))
	c.list(h, 0, true)
	c.done()
	fillTwice(t, m, "b")
	if got := c.s.seq.Load(); got == seq {
		t.Errorf("the slab was not emptied after its writer had done")
	}
}

// TestTornRead: a reader sees all words of an entry of one writing.
func TestTornRead(t *testing.T) {
	m := newTest(t, Options{})
	h := m.Hash([]byte("k"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		defer close(stop)
		for n := range uint64(300_000) {
			mu := m.index.lock(h)
			c := cell{place: uint64(HitForMiss)<<kindShift | n, state: n, extra: n}
			var old cell
			if !m.index.findLocked(h, &old) {
				m.index.roomLocked(h, &old)
			}
			c.at = old.at
			m.index.setLocked(h, &c)
			mu.Unlock()
		}
	})
	var c cell
	for done := false; !done; {
		select {
		case <-stop:
			done = true
		default:
		}
		if m.index.load(h, &c) && (c.state != c.extra || c.place&(1<<32-1) != c.state) {
			t.Errorf("got words of writings %d, %d and %d in one entry", c.place&(1<<32-1), c.state, c.extra)
			break
		}
	}
	wg.Wait()
}

// TestReplacedMeanwhile: between the look and the writing of a Freshen
// somebody else stored another version.
func TestReplacedMeanwhile(t *testing.T) {
	m := newTest(t, Options{})
	put(t, m, "k", 100)
	r := Record{
		Hash: m.Hash([]byte("k")), Key: []byte("k"), Version: 12345, Validated: m.Seq(),
		Body: [][]byte{make([]byte, 100)}, Size: 100,
	}
	h, err := r.header()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.replace(&r, &h); !errors.Is(err, ErrGone) {
		t.Errorf("another version: got %v, want ErrGone", err)
	}
	m.Remove(r.Hash, r.Key)
	if err := m.replace(&r, &h); !errors.Is(err, ErrGone) {
		t.Errorf("nothing there: got %v, want ErrGone", err)
	}
	if st := m.Stats(); st.Live != 0 {
		t.Errorf("got %d live bytes, want none", st.Live)
	}
}

// TestSegmentHash: two segments whose hashes agree in what the index keeps of
// them are told apart by the directory.
func TestSegmentHash(t *testing.T) {
	m := newTest(t, Options{})
	if err := m.PutSegment(8, 0, 0, [][]byte{[]byte("bytes")}); err != nil {
		t.Fatal(err)
	}
	var c, at cell
	m.index.load(m.segmentHash(8, 0), &c)
	other := m.segmentHash(9, 9)
	mu := m.index.lock(other)
	m.index.roomLocked(other, &at)
	c.at = at.at
	m.index.setLocked(other, &c)
	mu.Unlock()
	if s, ok := m.Segment(9, 9, 0, 5); ok {
		t.Errorf("got %q of another segment", s.Mem)
		s.Release()
	}
}

// TestOvertaken: a slab that stays open for room that nobody needs is sealed
// in the end, and its records grow old like others.
func TestOvertaken(t *testing.T) {
	m := newTest(t, Options{Size: 16 << 20})
	put(t, m, "old", 100)
	for i := range 300 {
		if err := m.PutSegment(1, i, 0, [][]byte{make([]byte, m.SegmentSize()-100)}); err != nil {
			t.Fatal(err)
		}
	}
	if has(m, "old") {
		t.Errorf("a record without hits outlived 300 segments")
	}
}
