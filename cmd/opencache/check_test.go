package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// documentsIn writes documents, by key, into a folder of their own.
func documentsIn(t *testing.T, texts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for key, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, key+".jsonc"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goodSite = `{
  // what the shop sells
  "id": "shop", "hostnames": ["shop.test"],
  "upstreams": [{"name": "main", "servers": [{"url": "http://10.0.0.1:8080"}]}],
  "cache": {"rules": [{"id": "pics", "match": {"extensions": ["png"]}, "cache": {"validResponses": {"200": "1h"}}}]},
}`

const shopKey = "opencache:edgeResource:shop"

func TestCheck(t *testing.T) {
	good := map[string]string{shopKey: goodSite, nodeKey: `{"cache": {"memory": "64M"}}`, "opencache:nodeConfig:fra": `{"cache": {"memory": "32M"}}`}
	with := func(key, text string) map[string]string {
		all := map[string]string{key: text}
		for k, v := range good {
			if k != key {
				all[k] = v
			}
		}
		return all
	}
	for name, tt := range map[string]struct {
		texts map[string]string
		args  string
		code  int
		want  []string
	}{
		"good":      {good, "", 0, []string{"3 documents with 1 site: no fault\n"}},
		"a warning": {with(shopKey, strings.Replace(goodSite, `"cache": {"valid`, `"cache": {"zone": "big", "valid`, 1)), "", 0, []string{"warning: " + shopKey + ":5:", `found "big", expected a zone`, "no fault, 1 warning"}},
		"a key that purges by URL do not know": {with(shopKey, strings.Replace(goodSite, `"cache": {"valid`, `"cache": {"key": "$host$cookie_tier$uri", "valid`, 1)), "", 0, []string{
			"warning: " + shopKey + ":5:", "cache.rules[0].cache.key: expected parts of the URL before all else: a purge by URL drops other URLs, too"}},
		"no document of the PoP": {good, "--pop=ams", 0, []string{"warning: opencache:nodeConfig:ams: expected a document of this PoP"}},
		"all faults at once": {with(shopKey, strings.Replace(strings.Replace(goodSite, `"hostnames"`, `"hostname"`, 1), `"1h"`, `"soon"`, 1)), "", 1, []string{
			shopKey + `:3:17: hostname: found an unknown name, expected`, `did you mean "hostnames"?`, shopKey + ":5:"}},
		"what only the compiler finds": {with(shopKey, strings.Replace(goodSite, `"cache"`, `"tls": {"certificate": "/c", "key": "/k"}, "cache"`, 1)), "", 1, []string{shopKey + ":5:10: tls: expected no such section: not yet"}},
		"of a PoP":                     {with("opencache:nodeConfig:fra", `{"acme": {"email": "a@b.test"}}`), "", 1, []string{"opencache:nodeConfig:fra:1:10: acme: expected no such section: not yet"}},
		"of the PoP asked for":         {with("opencache:nodeConfig:ams", `{"acme": {"email": "a@b.test"}}`), "--pop=fra", 0, []string{"no fault"}},
		"what is no document":          {with("notes", `hello`), "", 1, []string{"notes"}},
		"in effect": {good, "--print --pop=fra", 0, []string{
			"// " + shopKey + "\n", "// " + shopKey + ":5", "// default", `"memory": "32M"`, "opencache:nodeConfig:fra:1",
			"volume default: stored in memory", "32 MiB", "cache.memory", "clients' connections", "16384", "memory at most, all of them full at once: "}},
		"what the policy does": {with(nodeKey, `{"cacheTierPolicy": {"zones": [{"name": "fleet", "shared": true}]}}`), "--report", 0, []string{"fleet", "shop"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, nil, append([]string{"check", documentsIn(t, tt.texts)}, strings.Fields(tt.args)...)...)
			if code != tt.code || (stderr == "") != (code == 0) || code == 1 && !strings.HasPrefix(stderr, "opencache: check: ") {
				t.Errorf("got code %d, error %q, output\n%s\nwant code %d", code, stderr, stdout, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("got\n%s\nwant %q in it", stdout, want)
				}
			}
		})
	}
}

func TestCheckJSON(t *testing.T) {
	dir := documentsIn(t, map[string]string{shopKey: strings.Replace(goodSite, `"url": "http`, `"url": "ftp`, 1)})
	code, stdout, _ := run(t, nil, "check", "-o", "json", filepath.Join(dir, shopKey+".jsonc"))
	var got checkReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 1 {
		t.Fatalf("got code %d, %v of\n%s", code, err, stdout)
	}
	if len(got.Faults) != 1 || got.Faults[0].Line != 4 || got.Faults[0].Path != "upstreams[0].servers[0].url" || got.Documents != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestSchema(t *testing.T) {
	for args, want := range map[string]string{"schema": "opencache site", "schema site": "opencache site", "schema node": "opencache node"} {
		code, stdout, stderr := run(t, nil, strings.Fields(args)...)
		var got struct{ Title string }
		if err := json.Unmarshal([]byte(stdout), &got); code != 0 || stderr != "" || err != nil || got.Title != want {
			t.Errorf("%s: got code %d, %q, title %q, %v; want %q", args, code, stderr, got.Title, err, want)
		}
	}
}
