package store

import (
	"errors"
	"testing"
)

// A record that is carried from one tier to another is what it was, or is
// refused for what has happened meanwhile.
func TestCarry(t *testing.T) {
	key := []byte("k")
	for _, test := range []struct {
		name      string
		meanwhile func(from, to *Memory)
		want      error
		soft      bool
	}{
		{name: "nothing", meanwhile: func(_, _ *Memory) {}},
		{name: "purged by key", want: ErrPurged, meanwhile: func(from, _ *Memory) { from.Purge(Purge{Key: key}) }},
		{name: "purged by prefix", want: ErrPurged, meanwhile: func(from, _ *Memory) { from.Purge(Purge{Prefix: key}) }},
		{name: "all purged", want: ErrPurged, meanwhile: func(from, _ *Memory) { from.Purge(Purge{All: true}) }},
		{name: "purged softly by key", soft: true, meanwhile: func(from, _ *Memory) { from.Purge(Purge{Key: key, Soft: true}) }},
		{name: "purged softly by prefix", soft: true, meanwhile: func(from, _ *Memory) { from.Purge(Purge{Prefix: key, Soft: true}) }},
		{name: "another one there", want: ErrOlder, meanwhile: func(_, to *Memory) { put(t, to, "k", 5) }},
		{name: "its slab evicted", meanwhile: func(from, _ *Memory) { fillTwice(t, from, "a") }},
	} {
		r := newRegistry([32]byte{1})
		var tiers [2]*Memory
		for i := range tiers {
			var err error
			if tiers[i], err = newMemory(&Options{Size: 8 << 20, Poison: true}, r); err != nil {
				t.Fatal(err)
			}
		}
		from, to := tiers[0], tiers[1]
		put(t, from, "k", 1000)
		r.Purge(Purge{Key: []byte("other"), Soft: true}) // of before
		var c carry
		s := from.peek(r.Hash(key), &c)
		if s == nil {
			t.Fatalf("%s: peek: got nothing", test.name)
		}
		test.meanwhile(from, to)
		err := to.admit(&c)
		s.Release()
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
		var e Entry
		to.Lookup(r.Hash(key), key, 0, &e)
		if test.want == nil && (e.Kind != Object || e.Body.N != 1000 || e.Body.Mem[999] != 0 || e.Soft != test.soft) {
			t.Errorf("%s: got kind %d, %d bytes, soft %v; want an object of 1000, soft %v", test.name, e.Kind, e.Body.N, e.Soft, test.soft)
		}
		if test.want == ErrPurged && e.Kind != Nothing {
			t.Errorf("%s: got kind %d, want Nothing", test.name, e.Kind)
		}
		e.Release()
		for _, m := range tiers {
			if err := m.Close(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

// While a purge has not had its whole effect, what was read is checked against
// it again, also when the sequence was taken already.
func TestSettled(t *testing.T) {
	r := newRegistry([32]byte{1})
	r.seq.Add(1) // a purge has begun
	if got := r.settled(); got != 0 {
		t.Errorf("during the first purge: got %d settled, want 0", got)
	}
	seq, _ := r.Purge(Purge{Prefix: []byte("x")})
	if got := r.settled(); got != seq {
		t.Errorf("behind a purge: got %d settled, want %d", got, seq)
	}
}

// TestCarryMarker: a marker goes where nothing is, unless it was purged.
func TestCarryMarker(t *testing.T) {
	r := newRegistry([32]byte{1})
	m, err := newMemory(&Options{Size: 8 << 20}, r)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	key := []byte("k")
	h, k := r.Hash(key), Marker{Kind: Variants, Generation: 7, tally: 3}
	checked := r.settled()
	r.Purge(Purge{Key: key})
	if m.admitMarker(h, &k, checked); m.markers() != 0 {
		t.Errorf("purged meanwhile: got a marker")
	}
	m.admitMarker(h, &k, r.settled())
	if got, ok := m.marker(h); !ok || got.Generation != 7 || got.tally != 3 {
		t.Errorf("got %+v, %v, want generation 7 with a tally of 3", got, ok)
	}
	if m.contains(h) {
		t.Errorf("got an object where a marker is")
	}
	other := Marker{Kind: Variants, Generation: 8}
	m.admitMarker(h, &other, r.settled())
	if got, _ := m.marker(h); got.Generation != 7 {
		t.Errorf("got generation %d in place of 7", got.Generation)
	}
	if m.younger(h, key, 0) {
		t.Errorf("a marker of the beginning is younger than that")
	}
	m.drop(h, Superseded)
	if _, ok := m.marker(h); ok || m.markers() != 0 {
		t.Errorf("dropped: the marker is there")
	}
}

func (m *Memory) markers() int64 { return m.counts.markers.Load() }
