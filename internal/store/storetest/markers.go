package storetest

import (
	"errors"
	"fmt"
	"testing"

	"opencache/internal/store"
)

func interned(t testing.TB, v Volume, fields string) store.Set {
	t.Helper()
	s, ok := v.Intern([]byte(fields))
	if !ok {
		t.Fatalf("Intern(%q): the table is full", fields)
	}
	return s
}

func intern(t *testing.T, v Volume) {
	a, b := interned(t, v, "accept-encoding"), interned(t, v, "accept-encoding,origin")
	if a == b || a == 0 || a != interned(t, v, "accept-encoding") {
		t.Errorf("got sets %d and %d, want two that differ and stay", a, b)
	}
	for s, want := range map[store.Set]string{a: "accept-encoding", b: "accept-encoding,origin"} {
		if got := v.Fields(s); string(got) != want {
			t.Errorf("Fields(%d): got %q, want %q", s, got, want)
		}
	}
	for _, s := range []store.Set{0, b + 1, 65535} {
		if got := v.Fields(s); got != nil {
			t.Errorf("Fields(%d): got %q, want none", s, got)
		}
	}
	n := 0
	for ; n < 10000; n++ {
		if _, ok := v.Intern(fmt.Append(nil, "x-", n)); !ok {
			break
		}
	}
	if n == 10000 {
		t.Errorf("got %d sets, want a bound", n)
	}
	if _, ok := v.Intern([]byte("accept-encoding")); !ok {
		t.Errorf("a known set is refused when the table is full")
	}
}

// primary is the key that has variants.
const primary = "p"

// variant puts i as the variant of the primary key.
func variant(t testing.TB, v Volume, i item, m store.Marker) (h store.Hash) {
	t.Helper()
	h = v.Variant(v.Hash([]byte(primary)), m.Generation, m.Sets[0], []byte(i.key))
	r := i.record(v, 0)
	r.Hash, r.Key = h, append(append([]byte(primary), 0), i.key...)
	if err := v.Put(r); err != nil {
		t.Fatalf("Put of variant %s: %v", i.key, err)
	}
	return h
}

// kindOfVariant looks for the variant i of the primary key through its marker.
func kindOfVariant(v Volume, i item) store.Kind {
	e := lookup(v, primary)
	if e.Kind != store.Variants {
		e.Release()
		return store.Nothing
	}
	h := v.Variant(v.Hash([]byte(primary)), e.Generation, e.Sets[0], []byte(i.key))
	v.Lookup(h, append(append([]byte(primary), 0), i.key...), 0, &e)
	k := e.Kind
	e.Release()
	return k
}

func variants(t *testing.T, v Volume) {
	set := interned(t, v, "accept-encoding")
	h := v.Hash([]byte("p"))
	mk := store.Marker{Kind: store.Variants, Sets: [4]store.Set{set}, NumSets: 1, Generation: 5, Born: v.Seq()}
	if err := v.Mark(h, mk); err != nil {
		t.Fatal(err)
	}
	e := lookup(v, "p")
	if e.Kind != store.Variants || e.Generation != 5 || e.NumSets != 1 || e.Sets[0] != set {
		t.Fatalf("got kind %d generation %d sets %v, want Variants 5 [%d]", e.Kind, e.Generation, e.Sets[:e.NumSets], set)
	}
	gzip, br := item{key: "gzip", version: 1, size: 100}, item{key: "br", version: 2, size: 90}
	a, b := variant(t, v, gzip, mk), variant(t, v, br, mk)
	if a == b || a == h {
		t.Fatalf("two variants have one hash")
	}
	for _, i := range []item{gzip, br} {
		if got := kindOfVariant(v, i); got != store.Object {
			t.Errorf("variant %s: got kind %d, want Object", i.key, got)
		}
	}
	mk.Generation = 6
	if err := v.Mark(h, mk); err != nil {
		t.Fatal(err)
	}
	if got := kindOfVariant(v, gzip); got != store.Nothing {
		t.Errorf("after a new generation: got kind %d, want Nothing", got)
	}
	item{key: "p", version: 9, size: 1}.put(t, v)
	if got := kind(v, "p"); got != store.Object {
		t.Errorf("a record in place of the marker: got kind %d, want Object", got)
	}
	if err := v.Mark(h, mk); err != nil {
		t.Fatal(err)
	}
	markers := most(v, func(st *store.Stats) int64 { return st.Markers })
	if markers != 1 || kind(v, "p") != store.Variants {
		t.Errorf("a marker in place of the record: got kind %d, %d markers", kind(v, "p"), markers)
	}
}

// marks: sets are joined, the newest four stay.
func marks(t *testing.T, v Volume) {
	h := v.Hash([]byte("p"))
	var sets []store.Set
	for n := range 6 {
		sets = append(sets, interned(t, v, fmt.Sprint("field-", n)))
	}
	mark := func(s store.Set, generation uint32) error {
		return v.Mark(h, store.Marker{Kind: store.Variants, Sets: [4]store.Set{s}, NumSets: 1, Generation: generation, Born: v.Seq()})
	}
	if err := mark(sets[0], 0); err != nil {
		t.Fatal(err)
	}
	first := lookup(v, "p")
	if first.Generation == 0 {
		t.Errorf("got generation 0, want one picked at random")
	}
	for _, s := range []store.Set{sets[1], sets[2], sets[1], sets[3], sets[4]} {
		if err := mark(s, first.Generation); err != nil {
			t.Fatal(err)
		}
	}
	e := lookup(v, "p")
	if want := [4]store.Set{sets[4], sets[3], sets[1], sets[2]}; e.Sets != want || e.NumSets != 4 || e.Generation != first.Generation {
		t.Errorf("got sets %v (%d) of generation %d, want %v (4) of %d", e.Sets, e.NumSets, e.Generation, want, first.Generation)
	}
	if err := v.Mark(h, store.Marker{Kind: store.Object}); err == nil {
		t.Errorf("a marker of kind Object: got no error")
	}
	born := v.Seq()
	v.Purge(store.Purge{Key: []byte("p")})
	if err := v.Mark(h, store.Marker{Kind: store.Variants, Generation: first.Generation, Born: born}); !errors.Is(err, store.ErrPurged) {
		t.Errorf("the generation of before a purge: got %v, want ErrPurged", err)
	}
	absent(t, v, "p")
}

// tally: a marker counts as long as its generation lives.
func tally(t *testing.T, v Volume) {
	h := v.Hash([]byte("p"))
	a, b := interned(t, v, "a"), interned(t, v, "b")
	mark := func(s store.Set, generation uint32) {
		t.Helper()
		mk := store.Marker{Kind: store.Variants, Sets: [4]store.Set{s}, NumSets: 1, Generation: generation, Born: v.Seq()}
		if err := v.Mark(h, mk); err != nil {
			t.Fatal(err)
		}
	}
	want := func(generation uint32, n int) {
		t.Helper()
		if got := v.Tally(h, generation); got != n {
			t.Errorf("Tally of generation %d: got %d, want %d", generation, got, n)
		}
	}
	want(1, 0)
	mark(a, 1)
	want(1, 1)
	want(2, 0)
	mark(b, 0) // joins
	want(1, 2)
	e := lookup(v, "p")
	if e.Kind != store.Variants || e.Generation != 1 || e.NumSets != 2 || e.Sets[0] != b || e.Sets[1] != a {
		t.Errorf("counted: got kind %d of generation %d with sets %v", e.Kind, e.Generation, e.Sets[:e.NumSets])
	}
	for range 1100 {
		v.Tally(h, 1)
	}
	want(1, 1023)
	mark(a, 2)
	want(2, 1)
	if err := v.Mark(h, store.Marker{Kind: store.HitForMiss, Born: v.Seq()}); err != nil {
		t.Fatal(err)
	}
	want(2, 0)
	item{key: "p", version: 1, size: 1}.put(t, v)
	want(2, 0)
	v.Remove(h, nil)
	absent(t, v, "p")
	want(2, 0)
}

func expiry(t *testing.T, v Volume) {
	h := v.Hash([]byte("p"))
	for _, k := range []store.Kind{store.HitForMiss, store.Variants} {
		if err := v.Mark(h, store.Marker{Kind: k, NumSets: 1, Expires: 1000, Born: v.Seq()}); err != nil {
			t.Fatal(err)
		}
		for now, want := range map[int64]store.Kind{999: k, 1000: store.Nothing, 5000: store.Nothing} {
			var e store.Entry
			v.Lookup(h, []byte("p"), now, &e)
			if e.Kind != want {
				t.Errorf("kind %d that expires at 1000, at %d: got %d, want %d", k, now, e.Kind, want)
			}
		}
	}
	v.Purge(store.Purge{Key: []byte("p")})
	born := v.Seq()
	if err := v.Mark(h, store.Marker{Kind: store.HitForMiss, Born: born}); err != nil {
		t.Fatal(err)
	}
	if got := kind(v, "p"); got != store.HitForMiss {
		t.Errorf("without expiry: got kind %d, want HitForMiss", got)
	}
	if _, n := v.Purge(store.Purge{Key: []byte("p")}); n != 1 || kind(v, "p") != store.Nothing {
		t.Errorf("purged: got count %d and kind %d, want 1 and Nothing", n, kind(v, "p"))
	}
}
