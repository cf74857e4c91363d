package access

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
)

// Networks are a set of addresses. It is never changed once it is made, so
// that anybody may ask at any time, and asking allocates nothing: thousands of
// networks cost a dozen comparisons. The nil Networks hold none.
type Networks struct {
	spans []span // in order, apart from each other
}

// A span is the addresses from one to another. Those of version 4 come before
// those of version 6 and never share a span with them: ::/0 is no IPv4.
type span struct{ first, last netip.Addr }

// NewNetworks returns the set of all addresses in any of the prefixes; those
// that are not valid hold none. Prefixes of IPv4 addresses mapped to IPv6 are
// those of IPv4.
func NewNetworks(prefixes []netip.Prefix) *Networks {
	n := &Networks{}
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); p.IsValid() {
			n.spans = append(n.spans, span{p.Addr(), lastOf(p)})
		}
	}
	slices.SortFunc(n.spans, func(a, b span) int { return cmp.Or(a.first.Compare(b.first), b.last.Compare(a.last)) })
	n.join()
	return n
}

// join makes one of spans that overlap or touch.
func (n *Networks) join() {
	joined := n.spans[:0]
	for _, s := range n.spans {
		if i := len(joined) - 1; i >= 0 {
			before := &joined[i]
			if next := before.last.Next(); s.first.Compare(before.last) <= 0 || next == s.first {
				if before.last.Less(s.last) {
					before.last = s.last
				}
				continue
			}
		}
		joined = append(joined, s)
	}
	n.spans = slices.Clip(joined)
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	if a := netip.AddrFrom16(b); !p.Addr().Is4() {
		return a
	}
	return netip.AddrFrom16(b).Unmap()
}

// Has reports whether an address is in the set, whatever its zone and whether
// it is an IPv4 address mapped to IPv6.
func (n *Networks) Has(a netip.Addr) bool {
	if n == nil || len(n.spans) == 0 || !a.IsValid() {
		return false
	}
	a = a.Unmap().WithZone("")
	// The first span that does not end before a.
	i := sort.Search(len(n.spans), func(i int) bool { return !n.spans[i].last.Less(a) })
	return i < len(n.spans) && !a.Less(n.spans[i].first)
}

// Empty reports whether the set holds no address.
func (n *Networks) Empty() bool { return n == nil || len(n.spans) == 0 }
