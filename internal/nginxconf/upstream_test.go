package nginxconf

import (
	"encoding/json"
	"strings"
	"testing"

	"opencache/internal/config"
)

// What an upstream's directives come to, and what is told of them.
func TestPools(t *testing.T) {
	for _, c := range []struct{ text, want, note string }{
		{"least_conn;", `"balance":"least_conn"`, ""},
		{"random;", `"balance":"random_two"`, "of two servers by chance"},
		{"random two least_conn;", `"balance":"random_two"`, ""},
		{"hash $request_uri consistent;", `"balance":"hash","hashKey":"$request_uri"`, "rendezvous"},
		{"hash $http_user;", `"balance":"hash","hashKey":"$http_user"`, "rendezvous"},
		{"hash $unheard;", ``, "hash $unheard: lost"},
		{"ip_hash;", `"balance":"hash","hashKey":"$remote_addr"`, "rendezvous"},
		{"least_conn; random two;", `"balance":"least_conn"`, "random two: lost"},
		{"keepalive 32; keepalive_timeout 2m; keepalive_requests 9;", `"keepalive":32,"keepaliveTimeout":"2m"`, "keepalive_requests 9: moot"},
		{"keepalive many;", ``, ""},
		{"server 10.0.0.9 max_fails=0 fail_timeout=1m slow_start=30s;", `"maxFails":0,"failTimeout":"1m","slowStart":"30s"`, ""},
		{"server 10.0.0.9 max_fails=none;", ``, ""},
		{"server 10.0.0.9 max_conns=3;", ``, "a limit of connections is the pool's"},
		{"zone backends 64k;", ``, "moot"},
	} {
		text := "http { proxy_cache_path /c keys_zone=z:1m max_size=1g; upstream pool { server 10.0.0.1; " + c.text +
			" } server { listen 80; server_name a.test; location / { proxy_pass http://pool; proxy_cache z; proxy_cache_valid 1h; } } }"
		r, err := importText(text, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		checkDocuments(t, r)
		doc, faults := config.Parse(r.Documents[0].Key, r.Documents[0].Text, config.Limits{})
		if len(faults) > 0 {
			t.Fatalf("%s: %v", c.text, faults)
		}
		got, err := json.Marshal(doc.Site.Upstreams)
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s: got %s (%v), want %s", c.text, got, err, c.want)
		}
		var notes []string
		for _, n := range r.Notes {
			notes = append(notes, n.String())
		}
		if told := strings.Join(notes, "\n"); !strings.Contains(told, c.note) {
			t.Errorf("%s: told %q, want %q", c.text, told, c.note)
		}
	}
}
