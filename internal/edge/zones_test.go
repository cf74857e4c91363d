package edge

import (
	"fmt"
	"strings"
	"testing"

	"opencache/internal/config"
)

// TestOthersOfOneVolume: hosts that nobody names have one measure in a volume,
// so two zones that give them another each are at fault.
func TestOthersOfOneVolume(t *testing.T) {
	for _, c := range []struct {
		limits [2]config.Size
		want   string
	}{{[2]config.Size{1 << 20, 1 << 20}, ""}, {[2]config.Size{1 << 20, 2 << 20}, "opencache:edgeResource:b: cache.zones.z1.hosts: found another share or limit than that of zone z0"}} {
		var sites []*config.Site
		for i, limit := range c.limits {
			sites = append(sites, &config.Site{ID: string(rune('a' + i)), Hostnames: []string{fmt.Sprint(i, ".test")},
				Upstreams: []config.Upstream{{Name: "o", Servers: []config.Server{{URL: "http://o.test"}}}},
				Cache:     config.SiteCache{Zones: []config.CacheZone{{Name: fmt.Sprint("z", i), Hosts: &config.ZoneHosts{Limit: &limit}}}}})
		}
		compiler := Compiler{Volumes: []Volume{{Name: "memory", Memory: true}}}
		_, faults := compiler.Compile(nil, nil, sites)
		got := ""
		for _, f := range faults {
			got += f.String()
		}
		if (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.limits, got, c.want)
		}
	}
}

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
