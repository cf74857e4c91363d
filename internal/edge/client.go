package edge

import (
	"bytes"
	"net/netip"
	"unsafe"

	"opencache/internal/access"
	"opencache/internal/wire"
)

// findClient finds whom the request is from: who sent it, or, where that is one
// of the node's proxies, whom they say. From here on the client is nobody else
// for rules, keys, logs and the upstream.
func (v *visit) findClient() bool {
	v.client, v.vouched = v.r.Remote.Addr().Unmap(), v.r.Client.IsValid()
	port := v.r.Remote.Port()
	if v.vouched { // the connection said so, which only proxies of the node may
		v.client, port = v.r.Client.Addr().Unmap(), v.r.Client.Port()
	}
	v.hop, v.schemeSaid = v.client, false
	if v.believed = v.plan.trusted.Has(v.hop); v.believed {
		if a := behind(v.r, v.plan.trusted); a.IsValid() {
			v.client, v.vouched, port = a, true, 0 // fields tell no port that could be believed
		}
		v.heedScheme()
	}
	v.r.Client = netip.AddrPortFrom(v.client, port)
	return false
}

// heedScheme takes a believed proxy's word on how the client came, before
// anybody goes by it: key, redirects and upstream see the same.
func (v *visit) heedScheme() {
	if v.r.Count(wire.XForwardedProto) != 1 {
		return
	}
	said := v.r.Get(wire.XForwardedProto)
	https := wire.EqualFold(said, "https")
	if v.schemeSaid = https || wire.EqualFold(said, "http"); v.schemeSaid {
		v.r.Secure = https
	}
}

// Trusts reports whether an address is one of the node's proxies, which are
// believed when they say for whom they connect.
func (e *Edge) Trusts(a netip.Addr) bool { return e.plan.Load().trusted.Has(a) }

// whose returns whom a request is from, as far as it tells.
func whose(r *wire.Request) netip.Addr {
	if r.Client.IsValid() {
		return r.Client.Addr()
	}
	return r.Remote.Addr().Unmap()
}

// behind returns whom proxies say a request is from, which was sent by one of
// them: of the addresses in X-Forwarded-For, or in Forwarded where there is no
// such field, the last that is no proxy's. Whoever is no proxy may have written
// what stands before his own address, so that it is not even read. Where all
// are proxies it is the first, and where something stands that is no address,
// what follows it counts alone; zero: nothing does.
func behind(r *wire.Request, proxies *access.Networks) (client netip.Addr) {
	name, read, cut := wire.XForwardedFor, hopOf, cutLast
	if !r.Has(name) {
		name, read, cut = wire.Forwarded, forOf, cutLastElement
	}
	if !r.Has(name) {
		return client
	}
	for i := r.Len() - 1; i >= 0; i-- {
		id, _, line, ok := r.At(i)
		for ok && id == name && len(line) > 0 {
			var hop []byte
			line, hop = cut(line)
			if hop = bytes.Trim(hop, " \t"); len(hop) == 0 {
				continue
			}
			a := read(hop)
			if !a.IsValid() {
				return client
			}
			if client = a; !proxies.Has(a) {
				return client
			}
		}
	}
	return client
}

// cutLast cuts the last member off a list that knows no quotes.
func cutLast(list []byte) (rest, member []byte) {
	i := bytes.LastIndexByte(list, ',')
	return list[:max(i, 0)], list[i+1:]
}

// cutLastElement cuts the last element off a list in which a comma within
// quotes is none between members (RFC 9110, 5.6.1). Quotes are counted from the
// end, where a proxy wrote: one that a client has left open before that must not
// take in what follows.
func cutLastElement(list []byte) (rest, member []byte) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case !quoted && list[i] == ',':
			return list[:i], list[i+1:]
		}
	}
	return nil, list
}

// forOf reads the node of for= in a member of Forwarded (RFC 7239, 4 and 6);
// zero where there is none, and where it hides.
func forOf(member []byte) netip.Addr {
	for len(member) > 0 {
		var pair []byte
		pair, member, _ = bytes.Cut(member, []byte{';'}) // no address has a semicolon
		name, value, ok := bytes.Cut(bytes.Trim(pair, " \t"), []byte{'='})
		if !ok || !wire.EqualFold(name, "for") {
			continue
		}
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		return hopOf(value)
	}
	return netip.Addr{}
}

// hopOf reads an address as proxies write it: bare, or with a port, IPv6 then
// in brackets.
func hopOf(text []byte) netip.Addr {
	if len(text) > 0 && text[0] == '[' {
		end := bytes.IndexByte(text, ']')
		if end < 0 || end+1 < len(text) && text[end+1] != ':' {
			return netip.Addr{}
		}
		return addressIn(text[1:end])
	}
	if i := bytes.IndexByte(text, ':'); i >= 0 && i == bytes.LastIndexByte(text, ':') {
		text = text[:i]
	}
	return addressIn(text)
}

// addressIn reads an address without a zone, which would mean nothing here.
func addressIn(text []byte) netip.Addr {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	if len(text) == 0 || len(text) > longest || bytes.IndexByte(text, '%') >= 0 {
		return netip.Addr{}
	}
	// ParseAddr keeps what it is given only in the error, which is dropped.
	a, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
