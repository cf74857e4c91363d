package expr

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxParams bounds the parameters that are looked at; a query with more
	// stays as it is, which costs hits and no correctness.
	maxParams = 256
	maxDrops  = 1024 // names in Normalize.Drop
)

// Normalize says what $normalized_args is.
type Normalize struct {
	// Drop are names of parameters that do not count, whatever their case.
	Drop []string
	// DropRegex is a regular expression on the names that are left; empty: none.
	DropRegex string
	Sort      Sort
}

// A Sort is an order of parameters.
type Sort uint8

const (
	Unsorted Sort = iota
	// ByName keeps the order of those with the same name.
	ByName
	// ByValue sorts by name, and those with the same name by value.
	ByValue
)

// A Normalizer makes queries that mean the same alike. A nil one leaves them as
// they are. It is never changed.
type Normalizer struct {
	drop  map[string]struct{} // in lower case
	regex *Pattern            // nil: none
	sort  Sort
}

// A param is a parameter of a query: all of it, its name and its value.
type param struct{ text, name, value []byte }

// NewNormalizer returns a Normalizer; the error is an *Error where DropRegex is
// at fault.
func NewNormalizer(o Normalize) (*Normalizer, error) {
	if len(o.Drop) > maxDrops {
		return nil, fmt.Errorf("%d names to drop: expected at most %d", len(o.Drop), maxDrops)
	}
	n := &Normalizer{sort: o.Sort}
	if len(o.Drop) > 0 {
		n.drop = make(map[string]struct{}, len(o.Drop))
	}
	for _, name := range o.Drop {
		n.drop[strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}, name)] = struct{}{}
	}
	var err error
	if o.DropRegex != "" {
		n.regex, err = ParsePattern(o.DropRegex, false)
	}
	return n, err
}

// Append appends $normalized_args of a query to dst, which must not overlap it:
// what Drop names left out, then what DropRegex hits, then the rest sorted. A
// name is compared decoded; what is kept is kept as it stands. It allocates
// nothing but what s lacks.
func (n *Normalizer) Append(dst, query []byte, s *Scratch) []byte {
	if n == nil || len(query) == 0 || bytes.Count(query, []byte{'&'}) >= maxParams {
		return append(dst, query...)
	}
	if n.drop == nil && n.regex == nil && (n.sort == Unsorted || bytes.IndexByte(query, '&') < 0) {
		return append(dst, query...)
	}
	s.params = s.params[:0]
	for more := true; more; {
		var p param
		p.text, query, more = bytes.Cut(query, []byte{'&'})
		p.name, p.value, _ = bytes.Cut(p.text, []byte{'='})
		if !n.drops(p.name, s) {
			s.params = append(s.params, p)
		}
	}
	switch n.sort {
	case ByName:
		slices.SortStableFunc(s.params, func(a, b param) int { return bytes.Compare(a.name, b.name) })
	case ByValue:
		slices.SortFunc(s.params, compareParams)
	}
	for i := range s.params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, s.params[i].text...)
	}
	return dst
}

// compareParams orders by name, then by value; a and a= by what they look like.
func compareParams(a, b param) int {
	if c := bytes.Compare(a.name, b.name); c != 0 {
		return c
	}
	if c := bytes.Compare(a.value, b.value); c != 0 {
		return c
	}
	return bytes.Compare(a.text, b.text)
}

// drops reports whether a parameter of that name does not count.
func (n *Normalizer) drops(name []byte, s *Scratch) bool {
	if n.drop == nil && n.regex == nil {
		return false
	}
	if bytes.IndexByte(name, '%') >= 0 || bytes.IndexByte(name, '+') >= 0 {
		s.a = appendDecoded(s.a[:0], name, true)
		name = s.a
	}
	if n.drop != nil {
		s.b = appendLower(s.b[:0], name)
		if _, ok := n.drop[string(s.b)]; ok {
			return true
		}
	}
	return n.regex != nil && n.regex.Match(name)
}
