package config

import (
	"errors"
	"strconv"
	"strings"

	"opencache/internal/expr"
)

// checkRegexp takes what matches in linear time.
func checkRegexp(s string) *trouble {
	if s == "" {
		return expected("a regular expression")
	}
	_, err := expr.ParsePattern(s, false)
	return troubleOf(err, "a regular expression in RE2's syntax")
}

func checkKey(s string) *trouble {
	if s == "" {
		return expected("an expression for a key")
	}
	_, err := expr.ParseKey(s, expr.KeyOptions{})
	return troubleOf(err, "an expression for a key")
}

func checkCondition(parse func(string) (*expr.Condition, error)) func(string) *trouble {
	return func(s string) *trouble {
		if s == "" {
			return expected("a condition")
		}
		_, err := parse(s)
		t := troubleOf(err, "a condition")
		if t != nil && strings.ContainsAny(t.Found, "'\\") {
			t.Found = "" // a quoted text, which may be a token that a field is compared with
		}
		return t
	}
}

// checkText takes an expression of a place. Its text may hold a secret, and is
// not repeated but for the name of a variable that is nearly known.
func checkText(in expr.Place) func(string) *trouble {
	return func(s string) *trouble {
		_, err := expr.ParseText(s, in)
		t := troubleOf(err, "an expression for "+in.String())
		if t != nil && t.Nearest == "" {
			t.Found = ""
		}
		return t
	}
}

// troubleOf is an error of package expr as trouble; nil is none.
func troubleOf(err error, what string) *trouble {
	if err == nil {
		return nil
	}
	t := &trouble{Fault: Fault{Expected: what}, hidden: true}
	var fault *expr.Error
	if !errors.As(err, &fault) {
		return t
	}
	t.at, t.Nearest = fault.At, fault.Nearest
	t.Expected += " (" + fault.Why + ")"
	if fault.Found != "" {
		t.Found = strconv.Quote(fault.Found)
	}
	return t
}
