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
	// skip is for a test that does not go with what is tested.
	skip = "skip"
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

// readPlan reads the exceptions and the tables of wishes and holds them against
// each other. A row of a later table stands in for that of the same test in an
// earlier one; there skip says that the test is not run. A table without name
// has no rows.
func readPlan(exceptions string, tables ...string) (*plan, error) {
	p := &plan{}
	rows, err := readTable(exceptions, 3)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		p.exceptions = append(p.exceptions, exception{r[0], r[1], r[2]})
	}
	for _, name := range tables {
		if name == "" {
			continue
		}
		if rows, err = readTable(name, 5); err != nil {
			return nil, err
		}
		wishes := make([]wish, len(rows))
		for i, r := range rows {
			wishes[i] = wish{r[0], r[1], r[2], r[3], r[4]}
		}
		if err := p.check(wishes, len(p.wishes) > 0); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.add(wishes)
	}
	return p, nil
}

// add puts wishes into their places, also those that are there.
func (p *plan) add(wishes []wish) {
	for _, w := range wishes {
		i, there := slices.BinarySearchFunc(p.wishes, w, func(a, b wish) int { return strings.Compare(a.id, b.id) })
		switch {
		case there && w.want == skip:
			p.wishes = slices.Delete(p.wishes, i, i+1)
		case there:
			p.wishes[i] = w
		default:
			p.wishes = slices.Insert(p.wishes, i, w)
		}
	}
}

// check finds what cannot be meant in a table of wishes, which are later ones
// or the first.
func (p *plan) check(wishes []wish, later bool) error {
	for i, w := range wishes {
		wants := []string{pass, fail}
		if w.kind == "check" {
			wants = []string{yes, no, either}
		}
		if later {
			wants = append(wants, skip)
		}
		switch {
		case i > 0 && w.id <= wishes[i-1].id:
			return fmt.Errorf("%s: not behind %s, or twice", w.id, wishes[i-1].id)
		case !slices.Contains(kinds, w.kind):
			return fmt.Errorf("%s: %q is no kind", w.id, w.kind)
		case !slices.Contains(wants, w.want):
			return fmt.Errorf("%s: %q is no end of a %s test", w.id, w.want, w.kind)
		case (w.want == fail) != (w.except != ""), (w.want == fail) != (w.says != ""):
			return fmt.Errorf("%s: an exception and a message belong to a test that fails, and to no other", w.id)
		case w.except != "" && !slices.ContainsFunc(p.exceptions, func(e exception) bool { return e.name == w.except }):
			return fmt.Errorf("%s: there is no exception %q", w.id, w.except)
		}
	}
	for _, e := range p.exceptions {
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

// excepted lists the tests of an exception.
func (p *plan) excepted(name string) (ids []string) {
	for _, w := range p.wishes {
		if w.except == name {
			ids = append(ids, w.id)
		}
	}
	return ids
}
