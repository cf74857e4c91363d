package rfc9111

import "strconv"

// appendMedia appends the members of Accept (RFC 9110, 12.5.1) with nothing in
// them that means nothing: whitespace, the case of types and of the names of
// parameters, how weights are spelt. Their order stays: servers take it for a
// priority among equals. It reports false when they are not well formed.
func appendMedia(dst []byte, values [][]byte) ([]byte, bool) {
	for _, v := range values {
		for v = skip(v, isListSpace); len(v) > 0; v = skip(v, isListSpace) {
			var ok bool
			if dst, v, ok = appendRange(append(dst, ','), v); !ok {
				return dst, false
			}
		}
	}
	return dst, true
}

// appendRange appends the media range that begins v, with its parameters.
func appendRange(dst, v []byte) (_, rest []byte, ok bool) {
	major := run(v, isToken)
	if major == 0 || major == len(v) || v[major] != '/' {
		return dst, v, false
	}
	minor := run(v[major+1:], isToken)
	if minor == 0 {
		return dst, v, false
	}
	n := major + 1 + minor
	dst, v = appendLower(dst, v[:n]), skip(v[n:], isSpace)
	for len(v) > 0 && v[0] == ';' {
		v = skip(v[1:], isSpace)
		if len(v) == 0 || v[0] == ';' || v[0] == ',' { // an empty parameter
			continue
		}
		if dst, v, ok = appendParameter(append(dst, ';'), v); !ok {
			return dst, v, false
		}
		v = skip(v, isSpace)
	}
	return dst, v, len(v) == 0 || v[0] == ','
}

// appendParameter appends the parameter that begins v.
func appendParameter(dst, v []byte) (_, rest []byte, ok bool) {
	if weight, rest, ok := takeWeight(v); ok {
		return strconv.AppendUint(append(dst, "q:"...), uint64(weight), 10), rest, true // no other parameter has a colon
	}
	n := run(v, isToken)
	if n == 0 {
		return dst, v, false
	}
	dst, v = appendLower(dst, v[:n]), v[n:]
	if len(v) == 0 || v[0] != '=' { // as extensions of the old grammar may be
		return dst, v, true
	}
	v = v[1:]
	n = run(v, isToken)
	if n == 0 && len(v) > 0 && v[0] == '"' {
		n = quotedEnd(v)
	}
	return append(append(dst, '='), v[:n]...), v[n:], n > 0
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lower(c))
	}
	return dst
}
