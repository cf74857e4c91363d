package engine

import "strings"

// itemOf returns s as an item of structured fields: as it is where it is a
// token, else as a string (RFC 9651, 3.3.3 and 3.3.4).
func itemOf(s string) string {
	if isToken(s) {
		return s
	}
	return string(appendString(nil, s))
}

// isToken reports whether s is a token of structured fields: that of HTTP with
// colons and slashes, and it begins with a letter or an asterisk.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) && (i == 0 || s[i] != ':' && s[i] != '/') {
			return false
		}
	}
	return s != "" && (s[0] == '*' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
}

// isTokenByte reports a tchar of HTTP (RFC 9110, 5.6.2).
func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// appendString appends s as a string of structured fields. What a string can
// not hold, bytes beyond visible ASCII and spaces, becomes a percent sign and
// two digits.
func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c > '~':
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// pseudonymOf returns s as Via can hold it, a token (RFC 9110, 7.6.3): with a
// hyphen for each byte that can not stand there.
func pseudonymOf(s string) string {
	b := []byte(s)
	for i := range b {
		if !isTokenByte(b[i]) {
			b[i] = '-'
		}
	}
	return string(b)
}
