package edge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/geo"
	"opencache/internal/wire"
)

// denialOf compiles what a node denies.
func denialOf(t testing.TB, doc config.Deny) *denial {
	t.Helper()
	p, faults := new(Compiler).Compile(nil, &config.Node{Filters: config.Filters{Deny: doc}}, nil)
	for _, f := range faults {
		t.Fatal(f)
	}
	return p.deny
}

// someone is a visit of a client.
func someone(t testing.TB, from string, l Locator, agents ...string) *visit {
	t.Helper()
	v := &visit{}
	v.r, v.geo, v.client = new(wire.Request), l, netip.MustParseAddr(from).Unmap()
	for _, a := range agents {
		v.r.Add(wire.UserAgent, []byte(a))
	}
	return v
}

func TestDenial(t *testing.T) {
	a := &atlas{places: map[netip.Addr]*geo.Place{
		netip.MustParseAddr("203.0.113.1"): {Country: "ZZ", ASN: 64496},
		netip.MustParseAddr("203.0.113.2"): {Country: "AA", ASN: 64497},
	}}
	networks := config.Deny{CIDRs: []string{"192.0.2.0/25", "192.0.2.64/26", "198.51.100.7", "2001:db8::/32", "10.0.0.0/8"}}
	places := config.Deny{Countries: []string{"ZZ", "YY"}, ASNs: []uint32{64497}}
	agents := config.Deny{UserAgents: []string{"^BadBot", `evil\b`}}
	for _, c := range []struct {
		doc    config.Deny
		from   string
		agents []string
		want   filter
	}{
		{networks, "192.0.2.0", nil, byNetwork},
		{networks, "192.0.2.127", nil, byNetwork},
		{networks, "192.0.2.128", nil, noFilter},
		{networks, "198.51.100.7", nil, byNetwork},
		{networks, "198.51.100.8", nil, noFilter},
		{networks, "::ffff:10.1.2.3", nil, byNetwork},
		{networks, "2001:db8:ffff::1", nil, byNetwork},
		{networks, "2001:db9::1", nil, noFilter},
		{places, "203.0.113.1", nil, byCountry},
		{places, "203.0.113.2", nil, byASN},
		{places, "203.0.113.3", nil, noFilter}, // whom no database knows
		{config.Deny{Countries: []string{"ZZ"}, ASNs: []uint32{0}}, "203.0.113.3", nil, noFilter},
		{agents, "192.0.2.1", nil, noFilter},
		{agents, "192.0.2.1", []string{"badbot/1.0"}, byUserAgent},
		{agents, "192.0.2.1", []string{"Mozilla BadBot"}, noFilter},
		{agents, "192.0.2.1", []string{"an EVIL one"}, byUserAgent},
		{agents, "192.0.2.1", []string{"Mozilla", "BadBot"}, byUserAgent}, // two lines
		{config.Deny{UserAgents: []string{"^$"}}, "192.0.2.1", nil, byUserAgent},
		{config.Deny{UserAgents: []string{"^$"}}, "192.0.2.1", []string{""}, byUserAgent},
		{config.Deny{UserAgents: []string{"^$"}}, "192.0.2.1", []string{"curl"}, noFilter},
	} {
		if got := denialOf(t, c.doc).of(someone(t, c.from, a, c.agents...)); got != c.want {
			t.Errorf("%+v, from %s %q: got %v, want %v", c.doc, c.from, c.agents, got, c.want)
		}
	}
	if d := denialOf(t, config.Deny{}); d != nil {
		t.Errorf("nothing denied: got %+v, want nil", d)
	}
}

// A pattern of PCRE's alone is at fault, with its place.
func TestDenialFaults(t *testing.T) {
	_, faults := new(Compiler).Compile(nil, &config.Node{Filters: config.Filters{Deny: config.Deny{UserAgents: []string{"ok", "(?=x)"}, CIDRs: []string{"10.0.0.0/33"}}}}, nil)
	got := fmt.Sprint(faults)
	for _, want := range []string{"filters.deny.userAgents[1]", "filters.deny.cidrs[0]"} {
		if len(faults) != 2 || !strings.Contains(got, want) {
			t.Errorf("got %s, want two faults, one at %s", got, want)
		}
	}
}

// Thousands of networks and countries cost a request next to nothing, and no
// allocation.
func BenchmarkDenial(b *testing.B) {
	doc := config.Deny{Countries: []string{"ZZ", "YY", "XX"}}
	for i := range 50_000 {
		doc.CIDRs = append(doc.CIDRs, fmt.Sprintf("%d.%d.%d.0/25", 11+i>>16, i>>8&255, i&255))
		doc.ASNs = append(doc.ASNs, uint32(64496+i))
	}
	d := denialOf(b, doc)
	v := someone(b, "11.1.1.200", &atlas{})
	v.where = &geo.Place{Country: "DE", ASN: 1}
	b.ReportAllocs()
	for b.Loop() {
		if d.of(v) != noFilter {
			b.Fatal("denied")
		}
	}
}
