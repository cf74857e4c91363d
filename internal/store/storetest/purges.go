package storetest

import (
	"errors"
	"fmt"
	"testing"

	"opencache/internal/store"
)

func purgeKey(t *testing.T, v Volume) {
	a, b := item{key: "a", version: 1, size: 10}, item{key: "b", version: 1, size: 10}
	a.put(t, v)
	b.put(t, v)
	before := v.Seq()
	seq, n := v.Purge(store.Purge{Key: []byte("a")})
	if n != 1 || seq <= before || seq != v.Seq() {
		t.Errorf("got sequence %d after %d and count %d, want a higher one and 1", seq, before, n)
	}
	absent(t, v, "a")
	b.has(t, v)
	if _, n := v.Purge(store.Purge{Key: []byte("a"), Hash: v.Hash([]byte("a"))}); n != 0 {
		t.Errorf("once more: got count %d, want 0", n)
	}
	a.put(t, v)
	a.has(t, v)
}

// places are records at which purges of all kinds are aimed.
var places = []struct{ site, key string }{
	{"x", "x/a/1"}, {"x", "x/a/2"}, {"x", "x/b/1"}, {"y", "y/a/1"}, {"y", "x/a/odd"},
}

func putPlaces(t *testing.T, v Volume) {
	for n, p := range places {
		i := item{key: p.key, version: uint64(n + 1), size: 50}
		if err := v.Put(i.record(v, v.Site([]byte(p.site)))); err != nil {
			t.Fatalf("Put(%s): %v", p.key, err)
		}
	}
}

func regular(t *testing.T, expr string, slash int) *store.Pattern {
	t.Helper()
	p, err := store.NewPattern(expr, slash)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// purgePattern: a pattern sees the primary key of a variant, and not what goes
// on behind it.
func purgePattern(t *testing.T, v Volume) {
	for _, test := range []struct {
		expr string
		hit  bool
	}{{"/p$", true}, {"gzip", false}, {"^x/", true}, {"x/p.", false}} {
		i := item{key: "x/p\x00gzip", version: 1, size: 10}
		i.put(t, v)
		v.Purge(store.Purge{Pattern: regular(t, test.expr, 0)})
		e := lookup(v, i.key)
		if got := e.Kind == store.Nothing; got != test.hit {
			t.Errorf("%s: got hit %v, want %v", test.expr, got, test.hit)
		}
		e.Release()
	}
}

// purgeCounts: how many objects a purge hit is told in the end, though nobody
// looks them up; once, though they may be in two tiers.
func purgeCounts(t *testing.T, v Volume) {
	x := v.Site([]byte("x"))
	for _, test := range []struct {
		name  string
		purge store.Purge
		count int64
	}{
		{"key", store.Purge{Key: []byte("k1")}, 1},
		{"no key", store.Purge{Key: []byte("none")}, 0},
		{"tag", store.Purge{Tags: []uint64{v.Tag(x, []byte("3"))}, Site: x}, 100},
		{"no tag", store.Purge{Tags: []uint64{v.Tag(x, []byte("none"))}}, 0},
		{"prefix", store.Purge{Prefix: []byte("k99")}, 11},
		{"pattern", store.Purge{Pattern: regular(t, "k[0-9]$", 0)}, 10},
		{"site", store.Purge{Site: x}, 1000},
		{"all", store.Purge{All: true}, 1000},
	} {
		for _, soft := range []bool{false, true} {
			v.Purge(store.Purge{All: true})
			for n := range 1000 {
				r := item{key: fmt.Sprint("k", n), version: 1, size: 10}.tagged(v, "x", fmt.Sprint(n%10))
				if err := patiently(v, func() error { return v.Put(r) }); err != nil {
					t.Fatal(err)
				}
			}
			c := store.NewCount()
			test.purge.Soft, test.purge.Count = soft, c
			v.Purge(test.purge)
			<-c.Done()
			if n, exact := c.Hits(); n != test.count || !exact {
				t.Errorf("%s, soft %v: got count %d, exact %v, want %d, exact", test.name, soft, n, exact, test.count)
			}
		}
	}
}

func purgeKinds(t *testing.T, v Volume) {
	x := v.Site([]byte("x"))
	for _, test := range []struct {
		name  string
		purge store.Purge
		left  [5]bool
		count int
	}{
		{"all", store.Purge{All: true}, [5]bool{}, 5},
		{"site", store.Purge{Site: x}, [5]bool{3: true, 4: true}, store.Unknown},
		{"prefix", store.Purge{Prefix: []byte("x/a/")}, [5]bool{2: true, 3: true}, store.Unknown},
		{"prefix in a site", store.Purge{Prefix: []byte("x/a/"), Site: x}, [5]bool{2: true, 3: true, 4: true}, store.Unknown},
		{"pattern", store.Purge{Pattern: regular(t, "^/a/[0-9]", 1)}, [5]bool{2: true, 4: true}, store.Unknown},
		{"pattern on whole keys in a site", store.Purge{Pattern: regular(t, "^x/a|odd$", 0), Site: x}, [5]bool{2: true, 3: true, 4: true}, store.Unknown},
		{"within", store.Purge{Within: []byte("a/1")}, [5]bool{1: true, 2: true, 4: true}, store.Unknown},
		{"nothing", store.Purge{}, [5]bool{true, true, true, true, true}, 0},
	} {
		for _, soft := range []bool{true, false} {
			v.Purge(store.Purge{All: true})
			putPlaces(t, v)
			test.purge.Soft = soft
			if _, n := v.Purge(test.purge); n != test.count {
				t.Errorf("%s, soft %v: got count %d, want %d", test.name, soft, n, test.count)
			}
			for twice := range 2 {
				for i, p := range places {
					e := lookup(v, p.key)
					left := e.Kind == store.Object && !e.Soft
					if left != test.left[i] || e.Soft != (soft && !test.left[i]) {
						t.Errorf("%s, soft %v, look %d: %s: got kind %d soft %v, want left %v",
							test.name, soft, twice, p.key, e.Kind, e.Soft, test.left[i])
					}
					e.Release()
				}
			}
			putPlaces(t, v)
			for _, p := range places {
				if e := lookup(v, p.key); e.Kind != store.Object || e.Soft {
					t.Errorf("%s, soft %v: %s put again: got kind %d soft %v", test.name, soft, p.key, e.Kind, e.Soft)
				} else {
					e.Release()
				}
			}
		}
	}
}

// told: Purged tells of a purge until it is asked about what came after it.
func told(t *testing.T, v Volume, name string, p store.Purge) {
	for _, p.Soft = range []bool{false, true} {
		before := v.Seq()
		v.Purge(store.Purge{Key: []byte("y/a")})
		now, got := v.Purged([]byte("x/a"), v.Site([]byte("x")), before)
		if got || now != v.Seq() {
			t.Errorf("%s, soft %v: a purge of another key: got %d, %v, want %d, false", name, p.Soft, now, got, v.Seq())
		}
		v.Purge(p)
		if _, got := v.Purged([]byte("x/a"), v.Site([]byte("x")), before); !got {
			t.Errorf("%s, soft %v: nothing was purged", name, p.Soft)
		}
		if _, got := v.Purged([]byte("x/a"), v.Site([]byte("x")), v.Seq()); got {
			t.Errorf("%s, soft %v: purged after the purge", name, p.Soft)
		}
	}
}

// purgeRaces: what was fetched before a purge is not stored after it.
func purgeRaces(t *testing.T, v Volume) {
	x := v.Site([]byte("x"))
	for name, p := range map[string]store.Purge{
		"all": {All: true}, "site": {Site: x}, "prefix": {Prefix: []byte("x/")}, "key": {Key: []byte("x/a")},
	} {
		told(t, v, name, p)
		i := item{key: "x/a", version: 1, size: 10}
		r := i.record(v, x)
		v.Purge(p)
		if err := v.Put(r); !errors.Is(err, store.ErrPurged) {
			t.Errorf("%s: Put of what was fetched before: got %v, want ErrPurged", name, err)
		}
		absent(t, v, "x/a")
		if p.Key != nil {
			if err := v.Mark(r.Hash, store.Marker{Kind: store.HitForMiss, Born: r.Born}); !errors.Is(err, store.ErrPurged) {
				t.Errorf("%s: Mark of before: got %v, want ErrPurged", name, err)
			}
		}
		r = i.record(v, x)
		p.Soft = true
		v.Purge(p)
		if err := v.Put(r); err != nil {
			t.Errorf("soft %s: Put of what was fetched before: %v", name, err)
		}
		e := lookup(v, "x/a")
		if e.Kind != store.Object || !e.Soft {
			t.Errorf("soft %s: got kind %d soft %v, want Object true", name, e.Kind, e.Soft)
		}
		e.Release()
		v.Purge(store.Purge{Key: []byte("x/a")})
		r = i.record(v, x)
		i.put(t, v)
		v.Purge(store.Purge{Key: []byte("x/a")})
		if err := v.Freshen(r.Hash, r.Key, 1, nil, v.Seq()); !errors.Is(err, store.ErrGone) {
			t.Errorf("%s: Freshen of what was purged: got %v, want ErrGone", name, err)
		}
	}
}

// purgeSoft: a validation that began after the purge lifts it, one that began
// before does not.
func purgeSoft(t *testing.T, v Volume) {
	for name, p := range map[string]store.Purge{"key": {Key: []byte("k"), Soft: true}, "all": {All: true, Soft: true}} {
		i := item{key: "k", version: 1, size: 10}
		h := v.Hash([]byte("k"))
		i.put(t, v)
		started := v.Seq()
		v.Purge(p)
		for _, test := range []struct {
			validated store.Seq
			soft      bool
		}{{started, true}, {v.Seq(), false}} {
			if err := v.Freshen(h, []byte("k"), 1, i.meta(), test.validated); err != nil {
				t.Fatalf("%s: Freshen: %v", name, err)
			}
			e := i.want(t, v)
			if e.Soft != test.soft {
				t.Errorf("%s: validated at %d: got soft %v, want %v", name, test.validated, e.Soft, test.soft)
			}
			e.Release()
		}
	}
}

func purgeVariants(t *testing.T, v Volume) {
	set := interned(t, v, "accept-encoding")
	gzip, br := item{key: "gzip", version: 1, size: 100}, item{key: "br", version: 2, size: 90}
	h := v.Hash([]byte("p"))
	prepare := func() store.Marker {
		mk := store.Marker{Kind: store.Variants, Sets: [4]store.Set{set}, NumSets: 1, Born: v.Seq()}
		if err := v.Mark(h, mk); err != nil {
			t.Fatal(err)
		}
		e := lookup(v, "p")
		mk.Generation = e.Generation
		variant(t, v, gzip, mk)
		variant(t, v, br, mk)
		return mk
	}
	mk := prepare()
	if _, n := v.Purge(store.Purge{Key: []byte("p"), Soft: true}); n != 1 {
		t.Errorf("soft: got count %d, want 1", n)
	}
	var e store.Entry
	v.Lookup(v.Variant(h, mk.Generation, set, []byte("gzip")), []byte("p\x00gzip"), 0, &e)
	if e.Kind != store.Object || !e.Soft {
		t.Errorf("soft: got kind %d soft %v, want Object true", e.Kind, e.Soft)
	}
	e.Release()
	if _, n := v.Purge(store.Purge{Key: []byte("p")}); n != 1 {
		t.Errorf("hard: got count %d, want 1", n)
	}
	absent(t, v, "p")
	again := prepare()
	if again.Generation == mk.Generation {
		t.Errorf("got generation %d again", mk.Generation)
	}
	v.Purge(store.Purge{Key: []byte("p")})
	mk = store.Marker{Kind: store.Variants, Sets: [4]store.Set{set}, NumSets: 1, Born: v.Seq()}
	if err := v.Mark(h, mk); err != nil {
		t.Fatal(err)
	}
	for _, i := range []item{gzip, br} {
		if got := kindOfVariant(v, i); got != store.Nothing {
			t.Errorf("variant %s of before the purge: got kind %d, want Nothing", i.key, got)
		}
	}
}

// purgeMany: more purges than are remembered one by one bring nothing back.
func purgeMany(t *testing.T, v Volume) {
	const purged = 40
	for n := range purged {
		for _, site := range []string{"s", ""} {
			id := uint64(0)
			if site != "" {
				id = v.Site([]byte(site))
			}
			if err := v.Put(item{key: fmt.Sprintf("%s/old/%d/x", site, n), version: 1, size: 10}.record(v, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range purged {
		v.Purge(store.Purge{Prefix: fmt.Appendf(nil, "s/old/%d/", n), Site: v.Site([]byte("s"))})
		v.Purge(store.Purge{Prefix: fmt.Appendf(nil, "/old/%d/", n)})
	}
	young := item{key: "s/young", version: 1, size: 10}
	if err := v.Put(young.record(v, v.Site([]byte("s")))); err != nil {
		t.Fatal(err)
	}
	most := 0
	for n := range 3000 {
		site := v.Site(fmt.Append(nil, "site", n%1500))
		v.Purge(store.Purge{Prefix: fmt.Append(nil, "n/", n), Site: site, Soft: n%2 == 0})
		if most = max(most, v.Stats().Bans); n%100 == 0 {
			young.has(t, v)
		}
	}
	for n := range purged {
		absent(t, v, fmt.Sprintf("s/old/%d/x", n), fmt.Sprintf("/old/%d/x", n))
	}
	if most > 1000 {
		t.Errorf("got %d purges remembered one by one, want at most 1000", most)
	}
	if e := young.want(t, v); e.Kind == store.Object {
		e.Release()
	}
}

// purgeUnseen: what a purge hit and nobody looked at since is still hit after
// the volume moved it; it is not worth moving when the purge was a hard one.
func purgeUnseen(t *testing.T, v Volume) {
	const records = 20
	for _, prefix := range []string{"hard/", "soft/", "key/"} {
		for n := range records {
			i := item{key: fmt.Sprint(prefix, n), version: 1, size: 5000}
			i.put(t, v)
			i.has(t, v)
			if prefix == "key/" {
				v.Purge(store.Purge{Key: []byte(i.key), Soft: true})
			}
		}
	}
	v.Purge(store.Purge{Prefix: []byte("hard/")})
	v.Purge(store.Purge{Prefix: []byte("soft/"), Soft: true})
	churn(t, v, "move", most(v, func(st *store.Stats) int64 { return st.Capacity })*5/4)
	st := total(v)
	behind := st.Lost[store.Behind] // of a disk that was too slow
	if st.Lost[store.Purged] != records || st.Forwarded+behind < 2*records {
		t.Errorf("got %d dropped as purged, %d copied forward and %d not in time, want %d and at least %d",
			st.Lost[store.Purged], st.Forwarded, behind, records, 2*records)
	}
	gone := 0
	for n := range records {
		absent(t, v, fmt.Sprint("hard/", n))
		for _, prefix := range []string{"soft/", "key/"} {
			i := item{key: fmt.Sprint(prefix, n), version: 1, size: 5000}
			if kind(v, i.key) == store.Nothing {
				gone++
				continue
			}
			e := i.want(t, v)
			if !e.Soft {
				t.Errorf("%s: got soft false after it was moved", i.key)
			}
			e.Release()
		}
	}
	if gone > int(behind) {
		t.Errorf("got %d gone that were hit, want the %d that were not copied in time: %v", gone, behind, st.Lost)
	}
}
