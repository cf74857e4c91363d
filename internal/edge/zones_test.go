package edge

import (
	"fmt"
	"testing"
)

// TestZoneOnByName: where a key lies goes by the volumes' names. In another
// order none moves; when a volume goes, its own keys alone.
func TestZoneOnByName(t *testing.T) {
	a, b, c := &Volume{Name: "ssd1"}, &Volume{Name: "ssd2"}, &Volume{Name: "nvme"}
	all, turned, fewer := &zone{volumes: []*Volume{a, b, c}}, &zone{volumes: []*Volume{c, a, b}}, &zone{volumes: []*Volume{c, a}}
	count := map[*Volume]int{}
	for i := range 3000 {
		key := fmt.Appendf(nil, "httpGETa.test/%d", i)
		on := all.on(key)
		count[on]++
		if got := turned.on(key); got != on {
			t.Fatalf("%s: got %s in another order, want %s", key, got.Name, on.Name)
		}
		if got := fewer.on(key); got != on && on != b {
			t.Fatalf("%s: got %s without %s, want %s", key, got.Name, b.Name, on.Name)
		}
	}
	for v, n := range count {
		if n < 900 || n > 1100 {
			t.Errorf("%s has %d of 3000 keys", v.Name, n)
		}
	}
}
