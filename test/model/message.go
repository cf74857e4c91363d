// Package model judges what a cache answers. It is the RFCs read a second
// time, by a reader who has not seen the cache: it holds all that clients and
// origin ever said to each other in lists, and for each answer it looks for a
// reason why the answer is permitted. It imports nothing of the cache, is
// slow, and decides nothing that the RFCs do not: what a cache may do or leave
// is permitted both ways.
//
//	j := model.Judge{Policy: model.Policy{Shared: true}}
//	j.Exchanges = append(j.Exchanges, …)   // what the origin was asked, and said
//	kind, fault := j.Judge(&answer)        // fault "": permitted
//	fault = j.Owed(&answer)                // fault "": nothing better was due
//
// Every response of the origin carries a field "X-U-N: 1" with a number of its
// own, so that an answer tells of itself which response it is made of and
// which later ones have updated it (RFC 9111, 3.2); "X-Rep: N" names the bytes
// that its content is or is part of. Every request of a client carries
// "X-Req: N", which a cache passes on as it does any field it does not know.
//
// Section numbers without more are those of RFC 9111.
package model

import (
	"strconv"
	"strings"
	"time"
)

// A Moment is when something happened: N is its place among all events, Clock
// what the cache's clock said, in milliseconds, which may have been set back.
type Moment struct{ N, Clock int64 }

// A Field is a field line.
type Field struct{ Name, Value string }

// Fields are the field lines of a message, in their order.
type Fields []Field

// All returns the values of the lines with a name.
func (f Fields) All(name string) (values []string) {
	for _, l := range f {
		if strings.EqualFold(l.Name, name) {
			values = append(values, strings.Trim(l.Value, " \t"))
		}
	}
	return values
}

// Get returns the lines with a name as one value (RFC 9110, 5.3).
func (f Fields) Get(name string) string { return strings.Join(f.All(name), ", ") }

// Has reports whether there is a line with a name.
func (f Fields) Has(name string) bool {
	for _, l := range f {
		if strings.EqualFold(l.Name, name) {
			return true
		}
	}
	return false
}

func (f Fields) without(name string) (rest Fields) {
	for _, l := range f {
		if !strings.EqualFold(l.Name, name) {
			rest = append(rest, l)
		}
	}
	return rest
}

// A Request is a request as its receiver got it.
type Request struct {
	Method, URL string
	Fields      Fields
	Content     string
}

// A Rep is what a resource was at some time: whoever has part of it must not
// join it with part of another one.
type Rep struct {
	ID    int
	Bytes string
}

// An Exchange is what the cache asked the origin, and what it said.
type Exchange struct {
	ID       int
	For      int // the client's request that it carried
	Request  Request
	Asked    Moment
	Answered Moment // when the head was there, or none was to come
	Ended    Moment // when nothing more was to come
	Failed   bool   // there was no answer
	Status   int
	Fields   Fields
	Rep      *Rep // nil: no content of a representation
	Cut      bool // the content ended early
}

// An Answer is a request of a client and what it got.
type Answer struct {
	Request
	ID      int
	Alone   bool // nothing else was under way
	Came    Moment
	Began   Moment // when the head of the answer was there
	Ended   Moment
	Status  int
	Fields  Fields
	Content string
	Whole   bool  // it ended as complete messages end
	Length  int64 // the Content-Length, -1 without one
}

// saw reports whether m was behind a's coming. What happened in the same
// millisecond as the coming of one of many may have been before or behind it
// in the cache.
func (a *Answer) saw(m Moment) bool {
	return m.N > a.Came.N || !a.Alone && m.Clock == a.Came.Clock
}

// A Directive is a member of a Cache-Control field.
type Directive struct {
	Name, Arg      string
	HasArg, Quoted bool
}

// A Control is a list of directives.
type Control []Directive

// ParseControl reads Cache-Control lines (5.2). ok is false when a quoted
// string does not end: what it hides is not known.
func ParseControl(lines []string) (c Control, ok bool) {
	for _, member := range splitList(strings.Join(lines, ",")) {
		name, arg, has := strings.Cut(member, "=")
		d := Directive{Name: strings.ToLower(name), Arg: arg, HasArg: has}
		if strings.HasPrefix(arg, `"`) {
			text, rest, ended := unquote(arg)
			if !ended {
				return nil, false
			}
			if rest != "" {
				continue // no directive at all
			}
			d.Quoted, d.Arg = true, text
		}
		c = append(c, d)
	}
	return c, true
}

// ParseTargeted reads the lines of a targeted field, a dictionary of structured
// fields (RFC 9213, 2.1; RFC 9651, 4.2.2) of Integers, Decimals, Strings, Tokens
// and Booleans. ok is false when the field is to be ignored.
func ParseTargeted(lines []string) (c Control, ok bool) {
	text := strings.Trim(strings.Join(lines, ","), " ")
	if text == "" {
		return nil, false
	}
	seen := map[string]int{}
	for text != "" {
		d := Directive{Name: token(text, "abcdefghijklmnopqrstuvwxyz*", "abcdefghijklmnopqrstuvwxyz0123456789_-.*")}
		if d.Name == "" {
			return nil, false
		}
		text = text[len(d.Name):]
		keep := true
		if strings.HasPrefix(text, "=") {
			if d.Arg, d.Quoted, text, ok = bare(text[1:]); !ok {
				return nil, false
			}
			d.HasArg = d.Arg != "?1"
			keep = d.Arg != "?0"
		}
		if text, ok = behindParameters(text); !ok {
			return nil, false
		}
		if i, again := seen[d.Name]; again { // the last one counts
			c[i].Name = ""
		}
		if keep {
			seen[d.Name] = len(c)
			c = append(c, d)
		}
		text = strings.TrimLeft(text, " \t")
		if text == "" {
			return c, true
		}
		if text[0] != ',' {
			return nil, false
		}
		text = strings.TrimLeft(text[1:], " \t")
	}
	return nil, false // a comma at the end
}

// behindParameters returns what follows the parameters that s begins with: they
// are to be ignored.
func behindParameters(s string) (rest string, ok bool) {
	for strings.HasPrefix(s, ";") {
		s = strings.TrimLeft(s[1:], " ")
		key := token(s, "abcdefghijklmnopqrstuvwxyz*", "abcdefghijklmnopqrstuvwxyz0123456789_-.*")
		if key == "" {
			return "", false
		}
		s = s[len(key):]
		if strings.HasPrefix(s, "=") {
			if _, _, s, ok = bare(s[1:]); !ok {
				return "", false
			}
		}
	}
	return s, true
}

// bare reads a bare item.
func bare(s string) (value string, quoted bool, rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, `"`):
		value, rest, ok = unquote(s)
		return value, true, rest, ok
	case strings.HasPrefix(s, "?0"), strings.HasPrefix(s, "?1"):
		return s[:2], false, s[2:], true
	}
	const alpha = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*"
	if value = token(s, alpha, alpha+"0123456789!#$%&'+-.^_`|~:/"); value == "" {
		value = token(s, "-0123456789", "0123456789.")
		if _, err := strconv.ParseFloat(value, 64); err != nil || len(value) > 15 || strings.HasSuffix(value, ".") {
			return "", false, "", false
		}
	}
	return value, false, s[len(value):], true
}

// token returns the longest beginning of s with a first byte of first and more
// of next.
func token(s, first, next string) string {
	n := 0
	for n < len(s) && (n == 0 && strings.IndexByte(first, s[0]) >= 0 || n > 0 && strings.IndexByte(next, s[n]) >= 0) {
		n++
	}
	return s[:n]
}

// unquote reads the quoted string that s begins with (RFC 9110, 5.6.4), and
// returns what is behind it.
func unquote(s string) (text, rest string, ended bool) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return text, s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		text += s[i : i+1]
	}
	return "", "", false
}

// splitList takes a list apart at the commas outside quoted strings (RFC 9110,
// 5.6.1); empty members are dropped.
func splitList(list string) (members []string) {
	quoted, from := false, 0
	add := func(s string) {
		if s = strings.Trim(s, " \t"); s != "" {
			members = append(members, s)
		}
	}
	for i := 0; i < len(list); i++ {
		switch {
		case quoted && list[i] == '\\':
			i++
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			add(list[from:i])
			from = i + 1
		}
	}
	add(list[from:])
	return members
}

// Has reports whether a directive is there in any form.
func (c Control) Has(name string) bool {
	for _, d := range c {
		if d.Name == name {
			return true
		}
	}
	return false
}

// unqualified reports whether a directive is there without field names.
func (c Control) unqualified(name string) bool {
	for _, d := range c {
		if d.Name == name && len(splitList(d.Arg)) == 0 {
			return true
		}
	}
	return false
}

// names returns the field names that a directive's arguments list.
func (c Control) names(name string) (names []string) {
	for _, d := range c {
		if d.Name == name {
			names = append(names, splitList(d.Arg)...)
		}
	}
	return names
}

const forever = 1 << 31 // seconds (1.2.2)

// seconds returns between which bounds a directive's argument may be taken to
// be, in milliseconds: the first of several, or stale at once (4.2.1).
func (c Control) seconds(name string) (lo, hi int64, ok bool) {
	for _, d := range c {
		if d.Name != name {
			continue
		}
		if ok {
			return 0, hi, true
		}
		n, valid := delta(d.Arg)
		lo, hi, ok = n*1000, n*1000, true
		if !valid {
			lo, hi = 0, 0
		} else if d.Quoted { // recipients ought to accept it (5.2)
			lo = 0
		}
	}
	return lo, hi, ok
}

// delta reads delta-seconds (1.2.2).
func delta(s string) (n int64, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > forever {
		n = forever
	}
	return n, true
}

// date reads an HTTP-date (RFC 9110, 5.6.7), in milliseconds.
func date(s string) (ms int64, ok bool) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", "Mon Jan _2 15:04:05 2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
