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

// cacheKey is the key of the target: scheme, authority and path as the origin
// sees them, and the query. Two targets that an origin may tell apart have two
// keys, but for the order of parameters of different names.
func (v *visit) cacheKey() []byte {
	k := v.key[:0]
	if v.e.o.PreserveHost {
		k = appendLower(append(k, "http://"...), v.r.Authority())
		if v.r.Secure {
			k = appendLower(append(k[:0], "https://"...), v.r.Authority())
		}
	} else {
		k = append(k, v.e.o.Origin...)
	}
	k = append(k, v.r.Path()...)
	if query, ok := v.r.Query(); ok {
		k = append(k, '?')
		if v.e.o.KeepQueryOrder || bytes.IndexByte(query, '&') < 0 {
			k = append(k, query...)
		} else {
			k = v.appendSorted(k, query)
		}
	}
	v.key = k
	return k
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
