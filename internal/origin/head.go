package origin

import (
	"bytes"

	"opencache/internal/wire"
)

// appendHead appends the head of r as the upstream is to see it: in origin
// form, with the framing that send uses.
func (u *Upstream) appendHead(dst []byte, r *wire.Request) []byte {
	dst = append(dst, r.MethodText()...)
	dst = append(dst, ' ')
	dst = u.appendTarget(dst, r)
	dst = append(dst, " HTTP/1.1\r\n"...)
	// RFC 9112, 3.2: a Host line always, empty when there is no authority.
	if u.Host != "" {
		dst = wire.AppendField(dst, wire.Host, u.Host)
	} else {
		dst = wire.AppendField(dst, wire.Host, r.Authority())
	}
	// A promise to wait for 100 is made anew, when it will be kept.
	dst = r.AppendFields(dst, wire.NamesOf(wire.Expect))
	switch {
	case r.Length > 0:
		dst = wire.AppendLength(dst, r.Length)
	case r.Length < 0:
		dst = wire.AppendField(dst, wire.TransferEncoding, "chunked")
	case r.Method == wire.POST || r.Method == wire.PUT || r.Method == wire.PATCH || r.Method == wire.QUERY:
		dst = wire.AppendLength(dst, 0) // RFC 9110, 8.6
	}
	if r.Length != 0 && r.Continue {
		dst = wire.AppendField(dst, wire.Expect, "100-continue")
	}
	switch {
	case r.Upgrade && r.Trailers:
		dst = wire.AppendField(dst, wire.Connection, "Upgrade, TE")
	case r.Upgrade:
		dst = wire.AppendField(dst, wire.Connection, "Upgrade")
	case r.Trailers:
		dst = wire.AppendField(dst, wire.Connection, "TE")
	}
	if r.Upgrade {
		dst = wire.AppendField(dst, wire.Upgrade, r.Protocol())
	}
	if r.Trailers {
		dst = wire.AppendField(dst, wire.TE, "trailers")
	}
	return append(dst, "\r\n"...)
}

// appendTarget appends Base and the target in origin form, or the asterisk
// (RFC 9112, 3.2.1 and 3.2.4).
func (u *Upstream) appendTarget(dst []byte, r *wire.Request) []byte {
	target := r.Target()
	if bytes.Equal(target, []byte("*")) {
		return append(dst, '*')
	}
	dst = append(dst, u.Base...)
	if len(target) > 0 && target[0] == '/' {
		return append(dst, target...)
	}
	// Absolute form that nobody rewrote.
	if path := r.Path(); len(path) > 0 {
		dst = append(dst, path...)
	} else {
		dst = append(dst, '/')
	}
	if query, ok := r.Query(); ok {
		dst = append(append(dst, '?'), query...)
	}
	return dst
}
