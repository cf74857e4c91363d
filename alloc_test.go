//go:build !race

package opencache

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// What a hit of a Transport allocates: the Response and what it consists of.
// docs/library.md has the number.
func TestTransportHitAllocs(t *testing.T) {
	rt := newTransport(t, &asked{HandlerFunc: answers("Cache-Control: max-age=60\nETag: \"a\"\nServer: x", strings.Repeat("x", 1024))})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
	hit := func() {
		resp, err := rt.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	hit()
	if got := testing.AllocsPerRun(1000, hit); got > 16 {
		t.Errorf("got %v allocations per hit, want at most 16", got)
	} else {
		t.Logf("%v allocations per hit", got)
	}
}

func BenchmarkTransportHit(b *testing.B) {
	rt := newTransport(b, &asked{HandlerFunc: answers("Cache-Control: max-age=60\nETag: \"a\"\nServer: x", strings.Repeat("x", 1024))})
	r, _ := http.NewRequestWithContext(b.Context(), "GET", "http://a.test/", nil)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := rt.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
