package config

import (
	"errors"
	"strings"
)

// A LocationKind is how a Location is compared with a path. Their order is
// their precedence: of those that match, the first kind answers.
type LocationKind uint8

const (
	// Exact is "= /x": that path and no other.
	Exact LocationKind = iota
	// First is "^~ /x": a prefix. When it is the longest of all prefixes that
	// match, no regular expression is asked.
	First
	// Regexp is "~ re", in the order they stand in.
	Regexp
	// RegexpFold is "~* re", whatever the case; in one order with Regexp.
	RegexpFold
	// Prefix is "/x": the longest.
	Prefix
)

// A Location is which paths a Route is for.
type Location struct {
	Kind LocationKind
	// Text is the path, the prefix or the regular expression.
	Text string
}

// ParseLocation reads nginx's words for a location.
func ParseLocation(s string) (Location, error) {
	mark, text, ok := strings.Cut(s, " ")
	text = strings.TrimLeft(text, " ")
	l := Location{Text: text}
	switch {
	case strings.HasPrefix(s, "/"):
		return Location{Kind: Prefix, Text: s}, nil
	case !ok:
		return Location{}, errLocation
	case mark == "=" || mark == "^~":
		if mark == "^~" {
			l.Kind = First
		}
		if !strings.HasPrefix(text, "/") {
			return Location{}, errLocation
		}
		return l, nil
	case mark == "~" || mark == "~*":
		l.Kind = Regexp
		if mark == "~*" {
			l.Kind = RegexpFold
		}
		if text == "" {
			return Location{}, errLocation
		}
		return l, nil
	}
	return Location{}, errLocation
}

var errLocation = errors.New(`expected a location like "/x", "= /x", "^~ /x", "~ regexp" or "~* regexp"`)

// reserved are the paths of the edge's own answers; no route gets them.
const reserved = "/oc-cgi/"

func checkLocation(s string) *trouble {
	l, err := ParseLocation(s)
	if err != nil {
		return expected(strings.TrimPrefix(err.Error(), "expected "))
	}
	claimed := l.Text
	if l.Kind == Regexp || l.Kind == RegexpFold {
		if t := checkRegexp(l.Text); t != nil {
			t.at += len(s) - len(l.Text)
			return t
		}
		claimed = strings.TrimPrefix(l.Text, "^")
	}
	if strings.HasPrefix(strings.ToLower(claimed), reserved) {
		return expected("a location that is not below " + reserved + ", which is the edge's own")
	}
	if strings.IndexFunc(l.Text, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
		return expected("a location without control characters")
	}
	return nil
}
