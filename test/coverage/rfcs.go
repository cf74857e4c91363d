package main

import (
	"fmt"
	"slices"
	"strings"

	"opencache/test/coverage/rows"
)

// semantics are the specifications whose requirements on a cache are each a
// row of the table (issue 4), with the one that they are written in.
var semantics = []string{
	"RFC 9111", "RFC 9110", "RFC 5861", "RFC 8246", "RFC 9213", "RFC 9211", "RFC 9875", "RFC 10008",
	"No-Vary-Search", "RFC 9209", "RFC 8586", "RFC 8297", "RFC 9651",
}

// specification is what a row's source names before its section.
func specification(row rows.Row) string {
	name, _, _ := strings.Cut(row.Source, ",")
	return name
}

// ofSemantics returns the rows of those specifications.
func ofSemantics(all []rows.Row) (of []rows.Row) {
	for _, row := range all {
		if slices.Contains(semantics, specification(row)) {
			of = append(of, row)
		}
	}
	return of
}

// census counts rows by specification and status. faults tell of a
// specification without rows, and of rows that were to be done by now.
func census(all []rows.Row) (table string, faults []string) {
	var b strings.Builder
	count := map[string]map[string]int{}
	for _, row := range all {
		of := specification(row)
		if count[of] == nil {
			count[of] = map[string]int{}
		}
		status := row.Status
		if strings.HasPrefix(status, "later") {
			status = "later"
		}
		count[of][status]++
		if row.Status == "later:4" || row.Status == "later" {
			faults = append(faults, fmt.Sprintf("line %d: %s: %s: %s", row.Line, row.ID, row.Status, row.Why))
		}
	}
	line := func(name string, n map[string]int) {
		fmt.Fprintf(&b, "%-16s%8d%8d%10d%8d\n", name, n["proved"]+n["declined"]+n["later"], n["proved"], n["declined"], n["later"])
	}
	fmt.Fprintf(&b, "%-16s%8s%8s%10s%8s\n", "", "rows", "proved", "declined", "later")
	sum := map[string]int{}
	for _, name := range semantics {
		if count[name] == nil {
			faults = append(faults, name+": no rows")
		}
		for status, n := range count[name] {
			sum[status] += n
		}
		line(name, count[name])
	}
	line("all", sum)
	return b.String(), faults
}

// patterns returns a line for each run of go test that the proofs need: a
// folder and what goes to -run. Plays are run by name, other tests whole.
func patterns(all []rows.Row) (lines []string) {
	tests, plays := map[string][]string{}, []string{}
	for _, row := range all {
		for _, p := range row.Proofs {
			parts := strings.Split(p.Test, "/")
			if p.Package == rows.PlayPackage && parts[0] == "TestPlays" && len(parts) == 3 {
				plays = append(plays, parts[2])
				continue
			}
			tests[p.Package] = append(tests[p.Package], parts[0])
		}
	}
	for dir, names := range tests {
		lines = append(lines, "./"+dir+" ^("+strings.Join(unique(names), "|")+")$")
	}
	slices.Sort(lines)
	if len(plays) > 0 {
		lines = append(lines, "./"+rows.PlayPackage+" ^TestPlays$/^(memory|sockets)$/^("+strings.Join(unique(plays), "|")+")$")
	}
	return lines
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
