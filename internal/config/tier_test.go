package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// policyOf reads a policy out of a node's document.
func policyOf(t *testing.T, text string) *CacheTierPolicy {
	t.Helper()
	d, faults := Parse(defaultsKey, []byte(`{"cacheTierPolicy": `+text+`}`), Limits{})
	if len(faults) > 0 {
		t.Fatalf("%s: %v", text, faults)
	}
	return d.Node.CacheTierPolicy
}

// siteOf reads a site's document, of which only some is given.
func siteOf(t *testing.T, id, rest string) *Site {
	t.Helper()
	text := `{"id": "` + id + `", "hostnames": ["` + id + `.example"]` + rest + `, "upstreams": [{"name": "o", "servers": [{"url": "http://o"}]}]}`
	d, faults := Parse(sitePrefix+id, []byte(text), Limits{})
	if len(faults) > 0 {
		t.Fatalf("%s: %v", text, faults)
	}
	return d.Site
}

const fleet = `{
  "zones": [{"name": "static_assets", "maxSize": "1G", "shared": true}, {"name": "media", "storage": "disk", "maxSize": "10G"}],
  "rules": [
    {"id": "css", "priority": 10, "match": {"uriPattern": "^/static/.*\\.css$", "methods": ["GET"]}, "zone": "static_assets", "ttl": "1h"},
    {"id": "js", "match": {"uriPattern": "^/static/.*\\.js$"}, "zone": "static_assets", "ttl": "1h"},
    {"id": "video", "match": {"uriPattern": "\\.mp4$"}, "zone": "media", "ttl": "7d"},
  ],
  "knownStaticFilesDefaults": {"extensions": ["png", "ico"], "zone": "static_assets"},
  "queryNormalization": {"enabled": true, "dropParams": ["utm_source"], "dropParamsRegex": "^utm_"},
}`

func TestTierApply(t *testing.T) {
	tests := []struct{ name, policy, site, want string }{
		{"no policy", "", ``, `zones [] rules [] files - on - query -`},
		{"empty policy", `{}`, ``, `zones [] rules [] files - on - query -`},
		{"all", fleet, ``, `zones [static_assets media] rules [css js video] files [png ico] on true query true [utm_source] ^utm_ false`},
		{"opted out", fleet, `, "zonesAutoManaged": false`, `zones [] rules [] files - on - query -`},
		{"opted in by name", fleet, `, "zonesAutoManaged": true`, `zones [static_assets media] rules [css js video] files [png ico] on true query true [utm_source] ^utm_ false`},
		{"a zone of the site's wins", fleet, `, "cache": {"zones": [{"name": "own"}, {"name": "media", "maxSize": "1M"}]}`,
			`zones [own media of the site static_assets] rules [css js video] files [png ico] on true query true [utm_source] ^utm_ false`},
		{"files of the site's win", fleet, `, "cache": {"global": {"knownStaticFiles": {"extensions": ["gif"]}}}`,
			`zones [static_assets media] rules [css js video] files [gif] on - query true [utm_source] ^utm_ false`},
		{"files switched off by the site stay off", fleet, `, "cache": {"global": {"cacheKnownStaticFiles": false}}`,
			`zones [static_assets media] rules [css js video] files [png ico] on false query true [utm_source] ^utm_ false`},
		{"a list of the site's wins", fleet, `, "cache": {"global": {"queryNormalization": {"enabled": true, "dropParams": ["fbclid"], "sortParams": true}}}`,
			`zones [static_assets media] rules [css js video] files [png ico] on true query true [fbclid] ^utm_ true`},
		{"so does an empty one", fleet, `, "cache": {"global": {"queryNormalization": {"enabled": true, "dropParams": [], "dropParamsRegex": "^x"}}}`,
			`zones [static_assets media] rules [css js video] files [png ico] on true query true [] ^x false`},
		{"a site may switch normalisation off", fleet, `, "cache": {"global": {"queryNormalization": {}}}`,
			`zones [static_assets media] rules [css js video] files [png ico] on true query false [utm_source] ^utm_ false`},
	}
	for _, test := range tests {
		var p *CacheTierPolicy
		if test.policy != "" {
			p = policyOf(t, test.policy)
		}
		own := siteOf(t, "a", test.site)
		before, _ := json.Marshal(own)
		policyBefore, _ := json.Marshal(p)
		got := p.Apply(own)
		if summary := tierSummary(got); summary != test.want {
			t.Errorf("%s: got\n%s, want\n%s", test.name, summary, test.want)
		}
		got.Cache.Zones = append(got.Cache.Zones, CacheZone{Name: "later"})
		got.Cache.TierRules = append(got.Cache.TierRules, TierRule{ID: "later"})
		after, _ := json.Marshal(own)
		policyAfter, _ := json.Marshal(p)
		if got != own && string(before) != string(after) || string(policyBefore) != string(policyAfter) {
			t.Errorf("%s: what was applied has changed the site or the policy", test.name)
		}
	}
}

// tierSummary is what of a site a policy may change.
func tierSummary(s *Site) string {
	zones, rules := []string{}, []string{}
	for _, z := range s.Cache.Zones {
		zones = append(zones, z.Name)
		if z.Name == "media" && z.Storage == "" {
			zones = append(zones, "of the site")
		}
	}
	for _, r := range s.Cache.TierRules {
		rules = append(rules, r.ID)
	}
	files, on, query := "-", "-", "-"
	g := &s.Cache.Global
	if g.KnownStaticFiles != nil {
		files = fmt.Sprint(g.KnownStaticFiles.Extensions)
	}
	if g.CacheKnownStaticFiles != nil {
		on = fmt.Sprint(*g.CacheKnownStaticFiles)
	}
	if q := g.QueryNormalization; q != nil {
		query = fmt.Sprintf("%v %v %v %v", q.Enabled, q.DropParams, q.DropParamsRegex, q.SortParams)
	}
	return fmt.Sprint("zones ", zones, " rules ", rules, " files ", files, " on ", on, " query ", query)
}

// TestTierLoaded has a Set apply the policy, which all sites then follow when
// it changes.
func TestTierLoaded(t *testing.T) {
	var s Set
	texts := documents("a", site("a", "a.example"), defaultsKey, `{"cacheTierPolicy": `+fleet+`}`)
	shot := s.Load(texts)
	if len(shot.Faults) > 0 || len(shot.Sites[0].Cache.TierRules) != 3 || len(shot.Own[0].Cache.TierRules) != 0 {
		t.Fatalf("got %+v, %v", shot.Sites[0].Cache, shot.Faults)
	}
	if got := shot.Sites[0].Cache.TierRules[0].Zone; got != "static_assets" {
		t.Errorf("got zone %q", got)
	}
	delete(texts, defaultsKey)
	if again := s.Load(texts); len(again.Sites[0].Cache.TierRules) != 0 {
		t.Errorf("without a policy: got %v", again.Sites[0].Cache.TierRules)
	}
}

func TestTierReport(t *testing.T) {
	p := policyOf(t, fleet)
	p.Rules = append(p.Rules, TierRule{ID: "lost", Match: TierMatch{URIPattern: "^/x"}, Zone: "nowhere", TTL: 60e9})
	sites := []*Site{
		siteOf(t, "b", `, "cache": {"zones": [{"name": "pages", "maxSize": "2G"}, {"name": "media", "maxSize": "512M"}],
			"rules": [{"id": "r", "cache": {"zone": "typo"}}]}`),
		siteOf(t, "a", ``),
		siteOf(t, "c", `, "zonesAutoManaged": false`),
		siteOf(t, "d", `, "cache": {"global": {"zone": "gone", "knownStaticFiles": {"zone": "also_gone"}}}`),
	}
	n := &Node{Cache: NodeCache{ZoneOverrides: map[string]ZoneOverride{"pages": {MaxSize: new(Size(1 << 30))}, "unknown": {}}}}
	r := p.Report(sites, n, 2<<30)
	got := r.String()
	const golden = "testdata/tier_report.txt"
	want, err := os.ReadFile(golden)
	if *update {
		err = os.WriteFile(golden, []byte(got), 0o644)
		want = []byte(got)
	}
	if err != nil || got != string(want) {
		t.Errorf("got\n%s\nwant (-update writes it)\n%s, %v", got, want, err)
	}
	if r.Oversubscribed != 512<<20 || strings.Join(p.Conflicts(sites), " ") != "b: media" || strings.Join(r.OptedOut, " ") != "c" {
		t.Errorf("got over %s, conflicts %v, out %v", r.Oversubscribed, p.Conflicts(sites), r.OptedOut)
	}
	if again := p.Report([]*Site{sites[2], sites[0], sites[3], sites[1]}, n, 2<<30); again.String() != got {
		t.Errorf("another order of sites, another report:\n%s", again)
	}
	var none *CacheTierPolicy
	if text := none.Report(nil, &Node{}, 0).String(); strings.Count(text, "\n") < 12 {
		t.Errorf("without anything: got\n%s", text)
	}
}

func TestTierMemory(t *testing.T) {
	huge := new(Size(1 << 61))
	tests := []struct {
		zones  []CacheZone
		memory Size
		want   string
	}{
		{[]CacheZone{{Name: "a", MaxSize: new(Size(1 << 20))}}, 2 << 20, "sum of maxSize: 1M; MEMORY_CACHE_SIZE: 2M; it fits"},
		{[]CacheZone{{Name: "a", MaxSize: new(Size(3 << 20))}}, 2 << 20, "sum of maxSize: 3M; MEMORY_CACHE_SIZE: 2M; OVERSUBSCRIBED by 1M"},
		{[]CacheZone{{Name: "a", MaxSize: new(Size(3 << 20)), Storage: "disk"}, {Name: "b"}}, 2 << 20, "sum of maxSize: 0, and zones without one; MEMORY_CACHE_SIZE: 2M; it fits"},
		{[]CacheZone{{Name: "a", MaxSize: huge}, {Name: "b", MaxSize: huge}, {Name: "c", MaxSize: huge}}, 0, "sum of maxSize: 4194304T; MEMORY_CACHE_SIZE: not said"},
	}
	for _, test := range tests {
		r := (*CacheTierPolicy)(nil).Report([]*Site{{ID: "s", Cache: SiteCache{Zones: test.zones}}}, &Node{}, test.memory)
		if got := r.memory[len(r.memory)-1]; got != test.want {
			t.Errorf("%v: got %q, want %q", test.zones, got, test.want)
		}
	}
}
