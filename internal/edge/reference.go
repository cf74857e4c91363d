package edge

import (
	"bytes"

	"opencache/internal/wire"
)

// An address is how a server sees requests: the scheme that it is asked by, the
// Host that it is told (empty: the client's) and what stands before targets.
type address struct {
	secure          bool
	authority, base []byte
}

// below returns target without the base path, and whether it is at or below it.
func (o *address) below(target []byte) ([]byte, bool) {
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

// A referrer finds what answers of a choice refer to.
type referrer struct {
	site   *site
	choice *choice
}

// keyOf appends the key of a URI-reference in a response to r (Location,
// Content-Location) when it has the origin of r's target: nobody invalidates
// what is another's (RFC 9111, 4.4 and 7.1).
//
// A target has two URIs here, the client's and the one that the origin server
// sees, and origin servers write either. A relative reference is the client's
// too, but for one that begins with the origin's base path.
//
// What is stored for it by other rules, or in another volume than this choice's,
// is dropped here, since the engine that asks does not reach it.
func (f *referrer) keyOf(dst []byte, r *wire.Request, ref []byte) (key []byte, ok bool) {
	target, ok := f.resolve(r, ref)
	if !ok {
		return nil, false
	}
	var q wire.Request
	q.SetMethod(wire.GET)
	q.SetTarget(target)
	q.SetAuthority(r.Authority())
	q.Secure = r.Secure
	v := visit{key: dst}
	v.r, v.site = &q, f.site
	v.cleanTarget()
	n := v.match()
	if n < 0 {
		return nil, false
	}
	if v.choice = f.site.take(n); v.choice == nil || v.choice.key == nil {
		return nil, false
	}
	v.makeKey()
	var others visit
	others.r, others.site = &q, f.site
	others.outdate(v.key, nil)
	if there := v.choice.on(v.key); there != f.asks(r) {
		there.Engine.Purge(v.key, false)
		return nil, false
	}
	return v.key, true
}

// asks returns the volume whose engine serves r.
func (f *referrer) asks(r *wire.Request) *Volume {
	if z := f.choice.zone; len(z.volumes) == 1 {
		return z.volumes[0]
	}
	v := visit{choice: f.choice}
	v.r, v.site, v.client = r, f.site, whose(r)
	v.makeKey()
	return f.choice.on(v.key)
}

// resolve returns the target that a reference means, in the client's terms.
func (f *referrer) resolve(r *wire.Request, ref []byte) (target []byte, ok bool) {
	u, relative, ok := r.Resolve(nil, ref)
	if !ok {
		return nil, false
	}
	o := &f.choice.route.pool.seen
	switch {
	case relative && len(o.base) > 0:
		u.Target, _ = o.below(u.Target)
	case u.SameOrigin(r.Secure, r.Authority()):
	case len(o.authority) == 0: // the origin may be asked by another scheme than we are
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
	return u.Target, true
}
