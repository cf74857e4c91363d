package edge

import (
	"net/netip"
	"testing"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/wire"
)

// TestFindClient: fields count when a trusted proxy sent them, from the right.
func TestFindClient(t *testing.T) {
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	c := Compiler{Volumes: e.o.Volumes}
	plan, faults := c.Compile(nil, &config.Node{Network: config.Network{TrustedProxies: []string{"10.0.0.0/8", "2001:db8:f::/48", "127.0.0.1"}}}, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, tt := range []struct {
		name, from, said string // said: whom the connection is for
		fields           string
		want             string
		vouched          bool
	}{
		{"nobody between", "192.0.2.7", "", "", "192.0.2.7", false},
		{"mapped", "::ffff:192.0.2.7", "", "", "192.0.2.7", false},
		{"spoofed", "192.0.2.7", "", "\nX-Forwarded-For: 198.51.100.1", "192.0.2.7", false},
		{"one proxy", "10.0.0.1", "", "\nX-Forwarded-For: 198.51.100.1", "198.51.100.1", true},
		{"forged before", "10.0.0.1", "", "\nX-Forwarded-For: 127.0.0.1, 198.51.100.1", "198.51.100.1", true},
		{"two proxies", "10.0.0.1", "", "\nX-Forwarded-For: 203.0.113.9, 198.51.100.1, 10.9.9.9", "198.51.100.1", true},
		{"two lines", "10.0.0.1", "", "\nX-Forwarded-For: 203.0.113.9\nX-Forwarded-For: 198.51.100.1", "198.51.100.1", true},
		{"only proxies", "10.0.0.1", "", "\nX-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3", true},
		{"with ports", "10.0.0.1", "", "\nX-Forwarded-For: 198.51.100.1:4711, [2001:db8:f::1]:80", "198.51.100.1", true},
		{"IPv6", "2001:db8:f::2", "", "\nX-Forwarded-For: 2001:db8::7", "2001:db8::7", true},
		{"mapped in a field", "10.0.0.1", "", "\nX-Forwarded-For: ::ffff:198.51.100.1", "198.51.100.1", true},
		{"empty", "10.0.0.1", "", "\nX-Forwarded-For:", "10.0.0.1", false},
		{"empty members", "10.0.0.1", "", "\nX-Forwarded-For: , 198.51.100.1 ,", "198.51.100.1", true},
		{"no address last", "10.0.0.1", "", "\nX-Forwarded-For: 198.51.100.1, unknown", "10.0.0.1", false},
		{"no address between", "10.0.0.1", "", "\nX-Forwarded-For: 198.51.100.1, unknown, 10.0.0.5, 10.0.0.6", "10.0.0.5", true},
		{"a zone", "10.0.0.1", "", "\nX-Forwarded-For: fe80::1%eth0", "10.0.0.1", false},
		{"Forwarded", "10.0.0.1", "", "\nForwarded: for=198.51.100.1;proto=https, for=10.0.0.4", "198.51.100.1", true},
		{"Forwarded, IPv6", "10.0.0.1", "", "\nForwarded: proto=http;For=\"[2001:db8::7]:4711\"", "2001:db8::7", true},
		{"Forwarded, a comma in quotes", "10.0.0.1", "", "\nForwarded: by=\"a,for=203.0.113.1\";for=198.51.100.1", "198.51.100.1", true},
		{"Forwarded, hidden", "10.0.0.1", "", "\nForwarded: for=198.51.100.1, for=_hidden", "10.0.0.1", false},
		{"Forwarded, without for", "10.0.0.1", "", "\nForwarded: for=198.51.100.1, proto=https", "10.0.0.1", false},
		{"a quote left open", "10.0.0.1", "", "\nX-Forwarded-For: \", 198.51.100.1", "198.51.100.1", true},
		{"a backslash", "10.0.0.1", "", "\nX-Forwarded-For: \"\\, 198.51.100.1", "198.51.100.1", true},
		{"Forwarded, a quote left open", "10.0.0.1", "", "\nForwarded: for=\", for=198.51.100.1", "198.51.100.1", true},
		{"Forwarded, a quote left open, IPv6", "10.0.0.1", "", "\nForwarded: for=\"a, for=\"[2001:db8::7]\"", "2001:db8::7", true},
		{"Forwarded, an open bracket", "10.0.0.1", "", "\nForwarded: for=\"[, for=198.51.100.1;by=\"a,b\"", "198.51.100.1", true},
		{"both", "10.0.0.1", "", "\nForwarded: for=203.0.113.1\nX-Forwarded-For: 198.51.100.1", "198.51.100.1", true},
		{"X-Real-IP", "10.0.0.1", "", "\nX-Real-IP: 203.0.113.1", "10.0.0.1", false},
		{"the connection's word", "10.0.0.1", "198.51.100.1:99", "\nX-Forwarded-For: 203.0.113.1", "198.51.100.1", true},
		{"the connection's word, a proxy", "10.0.0.1", "10.0.0.2:99", "\nX-Forwarded-For: 203.0.113.1", "203.0.113.1", true},
		{"no address", "", "", "\nX-Forwarded-For: 203.0.113.1", "invalid IP", false},
	} {
		v := at(t, e, "GET / HTTP/1.1\nHost: h"+tt.fields)
		v.plan = plan
		v.r.Remote, v.r.Client = netip.AddrPort{}, netip.AddrPort{}
		if tt.from != "" {
			v.r.Remote = netip.AddrPortFrom(netip.MustParseAddr(tt.from), 1)
		}
		if tt.said != "" {
			v.r.Client = netip.MustParseAddrPort(tt.said)
		}
		v.findClient()
		if got := v.client.String(); got != tt.want || v.vouched != tt.vouched || v.r.Client.Addr() != v.client {
			t.Errorf("%s: got %s, vouched %t, want %s, %t", tt.name, got, v.vouched, tt.want, tt.vouched)
		}
	}
}

// FuzzBehind: whatever a proxy's fields say, the answer is an address without
// a zone, or none; and what a client wrote before what the last proxy added
// changes nothing.
func FuzzBehind(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "unknown, [::1]:8", "for=\"[2001:db8::1]:9\";by=a, for=_x", "\"", ",,,\"\\\"", "1.2.3.4:5, ::ffff:10.0.0.1", "fe80::1%e"} {
		f.Add(s)
	}
	trusted := access.NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	f.Fuzz(func(t *testing.T, s string) {
		for name, last := range map[wire.Name]string{wire.XForwardedFor: "198.51.100.7", wire.Forwarded: "for=198.51.100.7"} {
			var r wire.Request
			r.Add(name, []byte(s))
			if a := behind(&r, trusted); a.IsValid() && (a.Zone() != "" || a.Is4In6()) {
				t.Errorf("%s %q: got %s", name, s, a)
			}
			proxy := map[wire.Name]string{wire.XForwardedFor: "10.0.0.3", wire.Forwarded: "for=10.0.0.3"}[name]
			var joined wire.Request // as proxies do it that add to the line
			joined.Add(name, []byte(s+", "+last+", "+proxy))
			r.Add(name, []byte(last))
			r.Add(name, []byte(proxy))
			for _, one := range []*wire.Request{&r, &joined} {
				if a := behind(one, trusted); a.String() != "198.51.100.7" {
					t.Errorf("%s %q, %s: got %s", name, s, last, a)
				}
			}
		}
	})
}
