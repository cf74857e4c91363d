package edge

import (
	"bytes"
	"slices"

	"opencache/internal/wire"
)

// A param is one parameter of a query: where it stands and how long its name is.
type param struct{ text, name []byte }

// cleanTarget removes dot segments from the path (RFC 3986, 6.2.2.3): no
// request leaves the origin's base path, and what is keyed is what is sent.
// Nothing else is changed: "//" and "%2F" name other resources than "/". A
// target in absolute form becomes its path (RFC 9112, 3.2.2).
func (v *visit) cleanTarget() bool {
	path := v.r.Path()
	if len(path) == 0 || path[0] != '/' || !wire.HasDots(path) && v.r.Target()[0] == '/' {
		return false
	}
	v.target = wire.CleanPath(v.target[:0], path)
	if query, ok := v.r.Query(); ok {
		v.target = append(append(v.target, '?'), query...)
	}
	v.r.SetTarget(v.target)
	return false
}

// matched is path and query as patterns see them: with those triplets decoded
// that may be (RFC 3986, 6.2.2.2), so that /%61pi is matched like /api.
func (v *visit) matched() []byte {
	target := v.r.Target()
	if bytes.IndexByte(v.r.Path(), '%') < 0 {
		return target
	}
	m := v.decoded[:0]
	for i := 0; i < len(target); i++ {
		b := target[i]
		if b == '?' {
			m = append(m, target[i:]...)
			break
		}
		if b == '%' && i+2 < len(target) {
			if c := unhex(target[i+1])<<4 | unhex(target[i+2]); unreserved(c) {
				m = append(m, c)
				i += 2
				continue
			}
		}
		m = append(m, b)
	}
	v.decoded = m
	return m
}

// unhex is the value of a hexadecimal digit; the parser takes no others behind
// a percent sign.
func unhex(b byte) byte {
	if b >= 'A' {
		return b&^0x20 - 'A' + 10
	}
	return b - '0'
}

// unreserved reports a character that means the same encoded (RFC 3986, 2.3).
func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

// cacheKey is the key of the target: scheme, authority and path as the origin
// sees them, and the query. Two targets that an origin may tell apart have two
// keys, but for the order of parameters of different names, and for what means
// the same in an authority: case and a default port (RFC 9110, 4.2.3).
func (v *visit) cacheKey() []byte {
	k := append(v.beginKey(), v.r.Path()...)
	if query, ok := v.r.Query(); ok {
		k = append(k, '?')
		if v.sorts() {
			k = v.appendSorted(k, query)
		} else {
			k = append(k, query...)
		}
	}
	v.key = k
	return k
}

// beginKey begins the key.
func (v *visit) beginKey() []byte {
	k := v.appendOrigin(v.key[:0])
	v.to.Origin = len(k)
	return k
}

// appendOrigin appends what the key begins with.
func (v *visit) appendOrigin(k []byte) []byte {
	switch {
	case !v.e.o.PreserveHost:
		return append(k, v.e.o.Origin...)
	case v.r.Secure:
		k = append(k, "https://"...)
	default:
		k = append(k, "http://"...)
	}
	return appendLower(k, wire.TrimPort(v.r.Authority(), v.r.Secure))
}

// sorts reports whether the query's parameters are sorted for the key.
func (v *visit) sorts() bool {
	query, ok := v.r.Query()
	return ok && !v.e.o.KeepQueryOrder && bytes.IndexByte(query, '&') >= 0
}

// maxSorted bounds the parameters that are sorted; a query with more keeps
// its order, which costs hits and no correctness.
const maxSorted = 256

// appendSorted appends the parameters of query sorted by name, stable.
func (v *visit) appendSorted(dst, query []byte) []byte {
	v.order = v.order[:0]
	for rest, more := query, true; more; {
		var text []byte
		text, rest, more = bytes.Cut(rest, []byte{'&'})
		name, _, _ := bytes.Cut(text, []byte{'='})
		if len(v.order) == maxSorted {
			return append(dst, query...)
		}
		v.order = append(v.order, param{text, name})
	}
	slices.SortStableFunc(v.order, func(a, b param) int { return bytes.Compare(a.name, b.name) })
	for i, p := range v.order {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.text...)
	}
	return dst
}

func appendLower(dst, s []byte) []byte {
	for _, b := range s {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}
