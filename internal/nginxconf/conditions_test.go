package nginxconf

import (
	"encoding/json"
	"strings"
	"testing"

	"opencache/internal/config"
)

// siteOf imports a server of one cached location and returns its document.
func siteOf(t *testing.T, http, server, location string) (*config.Site, *Result) {
	t.Helper()
	text := "http { proxy_cache_path /c keys_zone=z:1m max_size=1g; " + http + " server { listen 80; server_name a.test; " + server +
		" location / { proxy_pass http://10.0.0.1; proxy_cache z; proxy_cache_valid 1h; " + location + " } } }"
	r, err := importText(text, nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	checkDocuments(t, r)
	doc, _ := config.Parse(r.Documents[0].Key, r.Documents[0].Text, config.Limits{})
	if doc.Site == nil {
		t.Fatalf("%s: no site", text)
	}
	return doc.Site, r
}

// What set, if and map come to where they decide about caching. Whatever is not
// understood keeps the location from being cached.
func TestConditions(t *testing.T) {
	const off = "not cached"
	for _, c := range []struct{ http, server, word, want string }{
		{"", "", "$cookie_a", "$cookie_a"},
		{"", "", "0", ""},
		{"", "", "1", off},
		{"", "", "$http_a$arg_b", "$http_a$arg_b"},
		{"", "", "$unheard", off},
		{"", "set $s 0; if ($arg_a) { set $s 1; }", "$s", "$arg_a"},
		{"", `set $s ""; if ($arg_a = "x y") { set $s yes; }`, "$s", `$arg_a = "x y"`},
		{"", "set $s 1; if ($arg_a != b) { set $s 0; }", "$s", "!($arg_a != b)"},
		{"", "set $s 0; if ($arg_a) { set $s 1; } if ($arg_b) { set $s 0; }", "$s", "$arg_a && !($arg_b)"},
		{"", "set $s 0; if ($arg_a) { set $s 1; } if ($arg_b) { set $s 0; } if ($arg_c) { set $s 1; }", "$s", "$arg_a && !($arg_b) || $arg_c"},
		{"", "set $s 0; if ($arg_a) { set $s $http_b; }", "$s", "$arg_a && $http_b"},
		{"", "if ($arg_a) { set $s 1; }", "$s", "$arg_a"},
		{"", "set $s 1; set $s 0;", "$s", ""},
		{"", "set $s $http_a;", "$s", "$http_a"},
		{"", "set $s $http_a; set $t x$s;", "$t", "x$http_a"},
		{"", "set $s 0; if (-f $request_filename) { set $s 1; }", "$s", off},
		{"", "set $s 0; if ($http_a ~ '(?!x)') { set $s 1; }", "$s", off},
		{"", "set $s 0; if ($arg_a) { break; } set $s 1;", "$s", off},
		{"", "set $s 0; if ($arg_a) { set $s 1; break; }", "$s", "$arg_a"},
		{"", "set $s 0; if ($http_a ~* (x|y)) { set $s 1; }", "$s", `$http_a ~* "(x|y)"`},
		{"map $http_a $m { default 0; x 1; }", "", "$m", `$http_a ~* ^x$`},
		{"map $http_a $m { default 1; x 0; }", "", "$m", `!($http_a ~* ^x$)`},
		{"map $http_a $m { ~^x 1; ~y 1; }", "", "$m", `$http_a ~ ^x || $http_a ~ y`},
		{"map $http_a $m { ~^x 0; ~y 1; z 1; }", "", "$m", `$http_a ~* ^z$ || $http_a ~ y && !($http_a ~ ^x)`},
		{"map $http_a $m { hostnames; default 0; }", "", "$m", off},
		{"geo $m { default 0; 10.0.0.0/8 1; }", "", "$m", off},
		{"map $http_a $m { default 0; x 1; }", "set $s 0; if ($m) { set $s 1; }", "$s", `$http_a ~* ^x$`},
		{"map $http_a $m { default 0; x 1; }", "", "$m$arg_b", off},
	} {
		site, r := siteOf(t, c.http, c.server, "proxy_no_cache "+c.word+"; proxy_cache_bypass "+c.word+";")
		rule := &site.Cache.Rules[0].Cache
		got := strings.Join(rule.NoStoreConditions, "|")
		if rule.Enabled != nil && !*rule.Enabled {
			got = off
			if r.Lost() == 0 {
				t.Errorf("%s %s: nothing is told", c.http, c.server)
			}
		} else if rule.Bypass != got {
			t.Errorf("%s %s: bypass %q, noStoreConditions %q", c.http, c.server, rule.Bypass, got)
		}
		if got != c.want {
			t.Errorf("%s %s %s: got %q, want %q", c.http, c.server, c.word, got, c.want)
		}
	}
}

// What was closed stays closed, and what can not be carried over has no other
// location answer for it.
func TestClosed(t *testing.T) {
	for _, c := range []struct {
		around, location string
		kind             string
		status           int
		lost             bool
	}{
		{"", "", "cache_proxy", 0, false},
		{"", "deny all;", "fixed", 403, false},
		{"", "allow 10.0.0.0/8; deny all;", "cache_proxy", 0, false},
		{"", "allow nothing; deny all;", "fixed", 403, true},
		{"", "deny 10.0.0.1;", "cache_proxy", 0, false},
		{"satisfy any;", "allow 10.0.0.0/8; deny all; auth_basic x; auth_basic_user_file /x;", "fixed", 403, true},
		{"set_real_ip_from 10.0.0.1; real_ip_header CF-Connecting-IP;", "allow 10.0.0.0/8; deny all;", "fixed", 403, true},
		{"", "auth_basic x; auth_basic_user_file /x;", "cache_proxy", 0, false},
		{"", "auth_basic x; auth_basic_user_file /x$host;", "fixed", 403, true},
		{"", "if ($http_user_agent ~ bot) { return 403; }", "cache_proxy", 0, true},
		{"deny all;", "", "fixed", 403, false},
		{"deny all;", "allow all;", "cache_proxy", 0, false},
		{"auth_basic x;", "", "fixed", 403, true},
		{"auth_basic x;", "auth_basic off;", "cache_proxy", 0, false},
		{"", "auth_request /auth;", "fixed", 403, true},
		{"", "internal;", "fixed", 404, false},
		{"", "return 403;", "fixed", 403, false},
		{"", "rewrite ^/x(.*) $1 break;", "fixed", 501, true},
		{"", "proxy_pass http://$http_host;", "fixed", 501, true},
		{"", "proxy_pass http://unix:/x;", "fixed", 501, true},
		{"", "proxy_pass http://10.0.0.1/base/;", "cache_proxy", 0, false},
		{"", "proxy_pass http://10.0.0.1/base;", "fixed", 501, true},
	} {
		site, r := siteOf(t, "", c.around, c.location)
		got := &site.Routes[0]
		kind, status := got.Kind, 0
		if kind == "" {
			kind = "cache_proxy"
		}
		if got.Fixed != nil {
			status = *got.Fixed.Status
		}
		if kind != c.kind || status != c.status || (r.Lost() > 0) != c.lost {
			notes, _ := json.Marshal(r.Notes)
			t.Errorf("%q %q: got %s %d, %s; want %s %d, lost %t", c.around, c.location, kind, status, notes, c.kind, c.status, c.lost)
		}
	}
}
