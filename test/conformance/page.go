package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// subjects are what the suite is run against; the tables of all but the first
// say what is other than in the first one's.
var subjects = []string{"serve", "handler", "transport"}

// The page has what is excepted between these lines.
const (
	pageBegin = "<!-- exceptions: written by test/conformance -->\n"
	pageEnd   = "<!-- end of exceptions -->\n"
)

// plans reads the plan of each subject from the tables in a folder.
func plans(dir string) (all []*plan, err error) {
	for i, name := range subjects {
		but := ""
		if i > 0 {
			but = filepath.Join(dir, "expect-"+name+".tsv")
		}
		p, err := readPlan(filepath.Join(dir, "exceptions.tsv"), filepath.Join(dir, "expect.tsv"), but)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// write puts the exceptions of all subjects into the page of that name.
func write(name, dir string) error {
	all, err := plans(dir)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if page, err = into(page, all); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, page, 0o644)
}

// into returns the page with the exceptions in their place.
func into(page []byte, all []*plan) ([]byte, error) {
	before, rest, ok := strings.Cut(string(page), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !ok || !ends {
		return nil, fmt.Errorf("no place for the exceptions: %q and %q are missing", pageBegin, pageEnd)
	}
	return []byte(before + pageBegin + figures(all) + "\n" + exceptions(all) + pageEnd + after), nil
}

// figures is how many tests pass against each subject, as Markdown.
func figures(all []*plan) string {
	var b strings.Builder
	b.WriteString("| | required | optimal |\n| --- | --- | --- |\n")
	for i, p := range all {
		fmt.Fprintf(&b, "| %s |", subjects[i])
		for _, kind := range kinds[:2] {
			all, passed := p.count(kind)
			fmt.Fprintf(&b, " %d of %d pass, %d excepted |", passed, all, all-passed)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// exceptions is a row for each exception, as Markdown. Tests are the first
// subject's unless another is named.
func exceptions(all []*plan) string {
	var b strings.Builder
	b.WriteString("| exception | section | why | tests |\n| --- | --- | --- | --- |\n")
	for _, e := range all[0].exceptions {
		first := all[0].excepted(e.name)
		var tests []string
		for i, p := range all {
			for _, id := range p.excepted(e.name) {
				switch {
				case i == 0:
					tests = append(tests, "`"+id+"`")
				case !slices.Contains(first, id):
					tests = append(tests, "`"+id+"` ("+subjects[i]+")")
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.name, e.section, e.why, strings.Join(tests, ", "))
	}
	return b.String()
}
