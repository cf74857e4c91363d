package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

// Who asks one URL with ever new values of a varying field pushes out what he
// brought himself, and nothing else.
func TestVariantsOfOneURLLeaveTheRest(t *testing.T) {
	play(t, func(t *testing.T) {
		const size, rest, attack = 8 << 10, 300, 2000
		g := newRigOf(t, 8<<20, func(n int, r *wire.Request) (*wire.Response, error) {
			vary := ""
			if string(r.Path()) == "/attacked" {
				vary = "\r\nVary: Accept-Language"
			}
			return respond("200 OK\r\nCache-Control: max-age=600"+vary, pattern(size)), nil
		})
		defer g.close()
		for range 2 { // once seen, twice wanted
			for n := range rest {
				g.get(fmt.Sprint("/", n))
			}
		}
		for n := range attack {
			g.get("/attacked", fmt.Sprint("Accept-Language: x", n))
		}
		lost := 0
		for n := range rest {
			if got := g.get(fmt.Sprint("/", n)); got.field("X-Cache-Status") != "HIT" {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d other URLs were pushed out", lost, rest)
		}
		kept := 0
		for n := range attack {
			if got := g.get("/attacked", fmt.Sprint("Accept-Language: x", n), "Cache-Control: only-if-cached"); got.reply.Status == 200 {
				kept++
			}
		}
		if kept > maxVariants {
			t.Errorf("%d variants are kept, want at most %d", kept, maxVariants)
		}
		if got := g.e.Stats.Variants.Load(); got < attack-maxVariants {
			t.Errorf("%d variants counted as dropped, want at least %d", got, attack-maxVariants)
		}
	})
}

// Variants that come at the same time are bounded too.
func TestVariantsAtOnce(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			cache := "max-age=600"
			if strings.HasSuffix(string(r.Get(wire.AcceptLanguage)), "7") {
				cache = "no-store"
			}
			return respond("200 OK\r\nVary: Accept-Language\r\nCache-Control: "+cache, "x"), nil
		})
		defer g.close()
		g.pol.MaxVariants = 16
		g.get("/", "Accept-Language: first")
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() { g.get("/", fmt.Sprint("Accept-Language: x", n)) })
		}
		all.Wait()
		kept := 0
		var e store.Entry
		key := []byte("http://origin.test/")
		primary := g.store.Hash(key)
		g.store.Lookup(primary, key, 0, &e)
		if e.Kind != store.Variants {
			t.Fatalf("got kind %d, want a marker of variants", e.Kind)
		}
		set, generation := e.Sets[0], e.Generation
		for n := range 200 {
			var r wire.Request
			r.Add(wire.AcceptLanguage, fmt.Append(nil, "x", n))
			values := appendVaried(nil, g.store.Fields(set), &r)
			g.store.Lookup(g.store.Variant(primary, generation, set, values), variantKey(key, g.store.Fields(set), values), 0, &e)
			if e.Kind != store.Nothing {
				kept++
			}
			e.Release()
		}
		if kept > 16 || kept < 10 {
			t.Errorf("%d variants and markers are kept, want some 16, and no more", kept)
		}
	})
}
