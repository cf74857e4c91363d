package expr

import (
	"strconv"
	"strings"
)

const (
	maxDepth = 32  // of parentheses and negations in a condition
	maxTests = 256 // of a condition
)

// ParseCondition reads a condition. The error is an *Error.
//
//	$cookie_session                      neither empty nor "0"
//	$a $b                                one of them is
//	$request_method = POST               != as well
//	$http_user_agent ~* "bot|crawl"      ~ with case, !~ and !~* when it does not match
//	!($a && $b) || $c                    from the tightest to the loosest: ! && ||
//
// A value is a word up to white space, or in single or double quotes.
func ParseCondition(s string) (*Condition, error) { return parseCondition(s, InCondition) }

// ParseLogCondition reads a condition that is evaluated behind the answer: it
// may hold what is known then, such as $status.
func ParseLogCondition(s string) (*Condition, error) { return parseCondition(s, InResponse) }

func parseCondition(s string, in Place) (*Condition, error) {
	if len(s) > maxSource {
		return nil, tooLong(s)
	}
	p := parser{s: s, in: in, c: &Condition{source: s}}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at < len(s) {
		return nil, p.fault(p.at, "expected && or || or the end")
	}
	p.c.root = root
	return p.c, nil
}

// A parser reads a condition by recursive descent.
type parser struct {
	s     string
	in    Place
	at    int
	depth int
	tests int
	c     *Condition
}

func (p *parser) fault(at int, why string) *Error {
	return &Error{Source: p.s, At: at, Found: firstWord(p.s[at:]), Why: why}
}

func (p *parser) space() {
	for p.at < len(p.s) && isSpace(p.s[p.at]) {
		p.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// take reads word, and white space around it.
func (p *parser) take(word string) bool {
	p.space()
	if !strings.HasPrefix(p.s[p.at:], word) {
		return false
	}
	p.at += len(word)
	p.space()
	return true
}

func (p *parser) or() (*node, error) {
	left, err := p.and()
	for err == nil {
		p.space()
		if rest := p.s[p.at:]; !p.take("||") && (rest == "" || rest[0] == ')') {
			break // what goes on without a word between is one more of proxy_cache_bypass
		}
		var right *node
		if right, err = p.and(); err == nil {
			left, err = p.join(opOr, left, right)
		}
	}
	return left, err
}

func (p *parser) and() (*node, error) {
	left, err := p.not()
	for err == nil && p.take("&&") {
		var right *node
		if right, err = p.not(); err == nil {
			left, err = p.join(opAnd, left, right)
		}
	}
	return left, err
}

// join refuses what is always the same in company: a word that was forgotten
// to be quoted, or an operator that is none.
func (p *parser) join(o op, a, b *node) (*node, error) {
	for _, n := range []*node{a, b} {
		if n.op == opTruth && len(varsOf(n.text)) == 0 {
			return nil, &Error{Source: p.s, At: n.at, Found: firstWord(p.s[n.at:]), Why: "expected a variable: this is always the same; a text with spaces needs quotes"}
		}
	}
	return &node{op: o, a: a, b: b}, nil
}

func (p *parser) not() (*node, error) {
	p.space()
	if p.depth++; p.depth > maxDepth {
		return nil, p.fault(p.at, "nested too deeply")
	}
	defer func() { p.depth-- }()
	switch rest := p.s[p.at:]; {
	case strings.HasPrefix(rest, "!=") || strings.HasPrefix(rest, "!~"):
		return nil, p.fault(p.at, "expected a value in front of the operator")
	case p.take("!"):
		n, err := p.not()
		return &node{op: opNot, a: n}, err
	case strings.HasPrefix(rest, "("):
		open := p.at
		p.take("(")
		n, err := p.or()
		if err == nil && !p.take(")") {
			err = &Error{Source: p.s, At: len(p.s), Why: "expected a parenthesis that ends the one at position " + strconv.Itoa(open+1)}
		}
		return n, err
	}
	return p.test()
}

// test reads a value, or the comparison that it begins.
func (p *parser) test() (*node, error) {
	if p.tests++; p.tests > maxTests {
		return nil, p.fault(p.at, "more tests than a condition may have")
	}
	if err := p.noFile(); err != nil {
		return nil, err
	}
	at := p.at
	text, err := p.value()
	if err != nil {
		return nil, err
	}
	n := &node{op: opTruth, text: text, at: at}
	p.space()
	operator := p.operator()
	switch operator {
	case "":
		return n, nil
	case "=", "!=":
		n.op = opEqual
		if n.other, err = p.value(); err == nil && len(varsOf(n.other)) == 0 {
			n.constant, n.other = string(appendParts(nil, n.other, nil)), nil
		}
	default:
		n.op = opMatch
		n.pattern, err = p.regex(strings.HasSuffix(operator, "*"))
	}
	if operator[0] == '!' {
		n = &node{op: opNot, a: n}
	}
	return n, err
}

// operators, the longer ones first.
var operators = []string{"!~*", "!~", "!=", "~*", "~", "="}

// operator reads one behind a value; "" when there is none. "!" begins one only
// where it is not the negation of what follows.
func (p *parser) operator() string {
	for _, o := range operators {
		if strings.HasPrefix(p.s[p.at:], o) {
			p.at += len(o)
			p.space()
			return o
		}
	}
	return ""
}

// noFile refuses nginx's tests of files.
func (p *parser) noFile() error {
	rest := p.s[p.at:]
	if len(rest) > 1 && rest[0] == '-' && strings.IndexByte("fdex", rest[1]) >= 0 && (len(rest) == 2 || isSpace(rest[2])) {
		return p.fault(p.at, "tests of files are not for a cache: its files are the origin's")
	}
	return nil
}

// value reads a value with variables.
func (p *parser) value() ([]part, error) {
	at := p.at
	text, from, err := p.word("=~&|")
	if err != nil {
		return nil, err
	}
	parts, err := parseParts(p.s, from, text, p.in)
	if err != nil {
		return nil, err
	}
	if text == "" && from == at {
		return nil, p.fault(at, "expected a value")
	}
	p.c.vars = append(p.c.vars, varsOf(parts)...)
	return parts, nil
}

// word reads a quoted text, or one up to white space or a parenthesis, in which
// none of bad may stand: there an operator lacks its space.
func (p *parser) word(bad string) (text string, from int, err error) {
	at := p.at
	if at < len(p.s) && (p.s[at] == '"' || p.s[at] == '\'') {
		end := at + 1
		for end < len(p.s) && p.s[end] != p.s[at] {
			end++
		}
		if end == len(p.s) {
			return "", 0, p.fault(at, "a quote that does not end")
		}
		p.at = end + 1
		if p.at < len(p.s) && !isSpace(p.s[p.at]) && p.s[p.at] != ')' {
			return "", 0, p.fault(p.at, "expected white space behind a quote")
		}
		return p.s[at+1 : end], at + 1, nil
	}
	for p.at < len(p.s) && !isSpace(p.s[p.at]) && p.s[p.at] != '(' && p.s[p.at] != ')' {
		if strings.IndexByte(bad, p.s[p.at]) >= 0 {
			return "", 0, p.fault(p.at, "expected white space around an operator, and quotes around a text that holds one")
		}
		p.at++
	}
	return p.s[at:p.at], at, nil
}

// regex reads a regular expression: in quotes, or up to white space or the
// parenthesis that ends what is around it.
func (p *parser) regex(fold bool) (*Pattern, error) {
	at := p.at
	var text string
	from := at
	if at < len(p.s) && (p.s[at] == '"' || p.s[at] == '\'') {
		var err error
		if text, from, err = p.word(""); err != nil {
			return nil, err
		}
	} else {
		p.at += regexEnd(p.s[at:])
		text = p.s[at:p.at]
		if i := max(strings.Index(text, "&&"), strings.Index(text, "||")); i >= 0 {
			return nil, p.fault(at+i, "expected white space around an operator, and quotes around a regular expression that holds one")
		}
	}
	if text == "" {
		return nil, p.fault(at, "expected a regular expression")
	}
	return parsePattern(p.s, from, text, fold)
}

// regexEnd is how long the unquoted regular expression is that s begins with.
func regexEnd(s string) int {
	open, class := 0, false
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case isSpace(b):
			return i
		case b == '\\':
			i++
		case class:
			class = b != ']'
		case b == '[':
			class = true
			if strings.HasPrefix(s[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(s[i+1:], "]") {
				i++ // it is one of the class
			}
		case b == '(':
			open++
		case b == ')':
			if open--; open < 0 {
				return i
			}
		}
	}
	return len(s)
}
