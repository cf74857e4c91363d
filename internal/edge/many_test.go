package edge

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// TestManySitesShareForms: sites have a form together where all that is not a
// site's alone is the same, wherever it is said, and no other.
func TestManySitesShareForms(t *testing.T) {
	texts := customers(8)
	for i, change := range []string{"", "", `"cache": {`, `"cache": {"proxySettings": {"nextUpstreamTries": 3},`, `"speculationRules": "pass", "cache": {`, `"cors": {"enabled": true, "allowOrigins": ["https://a.test"]}, "cache": {`} {
		if key := fmt.Sprintf("%ssite-%05d", siteKey, i); change != "" {
			texts[key] = []byte(strings.Replace(string(texts[key]), `"cache": {`, change, 1))
		}
	}
	other := siteKey + "site-00006"
	texts[other] = []byte(strings.Replace(string(texts[other]), "10m", "11m", 1))
	other = siteKey + "site-00007"
	texts[other] = []byte(strings.Replace(string(texts[other]), "10.0.0.1", "10.0.0.3", 1)) // whose upstream it is makes no form
	var set config.Set
	shot := set.Load(texts)
	c := Compiler{Volumes: []Volume{newVolume(t)}}
	p, faults := c.Compile(nil, shot.Node, shot.Sites)
	if len(shot.Faults)+len(faults) > 0 {
		t.Fatal(shot.Faults, faults)
	}
	first := p.sites["site-00000"]
	for i, want := range []bool{true, true, true, false, false, false, false, true} {
		s := p.sites[fmt.Sprintf("site-%05d", i)]
		if got := s.form == first.form; got != want {
			t.Errorf("site %d: got the form of the first: %v, want %v", i, got, want)
		}
		ch := s.take(s.choice(0, 0))
		if string(ch.policy.Site) != "pages/"+s.doc.ID || ch.route.doc != s.routes[0].doc || ch.key.String() != first.take(0).key.String() {
			t.Errorf("site %d: got the choice of %s", i, ch.policy.Site)
		}
	}
}

// BenchmarkManySites compares what a hit costs on a node of 10 sites and on one
// of 10,000: when ten of them are asked, and when all are, in turn. Both nodes
// are asked by the same number of different requests, for as many different
// stored responses. An iteration asks each node 10,000 times; what is told is
// the processor time per request of the best iteration.
func BenchmarkManySites(b *testing.B) {
	for _, tt := range []struct {
		name            string
		requests, asked int // different ones, and of how many of the 10,000 sites
	}{{"asked=10", 10, 10}, {"asked=10000", 10_000, 10_000}} {
		b.Run(tt.name, func(b *testing.B) {
			few, many := newBurden(b, 10, 10, tt.requests), newBurden(b, 10_000, tt.asked, tt.requests)
			defer few.close()
			defer many.close()
			runtime.LockOSThread() // its time is what is measured
			defer runtime.UnlockOSThread()
			best := [2]time.Duration{time.Hour, time.Hour}
			for b.Loop() {
				for i, a := range []*burden{few, many} {
					best[i] = min(best[i], a.round(b))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(best[0])/roundLength, "few-ns")
			b.ReportMetric(float64(best[1])/roundLength, "many-ns")
		})
	}
}

// roundLength is how many requests are measured at a time.
const roundLength = 10_000

// A burden is an edge with what it is asked, all of which it has stored.
type burden struct {
	edge     *Edge
	store    *store.Zone
	volume   Volume
	requests []*wire.Request
	fields   []byte
}

// newBurden returns an edge of so many sites, of which some are asked.
func newBurden(b *testing.B, sites, of, requests int) *burden {
	var set config.Set
	shot := set.Load(customers(sites))
	z, err := store.Open(store.ZoneOptions{Memory: 64 << 20, Heap: true})
	if err != nil {
		b.Fatal(err)
	}
	a := &burden{store: z, volume: Volume{Name: "default", Store: z, Engine: engine.New(engine.Options{Store: z}), Memory: true}, fields: make([]byte, 0, 4096)}
	if a.edge, err = New(Options{Volumes: []Volume{a.volume}, Plan: compile(b, a.volume, kilobyte{}, shot.Sites...)}); err != nil {
		b.Fatal(err)
	}
	a.requests = make([]*wire.Request, requests)
	for i, order := range rand.New(rand.NewPCG(1, 2)).Perm(requests) {
		head := fmt.Sprintf("GET /static/%05d.css HTTP/1.1\r\nHost: site-%05d.example\r\nAccept: */*\r\n\r\n", order/of, order%of*(sites/of))
		a.requests[i] = &wire.Request{}
		if n, err := wire.ParseRequest(a.requests[i], []byte(head), wire.Limits{}); err != nil || n != len(head) {
			b.Fatal(n, err)
		}
		a.requests[i].Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	}
	a.round(b)
	return a
}

func (a *burden) close() {
	a.volume.Engine.Close()
	_ = a.store.Close()
}

// round asks for everything, and returns the processor time of that.
func (a *burden) round(b *testing.B) time.Duration {
	var sink blackHole
	var p wire.Reply
	begun := threadTime(b)
	for i := range roundLength {
		p = wire.Reply{Fields: a.fields[:0], Sink: &sink}
		a.edge.Serve(a.requests[i%len(a.requests)], &p)
	}
	took := threadTime(b) - begun
	if p.Status != 200 {
		b.Fatalf("got %d %s", p.Status, p.Fields)
	}
	return took
}

// threadTime is the processor time that this thread has had.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
