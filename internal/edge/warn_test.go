package edge

import (
	"slices"
	"testing"

	"opencache/internal/config"
)

// Scripts of any origin that may read with their user's credentials are told of,
// for a site and for a route.
func TestSharedLogins(t *testing.T) {
	any := &config.CORS{Enabled: true, AllowCredentials: true, AllowOrigins: []string{"https://a.test", "*"}}
	for _, tt := range []struct {
		name string
		cors *config.CORS
		want bool
	}{
		{"none", nil, false}, {"any with credentials", any, true},
		{"unsaid is any", &config.CORS{Enabled: true, AllowCredentials: true}, true},
		{"by name", &config.CORS{Enabled: true, AllowCredentials: true, AllowOrigins: []string{"https://a.test"}}, false},
		{"without credentials", &config.CORS{Enabled: true, AllowOrigins: []string{"*"}}, false},
		{"off", &config.CORS{AllowCredentials: true}, false},
	} {
		got := sharedLogins(&config.Site{ID: "s", CORS: tt.cors, Routes: []config.Route{{}, {CORS: tt.cors}}})
		if !tt.want && len(got) > 0 || tt.want && (len(got) != 2 || got[0].Path != "cors.allowOrigins" || got[1].Path != "routes[1].cors.allowOrigins") {
			t.Errorf("%s: got %v, want warnings: %t", tt.name, got, tt.want)
		}
	}
}

// Whom a site denies or lets in by databases that there are not is told.
func TestBlindSite(t *testing.T) {
	deny := &config.Access{Deny: &config.Clients{Countries: []string{"DE"}, ASNs: []uint32{1}}}
	allow := &config.Access{Allow: &config.Clients{CIDRs: []string{"192.0.2.0/24"}, Countries: []string{"DE"}}}
	site := &config.Site{ID: "s", Access: deny, Routes: []config.Route{{}, {Access: allow}}}
	for _, tt := range []struct {
		geo  config.Geo
		want []string
	}{
		{config.Geo{}, []string{"access.deny.countries", "access.deny.asns", "routes[1].access.allow.countries"}},
		{config.Geo{City: "c"}, []string{"access.deny.asns"}},
		{config.Geo{City: "c", ASN: "a"}, nil},
	} {
		p := &Plan{node: &config.Node{Geo: tt.geo}}
		var got []string
		for _, f := range p.blindSite(site) {
			got = append(got, f.Path)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got %q, want %q", tt.geo, got, tt.want)
		}
	}
}
