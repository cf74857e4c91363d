package edge

import (
	"fmt"
	"strings"
	"testing"

	"opencache/internal/config"
)

// TestUnlimited: zones for which a volume has no account are counted as long
// as they are there, also after a reload that says the same, and told of.
func TestUnlimited(t *testing.T) {
	const sites = 4200
	volume := newVolume(t)
	compiler := Compiler{Volumes: []Volume{volume}}
	limit := config.Size(1 << 20)
	compile := func(n int) *Plan {
		var docs []*config.Site
		for i := range n {
			docs = append(docs, &config.Site{ID: fmt.Sprint("s", i), Hostnames: []string{fmt.Sprint(i, ".test")},
				Routes: []config.Route{{Location: "/", Kind: "fixed", Fixed: &config.Fixed{}}},
				Cache:  config.SiteCache{Zones: []config.CacheZone{{Name: "z", MaxSize: &limit}}}})
		}
		plan, faults := compiler.Compile(nil, nil, docs)
		if len(faults) > 0 {
			t.Fatal(faults[0])
		}
		return plan
	}
	e, err := New(Options{Plan: compile(sites), Volumes: compiler.Volumes})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := e.Use(compile(sites))
		if n := e.Unlimited(); n != sites-4095 || err == nil || !strings.Contains(err.Error(), "no limit of its own; and 104 more like it") {
			t.Errorf("got %d, %v; want %d", n, err, sites-4095)
		}
	}
	if err := e.Use(compile(0)); err != nil || e.Unlimited() != 0 {
		t.Errorf("got %d, %v; want none", e.Unlimited(), err)
	}
}
