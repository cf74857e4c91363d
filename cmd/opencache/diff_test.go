package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	replaced := func(pairs ...string) string {
		return documentsIn(t, map[string]string{shopKey: strings.NewReplacer(pairs...).Replace(explainedSite)})
	}
	was := replaced()
	list := filepath.Join(t.TempDir(), "list")
	write := func(text string) string {
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return list
	}
	const log = `{"remote_addr":"192.0.2.1","request_method":"GET","host":"shop.test","request_uri":"/a.png","status":200,"upstream_status":410,"http_user_agent":"curl"}
{"request_method":"GET","host":"shop.test","request_uri":"/a.png","upstream_status":410}
not a line of a log
{"request_method":"GET","host":"shop.test","request_uri":"/x","status":200}
`
	for name, tt := range map[string]struct {
		is, args string
		code     int
		want     []string
		stderr   string
	}{
		"nothing":         {replaced("shop.test", "shop.test"), "", 0, []string{"requests: no difference\n"}, ""},
		"other words":     {replaced(`"1h"`, `"60m"`), "", 0, []string{"no difference"}, ""},
		"how long":        {replaced(`"1h"`, `"2h"`), "", 1, []string{"GET http://shop.test/file.png", "  ttl: 3600 -> 7200 (upstream: 200)\n", "  policy.cache.validResponses.200: 1h -> 2h\n"}, "would be treated differently"},
		"a rule's name":   {replaced(`"pics"`, `"images"`), "--urls=" + write("# ours\nhttp://shop.test/a.png\n\nPOST http://shop.test/x\n"), 1, []string{"GET http://shop.test/a.png\n  rule: pics -> images\n"}, "1 of 2 requests"},
		"a host":          {replaced(`"shop.test"`, `"www.shop.test"`), "", 1, []string{"GET https://shop.test/\n", "  site: shop -> none\n", "  status: 200 -> 421 (upstream: 200, 200 with max-age=600)\n"}, ""},
		"a field":         {replaced(`"$resource_id"`, `"other"`), "", 1, []string{`fields: ["X-Edge: shop"] -> ["X-Edge: other"]`}, ""},
		"a condition":     {replaced("$cookie_session", "$cookie_tier"), "", 1, []string{"GET http://shop.test/file.png -H 'Cookie: session=1'", "bypass: $cookie_session -> none", "bypass: none -> $cookie_tier"}, ""},
		"an upstream":     {replaced("10.0.0.1", "10.0.0.2"), "", 1, []string{`servers: ["10.0.0.1:8080"] -> ["10.0.0.2:8080"]`}, ""},
		"of a log":        {replaced(`"1h"`, `"2h"`), "--log=" + writeLog(t, log), 1, []string{"GET https://shop.test/a.png\n", "1 line left out"}, "1 of 2 requests"},
		"at fault":        {replaced(`"hostnames"`, `"hostname"`), "", 2, nil, "faults, see opencache check; the first: " + shopKey},
		"a bad line":      {replaced(), "--urls=" + writeLog(t, "http://shop.test/\nnonsense\n"), 2, nil, `:2: URL "nonsense": expected`},
		"no line":         {replaced(), "--log=" + writeLog(t, "nonsense\n"), 2, nil, "no request in it"},
		"no such file":    {replaced(), "--urls=/nowhere/list", 2, nil, "/nowhere/list: no such file"},
		"both":            {replaced(), "--urls=a --log=b", 2, nil, "--urls and --log: expected one of them"},
		"no such folder":  {"/nowhere/conf", "", 2, nil, "stat /nowhere/conf: no such file"},
		"some of them":    {replaced(`"1h"`, `"2h"`), "--most=1", 0, []string{"left out", "1 request: no difference"}, ""},
		"not one of them": {replaced(), "--most=0", 2, nil, "--most: 0: expected 1 or more"},
	} {
		code, stdout, stderr := run(t, nil, append([]string{"diff", was, tt.is}, strings.Fields(tt.args)...)...)
		if code != tt.code || (code == 0) != (stderr == "") || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%s: got code %d, error %q, want %d and %q; output\n%s", name, code, stderr, tt.code, tt.stderr, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: got\n%s\nwant %q in it", name, stdout, want)
			}
		}
	}
	_, stdout, _ := run(t, nil, "diff", "-o", "json", was, replaced(`"1h"`, `"2h"`))
	var got diffReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || got.Different == 0 || len(got.Groups) == 0 || got.Groups[0].Count == 0 {
		t.Errorf("got %v of\n%s", err, stdout)
	}
}

func writeLog(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "requests")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTextLike(t *testing.T) {
	for _, pattern := range []string{
		`^/static/`, `\.(css|js)$`, `^/(a|b)/(.*)$`, `^/[ab]/`, `^/x+y{3}z?$`, `[^/]+$`, `^/a%20b$`, `\d+`, `^/é$`, `(?i)^/IMG/`, `^/\w+/[0-9]{4}$`, `x$`, `^/a b$`, ``,
	} {
		path := textLike(pattern)
		decoded := strings.NewReplacer("%20", " ", "%C3%A9", "é", "%25", "%").Replace(path)
		if re := regexp.MustCompile(pattern); !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t?#") || !re.MatchString(decoded) && !re.MatchString(path) {
			t.Errorf("%s: got %q", pattern, path)
		}
	}
}
