package wire

import "bytes"

// parseTarget parses the request target that starts at i and ends buf
// (RFC 9112, 3.2).
func (r *Request) parseTarget(buf []byte, i int) fault {
	r.target = ref{uint32(i), uint32(len(buf) - i)}
	if i == len(buf) {
		return fault{400, i, "no request target"}
	}
	switch t := buf[i:]; {
	case r.Method == CONNECT: // 3.2.3
		colon := bytes.LastIndexByte(t, ':')
		if !validAuthority(t) || colon < 0 || colon == len(t)-1 || t[len(t)-1] == ']' {
			return fault{400, i, "target of CONNECT is not host:port"}
		}
		r.authority = r.target
		return fault{}
	case t[0] == '/': // 3.2.1
		return r.splitTarget(buf, i)
	case string(t) == "*" && r.Method == OPTIONS: // 3.2.4
		r.path = r.target
		return fault{}
	}
	return r.absoluteForm(buf, i)
}

// absoluteForm parses scheme and authority (RFC 9112, 3.2.2).
func (r *Request) absoluteForm(buf []byte, i int) fault {
	a := i + len("http://")
	switch {
	case len(buf) > a && EqualFold(buf[i:a], "http://"):
	case len(buf) > a+1 && EqualFold(buf[i:a+1], "https://"):
		a++
		r.Secure = true
	default:
		return fault{400, i, "target is neither a path nor an http or https URI"}
	}
	p := a
	for p < len(buf) && buf[p] != '/' && buf[p] != '?' {
		p++
	}
	if !validAuthority(buf[a:p]) { // RFC 9110, 4.2.1 and 4.2.4
		return fault{400, a, "authority of the target is not host[:port]"}
	}
	r.authority = ref{uint32(a), uint32(p - a)}
	if p < len(buf) && buf[p] == '/' {
		return r.splitTarget(buf, p)
	}
	bad := r.splitTarget(buf, p)
	r.path = ref{uint32(a - 1), 1} // an empty path is "/": that of "://" will do
	if r.Method == OPTIONS && !r.hasQuery {
		r.path = ref{} // ParseRequest makes it "*"
	}
	return bad
}

// splitTarget parses path and query, from i to the end of buf.
func (r *Request) splitTarget(buf []byte, i int) fault {
	p := i
	for p < len(buf) && buf[p] != '?' {
		c := buf[p]
		if class[c]&targetByte == 0 {
			return fault{400, p, "byte in the target that is not visible ASCII, or \"#\""}
		}
		if c == '%' && !validTriplet(buf[p:]) { // RFC 3986, 2.1
			return fault{400, p, "percent sign in the path without two hex digits"}
		}
		p++
	}
	r.path = ref{uint32(i), uint32(p - i)}
	if p == len(buf) {
		return fault{}
	}
	r.hasQuery, r.query = true, ref{uint32(p + 1), uint32(len(buf) - p - 1)}
	for p++; p < len(buf); p++ {
		if class[buf[p]]&targetByte == 0 {
			return fault{400, p, "byte in the target that is not visible ASCII, or \"#\""}
		}
	}
	return fault{}
}

// Target returns the request target as received or as set.
func (r *Request) Target() []byte { return r.at(r.target) }

// Authority returns host and optional port as received, neither lower-cased
// nor with a default port cut off: from an absolute-form target or a CONNECT
// target, else from Host; empty for an HTTP/1.0 request without either.
func (r *Request) Authority() []byte { return r.at(r.authority) }

// Path returns the path of the target as received, without the query: it
// begins with "/", or is "*" (OPTIONS), or empty (CONNECT). Percent triplets
// in it are whole.
func (r *Request) Path() []byte { return r.at(r.path) }

// Query returns what follows the first "?" in the target, and whether there
// is one.
func (r *Request) Query() ([]byte, bool) { return r.at(r.query), r.hasQuery }

// SetAuthority sets host and optional port.
func (r *Request) SetAuthority(a []byte) { r.authority = put(&r.Head, a) }

// SetTarget sets path and query, which it takes in origin form.
func (r *Request) SetTarget(origin []byte) {
	r.target = put(&r.Head, origin)
	r.path, r.query, r.hasQuery = r.target, ref{}, false
	if i := bytes.IndexByte(origin, '?'); i >= 0 {
		r.path.n = uint32(i)
		r.query = ref{r.target.off + uint32(i) + 1, r.target.n - uint32(i) - 1}
		r.hasQuery = true
	}
}

// HasDots reports whether path has a dot segment, one that CleanPath removes.
func HasDots(path []byte) bool {
	if dots, _ := dotSegment(path); dots > 0 {
		return true
	}
	for i, c := range path {
		if c == '/' {
			if dots, _ := dotSegment(path[i+1:]); dots > 0 {
				return true
			}
		}
	}
	return false
}

// CleanPath appends path to dst with its dot segments removed as in RFC 3986,
// 5.2.4, where "%2e" is a dot (6.2.2.3). Nothing gets above the root; "//",
// "%2F" and a slash at the end stay. dst must not overlap path.
func CleanPath(dst, path []byte) []byte {
	base := len(dst)
	for len(path) > 0 {
		if path[0] != '/' {
			if dots, n := dotSegment(path); dots > 0 { // 2A, 2D
				path = path[min(n+1, len(path)):]
				continue
			}
		} else if dots, n := dotSegment(path[1:]); dots > 0 { // 2B, 2C
			if dots == 2 {
				dst = dst[:base+max(bytes.LastIndexByte(dst[base:], '/'), 0)]
			}
			if path = path[1+n:]; len(path) == 0 {
				return append(dst, '/')
			}
			continue
		}
		n := bytes.IndexByte(path[1:], '/') + 1 // 2E
		if n == 0 {
			n = len(path)
		}
		dst = append(dst, path[:n]...)
		path = path[n:]
	}
	return dst
}

// dotSegment returns how many dots the segment at the start of b consists of,
// 0 when it is no dot segment, and how many bytes it takes.
func dotSegment(b []byte) (dots, n int) {
	for n < len(b) && b[n] != '/' {
		switch {
		case b[n] == '.':
			n++
		case b[n] == '%' && len(b) >= n+3 && b[n+1] == '2' && b[n+2]|0x20 == 'e':
			n += 3
		default:
			return 0, 0
		}
		if dots++; dots > 2 {
			return 0, 0
		}
	}
	return dots, n
}
