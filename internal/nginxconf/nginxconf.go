// Package nginxconf reads nginx's configuration and writes what it says as
// documents of an edge (internal/config): a site for each server block, or for
// those that share names, and one for the node. Whatever could not be carried
// over is told, with the place where it stands and what comes nearest.
//
// It is no nginx: what it does not know it tells, and where leaving something
// out would open what was closed, or serve a wrong byte, it closes or does not
// cache instead.
//
//	tree, err := nginxconf.Read("/etc/nginx/nginx.conf", nginxconf.Files{})
//	result := nginxconf.Import(tree)
//	for _, d := range result.Documents {
//		os.WriteFile(d.Key+".jsonc", d.Text, 0o644)
//	}
//	for _, n := range result.Notes {
//		fmt.Println(n) // nginx.conf:12:5: gzip on: lost: ...
//	}
package nginxconf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Directive is a line of nginx's configuration, or a block of them.
type Directive struct {
	Name   string
	Args   []string
	Block  []Directive // what stands in its braces
	Braces bool        // it has some
	File   string      // as it is told: from the folder of the first file on
	Line   int
	Column int // in bytes, from 1
}

// String is the directive in one line, without its block.
func (d *Directive) String() string {
	words := append([]string{d.Name}, d.Args...)
	for i, w := range words {
		switch {
		case w == "" || strings.ContainsAny(w, " \t\r\n;{}'") && !strings.Contains(w, `"`):
			words[i] = `"` + w + `"`
		case strings.ContainsAny(w, " \t\r\n;{}\""):
			words[i] = "'" + w + "'"
		}
	}
	s := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(strings.Join(words, " "), "?"))
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (d *Directive) place() string { return fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column) }

// arg returns an argument, empty when there are fewer.
func (d *Directive) arg(i int) string {
	if 0 <= i && i < len(d.Args) {
		return d.Args[i]
	}
	return ""
}

// A Fate is what became of a directive.
type Fate string

const (
	// Lost is not carried over.
	Lost Fate = "lost"
	// Changed is carried over and does not do quite the same.
	Changed Fate = "changed"
	// Moot has nothing to be carried over to: what it tunes is not here.
	Moot Fate = "moot"
)

// A Note tells what became of a directive that was not simply carried over.
type Note struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	Directive string `json:"directive"`
	Fate      Fate   `json:"fate"`
	Why       string `json:"why"`
	Nearest   string `json:"nearest,omitempty"` // what comes nearest, or what was written in its place
}

// String is the note in one line.
func (n Note) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s: %s: %s", n.File, n.Line, n.Column, n.Directive, n.Fate, n.Why)
	if n.Nearest != "" {
		s += "; nearest: " + n.Nearest
	}
	return s
}

// A Document is the text of one, and its key.
type Document struct {
	Key  string `json:"key"`
	Text []byte `json:"-"`
}

// A Result is what a configuration came to.
type Result struct {
	Documents []Document // sites by key, and the node's
	Notes     []Note     // by file and line
}

// Lost returns how many directives were not carried over.
func (r *Result) Lost() (n int) {
	for _, note := range r.Notes {
		if note.Fate == Lost {
			n++
		}
	}
	return n
}

// notes gathers them, each once: what stands in http is met by every location.
type notes struct {
	all  []Note
	seen map[Note]bool
}

func (n *notes) add(d *Directive, fate Fate, why, nearest string) {
	note := Note{File: d.File, Line: d.Line, Column: d.Column, Directive: d.String(), Fate: fate, Why: why, Nearest: nearest}
	if n.seen[note] {
		return
	}
	if n.seen == nil {
		n.seen = map[Note]bool{}
	}
	n.seen[note] = true
	n.all = append(n.all, note)
}

func (n *notes) sorted() []Note {
	slices.SortStableFunc(n.all, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return n.all
}
