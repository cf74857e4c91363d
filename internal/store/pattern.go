package store

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

const (
	// PatternMax is the longest regular expression of a Pattern, in bytes.
	PatternMax = 1 << 10
	// patternSteps bounds what one compiles to, and with it what matching costs.
	patternSteps = 1000
	// slashMost bounds Pattern's slash: it is remembered in a byte.
	slashMost = 255
)

// A Pattern is a regular expression (RE2) on primary keys, or on what they end
// with. Make it with NewPattern; it is never changed.
type Pattern struct {
	re   *regexp.Regexp
	text []byte // slash, and the expression
}

// A PatternError says where an expression is none.
type PatternError struct {
	At  int // byte of the expression, from 0; its length: its end
	Why string
}

func (e *PatternError) Error() string { return fmt.Sprintf("at position %d: %s", e.At+1, e.Why) }

// NewPattern compiles expr. It sees keys from their slash number slash on,
// counted from 1, or whole when that is 0: the third slash of a URL begins its
// path. The error is a *PatternError when expr is no regular expression.
func NewPattern(expr string, slash int) (*Pattern, error) {
	switch {
	case slash < 0 || slash > slashMost:
		return nil, fmt.Errorf("pattern: slash number %d: expected 0 to %d", slash, slashMost)
	case expr == "":
		return nil, errors.New("pattern: it is empty")
	case len(expr) > PatternMax:
		return nil, fmt.Errorf("pattern: %d bytes: expected at most %d", len(expr), PatternMax)
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, faultOf(expr, err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if len(prog.Inst) > patternSteps {
		return nil, fmt.Errorf("pattern: it comes to %d steps: expected at most %d", len(prog.Inst), patternSteps)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	return &Pattern{re: re, text: append([]byte{byte(slash)}, expr...)}, nil
}

// faultOf finds where the fault is, which the parser does not tell: behind the
// shortest beginning of expr that has the same one. What is missing is missing
// at the end.
func faultOf(expr string, err error) error {
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("pattern: %w", err)
	}
	e := &PatternError{At: len(expr), Why: fault.Code.String()}
	if fault.Expr == expr {
		return e
	}
	e.Why += fmt.Sprintf(": %q", fault.Expr)
	for n := len(fault.Expr); n <= len(expr); n++ {
		var same *syntax.Error
		if _, err := syntax.Parse(expr[:n], syntax.Perl); errors.As(err, &same) && *same == *fault {
			e.At = n - len(fault.Expr)
			break
		}
	}
	return e
}

// parsePattern makes the pattern of what was remembered of it, which is what
// NewPattern made; nil: of anything else.
func parsePattern(text []byte) *Pattern {
	if len(text) < 2 {
		return nil
	}
	p, err := NewPattern(string(text[1:]), int(text[0]))
	if err != nil {
		return nil
	}
	return p
}

// hits reports whether p matches the primary key of a full key.
func (p *Pattern) hits(key []byte) bool {
	if i := bytes.IndexByte(key, 0); i >= 0 {
		key = key[:i]
	}
	for n := int(p.text[0]); n > 0; n-- {
		i := bytes.IndexByte(key, '/')
		if i < 0 {
			break
		}
		if n == 1 {
			key = key[i:]
			break
		}
		key = key[i+1:]
	}
	return p.re.Match(key)
}
