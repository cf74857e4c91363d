package expr

import "bytes"

// A Condition is a yes or no about a request. A nil one is false. It is never
// changed once it is parsed.
type Condition struct {
	source string
	root   *node
	vars   []*Var
}

// A node of a Condition.
type node struct {
	op       op
	a, b     *node    // of and, or; a of not
	text     []part   // of truth and equal
	other    []part   // of equal: the right side
	constant string   // of equal: the right side, where other is nil
	pattern  *Pattern // of match
	at       int      // of truth: where it was parsed
}

type op uint8

const (
	opTruth op = iota // text is neither empty nor "0"
	opEqual           // text is other
	opMatch           // pattern matches text
	opNot
	opAnd
	opOr
)

// String returns what was parsed.
func (c *Condition) String() string { return c.source }

// Vars returns the variables of c, for Var.Ref to be set.
func (c *Condition) Vars() []*Var { return c.vars }

// Depends returns what c depends on.
func (c *Condition) Depends() Depends { return dependsOf(c.vars) }

// True evaluates c.
func (c *Condition) True(v Values, s *Scratch) bool { return c != nil && c.root.true(v, s) }

// Constant returns what c always is, where it holds no variable.
func (c *Condition) Constant() (value, ok bool) {
	if c == nil || len(c.vars) == 0 {
		return c.True(nil, new(Scratch)), true
	}
	return false, false
}

func (n *node) true(v Values, s *Scratch) bool {
	switch n.op {
	case opNot:
		return !n.a.true(v, s)
	case opAnd:
		return n.a.true(v, s) && n.b.true(v, s)
	case opOr:
		return n.a.true(v, s) || n.b.true(v, s)
	}
	s.a = appendParts(s.a[:0], n.text, v)
	switch n.op {
	case opEqual:
		if n.other == nil {
			return string(s.a) == n.constant
		}
		s.b = appendParts(s.b[:0], n.other, v)
		return bytes.Equal(s.a, s.b)
	case opMatch:
		return n.pattern.Match(s.a)
	}
	return truthy(s.a)
}

// truthy reports whether nginx takes a value for true.
func truthy(b []byte) bool { return len(b) > 0 && !(len(b) == 1 && b[0] == '0') }
