package edge

import (
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
