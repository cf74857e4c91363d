package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"opencache/internal/store"
)

// tagged is the record of i with tags in a site.
func (i item) tagged(v Volume, site string, tags ...string) *store.Record {
	r := i.record(v, v.Site([]byte(site)))
	for _, tag := range tags {
		r.Tags = append(r.Tags, v.Tag(r.Site, []byte(tag)))
	}
	return r
}

// purgeTags: purges by tag hit what has one of the tags, in its site, and
// whatever was fetched before.
func purgeTags(t *testing.T, v Volume) {
	records := []struct {
		key, site string
		tags      []string
	}{
		{"none", "x", nil}, {"a", "x", []string{"a"}}, {"ab", "x", []string{"a", "b"}}, {"c", "x", []string{"c"}}, {"other", "y", []string{"a", "c"}},
	}
	x := v.Site([]byte("x"))
	tags := func(names ...string) (all []uint64) {
		for _, n := range names {
			all = append(all, v.Tag(x, []byte(n)))
		}
		return all
	}
	for _, test := range []struct {
		tags []string
		hit  []string
	}{
		{[]string{"a"}, []string{"a", "ab"}},
		{[]string{"b"}, []string{"ab"}},
		{[]string{"b", "c"}, []string{"ab", "c"}},
		{[]string{"d"}, nil},
	} {
		for _, soft := range []bool{false, true} {
			for _, seen := range []bool{false, true} { // by a lookup before the purge
				v.Purge(store.Purge{All: true})
				early := v.Seq()
				for _, r := range records {
					i := item{key: r.key, version: 1, size: 100}
					if err := v.Put(i.tagged(v, r.site, r.tags...)); err != nil {
						t.Fatalf("Put(%s): %v", r.key, err)
					}
					if seen {
						i.has(t, v)
					}
				}
				if _, n := v.Purge(store.Purge{Tags: tags(test.tags...), Site: x, Soft: soft}); n != store.Unknown {
					t.Errorf("tags %q: got count %d, want Unknown", test.tags, n)
				}
				for twice := range 2 {
					for _, r := range records {
						hit := slices.Contains(test.hit, r.key)
						e := lookup(v, r.key)
						if gone := e.Kind != store.Object; gone != (hit && !soft) || e.Soft != (hit && soft) {
							t.Errorf("tags %q, soft %v, seen %v, look %d: %s: got kind %d soft %v, want hit %v",
								test.tags, soft, seen, twice, r.key, e.Kind, e.Soft, hit)
						}
						e.Release()
					}
				}
				// What was asked for before the purge is hit too, what comes later is not.
				late := item{key: "late", version: 1, size: 10}
				r := late.tagged(v, "x", test.tags[0])
				r.Born, r.Validated = early, early
				err := v.Put(r)
				e := lookup(v, "late")
				if soft && (err != nil || !e.Soft) || !soft && !errors.Is(err, store.ErrPurged) {
					t.Errorf("tags %q, soft %v: a fetch of before the purge: got %v, soft %v", test.tags, soft, err, e.Soft)
				}
				e.Release()
				if err := v.Put(late.tagged(v, "x", test.tags[0])); err != nil {
					t.Errorf("tags %q: a fetch of after the purge: %v", test.tags, err)
				}
				late.has(t, v)
			}
		}
	}
	tagsKept(t, v)
}

// tagsKept: a validation keeps the tags, and AppendTags tells them.
func tagsKept(t *testing.T, v Volume) {
	i := item{key: "k", version: 1, size: 10}
	r := i.tagged(v, "x", "a", "b")
	if err := v.Put(r); err != nil {
		t.Fatal(err)
	}
	if err := v.Freshen(r.Hash, r.Key, 1, i.meta(), v.Seq()); err != nil {
		t.Fatal(err)
	}
	i.has(t, v)
	if got := v.AppendTags([]uint64{7}, r.Hash, r.Key); !slices.Equal(got, append([]uint64{7}, r.Tags...)) {
		t.Errorf("behind a validation: got tags %v, want 7 and %v", got, r.Tags)
	}
	if got := v.AppendTags(nil, v.Hash([]byte("none")), []byte("none")); got != nil {
		t.Errorf("of nothing: got tags %v", got)
	}
	churn(t, v, "tags", total(v).Capacity/2)
	v.Purge(store.Purge{Tags: r.Tags[1:]})
	absent(t, v, "k")
	r = i.tagged(v, "x", slices.Repeat([]string{"a"}, store.TagsMax)...)
	if err := v.Put(r); err != nil {
		t.Errorf("%d tags: %v", len(r.Tags), err)
	}
	i.has(t, v)
	r.Tags = append(r.Tags, 1)
	if err := v.Put(r); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("%d tags: got %v, want ErrTooLarge", len(r.Tags), err)
	}
}

// purgeTagsMany: more purges by tag than are remembered one by one bring
// nothing back, and go no further than their site.
func purgeTagsMany(t *testing.T, v Volume) {
	other := item{key: "other", version: 1, size: 10}
	if err := v.Put(other.tagged(v, "y", "0")); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		if err := v.Put((item{key: fmt.Sprint("k", n), version: 1, size: 10}).tagged(v, "x", fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	x := v.Site([]byte("x"))
	for n := range 1500 {
		v.Purge(store.Purge{Tags: []uint64{v.Tag(x, fmt.Append(nil, n))}, Site: x})
	}
	if got := v.Stats().Bans; got > 1000 {
		t.Errorf("got %d purges remembered one by one, want at most 1000", got)
	}
	for n := range 50 {
		absent(t, v, fmt.Sprint("k", n))
	}
	other.has(t, v)
}
