package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manySites are n documents of the size that a customer with a few rules has.
func manySites(n int) map[string][]byte {
	texts := make(map[string][]byte, n)
	for i := range n {
		id := fmt.Sprintf("site-%05d", i)
		texts[sitePrefix+id] = fmt.Appendf(nil, `{
  // one of many
  "id": %q,
  "hostnames": ["%s.example", "www.%s.example"],
  "upstreams": [{"name": "main", "servers": [{"url": "https://10.0.0.1:8443", "weight": 2}, {"url": "https://10.0.0.2:8443", "backup": true}]}],
  "routes": [
    {"location": "/", "kind": "cache_proxy"},
    {"location": "^~ /static/", "kind": "cache_proxy"},
    {"location": "~ \\.php$", "kind": "proxy"},
    {"location": "= /old", "kind": "redirect", "redirect": {"to": "https://$host/new"}},
  ],
  "headers": [{"name": "X-Frame-Options", "value": "DENY"}, {"name": "Server", "action": "remove"}],
  "cache": {
    "global": {"queryNormalization": {"enabled": true, "dropParams": ["utm_source", "utm_medium", "fbclid"], "sortParams": true}},
    "zones": [{"name": "pages", "maxSize": "64M", "inactive": "1d"}],
    "rules": [
      {"id": "static", "priority": 10, "match": {"extensions": ["css", "js", "png"]}, "cache": {"validResponses": {"200": "1d", "404": "1m"}}},
      {"id": "pages", "match": {"uriPattern": "^/(en|de|fr)/"}, "cache": {"bypass": "$cookie_session", "noStoreConditions": ["$arg_preview"],
        "validResponses": {"2xx": "10m", "any": "off"}, "stale": {"conditions": ["error", "timeout", "http_500"], "maxAge": "1d"}}},
    ],
  },
}
`, id, id, id)
	}
	return texts
}

// TestSetScale: sites are held within the 30 KiB that each of ten thousand may
// take, and a change of one reads one. The time is the benchmark's.
func TestSetScale(t *testing.T) {
	texts := manySites(1000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var s Set
	shot := s.Load(texts)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(shot.Faults) > 0 || len(shot.Sites) != len(texts) {
		t.Fatalf("got %d sites, %v", len(shot.Sites), shot.Faults)
	}
	if held := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(len(texts)); held > 30<<10 {
		t.Errorf("got %d bytes a site, want at most 30 KiB", held)
	}
	key := sitePrefix + "site-00471"
	texts[key] = []byte(strings.Replace(string(texts[key]), "10m", "11m", 1))
	again := s.Load(texts)
	other := 0
	for i := range again.Sites {
		if again.Sites[i] != shot.Sites[i] {
			other++
		}
	}
	if again.Parsed != 1 || other != 1 {
		t.Errorf("got %d parsed, %d other sites, want 1, 1", again.Parsed, other)
	}
}

func BenchmarkSetLoad(b *testing.B) {
	texts := manySites(10_000)
	b.ReportAllocs()
	for b.Loop() {
		var s Set
		if shot := s.Load(texts); len(shot.Sites) != len(texts) {
			b.Fatal("a site is missing")
		}
	}
}

func BenchmarkSetReload(b *testing.B) {
	texts := manySites(10_000)
	var s Set
	s.Load(texts)
	key := sitePrefix + "site-04711"
	versions := [2][]byte{texts[key], []byte(strings.Replace(string(texts[key]), "10m", "11m", 1))}
	for i := 1; b.Loop(); i++ {
		texts[key] = versions[i%2]
		if got := s.Load(texts).Parsed; got > 1 {
			b.Fatalf("got %d parsed, want 1", got)
		}
	}
}
