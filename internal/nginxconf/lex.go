package nginxconf

import (
	"fmt"
	"strings"
)

// An Error is where and why a file can not be read as nginx's configuration.
type Error struct {
	File         string
	Line, Column int
	Why          string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Why) }

// A tokenKind is what a token is: a word, the end, or the sign itself.
type tokenKind byte

const (
	ending tokenKind = 0
	word   tokenKind = 'w'
)

type token struct {
	kind         tokenKind // or ';', '{', '}'
	text         string    // of a word, without quotes and escapes
	line, column int
}

// A lexer divides a file as nginx does: words end at white space, a semicolon
// or an opening brace; quotes are quotes only where a word begins, as is the
// sign of a comment.
type lexer struct {
	file  string
	text  string
	at    int
	line  int
	start int // of the line
}

func (l *lexer) fault(line, column int, why string) error {
	return &Error{File: l.file, Line: line, Column: column, Why: why}
}

func (l *lexer) column() int { return l.at - l.start + 1 }

// step goes on by a byte.
func (l *lexer) step() {
	if l.text[l.at] == '\n' {
		l.line, l.start = l.line+1, l.at+1
	}
	l.at++
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	l.blank()
	t := token{line: l.line, column: l.column()}
	if l.at >= len(l.text) {
		return t, nil
	}
	switch c := l.text[l.at]; c {
	case ';', '{', '}':
		t.kind = tokenKind(c)
		l.at++
		return t, nil
	case '"', '\'':
		t.kind = word
		text, err := l.quoted(c)
		t.text = text
		return t, err
	}
	t.kind, t.text = word, l.plain()
	return t, nil
}

// blank skips white space and comments.
func (l *lexer) blank() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case ' ', '\t', '\r', '\n':
			l.step()
		case '#':
			for l.at < len(l.text) && l.text[l.at] != '\n' {
				l.at++
			}
		default:
			return
		}
	}
}

// quoted reads a word in quotes.
func (l *lexer) quoted(quote byte) (string, error) {
	line, column := l.line, l.column()
	l.at++
	begin := l.at
	for l.at < len(l.text) && l.text[l.at] != quote {
		if l.text[l.at] == '\\' && l.at+1 < len(l.text) {
			l.at++
		}
		l.step()
	}
	if l.at >= len(l.text) {
		return "", l.fault(line, column, "a quote without its end")
	}
	text := l.text[begin:l.at]
	l.at++
	if l.at < len(l.text) && !strings.ContainsRune(" \t\r\n;{)", rune(l.text[l.at])) {
		return "", l.fault(l.line, l.column(), fmt.Sprintf("%q behind a closing quote; expected white space, ; or {", l.text[l.at]))
	}
	return unescape(text), nil
}

// plain reads a word without quotes. A brace behind a dollar belongs to it.
func (l *lexer) plain() string {
	begin := l.at
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case strings.IndexByte(" \t\r\n;", c) >= 0,
			c == '{' && (l.at == begin || l.text[l.at-1] != '$'):
			return unescape(l.text[begin:l.at])
		case c == '\\' && l.at+1 < len(l.text):
			l.at++
		}
		l.step()
	}
	return unescape(l.text[begin:])
}

// unescape takes the escapes that nginx knows out of a word; what stands behind
// another backslash keeps it, as regular expressions need.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case '"', '\'', '\\':
			b.WriteByte(s[i])
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
