package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"opencache/internal/origin"
)

// A size is a number of bytes, written with K, M, G or T for powers of 1024.
type size int64

const (
	smallestMemory size = 8 << 20
	smallestMean   size = 64
	smallestDisk   size = 8 << 20
)

var units = [...]string{"", "K", "M", "G", "T"}

// UnmarshalText reads "4096", "64K", "256M", "1.5G", "2GiB", "2GB".
func (s *size) UnmarshalText(text []byte) error {
	const want = "expected a number with K, M, G or T (powers of 1024), like 256M"
	digits := strings.TrimRight(string(text), "iBbKMGTkmgt")
	unit := strings.ToUpper(string(text[len(digits):]))
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")
	power := -1
	for i, u := range units {
		if u == unit {
			power = i
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	// Only plain decimals: ParseFloat also takes exponents, hex and infinity.
	if err != nil || power < 0 || strings.Trim(digits, "0123456789.") != "" {
		return fmt.Errorf("%q is no size: %s", text, want)
	}
	for range power {
		n *= 1024
	}
	if n >= 1<<62 {
		return fmt.Errorf("%q is too large: %s", text, want)
	}
	*s = size(n)
	return nil
}

// String returns s with the largest unit that leaves a whole number.
func (s size) String() string {
	i := 0
	for ; i < len(units)-1 && s != 0 && s%1024 == 0; i++ {
		s /= 1024
	}
	return strconv.FormatInt(int64(s), 10) + units[i]
}

// An originURL names an origin; empty when none was given.
type originURL string

// UnmarshalText takes what origin.Parse takes.
func (u *originURL) UnmarshalText(text []byte) error {
	if _, err := origin.Parse(string(text)); err != nil {
		return err
	}
	*u = originURL(text)
	return nil
}

// patterns are regular expressions over paths (Go's syntax, RE2).
type patterns []*regexp.Regexp

// UnmarshalText appends the expressions in text, one a line.
func (p *patterns) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		re, err := regexp.Compile(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		*p = append(*p, re)
	}
	return nil
}

// fieldNames are names of fields, or "none" alone.
type fieldNames []string

// UnmarshalText appends the names in text, one a line.
func (n *fieldNames) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSuffix(line, "\n")
		switch {
		case !isFieldName(name):
			return fmt.Errorf("%q is no field name: expected one like CDN-Cache-Control, or none", name)
		case strings.EqualFold(name, "Cache-Control"):
			return fmt.Errorf("%s: expected a field that stands in for it, or none", name)
		case len(*n) > 0 && (name == "none" || (*n)[0] == "none"):
			return errors.New("none beside others: expected it alone")
		}
		*n = append(*n, name)
	}
	return nil
}

// isFieldName reports whether s is a token (RFC 9110, 5.1 and 5.6.2).
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// A ttlRule says how long answers that do not say it themselves are fresh.
type ttlRule struct {
	Path *regexp.Regexp // nil: all paths
	TTL  time.Duration
}

// ttlRules are tried in order; the first whose Path matches counts.
type ttlRules []ttlRule

// UnmarshalText appends the rules in text, one a line.
func (r *ttlRules) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		rule, err := parseTTLRule(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return err
		}
		*r = append(*r, rule)
	}
	return nil
}

// parseTTLRule reads "24h" or "REGEX=24h"; the expression may hold "=".
func parseTTLRule(text string) (rule ttlRule, err error) {
	const want = `expected [REGEX=]DURATION, like 24h or '\.zip$=24h'`
	expr, value, found := cutLast(text, '=')
	if !found {
		value = text
	}
	rule.TTL, err = time.ParseDuration(value)
	if _, bare := strconv.ParseFloat(value, 64); err != nil && bare == nil {
		return rule, fmt.Errorf("%q has no unit: expected a duration like %ss, %sm or %sh", value, value, value, value)
	}
	switch {
	case err != nil:
		return rule, fmt.Errorf("%q is no duration: %s", value, want)
	case rule.TTL < time.Second:
		return rule, fmt.Errorf("%s is too short: expected a second or more", rule.TTL)
	case found && expr == "":
		return rule, fmt.Errorf("%q has no expression before =: %s", text, want)
	case found:
		rule.Path, err = regexp.Compile(expr)
	}
	return rule, err
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}
