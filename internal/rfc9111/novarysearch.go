package rfc9111

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// How a configuration of No-Vary-Search begins; the keys of its list follow,
// decoded, sorted, each once, behind its length.
const (
	searchAnyOrder = 1 << iota // key-order
	searchExcept               // the list is of except, else of params
)

// MaxSearchParams is how many parameters of a query are compared.
const MaxSearchParams = 128

// NoVarySearch returns the canonical form of what the lines of No-Vary-Search
// say (draft-ietf-httpbis-no-vary-search, Parsing): equal forms mean the same.
// It is nil for the default, under which only equal queries are equivalent:
// where the field is missing, says nothing, or is not what it should be.
//
// The field may have key-order alone, as the document's first example has it,
// though its algorithm by the letter wants params or except beside it.
func NoVarySearch(lines [][]byte) []byte {
	d, ok := dictionary(lines)
	if !ok {
		return nil
	}
	config := []byte{0}
	if m, ok := d.Get("key-order"); ok {
		any, ok := bareBoolean(m)
		if !ok {
			return nil
		}
		if any {
			config[0] |= searchAnyOrder
		}
	}
	params, hasParams := d.Get("params")
	except, hasExcept := d.Get("except")
	list := params
	switch {
	case hasParams && hasExcept:
		return nil
	case hasExcept:
		config[0] |= searchExcept
		list = except
	case !hasParams:
		return orDefault(config)
	}
	names, ok := innerStrings(list)
	if !ok {
		return nil
	}
	var keys [][]byte
	for _, name := range names {
		keys = append(keys, appendDecoded(nil, []byte(name)))
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, k := range slices.CompactFunc(keys, bytes.Equal) {
		config = append(binary.AppendUvarint(config, uint64(len(k))), k...)
	}
	return orDefault(config)
}

// orDefault returns nil for a configuration that is the default one.
func orDefault(config []byte) []byte {
	if len(config) == 1 && config[0] == 0 {
		return nil
	}
	return config
}

// A Search compares queries under configurations of No-Vary-Search. It is to be
// used again: then it allocates nothing.
type Search struct {
	text  []byte // names and values, decoded
	pairs []searchPair
}

// A searchPair says where name and value are in the text.
type searchPair struct{ name, value, end int }

// Append appends what the query comes to under config, which is one of
// NoVarySearch: two queries are equivalent modulo config (draft, Comparing) if,
// and only if, the same is appended. No query is an empty one. It reports
// false when there are more than MaxSearchParams parameters.
func (s *Search) Append(dst, config, query []byte) (canonical []byte, ok bool) {
	s.text, s.pairs = s.text[:0], s.pairs[:0]
	for more := true; more; {
		var pair []byte
		pair, query, more = bytes.Cut(query, []byte{'&'})
		if len(pair) > 0 && !s.take(config, pair) {
			return dst, false
		}
	}
	if config[0]&searchAnyOrder != 0 {
		s.sort()
	}
	for _, p := range s.pairs {
		dst = append(binary.AppendUvarint(dst, uint64(p.value-p.name)), s.text[p.name:p.value]...)
		dst = append(binary.AppendUvarint(dst, uint64(p.end-p.value)), s.text[p.value:p.end]...)
	}
	return dst, true
}

// take parses a parameter (URL Standard, application/x-www-form-urlencoded)
// and keeps it if it is significant.
func (s *Search) take(config, pair []byte) bool {
	name, value, _ := bytes.Cut(pair, []byte{'='})
	at := len(s.text)
	s.text = appendDecoded(s.text, name)
	listed := lists(config[1:], s.text[at:])
	if listed != (config[0]&searchExcept != 0) {
		s.text = s.text[:at]
		return true
	}
	p := searchPair{name: at, value: len(s.text)}
	s.text = appendDecoded(s.text, value)
	p.end = len(s.text)
	if len(s.pairs) == MaxSearchParams {
		return false
	}
	s.pairs = append(s.pairs, p)
	return true
}

// lists reports whether the keys of a configuration have name.
func lists(keys, name []byte) bool {
	for len(keys) > 0 {
		n, w := binary.Uvarint(keys)
		if w <= 0 || n > uint64(len(keys)-w) {
			return false
		}
		if bytes.Equal(keys[w:w+int(n)], name) {
			return true
		}
		keys = keys[w+int(n):]
	}
	return false
}

// sort sorts the parameters by name; those of one name keep their order. The
// standard orders names by code units; any order tells the same queries apart.
func (s *Search) sort() {
	slices.SortStableFunc(s.pairs, func(a, b searchPair) int {
		return bytes.Compare(s.text[a.name:a.value], s.text[b.name:b.value])
	})
}

// appendDecoded appends a name or a value decoded: + is a space, triplets are
// bytes, and what is no UTF-8 then is U+FFFD, as UTF-8 decode without BOM has it.
func appendDecoded(dst, src []byte) []byte {
	at := len(dst)
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(src) && isHex(src[i+1]) && isHex(src[i+2]):
			c = hexValue(src[i+1])<<4 | hexValue(src[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	if utf8.Valid(dst[at:]) {
		return dst
	}
	bad := bytes.Clone(dst[at:])
	dst = dst[:at]
	for len(bad) > 0 {
		r, n := utf8.DecodeRune(bad)
		if r == utf8.RuneError && n == 1 {
			n = maximalSubpart(bad)
			dst = append(dst, "\uFFFD"...)
		} else {
			dst = append(dst, bad[:n]...)
		}
		bad = bad[n:]
	}
	return dst
}

// maximalSubpart returns how many bytes at the start of b, which is no UTF-8,
// one U+FFFD stands for: a sequence up to the byte that can not go on with it
// (Encoding Standard, UTF-8 decoder).
func maximalSubpart(b []byte) int {
	need, low, high := 0, byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case 0xc2 <= c && c <= 0xdf:
		need = 1
	case 0xe0 <= c && c <= 0xef:
		need = 2
		switch c {
		case 0xe0:
			low = 0xa0
		case 0xed:
			high = 0x9f
		}
	case 0xf0 <= c && c <= 0xf4:
		need = 3
		switch c {
		case 0xf0:
			low = 0x90
		case 0xf4:
			high = 0x8f
		}
	}
	n := 1
	for n <= need && n < len(b) && low <= b[n] && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f' }

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
