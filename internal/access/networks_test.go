package access

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func prefixes(t testing.TB, texts ...string) (all []netip.Prefix) {
	t.Helper()
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		networks []string
		address  string
		want     bool
	}{
		{nil, "192.0.2.1", false},
		{[]string{"192.0.2.0/24"}, "192.0.2.0", true},
		{[]string{"192.0.2.0/24"}, "192.0.2.255", true},
		{[]string{"192.0.2.0/24"}, "192.0.3.0", false},
		{[]string{"192.0.2.0/24"}, "192.0.1.255", false},
		{[]string{"192.0.2.77/24"}, "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "::ffff:192.0.2.9", true},
		{[]string{"::ffff:192.0.2.0/120"}, "192.0.2.9", true},
		{[]string{"192.0.2.0/25", "192.0.2.128/25"}, "192.0.2.200", true},
		{[]string{"10.0.0.0/8", "10.1.0.0/16", "10.2.3.4/32"}, "10.255.0.1", true},
		{[]string{"0.0.0.0/0"}, "255.255.255.255", true},
		{[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		{[]string{"::/0"}, "192.0.2.1", false},
		{[]string{"::/0"}, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
		{[]string{"::/0", "0.0.0.0/0"}, "::", true},
		{[]string{"2001:db8::/32"}, "2001:db8:ffff::1", true},
		{[]string{"2001:db8::/32"}, "2001:db9::", false},
		{[]string{"fe80::/10"}, "fe80::1%eth0", true},
		{[]string{"203.0.113.7/32", "198.51.100.0/24"}, "203.0.113.7", true},
		{[]string{"203.0.113.7/32", "198.51.100.0/24"}, "203.0.113.8", false},
	} {
		n := NewNetworks(prefixes(t, c.networks...))
		if got := n.Has(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%v has %s: got %t, want %t", c.networks, c.address, got, c.want)
		}
	}
	if (*Networks)(nil).Has(netip.MustParseAddr("::1")) || NewNetworks(prefixes(t, "::/0")).Has(netip.Addr{}) {
		t.Error("no networks, or no address: got true, want false")
	}
	if !NewNetworks(nil).Empty() || NewNetworks(prefixes(t, "::1/128")).Empty() {
		t.Error("Empty is wrong")
	}
}

// Thousands of networks answer as asking each of them does.
func TestNetworksAgreeWithEachAsked(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	address := func() netip.Addr {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(r.IntN(4)), byte(r.Uint32()), byte(r.Uint32())})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.IntN(4)), byte(r.Uint32()), 15: byte(r.Uint32())})
	}
	for range 20 {
		var all []netip.Prefix
		for range r.IntN(3000) {
			a := address()
			all = append(all, netip.PrefixFrom(a, a.BitLen()-r.IntN(12)))
		}
		n := NewNetworks(all)
		for range 500 {
			a, want := address(), false
			for _, p := range all {
				want = want || p.Contains(a)
			}
			if got := n.Has(a); got != want {
				t.Fatalf("%v in %v: got %t, want %t", a, all, got, want)
			}
		}
		if a := address(); testing.AllocsPerRun(100, func() { n.Has(a) }) > 0 {
			t.Error("asking allocates")
		}
	}
}
