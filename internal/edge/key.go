package edge

import (
	"bytes"

	"opencache/internal/wire"
)

// takeTarget cleans the target, unless it says that it is for https while the
// connection is not, and nobody who is believed hands it on (RFC 9110, 7.4).
// Who purges may name what came over another connection.
func (v *visit) takeTarget() bool {
	if v.r.Secure && v.r.TLS == nil && !v.believed && v.r.Target()[0] != '/' && v.r.Method != wire.PURGE {
		return v.answer(421, plain, "an https target is answered over TLS, or for a trusted proxy\n")
	}
	return v.cleanTarget()
}

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

func appendLower(dst, s []byte) []byte {
	for _, b := range s {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}
