package engine

import (
	"bytes"

	"opencache/internal/wire"
)

// countHop adds to a request that goes upstream that it came by here.
func (e *Engine) countHop(r *wire.Request) {
	r.Add(wire.Via, e.via[r.Minor&1])
	if e.loop != nil {
		r.Add(wire.CDNLoop, e.loop) // what came stays as it is (RFC 8586, 2)
	}
}

// looped returns why r is refused: it has been here before (RFC 8586, 2), or
// through too many caches to be on its way still. 0: it is not. The head's
// limits bound what is looked at.
func (e *Engine) looped(r *wire.Request) Reason {
	hops := 0
	for name, value := range r.All() {
		if name != wire.CDNLoop {
			continue
		}
		n, here := countCDNs(value, e.loop)
		if here {
			return LoopDetected
		}
		hops += n
	}
	if hops > e.maxHops {
		return TooManyHops
	}
	return 0
}

// countCDNs returns how many members list has, cdn-info of RFC 8586, 2, and
// whether one of them has id. Parameters do not count, and a member that can
// not be read is another cache's. Hosts know no case; pseudonyms are compared
// like them, since some caches may take one for the other.
func countCDNs(list, id []byte) (n int, here bool) {
	for len(list) > 0 {
		var member []byte
		member, list = nextCDN(list)
		name, _, _ := bytes.Cut(member, []byte{';'})
		name = bytes.Trim(name, " \t")
		if wire.EqualFold(name, id) {
			return n, true
		}
		if len(name) > 0 {
			n++
		}
	}
	return n, false
}

// nextCDN cuts the first member off list. A comma in a quoted-string that is
// the value of a parameter is none between members.
func nextCDN(list []byte) (member, rest []byte) {
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == ',':
			return list[:i], list[i+1:]
		case list[i] == '"' && i > 0 && list[i-1] == '=':
			i += quoted(list[i:])
		}
	}
	return list, nil
}

// quoted returns the offset of the quote that ends the quoted-string at the
// start of s (RFC 9110, 5.6.4). It is 0, and the quote a byte like others,
// where there is none, or more than the end of a parameter behind it: nobody is
// to hide in an open string the members that others append.
func quoted(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			rest := bytes.TrimLeft(s[i+1:], " \t")
			if len(rest) == 0 || rest[0] == ',' || rest[0] == ';' {
				return i
			}
			return 0
		}
	}
	return 0
}

// ValidCDNID reports whether s can be an id in CDN-Loop: uri-host with or
// without a port, or a token (RFC 8586, 2).
func ValidCDNID(s string) bool {
	if s == "" || len(s) > maxCDNID {
		return false
	}
	token, host := true, true
	for i := range len(s) {
		token = token && isTokenByte(s[i])
		// A name or an address in brackets; RFC 3986 allows more in names,
		// comma and semicolon even, which nothing could tell from the list's.
		host = host && (isAlnum(s[i]) || bytes.IndexByte([]byte("-._:[]"), s[i]) >= 0)
	}
	return token || host
}

// maxCDNID is as long as a host name and its port can be.
const maxCDNID = 253 + len(":65535")

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
