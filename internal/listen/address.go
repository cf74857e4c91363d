package listen

import (
	"crypto/tls"
	"net"
	"net/netip"
)

// An address is who a connection counts for: an IPv4 address, or the 64 bits
// of an IPv6 one that name a network, in which a host may take any address.
// IPv4 is kept as the IPv6 form ::ffff:a.b.c.d. The zero address counts for
// nobody.
type address [16]byte

// addressOf returns who c counts for.
func addressOf(c net.Conn) address {
	return addressIn(remoteOf(c).Addr())
}

func addressIn(ip netip.Addr) address {
	if !ip.IsValid() {
		return address{}
	}
	a := ip.As16()
	if ip.Is6() && !ip.Is4In6() {
		clear(a[8:])
	}
	return a
}

// remoteOf returns the address of c's client; zero when it has none.
func remoteOf(c net.Conn) netip.AddrPort {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	switch r := c.(type) {
	case interface{ RemoteAddrPort() netip.AddrPort }:
		return r.RemoteAddrPort()
	default:
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			p := a.AddrPort()
			return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
		}
	}
	return netip.AddrPort{}
}

// peers counts the open connections of each address. It has no more entries
// than there are connections. The zero value is empty.
type peers struct {
	open map[address]int
}

// enter counts one connection more, unless there are limit already.
func (p *peers) enter(a address, limit int) bool {
	if limit <= 0 || a == (address{}) {
		return true
	}
	n := p.open[a]
	if n >= limit {
		return false
	}
	if p.open == nil {
		p.open = map[address]int{}
	}
	p.open[a] = n + 1
	return true
}

func (p *peers) leave(a address) {
	switch n := p.open[a]; {
	case n > 1:
		p.open[a] = n - 1
	case n == 1:
		delete(p.open, a)
	}
}
