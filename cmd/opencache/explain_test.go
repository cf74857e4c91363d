package main

import (
	"encoding/json"
	"strings"
	"testing"

	"opencache/internal/edge"
)

const explainedSite = `{
  "id": "shop", "hostnames": ["shop.test"],
  "upstreams": [{"name": "main", "servers": [{"url": "http://10.0.0.1:8080"}], "hostHeader": "inner.test"}],
  "routes": [{"location": "/", "headers": [{"name": "X-Edge", "value": "$resource_id"}, {"name": "Server", "action": "remove"}]},
    {"location": "/old/", "kind": "redirect", "redirect": {"to": "https://$host/new/"}}],
  "cache": {"zones": [{"name": "pages"}, {"name": "big", "shared": true}],
    "rules": [{"id": "pics", "priority": 1, "match": {"extensions": ["png"]}, "cache": {"zone": "big", "bypass": "$cookie_session", "validResponses": {"200": "1h"}}}]},
}`

func TestExplain(t *testing.T) {
	dir := documentsIn(t, map[string]string{shopKey: explainedSite})
	const config = "--config="
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"a rule": {[]string{"https://shop.test/a.png?x=1", "--response-header", "Server: nginx"}, []string{
			"site      shop\n", "route     / (cache_proxy)\n", "rule      pics (of the site)\n", "key       shop:httpsGETshop.test/a.png?x=1\n",
			"zone      big, shared by sites, on volume default\n", "upstream  main: 10.0.0.1:8080, asked for inner.test\n", "answer    200 through the cache, X-Cache-Status: MISS\n",
			"stored    yes: fresh for 1h0m0s, by valid responses\n", "+ X-Edge: shop", "- Server: nginx", `"priority": 1`}},
		"a condition":        {[]string{"http://shop.test/a.png", "-H", "Cookie: session=1"}, []string{"bypass    $cookie_session holds", "X-Cache-Status: BYPASS"}},
		"the upstream's own": {[]string{"http://shop.test/x", "--response-header", "Cache-Control: no-store"}, []string{"rule      - (of what no rule matches)", "zone      pages, on", "stored    no: no-store"}},
		"nothing says it":    {[]string{"http://shop.test/x"}, []string{"stored    no: "}},
		"a method":           {[]string{"http://shop.test/x", "--method", "POST"}, []string{"by the upstream, around the cache", "stored    no: method"}},
		"a redirect":         {[]string{"http://shop.test/old/x"}, []string{"answer   302 by the route itself", "Location: https://shop.test/new/"}},
		"no site":            {[]string{"http://other.test/"}, []string{"answer   421 by the edge itself: no site answers for this host"}},
	} {
		code, stdout, stderr := run(t, nil, append([]string{"explain", config + dir}, tt.args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: got code %d, error %q", name, code, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: got\n%s\nwant %q in it", name, stdout, want)
			}
		}
	}
}

// A running cache explains what it has in use, on both of its listeners, to
// who may administer.
func TestExplainLive(t *testing.T) {
	p := start(t, "--origin", "http://127.0.0.1:1", "--default-ttl", `\.png$=1h`)
	for _, addr := range []string{p.admin, p.listen} {
		code, stdout, stderr := run(t, nil, "explain", "--admin", strings.TrimPrefix(addr, "http://"), "-o", "json", "http://any.test/a.png")
		var got edge.Explanation
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
			t.Fatalf("got code %d, %q, %v of\n%s", code, stderr, err, stdout)
		}
		if got.Site != "serve" || got.Rule != "default-ttl-1" || !got.Stored || got.TTL != 3600 || got.Key != "http://127.0.0.1:1/a.png" {
			t.Errorf("got %+v", got)
		}
	}
	code, _, stderr := run(t, nil, "explain", "--admin", strings.TrimPrefix(p.admin, "http://"), "nonsense")
	if code != 2 || !strings.Contains(stderr, `URL "nonsense": expected http[s]://host/path`) {
		t.Errorf("got code %d, %q", code, stderr)
	}
}
