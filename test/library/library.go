// Package library holds opencache.Transport against other caches for
// http.Client: what each does in a number of cases (Checks), how many hits a
// second and how much memory each takes. It is a module of its own, so that
// what it compares with is nothing that opencache needs.
//
//	go test -v -run TestChecks .
//	SPEED=1 go test -v -run TestSpeed .
package library

import (
	"net/http"
	"testing"

	bartventer "github.com/bartventer/httpcache"
	_ "github.com/bartventer/httpcache/store/memcache" // what its memcache:// means
	gregjones "github.com/gregjones/httpcache"
	sandrolain "github.com/sandrolain/httpcache"

	"opencache"
)

// A Cache is a cache to be compared.
type Cache struct {
	Name string
	// New returns an empty one in front of base, for the duration of a test.
	New func(t testing.TB, base http.RoundTripper) http.RoundTripper
	// Vary is added to responses that have none; "": nothing is. Version
	// 0.9.0 of bartventer/httpcache stores the index of a URL over the
	// response when that has no Vary, and finds neither again.
	Vary string
}

// Caches returns all of them, this project's first.
func Caches() []Cache {
	return []Cache{
		{Name: "opencache", New: func(t testing.TB, base http.RoundTripper) http.RoundTripper {
			store, err := opencache.Memory(64 << 20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
			return &opencache.Transport{Base: base, Policy: opencache.Policy{Store: store}}
		}},
		{Name: "gregjones", New: func(_ testing.TB, base http.RoundTripper) http.RoundTripper {
			return &gregjones.Transport{Transport: base, Cache: gregjones.NewMemoryCache(), MarkCachedResponses: true}
		}},
		{Name: "sandrolain", New: func(_ testing.TB, base http.RoundTripper) http.RoundTripper {
			rt := sandrolain.NewTransport(sandrolain.NewMemoryCache())
			rt.Transport, rt.EnableVarySeparation, rt.DisableWarningHeader = base, true, true // as its documentation has it for RFC 9111
			return rt
		}},
		{Name: "bartventer", Vary: "X-Absent", New: func(_ testing.TB, base http.RoundTripper) http.RoundTripper {
			return bartventer.NewTransport("memcache://", bartventer.WithUpstream(base))
		}},
	}
}
