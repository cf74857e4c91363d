package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"opencache/internal/store"
)

func putAndGet(t *testing.T, v Volume) {
	for _, size := range []int{0, 1, 7, 1 << 10, 4095, store.WholeMax - 1, store.WholeMax, store.WholeMax + 1, 1 << 30} {
		i := item{key: fmt.Sprintf("https://example.com/%d", size), version: uint64(size) + 1, size: size}
		absent(t, v, i.key)
		i.put(t, v)
		i.has(t, v)
	}
	if got := objects(v); got != 9 {
		t.Errorf("got %d objects, want 9", got)
	}
	r := item{key: "picked", size: 3}.record(v, 0)
	if err := v.Put(r); err != nil {
		t.Fatal(err)
	}
	e := lookup(v, "picked")
	defer e.Release()
	if e.Version == 0 {
		t.Errorf("got version 0, want one picked at random")
	}
	if a, b := v.Version(), v.Version(); a == b || a == 0 {
		t.Errorf("got versions %d and %d, want two that differ", a, b)
	}
}

func bounds(t *testing.T, v Volume) {
	for _, test := range []struct {
		name             string
		key, meta, body  int
		size             int64
		want             error
		wantAnotherError bool
	}{
		{name: "all the most", key: store.KeyMax, meta: store.MetaMax, body: store.WholeMax, size: store.WholeMax},
		{name: "key", key: store.KeyMax + 1, want: store.ErrTooLarge},
		{name: "meta", key: 1, meta: store.MetaMax + 1, want: store.ErrTooLarge},
		{name: "body", key: 1, body: store.WholeMax + 1, size: store.WholeMax + 1, want: store.ErrTooLarge},
		{name: "body missing", key: 1, size: 5, wantAnotherError: true},
		{name: "body of a large one", key: 1, body: 5, size: store.WholeMax + 1, wantAnotherError: true},
		{name: "negative", key: 1, size: -1, wantAnotherError: true},
	} {
		r := &store.Record{
			Hash: v.Hash(make([]byte, test.key)), Key: make([]byte, test.key), Meta: make([]byte, test.meta),
			Body: [][]byte{make([]byte, test.body)}, Size: test.size,
		}
		err := v.Put(r)
		if test.wantAnotherError {
			if err == nil {
				t.Errorf("%s: got no error", test.name)
			}
			continue
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v, want %v", test.name, err, test.want)
		}
	}
}

func supersede(t *testing.T, v Volume) {
	v.Purge(store.Purge{Key: []byte("unrelated")})
	old := item{key: "k", version: 1, size: 100}
	was := old.record(v, 0)
	old.put(t, v)
	pinned := old.want(t, v)
	defer pinned.Release()
	v.Purge(store.Purge{Key: []byte("unrelated")})
	young := item{key: "k", version: 2, size: 3000}
	young.put(t, v)
	young.has(t, v)
	old.check(t, &pinned)
	if err := v.Put(was); !errors.Is(err, store.ErrOlder) {
		t.Errorf("Put of an older one: got %v, want ErrOlder", err)
	}
	young.has(t, v)
	again := item{key: "k", version: 3, size: 10}
	again.put(t, v)
	again.has(t, v)
	if got := objects(v); got != 1 {
		t.Errorf("got %d objects, want 1", got)
	}
}

func wrongKey(t *testing.T, v Volume) {
	i := item{key: "one", version: 1, size: 10}
	i.put(t, v)
	h := v.Hash([]byte("one"))
	if h != v.Hash([]byte("one")) || h == v.Hash([]byte("two")) {
		t.Fatalf("Hash is not a function of the key alone")
	}
	var e store.Entry
	v.Lookup(h, []byte("two"), 0, &e)
	if e.Kind != store.Nothing {
		t.Errorf("another key under the same hash: got kind %d, want Nothing", e.Kind)
	}
	r := item{key: "two", version: 2, size: 20}.record(v, 0)
	r.Hash = h
	if err := v.Put(r); err != nil {
		t.Fatal(err)
	}
	absent(t, v, "one")
	v.Remove(h, []byte("one"))
	v.Lookup(h, []byte("two"), 0, &e)
	defer e.Release()
	if e.Kind != store.Object {
		t.Errorf("the other key: got kind %d, want Object", e.Kind)
	}
}

func freshen(t *testing.T, v Volume) {
	for _, size := range []int{500, store.WholeMax + 1} {
		i := item{key: fmt.Sprint("fresh ", size), version: 7, size: size}
		h := v.Hash([]byte(i.key))
		born := v.Seq()
		i.put(t, v)
		old := i.want(t, v)
		v.Purge(store.Purge{Key: []byte("unrelated")})
		validated := v.Seq()
		if err := v.Freshen(h, []byte(i.key), 7, []byte("new head"), validated); err != nil {
			t.Fatalf("Freshen of %d bytes: %v", size, err)
		}
		i.check(t, &old)
		old.Release()
		e := lookup(v, i.key)
		if string(e.Meta) != "new head" || e.Version != 7 || e.Born != born || e.Validated != validated {
			t.Errorf("%d bytes: got %q version %d born %d validated %d, want %q 7 %d %d",
				size, e.Meta, e.Version, e.Born, e.Validated, "new head", born, validated)
		}
		if at := wrong(e.Body.Mem, i.seed()); at >= 0 || e.Size != int64(size) {
			t.Errorf("%d bytes: got %d, different at %d", size, e.Size, at)
		}
		e.Release()
		for _, test := range []struct {
			name    string
			key     string
			version uint64
			seq     store.Seq
			want    error
		}{
			{"another version", i.key, 8, validated, store.ErrGone},
			{"no such key", "nobody", 7, validated, store.ErrGone},
			{"validated before", i.key, 7, validated - 1, store.ErrOlder},
		} {
			if err := v.Freshen(v.Hash([]byte(test.key)), []byte(test.key), test.version, nil, test.seq); !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, err, test.want)
			}
		}
		v.Remove(h, []byte(i.key))
		if err := v.Freshen(h, []byte(i.key), 7, nil, validated); !errors.Is(err, store.ErrGone) {
			t.Errorf("removed: got %v, want ErrGone", err)
		}
	}
}

func segments(t *testing.T, v Volume) {
	size := v.SegmentSize()
	if size <= 0 || size > store.SegmentSize {
		t.Fatalf("got segments of %d bytes, want 1 to %d", size, store.SegmentSize)
	}
	version := v.Version()
	for n, bytes := range []int{size, size, 1234} {
		b := item{key: fmt.Sprint(n), version: version, size: bytes}.body()
		if err := v.PutSegment(version, n, 0, [][]byte{b[:100], b[100:]}); err != nil {
			t.Fatalf("segment %d: %v", n, err)
		}
	}
	for n, bytes := range []int{size, size, 1234} {
		s, ok := v.Segment(version, n, 0, v.SegmentSize())
		if !ok || s.N != bytes {
			t.Fatalf("segment %d: got %v and %d bytes, want %d", n, ok, s.N, bytes)
		}
		if at := wrong(s.Mem, item{key: fmt.Sprint(n), version: version}.seed()); at >= 0 {
			t.Errorf("segment %d: differs at %d", n, at)
		}
		s.Release()
	}
	if _, ok := v.Segment(version, 3, 0, v.SegmentSize()); ok || v.Has(version, 3) || !v.Has(version, 2) {
		t.Errorf("segment 3: got one, or none for 2; want 2 but not 3")
	}
	segmentParts(t, v, version)
	if _, ok := v.Segment(version+1, 0, 0, v.SegmentSize()); ok {
		t.Errorf("another version: got a segment, want none")
	}
	if err := v.PutSegment(version, 4, 0, [][]byte{make([]byte, size+1)}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("segment of %d bytes: got %v, want ErrTooLarge", size+1, err)
	}
	if st := total(v); st.Segments != 3 || st.Objects != 0 {
		t.Errorf("got %d segments and %d objects, want 3 and 0", st.Segments, st.Objects)
	}
}

// segmentParts reads parts of segment 2, of 1,234 bytes.
func segmentParts(t *testing.T, v Volume, version uint64) {
	t.Helper()
	whole := item{key: "2", version: version, size: 1234}.body()
	for _, test := range []struct{ off, size, want int }{
		{0, 1, 1}, {0, 1234, 1234}, {0, 1235, 1234}, {1000, 100, 100}, {1233, 9, 1},
		{1234, 1, 0}, {1235, 1, 0}, {0, 0, 0}, {0, -1, 0}, {-1, 9, 0},
	} {
		s, ok := v.Segment(version, 2, test.off, test.size)
		if s.N != test.want || ok != (test.want > 0) {
			t.Errorf("%d bytes at %d of 1234: got %d, %v, want %d", test.size, test.off, s.N, ok, test.want)
		} else if ok && !bytes.Equal(s.Mem, whole[test.off:][:test.want]) {
			t.Errorf("%d bytes at %d of 1234: got other bytes", test.size, test.off)
		}
		s.Release()
	}
}

func remove(t *testing.T, v Volume) {
	i := item{key: "k", version: 1, size: 100}
	i.put(t, v)
	v.Remove(v.Hash([]byte("other")), []byte("other"))
	i.has(t, v)
	v.Remove(v.Hash([]byte("k")), []byte("k"))
	absent(t, v, "k")
	if st := total(v); st.Objects != 0 || st.Live != 0 {
		t.Errorf("got %d objects and %d live bytes, want none", st.Objects, st.Live)
	}
}

func quota(t *testing.T, v Volume) {
	site, other := v.Site([]byte("a.example")), v.Site([]byte("b.example"))
	if site == other || site == 0 {
		t.Fatalf("got sites %d and %d, want two that differ", site, other)
	}
	if err := v.SetShare(site, 0, 100<<10); err != nil {
		t.Fatal(err)
	}
	const others = 20
	for n := range others {
		if err := v.Put(item{key: fmt.Sprint("other", n), version: 1, size: 10 << 10}.record(v, other)); err != nil {
			t.Fatal(err)
		}
	}
	before := tiers(v)
	for n := range 100 {
		key := fmt.Sprint("q", n)
		if err := v.Put(item{key: key, version: 1, size: 10 << 10}.record(v, site)); err != nil {
			t.Fatalf("%s: %v, want room made for it", key, err)
		}
		for n, st := range tiers(v) {
			if live := st.Live - before[n].Live; live > 100<<10 || kind(v, key) != store.Object {
				t.Fatalf("%s: got %d live bytes and kind %d, want at most %d and an object", key, live, kind(v, key), 100<<10)
			}
		}
	}
	if st := total(v); st.Lost[store.OverLimit] < 91 || st.Lost[store.OverLimit] > 95 && len(tiers(v)) == 1 {
		t.Errorf("got %d that fell for others of their site, want 91 to 95", st.Lost[store.OverLimit])
	}
	if err := v.PutSegment(1, 0, site, [][]byte{make([]byte, 30<<10)}); err != nil {
		t.Errorf("segment: %v, want room made for it", err)
	}
	live := total(v).Live
	if err := v.PutSegment(1, 1, site, [][]byte{make([]byte, 100<<10+1)}); !errors.Is(err, store.ErrQuota) {
		t.Errorf("a segment above the limit: got %v, want ErrQuota", err)
	}
	if now := total(v).Live; now != live {
		t.Errorf("what can not be admitted cost %d bytes of others", live-now)
	}
	for n := range others {
		if kind(v, fmt.Sprint("other", n)) != store.Object {
			t.Errorf("other%d is gone for a record of another site", n)
		}
	}
}

// share: records of a site above its share are not kept when the others are.
func share(t *testing.T, v Volume) {
	greedy, modest := v.Site([]byte("greedy")), v.Site([]byte("modest"))
	for _, site := range []uint64{greedy, modest} {
		limit := int64(0)
		if site == greedy {
			limit = 1
		}
		if err := v.SetShare(site, limit, 0); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, site uint64, n int) {
		if err := v.Put(item{key: fmt.Sprint(name, n), version: 1, size: 8 << 10}.record(v, site)); err != nil {
			t.Fatal(err)
		}
	}
	left := func(name string) (n int) {
		for i := range 50 {
			if kind(v, fmt.Sprint(name, i)) == store.Object {
				n++
			}
		}
		return n
	}
	for n := range 50 {
		put("greedy", greedy, n)
		put("modest", modest, n)
	}
	for round := range 4 {
		left("greedy")
		left("modest")
		churn(t, v, fmt.Sprint("share", round), total(v).Capacity/2)
	}
	if g, m := left("greedy"), left("modest"); g != 0 || m != 50 {
		t.Errorf("got %d records left of the site above its share and %d of the other, want 0 and 50", g, m)
	}
	if total(v).Lost[store.OverShare] == 0 {
		t.Errorf("got none lost by share")
	}
}
