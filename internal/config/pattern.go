package config

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxPattern bounds a regular expression's text. What it compiles to is
// bounded by package regexp.
const maxPattern = 4096

// checkRegexp takes what package regexp does, which runs in linear time. The
// text may be repeated: patterns are of paths and names.
func checkRegexp(s string) *trouble {
	switch {
	case s == "":
		return expected("a regular expression")
	case len(s) > maxPattern:
		return expected("a regular expression of at most 4096 bytes")
	}
	_, err := regexp.Compile(s)
	if err == nil {
		return nil
	}
	t := expected("a regular expression in RE2's syntax")
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return t
	}
	t.at = max(0, strings.Index(s, fault.Expr))
	t.Expected += "; " + reason(fault)
	return t
}

// reason says why a pattern is refused. Those that PCRE takes are told by the
// name that its users know.
func reason(fault *syntax.Error) string {
	for _, known := range []struct{ prefix, what string }{
		{"(?=", "looking ahead is not to be had in linear time"},
		{"(?!", "looking ahead is not to be had in linear time"},
		{"(?<=", "looking behind is not to be had in linear time"},
		{"(?<!", "looking behind is not to be had in linear time"},
		{"(?>", "atomic groups are not to be had, nor needed: matching takes linear time"},
		{"(?#", "comments within are not to be had"},
		{"(?|", "groups that reset numbers are not to be had"},
	} {
		if strings.HasPrefix(fault.Expr, known.prefix) {
			return known.what
		}
	}
	switch fault.Code {
	case syntax.ErrInvalidEscape:
		if len(fault.Expr) > 1 && '1' <= fault.Expr[1] && fault.Expr[1] <= '9' || strings.HasPrefix(fault.Expr, `\k`) {
			return "references to groups are not to be had in linear time"
		}
	case syntax.ErrInvalidRepeatOp:
		return "possessive repetition is not to be had, nor needed: " + fault.Expr
	}
	return string(fault.Code) + ": " + fault.Expr
}

func checkKey(s string) *trouble {
	if s == "" {
		return expected("an expression")
	}
	return nil
}

func checkText(string) *trouble { return nil }

func checkCondition(s string) *trouble {
	if s == "" {
		return expected("a condition")
	}
	return nil
}
