package expr

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxWords = 128 // texts that a part of a shape may be
	maxWord  = 256 // bytes of one
)

// A shape is what most regular expressions of documents come to: a few texts at
// the beginning, in the middle or at the end, or some at the beginning, anything
// and some at the end. It answers as regexp does, many times faster.
//
//	^/(static|img)/.*\.(css|js)$
//	head = /static/ /img/, gap, tail = .css .js, start, end
type shape struct {
	head, tail []string
	start, end bool
	gap        bool // anything is between head and tail; otherwise there is no tail
	least      int  // bytes of it
	newline    bool // line feeds too
	fold       bool // whatever the case; the texts are in lower case
	// unicode says that a letter of the texts has, whatever the case, one
	// outside of ASCII (k: the sign for Kelvin; s: the long s).
	unicode bool
	first   [256]bool // what a text of head begins with
	only    []byte    // the text of head, where it is one with case
}

// shapesOf returns shapes of which one matches whatever tree does; nil where
// there are none.
func shapesOf(tree *syntax.Regexp) (shapes []shape) {
	for tree.Op == syntax.OpCapture {
		tree = tree.Sub[0]
	}
	branches := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpAlternate {
		branches = tree.Sub
	}
	for _, fold := range []bool{false, true} {
		shapes = shapes[:0]
		for _, b := range branches {
			s, ok := shapeOf(b, fold)
			if !ok {
				break
			}
			shapes = append(shapes, s)
		}
		if len(shapes) == len(branches) {
			if slices.ContainsFunc(shapes, func(s shape) bool { return s.unicode }) {
				shapes[0].unicode = true
			}
			return shapes
		}
	}
	return nil
}

func shapeOf(tree *syntax.Regexp, fold bool) (s shape, ok bool) {
	s.fold = fold
	items := flatten(nil, tree)
	for len(items) > 0 && items[0].Op == syntax.OpBeginText {
		s.start, items = true, items[1:]
	}
	for len(items) > 0 && items[len(items)-1].Op == syntax.OpEndText {
		s.end, items = true, items[:len(items)-1]
	}
	// Where a match may begin or end anywhere, anything there says nothing.
	for !s.start && len(items) > 0 && isGap(items[0]) && items[0].Op == syntax.OpStar {
		items = items[1:]
	}
	for !s.end && len(items) > 0 && isGap(items[len(items)-1]) && items[len(items)-1].Op == syntax.OpStar {
		items = items[:len(items)-1]
	}
	at := slices.IndexFunc(items, isGap)
	if at < 0 {
		s.head, ok = expandAll(items, fold)
		return s, ok && s.complete()
	}
	if !s.start {
		return s, false
	}
	gap := items[at]
	s.gap, s.newline = true, gap.Sub[0].Op == syntax.OpAnyChar
	if gap.Op == syntax.OpPlus {
		s.least = 1
	}
	if s.head, ok = expandAll(items[:at], fold); ok {
		s.tail, ok = expandAll(items[at+1:], fold)
	}
	return s, ok && s.complete()
}

// complete sets what follows from the texts; it reports whether there is
// anything that regexp may see otherwise.
func (s *shape) complete() bool {
	for _, words := range [][]string{s.head, s.tail} {
		for _, w := range words {
			if strings.ContainsRune(w, utf8.RuneError) || s.gap && strings.Contains(w, "\n") {
				return false
			}
			s.unicode = s.unicode || s.fold && strings.ContainsAny(w, "ks")
		}
	}
	if len(s.head) == 1 && !s.fold {
		s.only = []byte(s.head[0])
	}
	for _, w := range s.head {
		if w == "" {
			s.first = [256]bool{} // such a shape never looks
			break
		}
		s.first[w[0]] = true
		if s.fold {
			s.first[upper(w[0])] = true
		}
	}
	return true
}

// isGap reports .* and .+, whatever they prefer.
func isGap(re *syntax.Regexp) bool {
	return (re.Op == syntax.OpStar || re.Op == syntax.OpPlus) && (re.Sub[0].Op == syntax.OpAnyCharNotNL || re.Sub[0].Op == syntax.OpAnyChar)
}

// flatten appends the parts that follow each other in re, whether in groups or not.
func flatten(items []*syntax.Regexp, re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpCapture:
		return flatten(items, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			items = flatten(items, sub)
		}
		return items
	case syntax.OpEmptyMatch:
		return items
	}
	return append(items, re)
}

func expandAll(items []*syntax.Regexp, fold bool) (words []string, ok bool) {
	words = []string{""}
	for _, re := range items {
		set, ok := expand(re, fold)
		if !ok || len(words)*len(set) > maxWords {
			return nil, false
		}
		var joined []string
		for _, w := range words {
			for _, s := range set {
				if len(w)+len(s) > maxWord {
					return nil, false
				}
				joined = append(joined, w+s)
			}
		}
		words = joined
	}
	slices.Sort(words)
	return slices.Compact(words), true
}

// expand returns all texts that re matches, where they are few. With fold, it
// must match them whatever the case, and they are in lower case.
func expand(re *syntax.Regexp, fold bool) (words []string, ok bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return literal(re, fold)
	case syntax.OpCharClass:
		return class(re.Rune, fold)
	case syntax.OpCapture, syntax.OpConcat:
		return expandAll(re.Sub, fold)
	case syntax.OpQuest:
		words, ok = expand(re.Sub[0], fold)
		return append([]string{""}, words...), ok
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			more, ok := expand(sub, fold)
			if words = append(words, more...); !ok || len(words) > maxWords {
				return nil, false
			}
		}
		return words, true
	}
	return nil, false
}

func literal(re *syntax.Regexp, fold bool) (words []string, ok bool) {
	var b strings.Builder
	folds := re.Flags&syntax.FoldCase != 0
	for _, r := range re.Rune {
		switch hasCase := unicode.SimpleFold(r) != r; {
		case hasCase && folds != fold:
			return nil, false
		case fold && r >= utf8.RuneSelf:
			return nil, false
		}
		if fold {
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return []string{b.String()}, true
}

// class expands a class of characters, pairs of the first and the last. With
// fold, it must hold a letter in all its cases or not at all.
func class(pairs []rune, fold bool) (words []string, ok bool) {
	var runes []rune
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1]-pairs[i] >= maxWords || len(runes) > maxWords {
			return nil, false
		}
		for r := pairs[i]; r <= pairs[i+1]; r++ {
			runes = append(runes, r)
		}
	}
	for _, r := range runes {
		if !fold {
			words = append(words, string(r))
			continue
		}
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if !slices.Contains(runes, f) {
				return nil, false
			}
		}
		switch {
		case r < utf8.RuneSelf && unicode.ToLower(r) == r:
			words = append(words, string(r))
		case r >= utf8.RuneSelf && unicode.ToLower(r) != 'k' && unicode.ToUpper(r) != 'S':
			return nil, false
		}
	}
	return words, len(words) > 0
}

// match reports whether b is as s says.
func (s *shape) match(b []byte) bool {
	switch {
	case s.gap:
		return s.matchGap(b)
	case s.start:
		for _, w := range s.head {
			if (!s.end || len(b) == len(w)) && s.hasPrefix(b, w) {
				return true
			}
		}
		return false
	case s.end:
		return s.hasSuffix(b)
	}
	return s.contains(b)
}

// matchGap matches head, anything, tail.
func (s *shape) matchGap(b []byte) bool {
	for _, w := range s.head {
		if !s.hasPrefix(b, w) {
			continue
		}
		rest := b[len(w):]
		line := len(rest)
		if !s.newline {
			if i := bytes.IndexByte(rest, '\n'); i >= 0 {
				line = i
			}
		}
		if s.end && line < len(rest) {
			continue // no text of tail holds a line feed
		}
		if s.ends(rest[:line]) {
			return true
		}
	}
	return false
}

// ends reports whether a text of tail is in b behind least bytes or more.
func (s *shape) ends(b []byte) bool {
	for _, w := range s.tail {
		if len(b) < s.least+len(w) {
			continue
		}
		if s.end {
			if s.equal(b[len(b)-len(w):], w) {
				return true
			}
			continue
		}
		for i := s.least; i+len(w) <= len(b); i++ {
			if s.equal(b[i:i+len(w)], w) {
				return true
			}
		}
	}
	return false
}

func (s *shape) hasSuffix(b []byte) bool {
	for _, w := range s.head {
		if len(b) >= len(w) && s.equal(b[len(b)-len(w):], w) {
			return true
		}
	}
	return false
}

// contains reports whether a text of head is in b.
func (s *shape) contains(b []byte) bool {
	if s.head[0] == "" { // they are sorted
		return true
	}
	if s.only != nil {
		return bytes.Contains(b, s.only)
	}
	for i, c := range b {
		if !s.first[c] {
			continue
		}
		for _, w := range s.head {
			if s.hasPrefix(b[i:], w) {
				return true
			}
		}
	}
	return false
}

func (s *shape) hasPrefix(b []byte, w string) bool { return len(b) >= len(w) && s.equal(b[:len(w)], w) }

func (s *shape) equal(b []byte, w string) bool {
	if !s.fold {
		return string(b) == w
	}
	for i := range b {
		if lower(b[i]) != w[i] {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
