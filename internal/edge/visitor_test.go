package edge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// An id is the same whether it is remembered or made anew, also of clients that
// share a place, and of those with a User-Agent too long to be remembered.
func TestVisitorsRemembered(t *testing.T) {
	key := []byte("a key")
	p := newVisitors(key)
	for range 3 {
		for i := range 300 {
			from := netip.AddrFrom4([4]byte{192, 0, byte(i >> 6), byte(i % 64)})
			for _, agent := range []string{"", "a", "b", strings.Repeat("x", 191+i%4), fmt.Sprint("agent ", i)} {
				got := string(p.appendID(nil, from, []byte(agent)))
				if want := string(newVisitors(key).appendID(nil, from, []byte(agent))); got != want {
					t.Fatalf("%s, %q: got %s, want %s", from, agent, got, want)
				}
			}
		}
	}
	if got := p.appendID(nil, netip.Addr{}, nil); len(got) != 32 {
		t.Errorf("nobody's address: got %q, want 32 digits", got)
	}
}
