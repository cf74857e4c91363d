package edge

import (
	"bytes"
	"slices"
	"strings"
)

// A matcher is a regular expression.
type matcher interface{ Match(text []byte) bool }

// locations find the route of a path by nginx's precedence: the one that names
// it exactly; else the longest prefix, when that says that it goes before
// regular expressions; else the first of these that matches; else the longest
// prefix. It is made once and only read afterwards; the zero value has none.
type locations struct {
	exact    map[string]int
	prefixes []prefix // sorted by text
	patterns []pattern
}

// A prefix is a location that paths begin with.
type prefix struct {
	text   string
	route  int
	first  bool // it goes before regular expressions: ^~
	parent int  // the longest other prefix that this one begins with; below 0: none
}

// A pattern is a location that paths match.
type pattern struct {
	match matcher
	route int
}

// complete makes l ready once all has been added to it.
func (l *locations) complete() {
	slices.SortFunc(l.prefixes, func(a, b prefix) int { return strings.Compare(a.text, b.text) })
	for i := range l.prefixes {
		p := i - 1
		for p >= 0 && !strings.HasPrefix(l.prefixes[i].text, l.prefixes[p].text) {
			p = l.prefixes[p].parent
		}
		l.prefixes[i].parent = p
	}
}

// longest returns the longest prefix of path, nil when there is none.
func (l *locations) longest(path []byte) *prefix {
	// What is between a prefix of path and path in their order begins with that
	// prefix, so it is the last one that is not above path, or an ancestor.
	i, _ := slices.BinarySearchFunc(l.prefixes, path, func(p prefix, path []byte) int {
		if bytes.Compare([]byte(p.text), path) <= 0 {
			return -1
		}
		return 1
	})
	for i--; i >= 0; i = l.prefixes[i].parent {
		if p := &l.prefixes[i]; len(p.text) <= len(path) && string(path[:len(p.text)]) == p.text {
			return p
		}
	}
	return nil
}

// firstPattern returns the route of the first regular expression that matches,
// below 0 when none does.
func (l *locations) firstPattern(path []byte) int {
	for i := range l.patterns {
		if l.patterns[i].match.Match(path) {
			return l.patterns[i].route
		}
	}
	return -1
}

// A place in the precedence of locations, the strongest first: what is put
// between a site's routes by others goes by it.
type precedence uint8

const (
	exactly precedence = iota
	firstPrefix
	byPattern
	longestPrefix
	nowhere
)

// find returns the route of a path, below 0 when there is none, why it is this
// one, and how long its prefix is.
func (l *locations) find(path []byte) (route int, by precedence, length int) {
	if n, ok := l.exact[string(path)]; ok {
		return n, exactly, len(path)
	}
	p := l.longest(path)
	if p != nil && p.first {
		return p.route, firstPrefix, len(p.text)
	}
	if p != nil {
		length = len(p.text)
	}
	if n := l.firstPattern(path); n >= 0 {
		return n, byPattern, length
	}
	if p != nil {
		return p.route, longestPrefix, length
	}
	return -1, nowhere, 0
}
