package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// How a test ends. Of a test of kind "check" only yes and no are told: it asks
// what a cache does where the RFCs leave it free.
const (
	pass = "pass"
	fail = "fail"
	yes  = "yes"
	no   = "no"
	// either is the end of a test whose outcome hangs on milliseconds.
	either = "either"
)

// kinds are the suite's, in the order in which they are told.
var kinds = []string{"required", "optimal", "check"}

// A plan says how each test of the suite is to end.
type plan struct {
	wishes     []wish // sorted by id
	exceptions []exception
}

// A wish is how one test is to end.
type wish struct {
	id, kind, want string
	except         string // fail: the exception's name
	says           string // fail: what the suite's message begins with
}

// An exception is why tests may fail.
type exception struct{ name, section, why string }

// readPlan reads the two tables and holds them against each other.
func readPlan(expect, exceptions string) (*plan, error) {
	p := &plan{}
	rows, err := readTable(expect, 5)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		p.wishes = append(p.wishes, wish{r[0], r[1], r[2], r[3], r[4]})
	}
	if rows, err = readTable(exceptions, 3); err != nil {
		return nil, err
	}
	for _, r := range rows {
		p.exceptions = append(p.exceptions, exception{r[0], r[1], r[2]})
	}
	return p, p.check()
}

// check finds what in the tables cannot be meant.
func (p *plan) check() error {
	used := map[string]bool{}
	for i, w := range p.wishes {
		if i > 0 && w.id <= p.wishes[i-1].id {
			return fmt.Errorf("%s: not behind %s, or twice", w.id, p.wishes[i-1].id)
		}
		if !slices.Contains(kinds, w.kind) {
			return fmt.Errorf("%s: %q is no kind", w.id, w.kind)
		}
		wants := []string{pass, fail}
		if w.kind == "check" {
			wants = []string{yes, no}
		}
		if w.want != either && !slices.Contains(wants, w.want) {
			return fmt.Errorf("%s: %q is no end of a %s test", w.id, w.want, w.kind)
		}
		if (w.want == fail) != (w.except != "") || (w.want == fail) != (w.says != "") {
			return fmt.Errorf("%s: an exception and a message belong to a test that fails, and to no other", w.id)
		}
		if w.except != "" && !slices.ContainsFunc(p.exceptions, func(e exception) bool { return e.name == w.except }) {
			return fmt.Errorf("%s: there is no exception %q", w.id, w.except)
		}
		used[w.except] = true
	}
	for _, e := range p.exceptions {
		if !used[e.name] {
			return fmt.Errorf("exception %s: no test needs it", e.name)
		}
		if e.section == "" || e.why == "" {
			return fmt.Errorf("exception %s: a section and a reason are missing", e.name)
		}
	}
	return nil
}

// readTable reads lines of columns separated by tabs; the first line has their
// names.
func readTable(name string, columns int) ([][]string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		row := strings.Split(line, "\t")
		if len(row) != columns {
			return nil, fmt.Errorf("%s:%d: %d columns, want %d", name, i+1, len(row), columns)
		}
		if i > 0 {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// The page has the exceptions between these lines.
const (
	pageBegin = "<!-- exceptions: written by test/conformance -->\n"
	pageEnd   = "<!-- end of exceptions -->\n"
)

// into returns the page with the exceptions of p in their place.
func (p *plan) into(page []byte) ([]byte, error) {
	before, rest, ok := strings.Cut(string(page), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !ok || !ends {
		return nil, fmt.Errorf("no place for the exceptions: %q and %q are missing", pageBegin, pageEnd)
	}
	return []byte(before + pageBegin + p.table() + pageEnd + after), nil
}

// table is the exceptions as Markdown: the figures, then a row for each.
func (p *plan) table() string {
	var b strings.Builder
	for _, kind := range kinds[:2] {
		all, passed := p.count(kind)
		fmt.Fprintf(&b, "- %s: %d of %d pass, %d are excepted\n", kind, passed, all, all-passed)
	}
	b.WriteString("\n| exception | section | why | tests |\n| --- | --- | --- | --- |\n")
	for _, e := range p.exceptions {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.name, e.section, e.why, strings.Join(p.excepted(e.name, "`"), ", "))
	}
	return b.String()
}

// count returns how many tests of a kind there are and how many are to pass.
func (p *plan) count(kind string) (all, passed int) {
	for _, w := range p.wishes {
		if w.kind == kind {
			all++
			if w.want == pass {
				passed++
			}
		}
	}
	return all, passed
}

// excepted lists the tests of an exception, each between two marks.
func (p *plan) excepted(name, mark string) (ids []string) {
	for _, w := range p.wishes {
		if w.except == name {
			ids = append(ids, mark+w.id+mark)
		}
	}
	return ids
}
