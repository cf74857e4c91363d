package config

import (
	"fmt"
	"strings"
	"testing"
)

const siteKey = "opencache:edgeResource:a"

// told parses a document and returns its faults, one a line, without the key.
func told(t *testing.T, key, text string) string {
	t.Helper()
	_, faults := Parse(key, []byte(text), Limits{})
	var b strings.Builder
	for _, f := range faults {
		if f.Document != key {
			t.Errorf("%s: got a fault of %q", text, f.Document)
		}
		b.WriteString(strings.TrimPrefix(f.String(), key+":") + "\n")
	}
	return b.String()
}

func TestParse(t *testing.T) {
	d, faults := Parse(siteKey, []byte(`{
		// what it is called
		"id": "a", /* and */ "hostnames": ["A.example"],
		"upstreams": [{"name": "main", "servers": [{"url": "http://127.0.0.1:8081", "weight": 3}]}],
		"cache": {
			"global": {"semantics": {"targetedFields": []}},
			"rules": [{"id": "all", "priority": -1, "cache": {"validResponses": {"200": "1h", "404": 30, "any": "off"}, "minUses": 2}}],
		},
	} // the end`), Limits{})
	if len(faults) > 0 {
		t.Fatalf("got %v", faults)
	}
	rule := d.Site.Cache.Rules[0]
	got := fmt.Sprintln(d.Kind, d.ID, d.Site.ID, d.Site.Hostnames, *d.Site.Upstreams[0].Servers[0].Weight, rule.Priority,
		rule.Cache.ValidResponses["404"], rule.Cache.ValidResponses["any"], *rule.Cache.MinUses, d.Site.Cache.Global.Semantics.TargetedFields == nil)
	if want := "site a a [A.example] 3 -1 {30s false} {0s true} 2 false\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseFaults(t *testing.T) {
	deep := strings.Repeat("[", 100000)
	for _, c := range []struct{ text, want string }{
		{``, "1:1: found the end of the text, expected JSON, with comments and commas at the end if you like\n"},
		{`[]`, "1:1: found a list, expected an object\n"},
		{`{"id": "a", "hostnames": ["a.example"]`, "1:39: found the end of the text, expected JSON, with comments and commas at the end if you like\n"},
		{"{\n  \"id\": \"a\\x\"}", "2:9: found a word or string that is not JSON, expected JSON, with comments and commas at the end if you like\n"},
		{deep, "1:33: expected lists and objects at most 32 deep\n"},
		{`{"id": "a", "hostname": ["a.example"]}`, "1:1: hostnames: expected a list\n" +
			"1:13: hostname: found an unknown name, expected a name that is known here; did you mean \"hostnames\"?\n"},
		{`{"id": "a", "id": "b", "hostnames": ["a.example"]}`, "1:13: id: found the name a second time, expected each name once\n"},
		{`{"id": "a", "hostnames": ["a.example"], "cache": {"rules": [
  {"id": "r", "cache": {"lockAge": "5", "minUses": 16, "enabled": "yes", "validResponses": {"2x": "1h", "200": "ever"}}},
  {"id": "ä", "priority": 1.5, "cache": {"stale": {"conditions": ["err", null]}, "respectUpstreamCacheControl": "Merge"}}]}}`,
			`2:36: cache.rules[0].cache.lockAge: found "5", expected a duration like 30s, 15m, 12h or 7d
2:52: cache.rules[0].cache.minUses: found 16, expected 1 to 15
2:67: cache.rules[0].cache.enabled: found a string, expected true or false
2:93: cache.rules[0].cache.validResponses.2x: found "2x", expected a status like "200", a class like "2xx", or "any"
2:112: cache.rules[0].cache.validResponses.200: found "ever", expected a duration like 30s, 15m, 12h or 7d, or "off"
3:27: cache.rules[1].priority: found 1.5, expected a whole number
3:67: cache.rules[1].cache.stale.conditions[0]: found "err", expected one of error, timeout, invalid_header, updating, http_500, http_502, http_503, http_504, http_403, http_404, http_429
3:74: cache.rules[1].cache.stale.conditions[1]: found null, expected a string
3:113: cache.rules[1].cache.respectUpstreamCacheControl: found "Merge", expected one of respect, ignore, merge; did you mean "merge"?
`},
	} {
		if got := told(t, siteKey, c.text); got != c.want {
			t.Errorf("%.80s:\ngot\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}

// A fault never repeats what could be a secret.
func TestParseSecrets(t *testing.T) {
	for key, text := range map[string]string{
		"opencache:nodeConfigDefaults": `{"network": {"adminToken": "hunter2"}, "monitoring": {"loki": {"url": "https://u:hunter2@loki/", "password": {"value": "hunter2", "file": ["hunter2"]}}}}`,
		siteKey: `{"id": "a", "hostnames": ["a.example"], "upstreams": [{"name": "m", "servers": [{"url": "http://u:hunter2@h/"}, {"url": "u:hunter2@h:80"}]}],
			"headers": [{"name": "x", "value": "hunter2\u0000"}, {"name": "y", "value": {"hunter": "hunter2"}}]}`,
		sitePrefix + "b":         `{"id": "b", "hostnames": ["_"], "cache": {"rules": [{"id": "r", "cache": {"bypass": "$http_x = \"hunter2", "noStoreConditions": ["$http_x = 'hunter2' 'hunter2'", "$http_x = \"hunter2\"x"]}}]}}`,
		"opencache:nodeConfig:y": `{"monitoring": {"loki": {"url": "htps://loki/?token=hunter2"}}}`,
		"opencache:nodeConfig:x": `{"network": {"adminToken": "hunter2\x"}}`,
	} {
		got := told(t, key, text)
		if got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

func TestParseKeys(t *testing.T) {
	for key, want := range map[string]string{
		"opencache:edgeResource:":      " found the id \"\" in the key, expected a name of letters, digits, dots, - and _, at most 64\n",
		"opencache:edgeResource:a:b":   " found the id \"a:b\" in the key, expected a name of letters, digits, dots, - and _, at most 64\n",
		"opencache:edgeResources:a":    " expected a key like opencache:edgeResource:ID, opencache:nodeConfigDefaults or opencache:nodeConfig:POP; did you mean \"opencache:edgeResource:\"?\n",
		"opencache:nodeConfigDefault":  " expected a key like opencache:edgeResource:ID, opencache:nodeConfigDefaults or opencache:nodeConfig:POP; did you mean \"opencache:nodeConfigDefaults\"?\n",
		"opencache:nodeConfig:iad":     "",
		"opencache:nodeConfigDefaults": "",
	} {
		if got := told(t, key, `{}`); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	text := []byte(`{"id": "a", "hostnames": ["a.example", "b.example"], "x": 1, "y": 2, "z": 3}`)
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{MaxDocument: 10}, siteKey + ": found 76 bytes, expected at most 10"},
		{Limits{MaxDepth: 1}, siteKey + ":1:26: expected lists and objects at most 1 deep"},
		{Limits{MaxList: 1}, siteKey + ":1:1: found 5 of them, expected at most 1"},
		{Limits{MaxFaults: 2}, siteKey + ": found 1 more faults, expected none"},
	} {
		_, faults := Parse(siteKey, text, c.limits)
		if len(faults) == 0 || faults[len(faults)-1].String() != c.want {
			t.Errorf("%v: got %v, want %s", c.limits, faults, c.want)
		}
	}
}

func TestParseLocation(t *testing.T) {
	for text, want := range map[string]Location{
		"/":        {Prefix, "/"},
		"/a b":     {Prefix, "/a b"},
		"= /x":     {Exact, "/x"},
		"^~  /x/":  {First, "/x/"},
		`~ \.php$`: {Regexp, `\.php$`},
		`~* a|b c`: {RegexpFold, "a|b c"},
	} {
		if got, err := ParseLocation(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "=/x", "= x", "^~ x", "~", "~ ", "~^ /x", "@named", " /x"} {
		if got, err := ParseLocation(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"id": "a", "hostnames": ["a.example"], "routes": [{"location": "~ (?=x)"}]}`,
		`{"cache": {"volumes": [{"name": "d", "dirs": [{"path": "/d", "size": "1G"}]}], "zoneOverrides": {"z": {"maxSize": "1M"}}}}`,
		`{"id": "\u00e4", // c` + "\n" + `"x": [[[[1e9, -0, null]]], /* */],}`, `{"": {"": ""}}`, `{"cache": {"rules": [{"cache": {"bypass": "$arg_x \u0024y"}}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, key := range []string{siteKey, "opencache:nodeConfig:iad"} {
			d, faults := Parse(key, text, Limits{})
			for _, fault := range faults {
				if fault.Document != key || fault.Expected == "" || fault.Line < 0 || fault.Line > 0 && fault.Column < 1 {
					t.Errorf("got fault %+v", fault)
				}
				_ = fault.String()
			}
			if len(faults) == 0 && d.Site == nil && d.Node == nil {
				t.Error("no fault and no document")
			}
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"ssd", "main", "maxSize", "queryNormalization", "browserTtl", "no-store"}
	for word, want := range map[string]string{
		"hdd": "", "mian": "main", "ssb": "ssd", "max_size": "maxSize", "browserTTL": "browserTtl", "nostore": "no-store",
		"normalization": "", "": "", "x": "", "MAXSIZE": "maxSize", strings.Repeat("a", 100): "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	const start = `{"id": "a", "hostnames": ["a.example"], "upstreams": [{"name": "m", "servers": [{"url": "http://h"}]}], `
	for _, c := range []struct{ name, text, want string }{
		{"nothing to warn of", `"routes": [{"location": "~ ^/(.*)$", "kind": "redirect", "redirect": {"to": "/x/$1"}}]`, ""},
		{"a group that is not there", `"routes": [{"location": "/x", "kind": "redirect", "redirect": {"to": "/x/$1"}}]`,
			"1:174: routes[0].redirect.to: found $1, expected a group of the route's regular expression, which has 0\n"},
		{"a name twice", `"headers": [{"name": "A", "value": "1"}, {"name": "a", "value": "2"}]`,
			"1:146: headers[1]: found \"a\", as in [0], expected a name once: the last replaces the others\n"},
		{"credentials for all", `"cors": {"enabled": true, "allowCredentials": true}`,
			"1:151: cors.allowCredentials: found credentials and any origin, expected origins by name: every site's scripts may read what users see; their Origin stands in for *\n"},
		{"credentials for one", `"cors": {"enabled": true, "allowCredentials": true, "allowOrigins": ["https://b.example"]}`, ""},
		{"ignore alone", `"cache": {"rules": [{"id": "r", "cache": {"respectUpstreamCacheControl": "ignore"}}]}`,
			"1:146: cache.rules[0].cache: found ignore without validResponses, expected validResponses: nothing is stored\n"},
		{"a ceiling for nothing", `"cache": {"rules": [{"id": "r", "cache": {"upstreamCacheControlMaxAge": "1h"}}]}`,
			"1:177: cache.rules[0].cache.upstreamCacheControlMaxAge: found a ceiling, expected respectUpstreamCacheControl: merge; without it the ceiling has no effect\n"},
		{"a ceiling for the site's merge", `"cache": {"global": {"respectUpstreamCacheControl": "merge"}, "rules": [{"id": "r", "cache": {"upstreamCacheControlMaxAge": "1h"}}]}`, ""},
		{"passthrough with directives", `"cache": {"rules": [{"id": "r", "expiration": {"browserTtl": "1h"}}]}`,
			"1:151: cache.rules[0].expiration: found directives under passthrough, expected control: override or additional; without it they have no effect\n"},
		{"in the key, and passed by the site", `"cache": {"global": {"passThroughRequest": ["Cookie", "X-A"]}, "rules": [{"id": "r", "cache": {"key": "$uri$cookie_a$http_x_a"}}]}`, ""},
		{"passed, and in Vary", `"headers": [{"name": "Vary", "value": "X-A, X-B"}], "cache": {"rules": [{"id": "r", "headers": {"passThroughRequest": ["x-b"]}}]}`, ""},
		{"all pass", `"cache": {"rules": [{"id": "r", "headers": {"passThroughRequest": ["*"]}, "cache": {"key": "$uri$http_x"}}]}`, ""},
		{"no cache", `"cache": {"rules": [{"id": "r", "headers": {"passThroughRequest": ["X"]}, "cache": {"enabled": false}}]}`, ""},
	} {
		d, faults := Parse(siteKey, []byte(start+c.text+"}"), Limits{})
		var got strings.Builder
		for _, f := range d.Warnings {
			got.WriteString(strings.TrimPrefix(f.String(), siteKey+":") + "\n")
		}
		if got.String() != c.want || len(faults) > 0 {
			t.Errorf("%s: got %s, want %s; faults %v", c.name, got.String(), c.want, faults)
		}
	}
}

// FuzzSet: whatever a folder holds, what is good is served, and printed.
func FuzzSet(f *testing.F) {
	f.Add([]byte(site("a", "a.example")), []byte(`{"network": {"maxConns": 7}}`), []byte(`{"network": {"maxConns": 8}}`))
	f.Add([]byte(`{"id": "a", "hostnames": ["b.example"], "cache": {"zones": [{"name": "z"}], "rules": [{"id": "r", "cache": {"zone": "y"}}]}}`),
		[]byte(`{"cacheTierPolicy": {"zones": [{"name": "y", "storage": "disk", "volumes": ["v"]}], "rules": [{"id": "t", "match": {"uriPattern": "^/"}, "zone": "y", "ttl": 1}]}}`), []byte(`{`))
	f.Fuzz(func(t *testing.T, a, defaults, pop []byte) {
		s := Set{POP: "iad"}
		texts := map[string][]byte{siteKey: a, sitePrefix + "b": []byte(site("b", "b.example")), defaultsKey: defaults, nodePrefix + "iad": pop}
		shot := s.Load(texts)
		if n := len(shot.Sites) + len(shot.Out); shot.Node == nil || len(shot.Sites) == 0 || n < 2 {
			t.Fatalf("got %d sites, %v out", len(shot.Sites), shot.Out)
		}
		for key := range texts {
			if (s.Print(key) == nil) != (shot.Good[key] == nil) && key != defaultsKey && key != nodePrefix+"iad" {
				t.Errorf("%s: it is printed, or not, other than it is in effect", key)
			}
		}
		if again := s.Load(texts); again.Parsed != 0 || len(again.Faults) != len(shot.Faults) || again.Sites[0] != shot.Sites[0] {
			t.Errorf("the same documents: got %d parsed, %d faults, then %d", again.Parsed, len(shot.Faults), len(again.Faults))
		}
	})
}

// A fault's text, and the time it takes to find it, do not grow with the
// square of a document.
func TestParseMany(t *testing.T) {
	var routes, refs strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&routes, `{"location":"/%d"},`, i)
		fmt.Fprintf(&refs, `"r%d",`, i)
	}
	text := `{"id": "a", "hostnames": ["a.example"], "upstreams": [{"name": "m", "servers": [{"url": "http://h"}]}], "routes": [` + routes.String() +
		`], "cache": {"rules": [{"id": "r", "match": {"routes": [` + refs.String() + `]}}]}}`
	_, faults := Parse(siteKey, []byte(text), Limits{})
	if len(faults) != 101 || faults[100].Found != "19900 more faults" || len(faults[0].String()) > 1000 {
		t.Errorf("got %d faults, the last %v, the first of %d bytes", len(faults), faults[len(faults)-1], len(faults[0].String()))
	}
}

// TestOddFiles: a byte order mark is none of JSON's and does no harm; a key that
// is a file's name moves no terminal.
func TestOddFiles(t *testing.T) {
	if _, faults := Parse(siteKey, []byte("\ufeff"+site("a", "a.example")+"\r\n"), Limits{}); len(faults) > 0 {
		t.Errorf("a byte order mark: %v", faults)
	}
	if _, faults := Parse(siteKey, []byte("\ufeff{\n  \"x\": 1}"), Limits{}); len(faults) != 3 || faults[2].Line != 2 || faults[2].Column != 3 {
		t.Errorf("a fault behind one: %v", faults)
	}
	_, faults := Parse(sitePrefix+"\x1b[31m\nb", []byte("{}"), Limits{})
	if len(faults) == 0 || strings.ContainsAny(faults[0].String(), "\x1b\n") {
		t.Errorf("an odd key: got %q", faults)
	}
}
