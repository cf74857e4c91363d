package expr

import "bytes"

// Arg returns $arg_name: the value of the query's first parameter of that name
// as it stands, and whether there is one. As in nginx, names are compared
// whatever their case and are not decoded, and one without "=" has no value.
func Arg(query []byte, name string) (value []byte, ok bool) {
	for more := true; more; {
		var text []byte
		text, query, more = bytes.Cut(query, []byte{'&'})
		if len(text) > len(name) && text[len(name)] == '=' && equalFold(text[:len(name)], name) {
			return text[len(name)+1:], true
		}
	}
	return nil, false
}

// Cookie returns $cookie_name: the value of the first cookie of that name in a
// Cookie field, as it stands, and whether there is one. Names have case (RFC
// 6265, 5.4), unlike in nginx.
func Cookie(field []byte, name string) (value []byte, ok bool) {
	for more := true; more; {
		var pair []byte
		pair, field, more = bytes.Cut(field, []byte{';'})
		pair = bytes.Trim(pair, " \t")
		if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
			return bytes.TrimLeft(pair[len(name)+1:], " \t"), true
		}
	}
	return nil, false
}

// AppendKeyArg appends $arg_name for a key. Where the query has one parameter of
// that name, so spelt and with a value, it is the value. Origins do not agree on
// what several mean, or one in other letters, or encoded, or one without a
// value: then it is all of them, each as it stands behind a "&".
func AppendKeyArg(dst, query []byte, name string) []byte {
	if value, ok := theOnly(query, name, '&'); ok {
		return append(dst, value...)
	}
	for more := true; more; {
		var text []byte
		text, query, more = bytes.Cut(query, []byte{'&'})
		if named(text, name) {
			dst = append(append(dst, '&'), text...)
		}
	}
	return dst
}

// AppendKeyCookie is AppendKeyArg for $cookie_name and a Cookie field, several
// of which are joined by "; ".
func AppendKeyCookie(dst, field []byte, name string) []byte {
	if value, ok := theOnly(field, name, ';'); ok {
		return append(dst, value...)
	}
	for more := true; more; {
		var pair []byte
		pair, field, more = bytes.Cut(field, []byte{';'})
		if pair = bytes.Trim(pair, " \t"); named(pair, name) {
			dst = append(append(dst, ';'), pair...)
		}
	}
	return dst
}

// theOnly returns the value of the one pair of that name in a list, where it is
// spelt so and has one that is not empty.
func theOnly(list []byte, name string, sep byte) (value []byte, ok bool) {
	for more := true; more; {
		var pair []byte
		pair, list, more = bytes.Cut(list, []byte{sep})
		if sep == ';' {
			pair = bytes.Trim(pair, " \t")
		}
		if !named(pair, name) {
			continue
		}
		if ok || len(pair) < len(name)+2 || string(pair[:len(name)]) != name || pair[len(name)] != '=' {
			return nil, false
		}
		value, ok = pair[len(name)+1:], true
	}
	return value, ok
}

// named reports whether an origin may take the pair's name for that: whatever
// its case, and decoded.
func named(pair []byte, name string) bool {
	i := 0
	for ; len(pair) > 0 && pair[0] != '='; i++ {
		b, n := triplet(pair)
		switch {
		case n > 0:
		case pair[0] == '+':
			b, n = ' ', 1
		default:
			b, n = pair[0], 1
		}
		if i >= len(name) || lower(b) != lower(name[i]) {
			return false
		}
		pair = pair[n:]
	}
	return i == len(name)
}
