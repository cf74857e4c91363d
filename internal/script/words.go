package script

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// split cuts a line into words.
func split(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			return words, nil
		}
		word, rest, err := cutWord(line)
		if err != nil {
			return nil, err
		}
		words, line = append(words, word), rest
	}
}

// cutWord takes the first word off line, which begins with it.
func cutWord(line string) (word, rest string, err error) {
	var b strings.Builder
	for line != "" && line[0] != ' ' && line[0] != '\t' {
		switch line[0] {
		case '\'':
			text, after, ok := strings.Cut(line[1:], "'")
			if !ok {
				return "", "", fmt.Errorf("no closing ' after %q", line)
			}
			b.WriteString(text)
			line = after
		case '"':
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return "", "", fmt.Errorf("no proper \"…\" at %q", line)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return "", "", fmt.Errorf("no proper \"…\" at %q", line)
			}
			b.WriteString(text)
			line = line[len(quoted):]
		default:
			b.WriteByte(line[0])
			line = line[1:]
		}
	}
	return b.String(), line, nil
}

// genMax bounds what {gen:N} makes.
const genMax = 64 << 20

// values is what the braces of words stand for.
type values struct {
	files      map[string]string
	now, start time.Time
}

// expand replaces the braces in word. Braces of no known kind stay.
func (v values) expand(word string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(word, "{")
		inside, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(word)
			return b.String(), nil
		}
		b.WriteString(before)
		text, err := v.value(inside)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		word = after
	}
}

func (v values) value(inside string) (string, error) {
	kind, arg, _ := strings.Cut(inside, ":")
	switch {
	case kind == "gen":
		return generate(arg)
	case kind == "file":
		text, ok := v.files[arg]
		if !ok {
			return "", fmt.Errorf("no file %q in the archive", arg)
		}
		return strings.TrimSuffix(text, "\n"), nil
	case strings.HasPrefix(inside, "date"):
		return httpDate(v.now, inside, "date")
	case strings.HasPrefix(inside, "start"):
		return httpDate(v.start, inside, "start")
	}
	return "{" + inside + "}", nil
}

func httpDate(t time.Time, word, prefix string) (string, error) {
	if moved := word[len(prefix):]; moved != "" {
		d, err := time.ParseDuration(moved)
		if err != nil {
			return "", fmt.Errorf("{%s}: want {%s+1h} or {%s-30s}", word, prefix, prefix)
		}
		t = t.Add(d)
	}
	return t.UTC().Format(http.TimeFormat), nil
}

// generate makes the content that N or N[A-B] names: lines of sixteen bytes
// that tell their own offset, so that a shifted byte shows where it is from.
func generate(arg string) (string, error) {
	bad := fmt.Errorf("{gen:%s}: want {gen:N} or {gen:N[A-B]}, N up to %d", arg, genMax)
	size, part, ranged := strings.Cut(arg, "[")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > genMax {
		return "", bad
	}
	from, to := 0, n
	if ranged {
		first, last, _ := strings.Cut(strings.TrimSuffix(part, "]"), "-")
		a, errA := strconv.Atoi(first)
		z, errZ := strconv.Atoi(last)
		if errA != nil || errZ != nil || a < 0 || z < a || z >= n {
			return "", bad
		}
		from, to = a, z+1
	}
	const digits = "0123456789abcdef"
	first := from &^ 15
	b := bytes.Repeat([]byte("000000000000000."), (to-first+15)/16)
	for at := first; at < to; at += 16 {
		for i, rest := at-first+14, at; rest > 0; i, rest = i-1, rest>>4 {
			b[i] = digits[rest&15]
		}
	}
	return string(b[from-first : to-first]), nil
}

// name=value, Field:value, Field~part, !Field and !Field~part are the forms of
// words that say something of a message.
type relation byte

const (
	equal    relation = ':'
	contains relation = '~'
	absent   relation = '!'
	lacks    relation = '^' // !Field~part
)

// A want is one word about a message's field.
type want struct {
	name  string
	rel   relation
	value string // not expanded yet
}

var errNotField = errors.New("want Field:value, Field~part, !Field or !Field~part")

// parseWant reads a word about a field.
func parseWant(word string) (want, error) {
	if name, ok := strings.CutPrefix(word, "!"); ok {
		name, part, some := strings.Cut(name, "~")
		switch {
		case !isToken(name) || some && part == "":
			return want{}, fmt.Errorf("%q: %w", word, errNotField)
		case some:
			return want{name: name, rel: lacks, value: part}, nil
		}
		return want{name: name, rel: absent}, nil
	}
	at := strings.IndexAny(word, ":~")
	if at < 0 || !isToken(word[:at]) {
		return want{}, fmt.Errorf("%q: %w", word, errNotField)
	}
	return want{name: word[:at], rel: relation(word[at]), value: strings.TrimLeft(word[at+1:], " ")}, nil
}

// isToken tells if s is an HTTP token. // RFC 9110, 5.6.2
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// check tells in an error how fs fails w.
func (w want) check(fs fields, v values) error {
	value, err := v.expand(w.value)
	if err != nil {
		return err
	}
	got, ok := fs.get(w.name)
	switch {
	case w.rel == absent && ok:
		return fmt.Errorf("field %s: got %q, want none", w.name, got)
	case w.rel == absent, w.rel == lacks && !strings.Contains(got, value):
		return nil
	case w.rel == lacks:
		return fmt.Errorf("field %s: got %q, want no %q in it", w.name, got, value)
	case !ok:
		return fmt.Errorf("field %s: got none, want %q", w.name, value)
	case w.rel == equal && got != value:
		return fmt.Errorf("field %s: got %q, want %q", w.name, got, value)
	case w.rel == contains && !strings.Contains(got, value):
		return fmt.Errorf("field %s: got %q, want %q in it", w.name, got, value)
	}
	return nil
}

// differ tells in an error where got is not want; nil when it is.
func differ(what string, got []byte, want string) error {
	if string(got) == want {
		return nil
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	if len(got) <= 64 && len(want) <= 64 {
		return fmt.Errorf("%s: got %q, want %q", what, got, want)
	}
	return fmt.Errorf("%s: got %d bytes, want %d; at byte %d got %q, want %q",
		what, len(got), len(want), at, window(string(got), at), window(want, at))
}

func window(s string, at int) string { return s[at:min(at+32, len(s))] }
