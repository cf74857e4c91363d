package main

import (
	"strings"
	"testing"
	"time"

	"opencache/internal/telemetry"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// glanceAt is a glance n seconds after noon, of a cache that does the same in
// each second.
func glanceAt(n uint64) *glance {
	g := &glance{at: noon.Add(time.Duration(n) * time.Second)}
	g.stats = statsView{Version: "1.2.3", Started: noon.Add(-90 * time.Minute)}
	g.stats.Totals = telemetry.Totals{
		Requests: 100 * n, Hits: 75 * n, Misses: 25 * n, BytesFromCache: 900 << 10 * n, BytesFromOrigin: 100 << 10 * n,
		UpstreamRequests: 25 * n, UpstreamBytes: 100 << 10 * n,
	}
	g.stats.Open, g.stats.Waiting = 42, 3
	g.stats.Durations = telemetry.Durations{
		Bounds: []float64{0.0001, 0.001, 0.01},
		Counts: map[string][]uint64{"HIT": {60 * n, 15 * n, 0, 0}, "MISS": {0, 0, 20 * n, 2 * n}, "EXPIRED": {0, 0, 3 * n, 0}},
	}
	memory := tierView{
		Tier: "memory", Objects: 1000, Bytes: 64 << 20, Capacity: 128 << 20,
		Counters: map[string]uint64{"admitted_bytes_total": 100 << 10 * n}, Lost: map[string]uint64{"cold": 3 * n, "aged": 2 * n},
	}
	disk := tierView{
		Tier: "disk", Volume: "/var/cache/\x1b[31m", Objects: 5000, Bytes: 1 << 30, Capacity: 4 << 30,
		Gauges: map[string]float64{"ejected": 0, "write_amplification_ratio": 1.25}, Counters: map[string]uint64{"read_bytes_total": 2 << 20 * n, "written_bytes_total": 1 << 20 * n, "read_timeouts_total": n},
	}
	g.zones = zonesView{[]zoneView{{
		Name: "default", Purges: 7, Bans: 9, Pending: 2, Tiers: []tierView{memory, disk}, Others: 4,
		Sites: []siteView{{Site: "http://a.test", Memory: 60 << 20, Disk: 1 << 30, Limit: 2 << 30}, {Site: "other", Memory: 4 << 20}},
	}}}
	g.top = topView{By: "hits", Every: 8, Keys: []telemetry.TopKey{
		{Key: "http://a.test/steady", Hits: 1000 + 10*n, Bytes: 1000 * n, Since: noon.Add(-time.Hour)},
		{Key: "http://a.test/evil\x1b]0;title\a", Hits: 50 * n, Bytes: 500 * n, Since: noon.Add(-time.Minute), Cut: true},
	}}
	return g
}

func TestSight(t *testing.T) {
	s := compare(glanceAt(10), glanceAt(12))
	s.Addr = "127.0.0.1:9180"
	want := `opencache 1.2.3 at 127.0.0.1:9180, up 1h30m

requests          100/s   hits  75.0 %   bytes  90.0 %   out      1 MiB/s   origin 25/s 100 KiB/s
latency    hits: half within 100µs, 99 % within 1ms   misses: half within 10ms, 99 % within -
clients            42   waiting for another one's fetch 3

zone default: 7 purges, 2 of them pending
memory                   [##########..........]  50 %      64 MiB of 128 MiB         1000 objects  in 100 KiB/s  lost 5/s
disk /var/cache/?[31m    [#####...............]  25 %       1 GiB of 4 GiB           5000 objects  in 0 B/s  lost 0/s
                         out 2 MiB/s  written 1 MiB/s (1.25 times)  SLOW

    memory       disk      share      limit  site
    60 MiB      1 GiB          -      2 GiB  http://a.test
     4 MiB        0 B          -          -  other
                                              4 more

    hits/s        bytes/s         hits          bytes  key (estimated: one request in 8 is counted)
      50.0        500 B/s          600        5.9 KiB  http://a.test/evil?]0;title?…
      10.0        1 KiB/s         1120       11.7 KiB  http://a.test/steady`
	got := strings.Join(s.lines(), "\n")
	if !sameLines(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if line := s.line(); line != "2026-11-22T12:00:12Z  100 requests/s  hits 75.0 %  bytes 90.0 %  out 1 MiB/s  origin 25/s  p99 1ms  memory 50 %  disk 25 %  top http://a.test/steady" {
		t.Errorf("line: got %q", line)
	}
}

// sameLines compares by words: how far things are apart is not the point.
func sameLines(got, want string) bool {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || strings.Join(strings.Fields(a[i]), " ") != strings.Join(strings.Fields(b[i]), " ") {
			return false
		}
	}
	return true
}

// Of a cache that has just been found, or restarted, there is no rate yet.
func TestSightBegins(t *testing.T) {
	first := compare(nil, glanceAt(10))
	if tr := first.Traffic; tr.Requests != 0 || tr.HitRatio != nil || tr.Bytes != 0 || tr.Hits.Half != nil || !first.begins() {
		t.Errorf("first: got %+v", tr)
	}
	if rate := first.Zones[0].Tiers[0].Rates["admitted_bytes_total"]; rate != 0 || first.Keys[0].HitRate != 0 {
		t.Errorf("first: got rates %v and %v, want none", rate, first.Keys[0].HitRate)
	}
	is := glanceAt(2)
	is.stats.Started = noon
	s := compare(glanceAt(100), is)
	if tr := s.Traffic; !s.Restarted || tr.Requests != 0 || s.begins() {
		t.Errorf("restarted: got %v, %+v", s.Restarted, tr)
	}
	if !strings.Contains(s.lines()[0], "RESTARTED") || !strings.Contains(s.line(), "restarted") {
		t.Errorf("restarted: got %q, %q", s.lines()[0], s.line())
	}
	back := compare(glanceAt(12), glanceAt(10)) // the clock, or the cache, is behind
	if back.Traffic.Requests != 0 {
		t.Errorf("backwards: got %v requests/s", back.Traffic.Requests)
	}
	idle := compare(glanceAt(10), glanceAt(10))
	if idle.Traffic.HitRatio != nil || !strings.Contains(idle.lines()[2], "hits       -") {
		t.Errorf("idle: got %q", idle.lines()[2])
	}
}

func TestFrame(t *testing.T) {
	got := frame([]string{"äbcdef", "x", "y"}, 4, 2)
	if want := topLeft + "äbcd" + restOfLine + "\r\nx" + restOfLine + restOfPage; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 26 * time.Hour: "26h00m", 50 * time.Hour: "2d02h",
	} {
		if got := short(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
