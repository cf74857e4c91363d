package edge

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/geo"
)

func bytesIs(n int64) *config.Size { return (*config.Size)(&n) }

// Every refusal of allow, deny, methods and sizes, and the section it is from.
func TestGate(t *testing.T) {
	places := &atlas{places: map[netip.Addr]*geo.Place{
		netip.MustParseAddr("192.0.2.1"):   {Country: "DE", ASN: 64496},
		netip.MustParseAddr("192.0.2.2"):   {Country: "FR", ASN: 64497},
		netip.MustParseAddr("2001:db8::2"): {Country: "DE", ASN: 64498},
	}}
	nets := func(list ...string) *config.Clients { return &config.Clients{CIDRs: list} }
	from := func(list ...string) *config.Clients { return &config.Clients{Countries: list} }
	as := func(list ...uint32) *config.Clients { return &config.Clients{ASNs: list} }
	for i, c := range []struct {
		site, route *config.Access
		client      string
		head        string
		want        refusal
		member      string
	}{
		{nil, nil, "192.0.2.1", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Deny: nets("192.0.2.0/31")}, nil, "192.0.2.1", "GET / HTTP/1.1", deniedNetwork, "access.deny.cidrs"},
		{&config.Access{Deny: nets("192.0.2.0/31")}, nil, "192.0.2.2", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Deny: from("FR", "DE")}, nil, "192.0.2.1", "GET / HTTP/1.1", deniedCountry, "access.deny.countries"},
		{&config.Access{Deny: from("FR")}, nil, "198.51.100.1", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Deny: as(64498)}, nil, "2001:db8::2", "GET / HTTP/1.1", deniedASN, "access.deny.asns"},
		{&config.Access{Deny: as(64498)}, nil, "192.0.2.2", "GET / HTTP/1.1", notRefused, ""},
		{nil, &config.Access{Allow: from("DE")}, "192.0.2.1", "GET / HTTP/1.1", notRefused, ""},
		{nil, &config.Access{Allow: from("DE")}, "192.0.2.2", "GET / HTTP/1.1", notAllowed, "routes[0].access.allow"},
		{nil, &config.Access{Allow: from("DE")}, "198.51.100.1", "GET / HTTP/1.1", notAllowed, "routes[0].access.allow"},
		{nil, &config.Access{Allow: as(64497)}, "192.0.2.2", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Allow: as(64497)}, nil, "192.0.2.1", "GET / HTTP/1.1", notAllowed, "access.allow"},
		{&config.Access{Allow: from("DE")}, &config.Access{Deny: nets("192.0.2.1")}, "192.0.2.1", "GET / HTTP/1.1", deniedNetwork, "routes[0].access.deny.cidrs"},
		{&config.Access{Allow: from("DE"), Deny: nets("192.0.2.1")}, &config.Access{Deny: &config.Clients{}}, "192.0.2.1", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Allow: from("FR")}, &config.Access{Allow: &config.Clients{}}, "192.0.2.1", "GET / HTTP/1.1", notRefused, ""},
		{&config.Access{Methods: []string{"GET"}}, nil, "192.0.2.1", "HEAD / HTTP/1.1", notRefused, ""},
		{&config.Access{Methods: []string{"GET"}}, nil, "192.0.2.1", "BREW / HTTP/1.1", wrongMethod, "access.methods"},
		{&config.Access{Methods: []string{"GET"}}, &config.Access{Methods: []string{"*"}}, "192.0.2.1", "BREW / HTTP/1.1", notRefused, ""},
		{&config.Access{MaxURI: bytesIs(4)}, nil, "192.0.2.1", "GET /?ab HTTP/1.1", notRefused, ""},
		{&config.Access{MaxURI: bytesIs(4)}, nil, "192.0.2.1", "GET /?abc HTTP/1.1", longURI, "access.maxUri"},
		{&config.Access{MaxURI: bytesIs(4)}, &config.Access{MaxURI: bytesIs(0)}, "192.0.2.1", "GET /?abc HTTP/1.1", notRefused, ""},
		{nil, &config.Access{MaxHeader: bytesIs(7)}, "192.0.2.1", "GET / HTTP/1.1\nA: 12", notRefused, ""},
		{nil, &config.Access{MaxHeader: bytesIs(7)}, "192.0.2.1", "GET / HTTP/1.1\nA: 123", longHeader, "routes[0].access.maxHeader"},
		{&config.Access{MaxBody: bytesIs(10)}, nil, "192.0.2.1", "POST / HTTP/1.1\nContent-Length: 10", notRefused, ""},
		{&config.Access{MaxBody: bytesIs(10)}, nil, "192.0.2.1", "POST / HTTP/1.1\nContent-Length: 11", longBody, "access.maxBody"},
	} {
		s := serveLike{}.site()
		s.Access, s.Routes = c.site, []config.Route{{Location: "/", Access: c.route}}
		v := at(t, newEdge(t, Options{Geo: places}, nil, s), strings.Replace(c.head, " HTTP/1.1", " HTTP/1.1\nHost: a", 1))
		v.client = netip.MustParseAddr(c.client)
		v.geo = places
		g := v.site.routes[0].gate
		got := notRefused
		if g != nil {
			if got = g.admits(&v.values); got == notRefused {
				got = g.fits(v.r)
			}
		}
		member := ""
		if got != notRefused {
			member = g.member(got)
		}
		if got != c.want || member != c.member {
			t.Errorf("%d: %s %s: got %s by %q, want %s by %q", i, c.client, c.head, name(got), member, name(c.want), c.member)
		}
	}
}

func name(r refusal) string { return fmt.Sprintf("%q", r.String()) }

// Every refusal has what is said of it.
func TestRefusals(t *testing.T) {
	seen := map[string]bool{}
	for r := range numRefusals {
		x := refusals[r]
		if seen[x.name] || r != notRefused && (x.name == "" || x.status < 400 || x.member == "" || x.text == "") {
			t.Errorf("%d: %+v", r, x)
		}
		seen[x.name] = true
	}
}

// Secrets come from variables of the environment, too; what is missing, too
// short or of another kind is a fault with its path, and shows nothing of it.
func TestSecretsOfAccess(t *testing.T) {
	users := func(env string) *config.BasicAuth { return &config.BasicAuth{Users: &config.Secret{Env: env}} }
	keys := func(env string) *config.SignedURL {
		return &config.SignedURL{Keys: []config.SigningKey{{ID: "k", Secret: config.Secret{Env: env}}}}
	}
	t.Setenv("ACCESS_USERS", "alice:$2a$04$NjViXf8Y4wd.EyU2s4JInuG9oDYcR3hhkQQXZV18RpRlSL08RKpDG\n")
	t.Setenv("ACCESS_KEY", "0123456789abcdef-one\n")
	t.Setenv("ACCESS_MD5", "alice:$apr1$wonderland$x\n")
	t.Setenv("ACCESS_SHORT", "wonderland")
	t.Setenv("ACCESS_BLANK", " \n")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		site, route *config.Access
		want        string // of the fault; "": none
	}{
		{&config.Access{BasicAuth: users("ACCESS_USERS")}, nil, ""},
		{nil, &config.Access{BasicAuth: users("ACCESS_USERS"), SignedURL: keys("ACCESS_KEY")}, ""},
		{&config.Access{SignedURL: keys("ACCESS_KEY")}, nil, ""},
		{nil, &config.Access{BasicAuth: users("ACCESS_NONE")}, "routes[0].access.basicAuth.users.env: found ACCESS_NONE, expected a variable of the environment that holds something"},
		{&config.Access{SignedURL: keys("ACCESS_NONE")}, nil, "access.signedUrl.keys[0].secret.env: found ACCESS_NONE"},
		{&config.Access{SignedURL: keys("ACCESS_SHORT")}, nil, "access.signedUrl.keys[0].secret: expected a secret of at least 16 bytes, not 10"},
		{&config.Access{SignedURL: keys("ACCESS_BLANK")}, nil, "access.signedUrl.keys[0].secret: expected a secret of at least 16 bytes, not 0"},
		{&config.Access{SignedURL: &config.SignedURL{Keys: []config.SigningKey{{ID: "k", Secret: config.Secret{File: empty}}}}}, nil,
			"access.signedUrl.keys[0].secret: expected a secret of at least 16 bytes, not 0"},
		{&config.Access{BasicAuth: users("ACCESS_MD5")}, nil, "access.basicAuth.users: expected line 1: an MD5 hash (apr1): expected one of bcrypt"},
		{&config.Access{BasicAuth: &config.BasicAuth{Users: &config.Secret{File: "/nowhere/users"}}}, nil, "access.basicAuth.users.file: found /nowhere/users, expected a file that can be read"},
	} {
		s := serveLike{}.site()
		s.Access, s.Routes = c.site, []config.Route{{Location: "/", Access: c.route}}
		compiler := Compiler{Volumes: []Volume{newVolume(t)}}
		plan, faults := compiler.Compile(nil, nil, []*config.Site{s})
		switch {
		case c.want == "" && len(faults) > 0:
			t.Errorf("got %v, want no fault", faults)
		case c.want != "" && (len(faults) == 0 || !strings.Contains(faults[0].String(), c.want) || plan.sites["serve"] != nil):
			t.Errorf("got %v, want %q, and no site", faults, c.want)
		case c.want != "" && strings.Contains(fmt.Sprint(faults), "wonderland"):
			t.Errorf("%v shows what is in it", faults)
		}
	}
}

// A path that an origin could read as leading elsewhere is in no signed folder.
func TestClimbs(t *testing.T) {
	for path, want := range map[string]bool{
		"/a/b": false, "/a/b..c": false, "/a/b%20c": false, "/a/%2Fb": false, "/a/..b/c": false,
		"/a/..%2Fb": true, "/a/%2e%2e%2fb": true, "/a/%252e%252e%252fb": true, "/a/..%5cb": true, `/a/..\b`: true, "/a/..;/b": true, "/a/..%3b/b": true, "/a/b..;c": false,
	} {
		if got := climbs([]byte(path)); got != want {
			t.Errorf("%s: got %t, want %t", path, got, want)
		}
	}
}
