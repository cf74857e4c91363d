package nginxconf

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"opencache/internal/config"
)

// TestAccess is what a location's directives come to in its section access, or
// its site's where all routes say it.
func TestAccess(t *testing.T) {
	const zone = "limit_req_zone $binary_remote_addr zone=one:10m rate=30r/m; "
	for _, c := range []struct{ http, around, location, want string }{
		{"", "", "", `{"maxBody":"1M"}`},
		{"client_max_body_size 0;", "", "", `{"maxBody":"0"}`},
		{"", "client_max_body_size 2m;", "client_max_body_size 8m;", `{"maxBody":"8M"}`},
		{"", "", "allow 10.0.0.0/8; allow ::1; deny all;", `{"allow":{"cidrs":["10.0.0.0/8","::1"]},"maxBody":"1M"}`},
		{"", "deny 192.0.2.7;", "", `{"deny":{"cidrs":["192.0.2.7"]},"maxBody":"1M"}`},
		{"", "deny 192.0.2.7;", "allow all;", `{"maxBody":"1M"}`},
		{"", "", "deny 10.1.2.3; allow 10.1.2.0/24; deny all;", `{"allow":{"cidrs":["10.1.2.0/24"]},"deny":{"cidrs":["10.1.2.3"]},"maxBody":"1M"}`},
		{"", "", "allow 10.1.2.0/24; deny 10.1.2.3; deny all;", `{"allow":{"cidrs":["10.1.2.0/24"]},"maxBody":"1M"}`},
		{"", "", "allow 10.0.0.0/10; deny 10.0.0.0/8;", `{"deny":{"cidrs":["10.64.0.0/10","10.128.0.0/9"]},"maxBody":"1M"}`},
		{"", "", "limit_except GET POST { deny all; }", `{"methods":["GET","POST"],"maxBody":"1M"}`},
		{"", "", "limit_except GET { allow 10.0.0.0/8; deny all; }", `{"methods":["GET"],"maxBody":"1M"}`},
		{"", "", "limit_except GET { allow all; }", `{"maxBody":"1M"}`},
		{"", "if ($request_method !~ ^(GET|HEAD|POST)$ ) { return 405; }", "limit_except GET PUT { deny all; }", `{"methods":["GET"],"maxBody":"1M"}`},
		{"", "if ($request_method !~ ^(GET|HEAD)$) { return 444; }", "", `{"methods":["GET","HEAD"],"maxBody":"1M"}`},
		{zone, "", "limit_req zone=one burst=5 nodelay;", `{"maxBody":"1M","rateLimits":["one"]}`},
		{zone, "limit_req zone=none;", "", `{"maxBody":"1M"}`},
		{"auth_basic_user_file htpasswd;", "auth_basic 'who are you';", "proxy_cache off;", `{"maxBody":"1M","basicAuth":{"users":{"file":"/etc/nginx/htpasswd"},"realm":"who are you","forward":true}}`},
		{"", "auth_basic_user_file /x;", "auth_basic $host;", `{"maxBody":"1M","basicAuth":{"users":{"file":"/x"}}}`},
	} {
		site, r := siteOf(t, c.http, c.around, c.location)
		access := site.Routes[0].Access.Over(site.Access)
		var got, want any
		text, err := json.Marshal(access)
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || json.Unmarshal([]byte(c.want), &want) != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("%q %q %q: got %s, want %s; %v", c.http, c.around, c.location, a, b, r.Notes)
		}
	}
}

// TestRates is what limit_req comes to in the site's list.
func TestRates(t *testing.T) {
	site, r := siteOf(t, "limit_req_zone $http_x_key$binary_remote_addr zone=one:10m rate=30r/m; limit_req_zone $server_name zone=all:1m rate=9r/s; limit_req_zone $unheard_of zone=odd:1m rate=9r/s;",
		"limit_req_dry_run on;", "limit_req zone=one burst=5; limit_req zone=all; limit_req zone=odd;")
	got, err := json.Marshal(site.RateLimits)
	want := `[{"name":"one","key":"$http_x_key$remote_addr","rate":"30/m","burst":6,"dryRun":true},{"name":"all","key":"a.test","rate":"9/s","burst":1,"dryRun":true}]`
	if err != nil || string(got) != want || r.Lost() != 1 {
		t.Errorf("got %s, %v; want %s", got, r.Notes, want)
	}
}

// TestAccessOfNetworks compares what comes of rules with what nginx does of
// them: the first that names a client counts.
func TestAccessOfNetworks(t *testing.T) {
	networks := []string{"10.0.0.0/8", "10.64.0.0/10", "10.64.0.1", "10.64.0.0/31", "192.0.2.0/24", "::/0", "2001:db8::1"}
	clients := []string{"10.1.1.1", "10.64.0.1", "10.64.0.0", "10.100.0.0", "192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8::2"}
	has := func(c *config.Clients, a netip.Addr) bool {
		for _, text := range c.CIDRs {
			if p, ok := network(text); ok && p.Contains(a) {
				return true
			}
		}
		return false
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		x := ""
		var rules []*Directive
		for range 4 {
			rules = append(rules, &Directive{Name: []string{"allow", "deny"}[random.IntN(2)], Args: []string{networks[random.IntN(len(networks))]}})
		}
		if n%3 > 0 {
			rules = append(rules, &Directive{Name: []string{"allow", "deny"}[n%3-1], Args: []string{"all"}})
		}
		for _, d := range rules {
			x += d.Name + " " + d.Args[0] + "; "
		}
		site, _ := siteOf(t, "", "", x)
		access := site.Routes[0].Access.Over(site.Access)
		for _, text := range clients {
			a, want := netip.MustParseAddr(text), true
			for _, d := range rules {
				p, _ := network(d.Args[0])
				if d.Args[0] == "all" || p.Contains(a) {
					want = d.Name == "allow"
					break
				}
			}
			got := access != nil && site.Routes[0].Fixed == nil && (access.Allow.Empty() || has(access.Allow, a)) && (access.Deny.Empty() || !has(access.Deny, a))
			if got != want {
				t.Fatalf("%s: %s: got %t, want %t", x, text, got, want)
			}
		}
	}
}

// TestNodeOfAccess is what the node is told of who clients are, and of its log.
func TestNodeOfAccess(t *testing.T) {
	for _, c := range []struct{ conf, want, lost string }{
		{`set_real_ip_from 10.0.0.0/8; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; server { listen 80; server_name a; }`, `"trustedProxies": ["10.0.0.0/8"]`, ""},
		{`set_real_ip_from 10.0.0.1; server { listen 80; server_name a; }`, ``, "X-Forwarded-For, Forwarded"},
		{`set_real_ip_from 10.0.0.1; real_ip_header proxy_protocol; server { listen 80 proxy_protocol; server_name a; }`, `"proxyProtocol": true`, ""},
		{`server { listen 80 proxy_protocol; server_name a; }`, ``, "nobody is trusted"},
		{`access_log /var/log/a.log; server { listen 80; server_name a; access_log off; }`, `"format": "combined"`, ""},
		{`access_log /dev/stdout main; server { listen 80; server_name a; access_log /other.log; }`, `"path": "-"`, "there is one access log"},
		{`access_log syslog:server=x; server { listen 80; server_name a; }`, ``, "a file with a whole path"},
	} {
		r, err := importText("http { "+c.conf+" }", nil)
		if err != nil {
			t.Fatal(err)
		}
		checkDocuments(t, r)
		notes := ""
		for _, n := range r.Notes {
			if n.Fate == Lost {
				notes += n.String()
			}
		}
		if text := string(r.Documents[1].Text); !strings.Contains(text, c.want) || !strings.Contains(notes, c.lost) || c.lost == "" && notes != "" {
			t.Errorf("%s: got %s\n%s; want %q, %q", c.conf, text, notes, c.want, c.lost)
		}
	}
}

// TestLocal: a server that nobody but the machine came to is not opened to all
// who come to the node.
func TestLocal(t *testing.T) {
	const public = "server { listen 80; server_name a; location / { proxy_pass http://127.0.0.1:1; } } "
	for _, c := range []struct{ conf, want string }{
		{public + "server { listen 127.0.0.1:81; server_name b; location / { return 200 x; } }", "127.0.0.0/8 ::1"},
		{public + "server { listen [::1]:81; server_name b; location / { proxy_pass http://127.0.0.1:1; } }", "127.0.0.0/8 ::1"},
		{public + "server { listen unix:/x; server_name b; location / { proxy_pass http://127.0.0.1:1; allow 10.0.0.1; deny all; } }", "127.0.0.0/8 ::1"},
		{public + "server { listen 81; server_name b; location / { return 200 x; } }", ""},
		{"server { listen 127.0.0.1:81; server_name b; location / { return 200 x; } }", ""},
	} {
		r, err := importText("http { "+c.conf+" }", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range r.Documents {
			if d.Key != "opencache:edgeResource:b" {
				continue
			}
			doc, faults := config.Parse(d.Key, d.Text, config.Limits{})
			got := ""
			if a := doc.Site.Routes[0].Access.Over(doc.Site.Access); a != nil && a.Allow != nil {
				got = strings.Join(a.Allow.CIDRs, " ")
			}
			if got != c.want || len(faults) > 0 {
				t.Errorf("%s: got %q, want %q; %v", c.conf, got, c.want, faults)
			}
		}
	}
}
