package edge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// customers are documents of n sites, each as a customer with a few rules has it.
func customers(n int) map[string][]byte {
	texts := make(map[string][]byte, n)
	for i := range n {
		id := fmt.Sprintf("site-%05d", i)
		texts[siteKey+id] = fmt.Appendf(nil, `{
  "id": %[1]q,
  "hostnames": ["%[1]s.example", "www.%[1]s.example"],
  "upstreams": [{"name": "main", "servers": [{"url": "http://10.0.0.1:8080", "weight": 2}, {"url": "http://10.0.0.2:8080", "backup": true}]}],
  "routes": [
    {"location": "/"},
    {"location": "^~ /static/"},
    {"location": "~ \\.php$", "kind": "proxy"},
    {"location": "= /old", "kind": "redirect", "redirect": {"to": "https://$host/new"}},
  ],
  "headers": [{"name": "X-Frame-Options", "value": "DENY"}, {"name": "Server", "action": "remove"}],
  "cache": {
    "global": {"queryNormalization": {"enabled": true, "dropParams": ["utm_source", "utm_medium", "fbclid"], "sortParams": true}},
    "zones": [{"name": "pages", "maxSize": "64M"}],
    "rules": [
      {"id": "static", "priority": 10, "match": {"extensions": ["css", "js", "png"]}, "cache": {"validResponses": {"200": "1d", "404": "1m"}}},
      {"id": "pages", "match": {"uriPattern": "^/(en|de|fr)/"}, "cache": {"bypass": "$cookie_session", "noStoreConditions": ["$arg_preview"],
        "validResponses": {"2xx": "10m", "any": "off"}, "stale": {"conditions": ["error", "timeout", "http_500"], "maxAge": "1d"}}},
    ],
  },
}`, id)
	}
	return texts
}

// TestManySitesCompileOne: a change of one among many compiles one.
func TestManySitesCompileOne(t *testing.T) {
	const n = 1000
	texts := customers(n)
	var set config.Set
	shot := set.Load(texts)
	c := Compiler{Volumes: []Volume{newVolume(t)}}
	before, faults := c.Compile(nil, shot.Node, shot.Sites)
	if len(shot.Faults)+len(faults) > 0 {
		t.Fatal(shot.Faults, faults)
	}
	key := siteKey + "site-00471"
	texts[key] = []byte(strings.Replace(string(texts[key]), "10m", "11m", 1))
	shot = set.Load(texts)
	after, faults := c.Compile(before, shot.Node, shot.Sites)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var others []string
	for id, s := range after.sites {
		if before.sites[id] != s {
			others = append(others, id)
		}
	}
	if len(after.sites) != n || len(others) != 1 || others[0] != "site-00471" {
		t.Errorf("got %d sites, compiled anew: %v", len(after.sites), others)
	}
}

// BenchmarkManySites: what a hit costs does not depend on how many sites there are.
func BenchmarkManySites(b *testing.B) {
	for _, tt := range []struct {
		name         string
		sites, asked int
	}{{"sites=10", 10, 10}, {"sites=10000", 10_000, 10}, {"sites=10000,all", 10_000, 10_000}} {
		b.Run(tt.name, func(b *testing.B) { benchSites(b, tt.sites, tt.asked) })
	}
}

func benchSites(b *testing.B, sites, asked int) {
	var set config.Set
	shot := set.Load(customers(sites))
	z, err := store.Open(store.ZoneOptions{Memory: 64 << 20, Heap: true})
	if err != nil {
		b.Fatal(err)
	}
	v := Volume{Name: "default", Store: z, Engine: engine.New(engine.Options{Store: z}), Memory: true}
	defer func() { v.Engine.Close(); _ = z.Close() }()
	e, err := New(Options{Volumes: []Volume{v}, Plan: compile(b, v, kilobyte{}, shot.Sites...)})
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]*wire.Request, asked)
	step := sites / asked
	for i, order := range rand.New(rand.NewPCG(1, 2)).Perm(asked) {
		head := fmt.Sprintf("GET /static/a.css HTTP/1.1\r\nHost: site-%05d.example\r\nAccept: */*\r\n\r\n", order*step)
		requests[i] = &wire.Request{}
		if n, err := wire.ParseRequest(requests[i], []byte(head), wire.Limits{}); err != nil || n != len(head) {
			b.Fatal(n, err)
		}
		requests[i].Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	}
	var sink blackHole
	p := wire.Reply{}
	fields := make([]byte, 0, 4096)
	ask := func(i int) {
		p = wire.Reply{Fields: fields[:0], Sink: &sink}
		e.Serve(requests[i%asked], &p)
	}
	for i := range asked {
		ask(i)
	}
	i := 0
	for b.Loop() {
		ask(i)
		i++
	}
	if p.Status != 200 || !strings.Contains(string(p.Fields), "X-Cache-Status: HIT") {
		b.Fatalf("got %d %s", p.Status, p.Fields)
	}
}
