// Command coverage reads what go test -json prints, shows it in short, and
// fails when a test failed or when a table names one that did not run and pass. It runs no test itself, and does not judge whether a test
// proves what the table says.
//
//	go test -race -json ./... | go run ./test/coverage docs/coverage.tsv docs/seed-003.tsv
//
// With -rfcs only the rows count that stand for the requirements of HTTP's
// specifications on a cache, and each of these has to have rows, none of them
// later. With -patterns it prints which tests those rows need and ends:
//
//	go run ./test/coverage -rfcs -patterns docs/coverage.tsv
//
// Exit codes: 0 all passed and ran, 1 not, 2 no table or no report.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"opencache/test/coverage/rows"
)

const module = "opencache"

func main() {
	rfcs := flag.Bool("rfcs", false, "only the requirements of HTTP's specifications, counted by specification")
	list := flag.Bool("patterns", false, "print which tests the rows need, and end")
	flag.Parse()
	if flag.NArg() == 0 {
		refuse(errors.New("expected the names of tables, and a report of go test -json on standard input"))
	}
	tables, all := map[string][]rows.Row{}, []rows.Row(nil)
	for _, name := range flag.Args() {
		tables[name] = read(name)
		if *rfcs {
			tables[name] = ofSemantics(tables[name])
		}
		all = append(all, tables[name]...)
	}
	if *list {
		fmt.Println(strings.Join(patterns(all), "\n"))
		return
	}
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		refuse(fmt.Errorf("report: %w", err))
	}
	faults := 0
	if *rfcs {
		table, lines := census(all)
		fmt.Print(table)
		faults += tell("coverage", lines)
	}
	for _, name := range flag.Args() {
		faults += tell(name, r.missing(tables[name]))
	}
	fmt.Println(r.summary(all))
	if faults > 0 || r.failures > 0 {
		os.Exit(1)
	}
}

// tell prints what is wrong with a table, and returns how much that is.
func tell(name string, faults []string) int {
	for _, line := range faults {
		fmt.Printf("%s: %s\n", name, line)
	}
	return len(faults)
}

// read reads the table.
func read(name string) []rows.Row {
	table, err := os.Open(name)
	if err != nil {
		refuse(err)
	}
	all, err := rows.Read(table)
	if err != nil {
		refuse(fmt.Errorf("%s: %w", name, err))
	}
	return all
}

func refuse(err error) {
	fmt.Fprintln(os.Stderr, "coverage:", err)
	os.Exit(2)
}

// An event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

// A name is a test in a package's folder; Test is empty for the package.
type name struct{ Package, Test string }

// A report is what has been read so far.
type report struct {
	out      io.Writer
	result   map[name]string // pass, fail or skip
	held     map[name][]string
	failures int // tests and packages
}

func newReport(out io.Writer) *report {
	return &report{out: out, result: map[name]string{}, held: map[name][]string{}}
}

// read reads a report to its end, and prints a line for each package and all
// that failing tests and builds had to say.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) == nil:
			r.take(e)
		default: // not the tests': go test's own words
			r.say(string(line))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	n := name{dirOf(e.Package), e.Test}
	switch e.Action {
	case "build-output":
		r.say(e.Output)
	case "build-fail":
		r.failures++
	case "output":
		r.held[n] = append(r.held[n], e.Output)
	case "pass", "fail", "skip":
		r.end(n, e.Action)
	}
}

// end notes how a test or a package ended. One failure counts for all runs.
func (r *report) end(n name, how string) {
	if r.result[n] != "fail" {
		r.result[n] = how
	}
	held := r.held[n]
	delete(r.held, n)
	switch {
	case how == "fail":
		r.failures++
	case n.Test != "":
		return
	default: // a package: the line that sums it up is the last
		held = held[max(len(held)-1, 0):]
	}
	r.say(strings.Join(held, ""))
}

func (r *report) say(text string) { _, _ = io.WriteString(r.out, text) }

func dirOf(pkg string) string {
	if pkg == module {
		return "."
	}
	return strings.TrimPrefix(pkg, module+"/")
}

// missing tells which proofs of the table did not run and pass.
func (r *report) missing(all []rows.Row) (lines []string) {
	for _, row := range all {
		for _, p := range row.Proofs {
			if how := r.result[name{path.Clean(p.Package), p.Test}]; how != "pass" {
				if how == "" {
					how = "did not run"
				}
				lines = append(lines, fmt.Sprintf("line %d: %s: %s %s: %s", row.Line, row.ID, p.Package, p.Test, how))
			}
		}
	}
	return lines
}

// summary counts.
func (r *report) summary(all []rows.Row) string {
	tests := 0
	for n, how := range r.result {
		if n.Test != "" && how == "pass" {
			tests++
		}
	}
	counts := map[string]int{}
	for _, row := range all {
		status, _, _ := strings.Cut(row.Status, ":")
		counts[status]++
	}
	var parts []string
	for status, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, status))
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d tests passed, %d failures; coverage: %s of %d statements", tests, r.failures, strings.Join(parts, ", "), len(all))
}
