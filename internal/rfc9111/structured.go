package rfc9111

import (
	"github.com/dunglas/httpsfv"
)

// maxStructured bounds the field value that is parsed as a Structured Field:
// what the lines of one field may sum up to. RFC 9651, 3.1 and 3.2 ask for
// 1,024 members at least; 64 KiB hold that, and no head is larger by default.
const maxStructured = 64 << 10

// The package httpsfv parses by the algorithms of RFC 9651, 4.2: lines are
// joined, a trailing comma, an empty member, a key in capitals or anything
// behind the last member fails all of it, the last of equal keys counts, an
// Integer has up to 15 digits. In one thing it is stricter: it fails on a Byte
// Sequence without padding (4.2.7), which none of the fields here holds.

// dictionary parses the lines of a field as a Dictionary (RFC 9651, 4.2.2).
// When ok is false the whole field is to be ignored. No lines, or nothing but
// spaces in one, are an empty Dictionary, which is the same as no field.
func dictionary(lines [][]byte) (d *httpsfv.Dictionary, ok bool) {
	text, ok := texts(lines)
	if !ok {
		return nil, false
	}
	d, err := httpsfv.UnmarshalDictionary(text)
	return d, err == nil
}

// list parses the lines of a field as a List (RFC 9651, 4.2.1), as dictionary
// does.
func list(lines [][]byte) (l httpsfv.List, ok bool) {
	text, ok := texts(lines)
	if !ok {
		return nil, false
	}
	l, err := httpsfv.UnmarshalList(text)
	return l, err == nil
}

// texts returns the lines as httpsfv takes them; it reports false when they
// are too long together.
func texts(lines [][]byte) (text []string, ok bool) {
	size := 0
	for _, line := range lines {
		size += len(line) + len(", ")
		if size > maxStructured {
			return nil, false
		}
		text = append(text, string(line))
	}
	return text, true
}

// bareInteger returns the value of a member that is an Integer, whatever
// parameters it has; ok is false for a Decimal, a String, an Inner List …
func bareInteger(m httpsfv.Member) (n int64, ok bool) {
	item, _ := m.(httpsfv.Item)
	n, ok = item.Value.(int64)
	return n, ok
}

// bareBoolean returns the value of a member that is a Boolean.
func bareBoolean(m httpsfv.Member) (b, ok bool) {
	item, _ := m.(httpsfv.Item)
	b, ok = item.Value.(bool)
	return b, ok
}

// bareString returns the value of a member that is a String; a Token or a
// Display String is none.
func bareString(m httpsfv.Member) (s string, ok bool) {
	item, _ := m.(httpsfv.Item)
	s, ok = item.Value.(string)
	return s, ok
}

// innerStrings returns the values of a member that is an Inner List of
// Strings and of nothing else.
func innerStrings(m httpsfv.Member) (s []string, ok bool) {
	inner, ok := m.(httpsfv.InnerList)
	if !ok {
		return nil, false
	}
	for _, item := range inner.Items {
		one, ok := bareString(item)
		if !ok {
			return nil, false
		}
		s = append(s, one)
	}
	return s, true
}
