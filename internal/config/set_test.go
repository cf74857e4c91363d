package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func site(id string, hosts ...string) string {
	return fmt.Sprintf(`{"id": %q, "hostnames": ["%s"], "upstreams": [{"name": "main", "servers": [{"url": "http://127.0.0.1:80"}]}]}`, id, strings.Join(hosts, `", "`))
}

// documents makes a set: keys and texts in turn.
func documents(pairs ...string) map[string][]byte {
	all := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i]
		if !strings.Contains(key, ":") {
			key = sitePrefix + key
		}
		all[key] = []byte(pairs[i+1])
	}
	return all
}

// summary is what a Snapshot holds, in a line.
func summary(shot Snapshot) string {
	var b strings.Builder
	for _, s := range shot.Sites {
		fmt.Fprintf(&b, "%s=%s ", s.ID, strings.Join(s.Hostnames, ","))
	}
	fmt.Fprintf(&b, "parsed %d standing %v out %v", shot.Parsed, shot.Standing, shot.Out)
	return strings.ReplaceAll(b.String(), sitePrefix, "")
}

func TestSet(t *testing.T) {
	var s Set
	step := func(name, want string, wantFaults []string, docs map[string][]byte) Snapshot {
		t.Helper()
		shot := s.Load(docs)
		if got := summary(shot); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		var faults []string
		for _, f := range shot.Faults {
			faults = append(faults, strings.ReplaceAll(f.String(), sitePrefix, ""))
		}
		if !slices.Equal(faults, wantFaults) {
			t.Errorf("%s: got faults\n%s\nwant\n%s", name, strings.Join(faults, "\n"), strings.Join(wantFaults, "\n"))
		}
		if len(shot.Own) != len(shot.Sites) {
			t.Errorf("%s: got %d own of %d sites", name, len(shot.Own), len(shot.Sites))
		}
		return shot
	}
	first := step("two sites", "a=a.example b=b.example parsed 2 standing [] out []", nil,
		documents("b", site("b", "b.example"), "a", site("a", "A.example")))
	second := step("one changes", "a=a.example b=b2.example parsed 1 standing [] out []", nil,
		documents("b", site("b", "b2.example"), "a", site("a", "A.example")))
	if second.Sites[0] != first.Sites[0] || second.Sites[1] == first.Sites[1] || second.Node != first.Node {
		t.Error("the site that did not change is another, or the one that did is not")
	}
	third := step("one is broken", "a=a.example b=b2.example parsed 1 standing [b] out []",
		[]string{`b:1:1: found a list, expected an object`},
		documents("b", `[]`, "a", site("a", "A.example")))
	if third.Sites[1] != second.Sites[1] || string(third.Good[sitePrefix+"b"]) != site("b", "b2.example") {
		t.Errorf("its last good version does not go on: %q", third.Good)
	}
	step("it stays broken", "a=a.example b=b2.example parsed 0 standing [b] out []",
		[]string{`b:1:1: found a list, expected an object`},
		documents("b", `[]`, "a", site("a", "A.example")))
	step("one takes the other's host", "a=a.example b=b2.example parsed 1 standing [a] out []",
		[]string{`a:1:40: hostnames[1]: found "B2.example", which b has, expected a host that no other document names`},
		documents("b", site("b", "b2.example"), "a", site("a", "a.example", "B2.example")))
	step("the other gives it up", "a=a.example,b2.example b=b3.example parsed 1 standing [] out []", nil,
		documents("b", site("b", "b3.example"), "a", site("a", "a.example", "B2.example")))
	step("a new one wants it", "a=a.example,b2.example b=b3.example parsed 1 standing [] out [0]",
		[]string{`0:1:27: hostnames[0]: found "b2.example", which a has, expected a host that no other document names`},
		documents("b", site("b", "b3.example"), "a", site("a", "a.example", "B2.example"), "0", site("0", "b2.example")))
	step("one is gone, one was never good", "a=a.example,b2.example parsed 1 standing [] out [c]",
		[]string{`c:1:1: found the end of the text, expected JSON, with comments and commas at the end if you like`},
		documents("a", site("a", "a.example", "B2.example"), "c", ``))
}

// What a Set gives as good brings the last good versions back in another one.
func TestSetColdStart(t *testing.T) {
	var before, after Set
	before.Load(documents("a", site("a", "a.example"), defaultsKey, `{"network": {"maxConns": 7}}`))
	broken := documents("a", `{`, defaultsKey, `{"network": {"maxConns": 0}}`, "b", site("b", "b.example"))
	good := before.Load(broken).Good
	after.Load(good)
	shot := after.Load(broken)
	if got, want := summary(shot), "a=a.example b=b.example parsed 2 standing [opencache:nodeConfigDefaults a] out []"; got != want || *shot.Node.Network.MaxConns != 7 {
		t.Errorf("got %s, %d connections, want %s, 7", got, *shot.Node.Network.MaxConns, want)
	}
	var fresh Set
	if got, want := summary(fresh.Load(broken)), "b=b.example parsed 3 standing [] out [opencache:nodeConfigDefaults a]"; got != want {
		t.Errorf("without: got %s, want %s", got, want)
	}
}

func TestSetMergesNode(t *testing.T) {
	s := Set{POP: "iad"}
	texts := documents(
		defaultsKey, `{"network": {"maxConns": 10, "admin": "off", "trustedProxies": ["10.0.0.0/8"]}, "monitoring": {"serverTiming": true},
			"cache": {"zoneOverrides": {"x": {"maxSize": "1G"}, "y": {"maxSize": "2G"}}}, "retries": {"budget": 0.5, "nextUpstreamTries": 3}}`,
		nodePrefix+"iad", `{"network": {"maxConns": 20, "trustedProxies": []}, "monitoring": {"serverTiming": false},
			"cache": {"zoneOverrides": {"x": {"maxSize": "3G"}}}}`,
		nodePrefix+"fra", `{"network": {"maxConns": "broken"}}`,
		"a", site("a", "a.example"))
	shot := s.Load(texts)
	if len(shot.Faults) > 0 {
		t.Fatalf("got %v", shot.Faults)
	}
	n := shot.Node
	got := fmt.Sprintln(*n.Network.MaxConns, n.Network.Admin, n.Network.TrustedProxies, n.Monitoring.ServerTiming,
		n.Cache.ZoneOverrides["x"].MaxSize, n.Cache.ZoneOverrides["y"].MaxSize, *n.Retries.Budget, *n.Network.MaxConnsPerAddress,
		time.Duration(*n.Network.IdleTimeout), n.Network.Listeners)
	if want := "20 off [] false 3G 2G 0.5 0 1m15s [{127.0.0.1:8080 false}]\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := *shot.Sites[0].Cache.ProxySettings.NextUpstreamTries; got != 3 {
		t.Errorf("got %d tries, want the node's 3", got)
	}
	// What sites do not look at leaves them the same.
	texts[nodePrefix+"iad"] = []byte(`{"network": {"maxConns": 30}}`)
	again := s.Load(texts)
	if *again.Node.Network.MaxConns != 30 || again.Sites[0] != shot.Sites[0] {
		t.Errorf("got %d connections, the same site: %v", *again.Node.Network.MaxConns, again.Sites[0] == shot.Sites[0])
	}
	texts[nodePrefix+"iad"] = []byte(`{"retries": {"nextUpstreamTries": 4}}`)
	again = s.Load(texts)
	if got := *again.Sites[0].Cache.ProxySettings.NextUpstreamTries; got != 4 {
		t.Errorf("got %d tries, want 4", got)
	}
	if all := new(Set).Load(texts); len(all.Faults) != 1 || all.Faults[0].Document != nodePrefix+"fra" {
		t.Errorf("without a PoP: got %v, want fra's fault", all.Faults)
	}
}

func TestFilled(t *testing.T) {
	var s Set
	shot := s.Load(documents("a", `{"id": "a", "hostnames": ["a.example"], "upstreams": [{"name": "m", "servers": [{"url": "http://h"}]}, {"name": "n", "servers": [{"url": "http://h"}]}],
		"routes": [{"location": "/x", "upstream": "n"}, {"location": "/y", "kind": "fixed", "fixed": {}}],
		"cache": {"zones": [{"name": "z"}, {"name": "y"}],
			"global": {"queryNormalization": {"enabled": true}, "respectUpstreamCacheControl": "merge", "passThroughRequest": ["*"], "stale": {"conditions": ["error"]},
				"cacheKnownStaticFiles": true, "zone": "y"},
			"rules": [{"id": "1"}, {"id": "2", "headers": {"passThroughRequest": []}, "cache": {"zone": "z", "key": "$uri", "respectUpstreamCacheControl": "ignore", "lockEnabled": false, "stale": {"enabled": false}}}]}}`))
	if len(shot.Faults) > 0 {
		t.Fatalf("got %v", shot.Faults)
	}
	f, own := shot.Sites[0], shot.Own[0]
	one, two := f.Cache.Rules[0].Cache, f.Cache.Rules[1].Cache
	for _, c := range []struct{ what, got, want string }{
		{"routes", fmt.Sprint(f.Routes[0].ID, f.Routes[0].Kind, f.Routes[0].Upstream, f.Routes[1].ID, f.Routes[1].Upstream), "/xcache_proxyn/y"},
		{"fixed", fmt.Sprint(*f.Routes[1].Fixed.Status, " ", f.Routes[1].Fixed.ContentType), "200 text/plain; charset=utf-8"},
		{"zones", one.Zone + two.Zone, "yz"},
		{"keys", one.Key + " " + two.Key, "$scheme$request_method$host$normalized_request_uri $uri"},
		{"respect", one.RespectUpstreamCacheControl + two.RespectUpstreamCacheControl, "mergeignore"},
		{"locks", fmt.Sprint(*one.LockEnabled, *two.LockEnabled, one.LockTimeout, two.LockAge), "true false 15s 5s"},
		{"stale", fmt.Sprint(*one.Stale.Enabled, *two.Stale.Enabled, one.Stale.Conditions), "true false [error]"},
		{"pass", fmt.Sprint(f.Cache.Rules[0].Headers.PassThroughRequest, f.Cache.Rules[1].Headers.PassThroughRequest), "[*] []"},
		{"known", fmt.Sprint(f.Cache.Global.KnownStaticFiles.Zone, f.Cache.Global.KnownStaticFiles.TTL, len(f.Cache.Global.KnownStaticFiles.Extensions)), "y1h 17"},
		{"upstream", fmt.Sprint(f.Upstreams[0].HostHeader, f.Upstreams[0].ConnectTimeout, *f.Upstreams[0].Servers[0].Weight), "$host5s 1"},
		{"next", fmt.Sprint(f.Cache.ProxySettings.NextUpstreamConditions), "[error timeout]"},
		{"own", fmt.Sprint(own.Cache.Rules[0].Cache.Key, own.Cache.Global.KnownStaticFiles, own.Routes[0].ID, own.Upstreams[0].HostHeader), "<nil>"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
	bare := s.Load(documents("b", `{"id": "b", "hostnames": ["_"]}`)).Sites[0]
	if got, want := fmt.Sprint(bare.Routes[0].Location, bare.Cache.Zones[0].Name, bare.Cache.Zones[0].Storage, bare.Cache.Global.Zone), "/defaultmemorydefault"; got != want {
		t.Errorf("bare: got %s, want %s", got, want)
	}
}

// What a site names and this node does not have is warned of, not refused: the
// next node may have it.
func TestSetWarnings(t *testing.T) {
	var s Set
	texts := documents("a", `{"id": "a", "hostnames": ["a.example"], "upstreams": [{"name": "m", "servers": [{"url": "http://h"}]}], "cache": {
  "zones": [{"name": "own"}, {"name": "wide", "storage": "disk", "volumes": ["ssd", "hdd"]}],
  "global": {"zone": "fleet", "knownStaticFiles": {"zone": "flet"}},
  "rules": [{"id": "r", "cache": {"zone": "owm", "key": "$uri$http_x_group$cookie_a"}, "headers": {"passThroughRequest": ["X-Group", "Accept-Language", "Authorization"]}}]}}`,
		defaultsKey, `{"cacheTierPolicy": {"zones": [{"name": "fleet"}]}, "cache": {"volumes": [{"name": "ssd", "dirs": [{"path": "/d", "size": "1G"}]}]}}`)
	want := []string{
		`a:4:57: cache.rules[0].cache.key: found the field cookie, which is not passed, expected it in headers.passThroughRequest; as it is, it is always empty in the key`,
		`a:4:134: cache.rules[0].headers.passThroughRequest[1]: found the field Accept-Language, which is not in the key, expected it in cache.key, unless the origin names it in Vary`,
		`a:3:60: cache.global.knownStaticFiles.zone: found "flet", expected a zone of the site or of the tier policy; the default zone stands in; did you mean "fleet"?`,
		`a:4:43: cache.rules[0].cache.zone: found "owm", expected a zone of the site or of the tier policy; the default zone stands in; did you mean "own"?`,
		`a:2:85: cache.zones[1].volumes[1]: found "hdd", expected a volume of this node`,
	}
	for range 2 { // the second time nothing is parsed
		shot := s.Load(texts)
		var got []string
		for _, f := range shot.Warnings {
			got = append(got, strings.ReplaceAll(f.String(), sitePrefix, ""))
		}
		if !slices.Equal(got, want) || len(shot.Faults) > 0 {
			t.Errorf("got\n%s\nwant\n%s\nfaults %v", strings.Join(got, "\n"), strings.Join(want, "\n"), shot.Faults)
		}
	}
}

func TestSetPlace(t *testing.T) {
	var s Set
	s.Load(documents("a", "{\"id\": \"a\", \"hostnames\": [\"a.example\"],\n \"cors\": {\"enabled\": false}, \"cache\": {\n  \"zones\": [{\"name\": \"x\"}, {\"name\": \"y\",\n \"hosts\": {\"named\": {\"b.example\": {}, \"c.example\": {}}}}]}}",
		"broken", `{`))
	for _, c := range []struct{ path, want string }{
		{"cors", "2:10"},
		{"cors.enabled", "2:22"},
		{"cache.zones[1].name", "3:37"},
		{"cache.zones[1].hosts.named[\"c.example\"]", "4:52"},
		{"cache.zones[1].hosts.share", "4:11"},
		{"cache.zones[7].name", "3:12"},
		{"tls.hsts", "1:1"},
		{"", "1:1"},
		{"cors[x", "2:10"},
	} {
		f := s.Place(Fault{Document: siteKey, Path: c.path})
		if got := fmt.Sprintf("%d:%d", f.Line, f.Column); got != c.want || f.Path != c.path {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
		if c.path == "cors[x" {
			continue
		}
		if got := parsePath(c.path).String(); got != c.path {
			t.Errorf("%s: read and written it is %s", c.path, got)
		}
	}
	for _, f := range []Fault{{Document: sitePrefix + "broken"}, {Document: "x"}, {Document: siteKey, Line: 7, Column: 8}} {
		if got := s.Place(f); got != f {
			t.Errorf("got %v, want it as it was", got)
		}
	}
}

// What was read under wider limits is merged, placed and printed under them.
func TestSetLimits(t *testing.T) {
	s := Set{POP: "iad", Limits: Limits{MaxDocument: 4 << 20, MaxList: 1 << 20}}
	pad := strings.Repeat(" ", 1<<20+1)
	shot := s.Load(documents(defaultsKey, pad+`{"network": {"maxConns": 7}}`, "a", pad+`{"id": "a", "hostnames": ["_"]}`, "b", pad+`{"id": "b", "hostnames": ["_"]}`))
	if got, want := summary(shot), "a=_ parsed 3 standing [] out [b]"; got != want || *shot.Node.Network.MaxConns != 7 || shot.Faults[0].Column != len(pad)+27 {
		t.Errorf("got %s, %d connections, %v, want %s, 7", got, *shot.Node.Network.MaxConns, shot.Faults, want)
	}
	if got := string(s.Print(sitePrefix + "a")); !strings.Contains(got, "opencache:edgeResource:a:1\n") {
		t.Errorf("got %s", got)
	}
}
