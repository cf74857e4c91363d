package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	s := Set{POP: "iad"}
	shot := s.Load(documents("a", `{
  "id": "a",
  "hostnames": ["A.example", "b.example"],
  "upstreams": [{"name": "m", "servers": [{"url": "http://h"}], "connectTimeout": "120s"}],
  "cache": {
    "global": {"respectUpstreamCacheControl": "merge", "stale": {"conditions": ["error"]}},
    "rules": [{"id": "r", "cache": {"zone": "lost"}}, {"id": "<q>"}]
  }
}`, defaultsKey, `{
  "retries": {"nextUpstreamTries": 3},
  "network": {"maxConns": 10, "adminToken": {"env": "TOKEN"}}
}`, nodePrefix+"iad", `{"network": {"maxConns": 20}}`))
	if len(shot.Faults) > 0 {
		t.Fatal(shot.Faults)
	}
	for key, want := range map[string][]string{
		siteKey: {
			`  "id": "a", // opencache:edgeResource:a:2`,
			`  "hostnames": ["a.example","b.example"], // opencache:edgeResource:a:3`,
			`  "zonesAutoManaged": true, // default`,
			`      "connectTimeout": "2m", // opencache:edgeResource:a:4`,
			`      "headTimeout": "1m", // default`,
			`      "location": "/", // default`,
			`        "name": "default", // default`,
			`          "zone": "default", // opencache:edgeResource:a:7, which says "lost"`,
			`        "id": "<q>", // opencache:edgeResource:a:7`,
			`          "respectUpstreamCacheControl": "merge", // opencache:edgeResource:a:6`,
			`            "conditions": ["error"], // opencache:edgeResource:a:6`,
			`      "nextUpstreamTries": 3, // opencache:nodeConfigDefaults:2`,
			`      "nextUpstreamConditions": ["error","timeout"], // default`,
		},
		nodePrefix + "iad": {
			`    "maxConns": 20, // opencache:nodeConfig:iad:1`,
			`      "env": "TOKEN", // opencache:nodeConfigDefaults:3`,
			`    "nextUpstreamTries": 3, // opencache:nodeConfigDefaults:2`,
			`        "address": "127.0.0.1:8080", // default`,
		},
	} {
		got := string(s.Print(key))
		for _, line := range want {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("%s: want the line\n%s\nin\n%s", key, line, got)
			}
		}
		if strings.HasPrefix(key, nodePrefix) {
			continue
		}
		// What is printed is a document that says the same.
		d, faults := Parse(key, []byte(got), Limits{})
		if len(faults) > 0 || !reflect.DeepEqual(filledSite(d.Site, s.node), shot.Sites[0]) {
			t.Errorf("%s: what is printed is another document: %v\n%s", key, faults, got)
		}
	}
	for _, key := range []string{sitePrefix + "b", nodePrefix + "fra", "x"} {
		if got := s.Print(key); got != nil {
			t.Errorf("%s: got %s, want nothing", key, got)
		}
	}
	if got := new(Set).Print(defaultsKey); got != nil {
		t.Errorf("nothing loaded: got %s", got)
	}
}

func TestPrintTierPolicy(t *testing.T) {
	var s Set
	s.Load(documents("a", `{"id": "a", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "http://o.test"}]}], "cache": {"zones": [{"name": "own"}], "global": {"queryNormalization": {"enabled": true}}}}`,
		defaultsKey, `{"cacheTierPolicy": {"zones": [{"name": "fleet"}], "rules": [{"id": "t", "match": {"uriPattern": "^/s/"}, "zone": "fleet", "ttl": "1h"}],
			"knownStaticFilesDefaults": {"zone": "fleet"}, "queryNormalization": {"enabled": true, "dropParams": ["x"]}}}`))
	got := string(s.Print(siteKey))
	for _, line := range []string{
		`        "name": "own", // opencache:edgeResource:a:1`,
		`        "name": "fleet", // tier policy`,
		`        "dropParams": ["x"], // tier policy`,
		`        "enabled": true, // opencache:edgeResource:a:1`,
		`      "cacheKnownStaticFiles": true, // tier policy`,
		`        "ttl": "1h", // tier policy`,
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("want the line\n%s\nin\n%s", line, got)
		}
	}
	if !strings.Contains(got, `// "tierRules": [`) {
		t.Errorf("want the policy's rules as a comment in\n%s", got)
	}
	if _, faults := Parse(siteKey, []byte(got), Limits{}); len(faults) > 0 {
		t.Errorf("what is printed can not be read again: %v\n%s", faults, got)
	}
}

// TestPrintExplained: a document that says everything says it after being printed.
func TestPrintExplained(t *testing.T) {
	var s Set
	texts := map[string][]byte{}
	for key, text := range explainedDocuments(t) {
		texts[key] = text
	}
	shot := s.Load(texts)
	if len(shot.Faults) > 0 {
		t.Fatal(shot.Faults)
	}
	printed := map[string][]byte{}
	for key := range texts {
		if text := s.Print(key); text != nil {
			printed[key] = text
		}
	}
	var again Set
	second := again.Load(printed)
	if len(second.Faults) > 0 {
		t.Fatal(second.Faults)
	}
	if !reflect.DeepEqual(shot.Sites, second.Sites) || !reflect.DeepEqual(shot.Node, second.Node) {
		t.Error("what is printed says something else when it is read again")
	}
	for key, text := range printed {
		if got := againstComments(again.Print(key)); got != againstComments(text) {
			t.Errorf("%s: got\n%s\nwant\n%s", key, got, againstComments(text))
		}
	}
}

// againstComments is a printed text without what says where values came from.
func againstComments(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, " // ")
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
