package wire

import "bytes"

// A URI is an http or https URI without its fragment.
type URI struct {
	Secure    bool   // the scheme is https
	Authority []byte // host and optional port, as written
	Target    []byte // path and query in origin form, the path without dot segments
}

// Resolve resolves a URI-reference, such as Location holds, against the target
// URI of r (RFC 3986, 5.2; RFC 9110, 7.1), which is in r as it was received.
// relative says that the reference has no authority of its own. The target is
// appended to dst, which becomes the Target's memory; the Authority is r's or
// the reference's. ok is false for what is no reference, or none to an http or
// https resource (RFC 9110, 4.2).
func (r *Request) Resolve(dst, ref []byte) (u URI, relative, ok bool) {
	if i := bytes.IndexByte(ref, '#'); i >= 0 { // it names a part of the representation, not a resource
		ref = ref[:i]
	}
	u.Secure, u.Authority, relative = r.Secure, r.Authority(), true
	if n := schemeEnd(ref); n > 0 {
		u.Secure = EqualFold(ref[:n], "https")
		if !u.Secure && !EqualFold(ref[:n], "http") || !bytes.HasPrefix(ref[n+1:], []byte("//")) {
			return URI{}, false, false
		}
		ref = ref[n+1:]
	}
	if bytes.HasPrefix(ref, []byte("//")) {
		n := 2
		for n < len(ref) && ref[n] != '/' && ref[n] != '?' {
			n++
		}
		u.Authority, relative, ref = ref[2:n], false, ref[n:]
		if !validAuthority(u.Authority) {
			return URI{}, false, false
		}
	}
	if !validReference(ref) {
		return URI{}, false, false
	}
	u.Target = r.appendResolved(dst, ref, relative)
	return u, relative, true
}

// schemeEnd returns where the scheme that begins ref ends, 0 without one (RFC
// 3986, 3.1).
func schemeEnd(ref []byte) int {
	for i, c := range ref {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		switch {
		case c == ':':
			return i
		case letter, i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return 0
		}
	}
	return 0
}

// validReference reports whether path and query are such as a request target
// may have.
func validReference(ref []byte) bool {
	inQuery := false
	for i, c := range ref {
		inQuery = inQuery || c == '?'
		if class[c]&targetByte == 0 || c == '%' && !inQuery && !validTriplet(ref[i:]) {
			return false
		}
	}
	return true
}

// appendResolved appends path and query of ref, which are those of r's target
// where a relative one has none (RFC 3986, 5.2.2 and 5.2.3).
func (r *Request) appendResolved(dst, ref []byte, relative bool) []byte {
	path, query, has := bytes.Cut(ref, []byte{'?'})
	base := r.Path()
	if len(base) == 0 || base[0] != '/' {
		base = []byte{'/'} // of OPTIONS: there is no path to merge with
	}
	switch {
	case len(path) > 0 && path[0] == '/':
		dst = CleanPath(dst, path)
	case len(path) > 0 && relative:
		merged := append(bytes.Clone(base[:bytes.LastIndexByte(base, '/')+1]), path...)
		dst = CleanPath(dst, merged)
	case relative:
		dst = CleanPath(dst, base)
		if !has {
			query, has = r.Query()
		}
	default:
		dst = append(dst, '/')
	}
	if has {
		dst = append(append(dst, '?'), query...)
	}
	return dst
}

// TrimPort returns authority without a port that is empty or the scheme's
// default: both name the same (RFC 9110, 4.2.3).
func TrimPort(authority []byte, secure bool) []byte {
	n := len(authority)
	for n > 0 && '0' <= authority[n-1] && authority[n-1] <= '9' {
		n--
	}
	if n == 0 || authority[n-1] != ':' {
		return authority
	}
	port := authority[n:]
	for len(port) > 0 && port[0] == '0' {
		port = port[1:]
	}
	if len(port) == 0 && n == len(authority) || string(port) == "80" && !secure || string(port) == "443" && secure {
		return authority[:n-1]
	}
	return authority
}

// SameOrigin reports whether u has the origin of that scheme and authority
// (RFC 9110, 4.3.1).
func (u *URI) SameOrigin(secure bool, authority []byte) bool {
	return u.Secure == secure && EqualFold(TrimPort(u.Authority, secure), TrimPort(authority, secure))
}
