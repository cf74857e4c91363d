package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// filled is an administration of a cache that a few responses went through.
func filled(t *testing.T, n int) *admin {
	t.Helper()
	return filledOf(t, n, nil)
}

// filledOf is filled with some of it on disk.
func filledOf(t *testing.T, n int, disks diskSizes) *admin {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
	}))
	t.Cleanup(origin.Close)
	o := serveOptions{
		Origin: originURL(origin.URL), Memory: smallestMemory, MaxConns: 10, MaxVariants: 1, Via: "test", PreserveHost: true,
		diskOptions:    diskOptions{Disk: disks, DiskTimeout: time.Second},
		OriginMaxConns: 10, SiteLimit: siteSizes{{"", 4 << 20}, {"a.test", 2 << 20}},
	}
	s, err := newStack(&o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	edge := bridge{s.edge}
	for i := range n {
		for range 1 + i%2 { // each second one is hit
			r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/p/%d", i), nil)
			r.RemoteAddr, r.Host = "192.0.2.1:5", []string{"a.test", "b.test"}[i%2]
			w := httptest.NewRecorder()
			if edge.ServeHTTP(w, r); w.Code != 200 {
				t.Fatalf("%d: %d %q", i, w.Code, w.Body)
			}
		}
	}
	return &admin{stack: s, log: slog.New(slog.DiscardHandler)}
}

func TestZonesEndpoint(t *testing.T) {
	a := filled(t, 20)
	var v zonesView
	if status, text := askAdmin(t, a, "/v1/zones", &v); status != 200 || len(v.Zones) != 1 || len(v.Zones[0].Tiers) != 1 {
		t.Fatalf("got %d %s", status, text)
	}
	z := v.Zones[0]
	if tier := z.Tiers[0]; tier.Tier != "memory" || tier.Objects != 20 || tier.Bytes < 20_000 || tier.Capacity != int64(smallestMemory) ||
		tier.Counters["admitted_total"] != 20 || tier.Gauges["slabs"] == 0 {
		t.Errorf("got %+v", tier)
	}
	limits := map[string]int64{}
	for _, s := range z.Sites {
		limits[s.Site] = s.Limit
		if strings.HasPrefix(s.Site, "http://") && s.Bytes < 10_000 {
			t.Errorf("%s: got %d bytes, want 10 responses of 1,000", s.Site, s.Bytes)
		}
	}
	if want := map[string]int64{"http://a.test": 2 << 20, "https://a.test": 2 << 20, "http://b.test": 4 << 20}; fmt.Sprint(limits) != fmt.Sprint(want) {
		t.Errorf("got sites %v, want %v", limits, want)
	}
	if askAdmin(t, a, "/v1/zones?sites=1", &v); len(v.Zones[0].Sites) != 1 || v.Zones[0].Others != 2 {
		t.Errorf("one site: got %d and %d left out", len(v.Zones[0].Sites), v.Zones[0].Others)
	}
}

func TestEntriesEndpoint(t *testing.T) {
	a := filled(t, 20)
	met, cursor, pages := map[string]bool{}, "", 0
	for ; pages < 100; pages++ {
		var v entriesView
		status, text := askAdmin(t, a, "/v1/entries?limit=3&cursor="+cursor, &v)
		if status != 200 || len(v.Entries) > 3 {
			t.Fatalf("got %d %s", status, text)
		}
		for _, e := range v.Entries {
			met[e.Key] = true
			if e.TTL < 55 || e.Size != 1000 || e.Status != 200 || !strings.HasSuffix(e.Site, ".test") || e.Hits == nil {
				t.Errorf("got %+v", e)
			} else if want := uint64(strings.Count(e.Site, "b.test")); *e.Hits != want || *e.Requests != want+1 {
				t.Errorf("%s: got %d hits of %d, want %d", e.Key, *e.Hits, *e.Requests, want)
			}
		}
		if cursor = v.Cursor; cursor == "" {
			break
		}
	}
	if len(met) != 20 {
		t.Errorf("met %d entries, want 20", len(met))
	}
	for query, want := range map[string]int{
		"prefix=" + url.QueryEscape("http://a.test/p/1"): 5, "site=" + url.QueryEscape("http://b.test"): 10, "tier=memory": 20, "tier=disk": 0,
		"site=nobody": 0,
	} {
		var v entriesView
		if askAdmin(t, a, "/v1/entries?"+query, &v); len(v.Entries) != want {
			t.Errorf("%s: got %d, want %d", query, len(v.Entries), want)
		}
	}
}

func TestTopEndpoint(t *testing.T) {
	a := filled(t, 20)
	var v topView
	if status, text := askAdmin(t, a, "/v1/top?by=hits&limit=100", &v); status != 200 || len(v.Keys) != 10 || v.Every != 1 {
		t.Errorf("got %d %s, want the 10 that were hit", status, text)
	}
	if askAdmin(t, a, "/v1/top?by=bytes&limit=1", &v); len(v.Keys) != 1 || v.Keys[0].Bytes != 2000 || v.Keys[0].Site != "http://b.test" {
		t.Errorf("by bytes: got %+v", v)
	}
	var s statsView
	if status, text := askAdmin(t, a, "/v1/stats", &s); status != 200 || s.Requests != 30 || s.Started.IsZero() || len(s.Durations.Counts["HIT"]) != len(s.Durations.Bounds)+1 {
		t.Errorf("stats: got %d %s", status, text)
	}
}

// Whoever misspells a filter gets a fault, not everything.
func TestIntrospectionIsStrict(t *testing.T) {
	a := &admin{stack: testStack(t, ""), log: slog.New(slog.DiscardHandler)}
	for path, want := range map[string]string{
		"/v1/zones?zone=x":          "not known",
		"/v1/zones?sites=0":         "1 to 4096",
		"/v1/entries?prefx=a":       "not known: expected prefix, site, tier, limit, cursor",
		"/v1/entries?limit=1001":    "1 to 1000",
		"/v1/entries?tier=tape":     "expected memory or disk",
		"/v1/entries?cursor=-1":     "one that an answer gave",
		"/v1/top?by=age":            "expected hits or bytes",
		"/v1/top?limit=513":         "1 to 512",
		"/v1/stats?x":               "expected no parameters",
		"/v1/entries?site=a&site=b": "expected once",
	} {
		var said refusal
		if status, _ := askAdmin(t, a, path, &said); status != 400 || !strings.Contains(said.Error, want) {
			t.Errorf("%s: got %d %q, want 400 and %q", path, status, said.Error, want)
		}
	}
	var v entriesView
	for _, cursor := range []string{"zzzzzzzzzz", "1y2p0ij32e8e7"} {
		if status, text := askAdmin(t, a, "/v1/entries?cursor="+cursor, &v); status != 200 || v.Cursor != "" {
			t.Errorf("a cursor behind the end: got %d %s, want the last page", status, text)
		}
	}
}

// A zone of memory over two disks tells of each of its volumes.
func TestZonesOfDisks(t *testing.T) {
	dirs := diskSizes{{Dir: t.TempDir(), Size: 16 << 20}, {Dir: t.TempDir(), Size: 16 << 20}}
	a := filledOf(t, 20, dirs)
	var v zonesView
	if status, text := askAdmin(t, a, "/v1/zones", &v); status != 200 || len(v.Zones) != 1 || len(v.Zones[0].Tiers) != 3 {
		t.Fatalf("got %d %s", status, text)
	}
	z := v.Zones[0]
	var objects int64
	names := map[string]bool{}
	for i, tier := range z.Tiers {
		if want := []string{"memory", "disk", "disk"}[i]; tier.Tier != want || tier.Capacity == 0 || tier.Fault != "" || (len(tier.Reads) == 3) != (want == "disk") {
			t.Errorf("volume %d: got %+v, want a %s", i, tier, want)
		}
		if i > 0 {
			objects += tier.Objects
			names[tier.Volume] = true
			if _, ok := tier.Gauges["recovery_seconds"]; !ok || tier.Gauges["ejected"] != 0 || tier.Gauges["journal_bytes"] == 0 {
				t.Errorf("%s: got %v", tier.Volume, tier.Gauges)
			}
		}
	}
	if objects != 20 || !names[dirs[0].Dir] || !names[dirs[1].Dir] { // they have room that was never used
		t.Errorf("got %d objects on %v, want 20 on both disks", objects, names)
	}
	for _, s := range z.Sites {
		if strings.HasPrefix(s.Site, "http://") && (s.Memory < 10_000 || s.Disk < 10_000 || s.Bytes != s.Memory+s.Disk) {
			t.Errorf("got %+v, want 10 responses in each tier", s)
		}
	}
	for tier, want := range map[string]int{"memory": 20, "disk": 20} {
		met, cursor := map[string]bool{}, ""
		for more := true; more; more = cursor != "" {
			var v entriesView
			askAdmin(t, a, "/v1/entries?limit=7&tier="+tier+"&cursor="+cursor, &v)
			for _, e := range v.Entries {
				met[e.Key] = true
				if e.Tier != tier || e.Size != 1000 || e.TTL < 55 {
					t.Errorf("%s: got %+v", tier, e)
				}
			}
			cursor = v.Cursor
		}
		if len(met) != want {
			t.Errorf("%s: met %d, want %d", tier, len(met), want)
		}
	}
	st := a.stack.volumes[0].Store.Stats()
	disk := st.Disk()
	text := lintMetrics(t, a)
	for tier, live := range map[string]int64{"memory": st.Memory.Live, "disk": disk.Live} {
		if line := fmt.Sprintf("opencache_cache_bytes{tier=%q} %d\n", tier, live); live == 0 || !strings.Contains(text, line) {
			t.Errorf("no line %q", line)
		}
	}
}

// What the program shows passes the linter of metrics.
func TestStoreMetricsLint(t *testing.T) {
	text := lintMetrics(t, filled(t, 5))
	for _, line := range []string{
		`opencache_store_objects{tier="memory",volume="",zone="default"} 5`,
		`opencache_store_admitted_total{tier="memory",volume="",zone="default"} 5`,
		`opencache_store_refused_total{reason="quota",tier="memory",volume="",zone="default"} 0`,
		`opencache_store_lost_total{reason="over-limit",tier="memory",volume="",zone="default"} 0`,
		`opencache_store_purges_total{zone="default"} 0`,
		`opencache_store_offered_total{outcome="dropped",zone="default"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// lintMetrics returns what a's cache shows, every metric of the store among it.
func lintMetrics(t *testing.T, a *admin) string {
	t.Helper()
	var b bytes.Buffer
	if err := a.stack.metrics.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	st := a.stack.volumes[0].Store.Stats()
	for i := range storeMetrics {
		name := "opencache_store_" + storeMetrics[i].name
		if _, ok := storeMetrics[i].of(&volumeStats{}); (ok || len(st.Disks) > 0) && !strings.Contains(text, name+"{") {
			t.Errorf("no %s", name)
		}
	}
	return text
}
