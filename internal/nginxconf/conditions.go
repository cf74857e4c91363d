package nginxconf

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"opencache/internal/expr"
)

// A condition is a text of ours, or one that is always or never true.
type condition struct {
	text  string
	fixed bool
	value bool // when fixed
	joint bool // text has && or || outside of parentheses
}

func always(value bool) condition { return condition{fixed: true, value: value} }

func (c condition) part() string {
	if c.joint {
		return "(" + c.text + ")"
	}
	return c.text
}

func (c condition) not() condition {
	if c.fixed {
		return always(!c.value)
	}
	return condition{text: "!(" + c.text + ")"}
}

func (c condition) or(o condition) condition {
	switch {
	case c.fixed && c.value || o.fixed && !o.value:
		return c
	case o.fixed || c.fixed:
		return o
	case c.text == o.text:
		return c
	}
	return condition{text: c.text + " || " + o.text, joint: true} // && binds closer
}

func (c condition) and(o condition) condition {
	switch {
	case c.fixed && !c.value || o.fixed && o.value:
		return c
	case o.fixed || c.fixed:
		return o
	}
	return condition{text: c.part() + " && " + o.part(), joint: true}
}

// A variable is what set made: a text, or, where it stands in an if, only
// whether it is true.
type variable struct {
	text  string
	known bool
	truth condition
	err   error // why its truth is not known
}

// run goes through a block's set and if in their order.
func (s *scope) run() {
	for i := range s.block.Block {
		d := &s.block.Block[i]
		switch {
		case d.Name == "set" && len(d.Args) == 2:
			s.set(d)
		case d.Name == "if":
			s.setIf(d)
		}
		if s.ended == nil && ends(d) {
			s.ended = fmt.Errorf("what follows %s may not be reached", d.place())
		}
	}
}

// ends reports whether nginx may leave off at a directive, so that the sets
// behind it are not done.
func ends(d *Directive) bool {
	switch d.Name {
	case "break":
		return true
	case "rewrite":
		return d.arg(2) == "break"
	case "if":
		for i := range d.Block {
			if ends(&d.Block[i]) {
				return true
			}
		}
	}
	return false
}

func (s *scope) set(d *Directive) {
	v := variable{known: true}
	v.text, v.err = s.fill(d.arg(1), 0) // as it is here, not as it may become
	if v.err == nil {
		v.truth, v.err = s.truth(d.arg(1))
	} else {
		v.known = false
	}
	if s.ended != nil {
		v = variable{err: s.ended}
	}
	s.vars[strings.TrimPrefix(d.arg(0), "$")] = v
}

// onlySets reports whether an if does nothing but set variables.
func onlySets(d *Directive) bool {
	for i := range d.Block {
		if d.Block[i].Name != "set" || len(d.Block[i].Args) != 2 {
			return false
		}
	}
	return true
}

// setIf goes through the sets of an if.
func (s *scope) setIf(d *Directive) {
	when, err := s.ifCondition(d)
	for i := range d.Block {
		set := &d.Block[i]
		if set.Name != "set" || len(set.Args) != 2 {
			continue
		}
		name := strings.TrimPrefix(set.arg(0), "$")
		was, ok := s.vars[name]
		if !ok {
			was.truth = always(false)
		}
		now, err2 := s.truth(set.arg(1))
		// What it is then where the condition holds, what it was where not.
		s.vars[name] = variable{truth: when.and(now).or(when.not().and(was.truth)).simple(was.truth, when, now), err: cmp.Or(was.err, err, err2, s.ended)}
	}
}

// simple is the same with less words where the new value is always or never
// true.
func (c condition) simple(was, when, now condition) condition {
	switch {
	case now.fixed && now.value:
		return was.or(when)
	case now.fixed:
		return was.and(when.not())
	}
	return c
}

// truth is whether nginx takes a word for true.
func (s *scope) truth(word string) (condition, error) {
	if !strings.Contains(word, "$") {
		return always(word != "" && word != "0"), nil
	}
	name, tail := variableIn(strings.TrimPrefix(word, "$"))
	if strings.HasPrefix(word, "$") && tail == "" {
		if v, ok := s.vars[name]; ok {
			return v.truth, v.err
		}
		if m := s.maps[name]; m != nil {
			return s.mapTruth(m)
		}
	}
	text, err := s.text(word, expr.InCondition)
	if err != nil {
		return condition{}, err
	}
	return checked(quotedWord(text))
}

// checked is a condition that must be one of ours.
func checked(text string, err error) (condition, error) {
	if err != nil {
		return condition{}, err
	}
	c, err := expr.ParseCondition(text)
	if err != nil {
		return condition{}, whyOf(err)
	}
	if value, ok := c.Constant(); ok {
		return always(value), nil
	}
	return condition{text: text}, nil
}

// quotedWord is a word of a condition, in quotes where it needs them.
func quotedWord(s string) (string, error) {
	switch {
	case s != "" && !strings.ContainsAny(s, " \t\r\n()\"'!&|=~<>"):
		return s, nil
	case !strings.Contains(s, `"`):
		return `"` + s + `"`, nil
	case !strings.Contains(s, "'"):
		return "'" + s + "'", nil
	}
	return "", errors.New("both kinds of quotes in one word")
}

// ifCondition is the condition of an if.
func (s *scope) ifCondition(d *Directive) (condition, error) {
	words := append([]string(nil), d.Args...)
	if len(words) == 0 || !strings.HasPrefix(words[0], "(") {
		return condition{}, errors.New("no condition in parentheses")
	}
	words[0] = words[0][1:]
	last := len(words) - 1
	if !strings.HasSuffix(words[last], ")") {
		return condition{}, errors.New("no condition in parentheses")
	}
	words[last] = words[last][:len(words[last])-1]
	if words[last] == "" && last > 0 {
		words = words[:last]
	}
	if words[0] == "" {
		words = words[1:]
	}
	switch len(words) {
	case 1:
		return s.truth(words[0])
	case 3:
		return s.comparison(words[0], words[1], words[2])
	}
	return condition{}, fmt.Errorf("%q: files are the origin's", strings.Join(words, " "))
}

// comparison is a value, an operator and another.
func (s *scope) comparison(value, op, other string) (condition, error) {
	left, err := s.text(value, expr.InCondition)
	if err != nil {
		return condition{}, err
	}
	if left, err = quotedWord(left); err != nil {
		return condition{}, err
	}
	switch op {
	case "=", "!=":
		if other, err = s.text(other, expr.InCondition); err != nil {
			return condition{}, err
		}
		right, err := quotedWord(other)
		return checked(left+" "+op+" "+right, err)
	case "~", "~*", "!~", "!~*":
		right, err := quotedWord(other)
		return checked(left+" "+op+" "+right, err)
	}
	return condition{}, fmt.Errorf("%q is no operator", op)
}

// mapTruth is whether what a map makes is true: plain values first, then
// regular expressions in their order, then the default.
func (s *scope) mapTruth(m *Directive) (condition, error) {
	source := m.arg(0)
	result := always(false)
	var plain, patterns []*Directive
	for i := range m.Block {
		d := &m.Block[i]
		switch {
		case d.Name == "default":
			now, err := s.truth(d.arg(0))
			if err != nil {
				return condition{}, err
			}
			result = now
		case d.Name == "volatile":
		case d.Name == "hostnames" || len(d.Args) != 1:
			return condition{}, fmt.Errorf("a map with %q", d.String())
		case strings.HasPrefix(d.Name, "~"):
			patterns = append(patterns, d)
		default:
			plain = append(plain, d)
		}
	}
	list := append(plain, patterns...)
	for i := len(list) - 1; i >= 0; i-- {
		d := list[i]
		op, text := "=", strings.TrimPrefix(d.Name, `\`)
		if pattern, ok := strings.CutPrefix(d.Name, "~*"); ok {
			op, text = "~*", pattern
		} else if pattern, ok := strings.CutPrefix(d.Name, "~"); ok {
			op, text = "~", pattern
		} else if strings.ToLower(text) != strings.ToUpper(text) {
			op, text = "~*", "^"+regexp.QuoteMeta(text)+"$" // maps do not mind the case
		}
		when, err := s.comparison(source, op, text)
		if err != nil {
			return condition{}, err
		}
		now, err := s.truth(d.arg(0))
		if err != nil {
			return condition{}, err
		}
		if now.fixed && now.value {
			result = when.or(result)
			continue
		}
		result = when.and(now).or(when.not().and(result)).simple(result, when, now)
	}
	return result, nil
}

// any is whether one of a directive's words is true.
func (s *scope) any(list []*Directive) (condition, error) {
	result := always(false)
	for _, d := range list {
		for _, word := range d.Args {
			c, err := s.truth(word)
			if err != nil {
				return condition{}, err
			}
			result = result.or(c)
		}
	}
	return result, nil
}
