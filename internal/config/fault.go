package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Fault is one thing that is wrong in a document, or, among warnings, one
// that is probably not meant. It never holds a secret: what stands where a
// secret or an expression belongs is not repeated.
type Fault struct {
	// Document is the key.
	Document string
	// Path is where: routes[2].location; empty for the whole document.
	Path string
	// Line and Column count from 1, columns in characters; 0 when the fault has
	// no place in the text.
	Line, Column int
	// Found is what stands there, shortened; empty when nothing does, or when it
	// could be secret.
	Found string
	// Expected is what should.
	Expected string
	// Nearest is the name that was perhaps meant.
	Nearest string
}

// String is the fault in one line, as compilers write it.
func (f Fault) String() string {
	var b strings.Builder
	if strings.ContainsFunc(f.Document, func(c rune) bool { return !strconv.IsPrint(c) }) {
		b.WriteString(strconv.Quote(f.Document)) // a file's name may hold what moves a terminal
	} else {
		b.WriteString(f.Document)
	}
	if f.Line > 0 {
		b.WriteString(":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column))
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	b.WriteString(": ")
	if f.Found != "" {
		b.WriteString("found " + f.Found + ", ")
	}
	b.WriteString("expected " + f.Expected)
	if f.Nearest != "" {
		b.WriteString("; did you mean " + strconv.Quote(f.Nearest) + "?")
	}
	return b.String()
}

// maxFound is how much of a value a fault repeats.
const maxFound = 60

// quoted is s as a fault shows it.
func quoted(s string) string {
	if len(s) > maxFound {
		cut := maxFound
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return strconv.Quote(s[:cut]) + "..."
	}
	return strconv.Quote(s)
}

// nearest returns the one of names that word could be a slip of; of several
// the first. A third of the letters may differ, at most three.
func nearest(word string, names []string) string {
	if len(word) > 64 {
		return ""
	}
	best, least := "", min(3, len(word)/3)+1
	for _, name := range names {
		if strings.EqualFold(name, word) {
			return name
		}
		if abs := max(len(name)-len(word), len(word)-len(name)); abs >= least {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out, changed or swapped
// with the next to make a of b.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := range len(a) {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i + 1
		for j := range len(b) {
			cost := last[j]
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}

// A path is a place in a document, told from the inside out so that no text is
// made of it unless a fault needs it. The zero value is the document itself.
type path struct {
	up    *path
	name  string // of a member
	index int    // of an element; -1 for a member
}

func (p *path) field(name string) *path { return &path{up: p, name: name, index: -1} }
func (p *path) item(i int) *path        { return &path{up: p, index: i} }

// steps are the path's parts from the outside in.
func (p *path) steps() []path {
	var all []path
	for ; p != nil && p.up != nil; p = p.up {
		all = append(all, *p)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func (p *path) String() string {
	var b strings.Builder
	for _, s := range p.steps() {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case !plain(s.name):
			b.WriteString("[" + quoted(s.name) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// plain says that a name can stand between dots.
func plain(name string) bool {
	for _, c := range name {
		if !isNameByte(c) || c == '.' {
			return false
		}
	}
	return name != "" && len(name) <= maxFound
}

func isNameByte(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

// parsePath reads what String wrote, up to where it is something else.
func parsePath(s string) *path {
	p := &path{}
	for s != "" {
		inner, ok := strings.CutPrefix(s, "[")
		if !ok {
			s = strings.TrimPrefix(s, ".")
			end := strings.IndexAny(s, ".[")
			if end < 0 {
				end = len(s)
			}
			if end == 0 {
				return p
			}
			p, s = p.field(s[:end]), s[end:]
			continue
		}
		name, err := strconv.QuotedPrefix(inner)
		if err == nil {
			plain, _ := strconv.Unquote(name)
			p, s = p.field(plain), strings.TrimPrefix(inner[len(name):], "]")
			continue
		}
		digits, rest, _ := strings.Cut(inner, "]")
		i, err := strconv.Atoi(digits)
		if err != nil || i < 0 {
			return p
		}
		p, s = p.item(i), rest
	}
	return p
}
