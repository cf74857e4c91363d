package expr

import "bytes"

// AppendPath appends $uri: a path as nginx sees it, its percent triplets
// decoded, then slashes that follow each other merged and dot segments removed.
// It may hold any byte.
func AppendPath(dst, path []byte) []byte {
	base := len(dst)
	dst = appendDecoded(dst, path, false)
	return dst[:base+clean(dst[base:])]
}

// AppendKeyPath appends $uri for a key: a path with those triplets decoded that
// mean the same so (RFC 3986, 6.2.2.2), and the others in upper case
// (6.2.2.1). Two paths that come to the same are equivalent for every origin.
func AppendKeyPath(dst, path []byte) []byte {
	if bytes.IndexByte(path, '%') < 0 {
		return append(dst, path...)
	}
	for i := 0; i < len(path); i++ {
		b, n := triplet(path[i:])
		switch {
		case n == 0:
			dst = append(dst, path[i])
			continue
		case unreserved(b):
			dst = append(dst, b)
		default:
			dst = append(dst, '%', upper(path[i+1]), upper(path[i+2]))
		}
		i += n - 1
	}
	return dst
}

// appendDecoded appends s with its triplets decoded; a plus sign is a space
// where plus says so.
func appendDecoded(dst, s []byte, plus bool) []byte {
	if !plus && bytes.IndexByte(s, '%') < 0 {
		return append(dst, s...)
	}
	for i := 0; i < len(s); i++ {
		b := s[i]
		if c, n := triplet(s[i:]); n > 0 {
			b, i = c, i+n-1
		} else if b == '+' && plus {
			b = ' '
		}
		dst = append(dst, b)
	}
	return dst
}

// triplet returns the byte that a percent triplet at the start of s stands for,
// and its length; 0 when there is none.
func triplet(s []byte) (b byte, n int) {
	if len(s) < 3 || s[0] != '%' {
		return 0, 0
	}
	hi, ok := unhex(s[1])
	lo, also := unhex(s[2])
	if !ok || !also {
		return 0, 0
	}
	return hi<<4 | lo, 3
}

func unhex(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		b -= 'a' - 'A'
	}
	return b
}

// unreserved reports a character that means the same encoded (RFC 3986, 2.3).
func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

// clean merges slashes and removes dot segments of a decoded path, in place,
// and returns its length. Nothing gets above the root.
func clean(p []byte) int {
	if !bytes.Contains(p, []byte("//")) && !bytes.Contains(p, []byte("/.")) || p[0] != '/' {
		return len(p)
	}
	n := 0 // written so far; p[:n] is clean and has no slash at its end
	for i := 0; i < len(p); {
		for i < len(p) && p[i] == '/' {
			i++
		}
		end := i
		for end < len(p) && p[end] != '/' {
			end++
		}
		last := end == len(p)
		switch seg := p[i:end]; {
		case string(seg) == "..":
			n = max(bytes.LastIndexByte(p[:n], '/'), 0)
			if last {
				p[n], n = '/', n+1
			}
		case len(seg) == 0 || string(seg) == ".":
			if last {
				p[n], n = '/', n+1
			}
		default:
			p[n] = '/'
			n += 1 + copy(p[n+1:], seg)
		}
		i = end
	}
	return n
}
