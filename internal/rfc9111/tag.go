package rfc9111

import "crypto/sha256"

// A Tag is an entity tag (RFC 9110, 8.8.3), kept as a digest so that it has a
// fixed size. The zero Tag is none.
type Tag struct {
	Sum     [16]byte // SHA-256 of the opaque-tag with its quotes, cut short
	Weak    bool
	Present bool
}

// MaxTags is how many tags of a list are kept.
const MaxTags = 16

// ParseTag reads a single entity-tag; what is none gives the zero Tag.
func ParseTag(value []byte) Tag {
	t, rest := takeTag(value)
	if len(rest) > 0 {
		return Tag{}
	}
	return t
}

// Strong reports whether t and u are equivalent by strong comparison (RFC
// 9110, 8.8.3.2).
func (t *Tag) Strong(u *Tag) bool { return !t.Weak && !u.Weak && t.Matches(u) }

// Matches reports whether t and u are equivalent by weak comparison (RFC
// 9110, 8.8.3.2).
func (t *Tag) Matches(u *Tag) bool { return t.Present && u.Present && t.Sum == u.Sum }

// takeTag reads an entity-tag off the start of value; when there is none the
// Tag is zero.
func takeTag(value []byte) (t Tag, rest []byte) {
	opaque := value
	if len(value) >= 2 && value[0] == 'W' && value[1] == '/' {
		t.Weak = true
		opaque = value[2:]
	}
	if len(opaque) == 0 || opaque[0] != '"' {
		return Tag{}, value
	}
	n := 1 + run(opaque[1:], isTagChar)
	if n == len(opaque) || opaque[n] != '"' {
		return Tag{}, value
	}
	sum := sha256.Sum256(opaque[:n+1])
	copy(t.Sum[:], sum[:])
	t.Present = true
	return t, opaque[n+1:]
}

// isTagChar: etagc (RFC 9110, 8.8.3).
func isTagChar(c byte) bool { return c == '!' || c >= '#' && c != 0x7f }

// tags are the members of a list of entity tags, or "*" (RFC 9110, 13.1.2).
type tags struct {
	list  [MaxTags]Tag // list[:n] count
	n     uint8
	lines uint8 // field lines so far, 2 for all above
	any   bool  // "*"
	bad   bool  // something else was there: the field matches nothing
}

// add takes one field line. What is beyond MaxTags matches nothing.
func (l *tags) add(value []byte) {
	if l.lines < 2 {
		l.lines++
	}
	if len(value) == 1 && value[0] == '*' {
		// "*" beside anything else is invalid.
		l.bad = l.bad || l.lines > 1
		l.any = true
		return
	}
	l.bad = l.bad || l.any
	for value = skip(value, isListSpace); len(value) > 0; value = skip(value, isListSpace) {
		if l.n == MaxTags {
			return
		}
		var t Tag
		t, value = takeTag(value)
		value = skip(value, isSpace)
		if !t.Present || len(value) > 0 && value[0] != ',' {
			l.bad = true
			return
		}
		l.list[l.n] = t
		l.n++
	}
}

// match reports whether the field names t by weak comparison.
func (l *tags) match(t *Tag) bool {
	if l.bad || l.any {
		return !l.bad
	}
	for i := range l.list[:l.n] {
		if l.list[i].Matches(t) {
			return true
		}
	}
	return false
}

// reset empties l; the list's old members stay but do not count.
func (l *tags) reset() { l.n, l.lines, l.any, l.bad = 0, 0, false, false }
