package main

import (
	"fmt"
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

// into returns the page with the exceptions in their place.
func into(page []byte, all []*plan) ([]byte, error) {
	return replaced(page, pageBegin, figures(all)+"\n"+exceptions(all), pageEnd)
}

// replaced returns the page with text between the two lines.
func replaced(page []byte, begin, text, end string) ([]byte, error) {
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ends := strings.Cut(rest, end)
	if !ok || !ends {
		return nil, fmt.Errorf("the page has no %q and, behind it, %q", begin, end)
	}
	return []byte(before + begin + text + end + after), nil
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
