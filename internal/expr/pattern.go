package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

const (
	maxPattern = 4096 // bytes of a regular expression
	maxSteps   = 4096 // what it may come to: matching takes no more than so many times the text
)

// A Pattern is a regular expression of RE2, which matches in time linear in the
// text. It is never changed. What it matches is bytes: one that is no part of
// UTF-8 is matched by a dot and by classes that are negated.
type Pattern struct {
	source string
	fold   bool
	re     *regexp.Regexp
	quick  []shape // answers as re does; nil: re must
	prefix string
}

// ParsePattern compiles s; with fold it matches whatever the case. The error is
// an *Error, which names the reason where the pattern is one of PCRE's alone.
func ParsePattern(s string, fold bool) (*Pattern, error) { return parsePattern(s, 0, s, fold) }

// parsePattern compiles s, which stands in source at a position.
func parsePattern(source string, at int, s string, fold bool) (*Pattern, error) {
	if len(s) > maxPattern {
		return nil, &Error{Source: source, At: at + maxPattern, Why: fmt.Sprintf("%d bytes: a regular expression may have %d", len(s), maxPattern)}
	}
	flags, text := syntax.Perl, s
	if fold {
		flags, text = flags|syntax.FoldCase, "(?i)"+s
	}
	tree, err := syntax.Parse(s, flags)
	if err != nil {
		return nil, patternFault(source, at, s, err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err == nil && len(prog.Inst) > maxSteps {
		err = fmt.Errorf("it comes to %d steps: expected at most %d", len(prog.Inst), maxSteps)
	}
	var re *regexp.Regexp
	if err == nil {
		re, err = regexp.Compile(text)
	}
	if err != nil {
		return nil, &Error{Source: source, At: at, Found: firstWord(s), Why: err.Error()}
	}
	if tree, err = syntax.Parse(s, flags); err != nil { // Simplify may have changed it
		return nil, patternFault(source, at, s, err)
	}
	p := &Pattern{source: s, fold: fold, re: re}
	p.prefix = literalPrefix(tree)
	p.quick = shapesOf(tree)
	return p, nil
}

// String returns what was parsed.
func (p *Pattern) String() string { return p.source }

// Match reports whether b holds what p matches.
func (p *Pattern) Match(b []byte) bool {
	if p.quick == nil {
		return p.re.Match(b)
	}
	if p.quick[0].unicode && !isASCII(b) {
		return p.re.Match(b)
	}
	for i := range p.quick {
		if p.quick[i].match(b) {
			return true
		}
	}
	return false
}

// Submatch returns where the groups of p are in b: two offsets each, the whole
// first, -1 for a group without part in it; nil when p does not match. It
// allocates.
func (p *Pattern) Submatch(b []byte) []int { return p.re.FindSubmatchIndex(b) }

// Groups returns how many groups p has.
func (p *Pattern) Groups() int { return p.re.NumSubexp() }

// LiteralPrefix returns what everything that p matches begins with; empty where
// p is not anchored at the beginning, or matches whatever the case.
func (p *Pattern) LiteralPrefix() string { return p.prefix }

// literalPrefix returns the literal text behind the anchor of a tree.
func literalPrefix(tree *syntax.Regexp) string {
	items := flatten(nil, tree)
	if len(items) == 1 && items[0].Op == syntax.OpAlternate {
		prefix := literalPrefix(items[0].Sub[0])
		for _, branch := range items[0].Sub[1:] {
			prefix = commonPrefix(prefix, literalPrefix(branch))
		}
		return prefix
	}
	if len(items) == 0 || items[0].Op != syntax.OpBeginText {
		return ""
	}
	prefix := ""
	for _, re := range items[1:] {
		set, ok := expand(re, false)
		if !ok {
			break
		}
		common := set[0]
		for _, s := range set[1:] {
			common = commonPrefix(common, s)
		}
		if i := strings.IndexRune(common, utf8.RuneError); i >= 0 {
			return prefix + common[:i] // it matches any byte that is no UTF-8
		}
		prefix += common
		if len(set) > 1 {
			break
		}
	}
	return prefix
}

func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// patternFault says where s is no regular expression, and why.
func patternFault(source string, at int, s string, err error) error {
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return &Error{Source: source, At: at, Found: firstWord(s), Why: err.Error()}
	}
	where := faultAt(s, fault)
	e := &Error{Source: source, At: at + where, Found: firstWord(s[where:]), Why: fault.Code.String()}
	if where == len(s) || len(fault.Expr) < len(s) {
		e.Found = firstWord(fault.Expr)
	}
	for _, f := range foreign {
		if strings.HasPrefix(s[where:], f.text) || f.text == fault.Expr {
			e.Found, e.Why = f.text, f.why
			break
		}
	}
	switch {
	case len(fault.Expr) == 2 && fault.Expr[0] == '\\' && '1' <= fault.Expr[1] && fault.Expr[1] <= '9':
		e.Why = "backreferences can not be matched in linear time"
	case fault.Code == syntax.ErrInvalidRepeatOp && len(fault.Expr) == 2 && fault.Expr[1] == '+':
		e.Why = "possessive repetition is of no use here: nothing is tried twice; leave the + out"
	}
	return e
}

// faultAt finds where the fault is, which the parser does not tell: behind the
// shortest beginning of s that has the same one. What is missing is missing at
// the end.
func faultAt(s string, fault *syntax.Error) int {
	switch fault.Code {
	case syntax.ErrMissingParen:
		return len(s)
	case syntax.ErrUnexpectedParen: // the whole is said to be at fault
		for n := 1; n <= len(s); n++ {
			var same *syntax.Error
			if _, err := syntax.Parse(s[:n], syntax.Perl); errors.As(err, &same) && same.Code == fault.Code {
				return n - 1
			}
		}
	}
	for n := len(fault.Expr); n <= len(s); n++ {
		var same *syntax.Error
		if _, err := syntax.Parse(s[:n], syntax.Perl); errors.As(err, &same) && *same == *fault {
			return n - len(fault.Expr)
		}
	}
	return max(strings.Index(s, fault.Expr), 0)
}

// foreign is what PCRE has and RE2 has not.
var foreign = []struct{ text, why string }{
	{"(?=", "lookahead can not be matched in linear time"},
	{"(?!", "negative lookahead can not be matched in linear time: use !~ in a condition, or a rule of higher priority"},
	{"(?<=", "lookbehind can not be matched in linear time"},
	{"(?<!", "negative lookbehind can not be matched in linear time"},
	{"(?>", "atomic groups are of no use here: nothing is tried twice; use (?:"},
	{"(?|", "branch reset is PCRE's alone"},
	{"(?#", "comments are PCRE's alone"},
	{"(?R", "recursion can not be matched in linear time"},
	{"(?(", "conditions can not be matched in linear time"},
	{`\k`, "backreferences can not be matched in linear time"},
	{`\g`, "backreferences can not be matched in linear time"},
	{`\K`, `\K is PCRE's alone`},
	{`\G`, `\G is PCRE's alone`},
	{`\Z`, "expected $ or \\z: a text here has no line feed at its end that would not count"},
	{`\h`, `expected [ \t]`},
	{`\R`, `expected \r?\n`},
	{`\N`, "expected a dot"},
}
