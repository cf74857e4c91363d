package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// budget: whatever goes in, the volume stays as large as it is.
func budget(t *testing.T, v Volume) {
	st := total(v)
	for round := range 6 {
		churn(t, v, fmt.Sprint("budget", round), st.Capacity/2)
		version := v.Version()
		for n := range 3 {
			put := func() error { return v.PutSegment(version, n, 0, [][]byte{make([]byte, v.SegmentSize())}) }
			if err := patiently(v, put); err != nil {
				t.Fatalf("round %d: segment %d: %v", round, n, err)
			}
		}
		now := total(v)
		if now.Capacity != st.Capacity || now.Live > now.Capacity || now.Resident > now.Capacity+now.Overhead {
			t.Errorf("round %d: got %d live and %d resident of %d, want no more than %d and %d",
				round, now.Live, now.Resident, now.Capacity, st.Capacity, st.Capacity+now.Overhead)
		}
		if now.Free+now.Open+now.Sealed+now.Aside > now.Slabs {
			t.Errorf("round %d: got %d free, %d open, %d sealed, %d aside of %d slabs",
				round, now.Free, now.Open, now.Sealed, now.Aside, now.Slabs)
		}
	}
	if total(v).Lost[store.Cold] == 0 {
		t.Errorf("got nothing evicted")
	}
}

// ghost: what comes back soon after it fell out stays longer than strangers.
func ghost(t *testing.T, v Volume) {
	hot := make([]item, 20)
	for n := range hot {
		hot[n] = item{key: fmt.Sprint("hot", n), version: 1, size: 10 << 10}
		hot[n].put(t, v)
	}
	capacity := total(v).Capacity
	churn(t, v, "out", capacity)
	for _, i := range hot {
		absent(t, v, i.key)
		i.put(t, v)
	}
	if got := total(v).GhostHits; got < 18 {
		t.Errorf("got %d ghost hits, want most of %d", got, len(hot))
	}
	churn(t, v, "through", capacity/2)
	for _, i := range hot[:10] {
		i.has(t, v)
	}
}

// pinned: bytes that are lent do not change while all around them is evicted.
func pinned(t *testing.T, v Volume) {
	var items []item
	var lent []store.Entry
	var large []wire.Span
	capacity := total(v).Capacity
	for n := range 12 {
		i := item{key: fmt.Sprint("pinned", n), version: uint64(n + 1), size: 1000 + 5000*n}
		i.put(t, v)
		items = append(items, i)
		lent = append(lent, i.want(t, v))
	}
	version := v.Version()
	seed := item{key: "large", version: version}
	if err := v.PutSegment(version, 0, 0, [][]byte{item{key: "large", version: version, size: v.SegmentSize()}.body()}); err != nil {
		t.Fatal(err)
	}
	if s, ok := v.Segment(version, 0, 0, v.SegmentSize()); ok {
		large = append(large, s)
	}
	churn(t, v, "around", 4*capacity)
	if total(v).Aside == 0 && len(v.Stats().Disks) == 0 { // what a disk lends of records is copies
		t.Errorf("got no slab set aside, want those that are pinned")
	}
	for n := range lent {
		items[n].check(t, &lent[n])
		if n%2 == 0 {
			lent[n].Body.Release() // the pin went with the Body
			lent[n] = store.Entry{}
		}
		lent[n].Release()
	}
	for _, s := range large {
		if at := wrong(s.Mem, seed.seed()); at >= 0 {
			t.Errorf("segment: differs at %d", at)
		}
		s.Release()
	}
	churn(t, v, "after", capacity)
	if st := total(v); st.Aside != 0 || st.Pins != 0 {
		t.Errorf("after the last release: got %d slabs aside and %d pins, want none", st.Aside, st.Pins)
	}
}

// lendAll puts segments until every slab's bytes may be lent, and borrows one
// of each.
func lendAll(t *testing.T, v Volume, slabs int) (spans []wire.Span) {
	t.Helper()
	version := v.Version()
	for n := range slabs {
		err := v.PutSegment(version, n, 0, [][]byte{make([]byte, v.SegmentSize())})
		if errors.Is(err, store.ErrFull) {
			return spans
		}
		if err != nil {
			t.Fatalf("segment %d: %v", n, err)
		}
		if s, ok := v.Segment(version, n, 0, v.SegmentSize()); ok {
			spans = append(spans, s)
		}
	}
	return spans
}

// pressure: borrowers of victims are asked to leave, and when there are too
// many those that are in the way longest to yield.
func pressure(t *testing.T, v Volume) {
	slabs := total(v).Slabs
	spans := lendAll(t, v, slabs/2)
	if got := spans[0].Owner.Pressure(); got != wire.Keep {
		t.Errorf("in nobody's way: got pressure %d, want Keep", got)
	}
	capacity := total(v).Capacity
	churn(t, v, "press", capacity)
	var asked [3]int
	for _, s := range spans {
		asked[s.Owner.Pressure()]++
	}
	st := total(v)
	tenth := max(slabs/10, 1)
	if asked[wire.Leave] == 0 || asked[wire.Yield] != st.Aside-tenth || asked[wire.Leave] != tenth {
		t.Errorf("got %d to leave and %d to yield with %d of %d slabs aside, want %d and %d",
			asked[wire.Leave], asked[wire.Yield], st.Aside, slabs, tenth, st.Aside-tenth)
	}
	left := spans[:0]
	for _, s := range spans {
		if s.Owner.Pressure() == wire.Yield {
			s.Release()
		} else {
			left = append(left, s)
		}
	}
	churn(t, v, "yielded", capacity/16)
	for _, s := range left {
		s.Release()
	}
	churn(t, v, "free", capacity)
	if st := total(v); st.Aside != 0 {
		t.Errorf("got %d slabs aside, want none", st.Aside)
	}
}

// full: when everything is lent nothing is overwritten; it is refused. A disk
// lends copies when its buffers have room, and then takes more for as long as
// it has slabs that are not lent; what it took is whole.
func full(t *testing.T, v Volume) {
	const most, size = 10000, 8 << 10
	spans := lendAll(t, v, 2*total(v).Slabs)
	var err error
	taken := 0
	for ; taken < most; taken++ {
		if err = v.Put(item{key: fmt.Sprint("more", taken), version: 1, size: size}.record(v, 0)); err != nil {
			break
		}
	}
	st, disks := total(v), len(v.Stats().Disks) > 0
	switch {
	case err != nil && !errors.Is(err, store.ErrFull), err == nil && !disks:
		t.Errorf("got %v, want ErrFull", err)
	case err == nil && st.Lent >= st.Slabs:
		t.Errorf("got no error though %d of %d slabs are lent", st.Lent, st.Slabs)
	case st.Pins < int64(len(spans)): // the volume itself may be at one more
		t.Errorf("got %d pins for %d spans", st.Pins, len(spans))
	}
	there := 0
	for n := range taken {
		i := item{key: fmt.Sprint("more", n), version: 1, size: size}
		if e := lookup(v, i.key); e.Kind == store.Object {
			i.check(t, &e)
			e.Release()
			there++
		}
	}
	if room := (int64(st.Slabs) * int64(st.SlabSize)) / size; int64(there) > room || taken > 0 && there == 0 {
		t.Errorf("got %d of %d that were taken, room for %d", there, taken, room)
	}
	b := make([]byte, v.SegmentSize())
	for n, s := range spans {
		if err := s.Copy(b[:s.N]); err != nil || len(bytes.Trim(b[:s.N], "\x00")) != 0 {
			t.Errorf("span %d: got error %v or other bytes than were lent", n, err)
		}
		s.Release()
	}
	item{key: "again", version: 1, size: 100}.put(t, v)
}
