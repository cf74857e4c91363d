package edge

import (
	"bytes"

	"opencache/internal/wire"
)

// An origin is what keys begin with, in its parts.
type origin struct {
	secure          bool
	authority, base []byte
}

// parseOrigin takes apart what Options.Origin says.
func parseOrigin(text string) (o origin) {
	rest := []byte(text)
	if scheme, after, ok := bytes.Cut(rest, []byte("://")); ok {
		o.secure, rest = wire.EqualFold(scheme, "https"), after
	}
	o.authority = rest
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		o.authority, o.base = rest[:i], rest[i:]
	}
	return o
}

// below returns target without the base path, and whether it is at or below it.
func (o *origin) below(target []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(target, o.base)
	switch {
	case !ok:
		return target, false
	case len(rest) == 0:
		return []byte{'/'}, true
	case rest[0] == '/':
		return rest, true
	case rest[0] == '?':
		return append([]byte{'/'}, rest...), true
	}
	return target, false
}

// keyOf appends the key of a URI-reference in a response to r (Location,
// Content-Location) when it has the origin of r's target: nobody invalidates
// what is another's (RFC 9111, 4.4 and 7.1).
//
// A target has two URIs here, the client's and the one that the origin server
// sees, and origin servers write either. A relative reference is the client's
// too, but for one that begins with the origin's base path.
func (e *Edge) keyOf(dst []byte, r *wire.Request, ref []byte) (key []byte, ok bool) {
	u, relative, ok := r.Resolve(nil, ref)
	if !ok {
		return nil, false
	}
	o := &e.origin
	switch {
	case relative && len(o.base) > 0:
		u.Target, _ = o.below(u.Target)
	case u.SameOrigin(r.Secure, r.Authority()):
	case e.o.PreserveHost: // the origin may be asked by another scheme than we are
		if !u.SameOrigin(o.secure, r.Authority()) {
			return nil, false
		}
	case !u.SameOrigin(o.secure, o.authority):
		return nil, false
	default:
		if u.Target, ok = o.below(u.Target); !ok {
			return nil, false
		}
	}
	var q wire.Request
	q.SetTarget(u.Target)
	q.SetAuthority(r.Authority())
	q.Secure = r.Secure
	v := visit{e: e, r: &q, key: dst}
	v.cleanTarget()
	return v.cacheKey(), true
}
