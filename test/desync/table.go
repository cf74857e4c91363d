package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// A column is what became of all cases on one peer.
type column struct {
	name, version       string
	requests, responses []result
}

// A table is a corpus and what became of it.
type table struct {
	corpus  *corpus
	names   []string
	columns []*column
}

// count counts the results by class.
func count(results []result) (n [desync + 1]int) {
	for _, r := range results {
		n[r.class]++
	}
	return n
}

// half is the cases of one kind.
type half struct {
	kind, title string
	classes     []class
	cases       []*testCase
	of          func(*column) []result
}

func (t *table) halves() []half {
	return []half{
		{"requests", "Requests", []class{refused, safe, ambiguous, desync}, t.corpus.requests, func(c *column) []result { return c.requests }},
		{"responses", "Responses", []class{refused, cut, safe, ambiguous, desync}, t.corpus.responses, func(c *column) []result { return c.responses }},
	}
}

// techniques are the ones of h in order.
func (h half) techniques() (names []string) {
	for _, c := range h.cases {
		if !slices.Contains(names, c.technique) {
			names = append(names, c.technique)
		}
	}
	return names
}

// of returns what became of one technique's cases.
func (h half) results(c *column, technique string) (out []result) {
	for i, tc := range h.cases {
		if tc.technique == technique || technique == "" {
			out = append(out, h.of(c)[i])
		}
	}
	return out
}

// cell is a column's counts, such as "9 / 3 / 0 / 0".
func (h half) cell(c *column, technique string) string {
	n := count(h.results(c, technique))
	var words []string
	for _, class := range h.classes {
		words = append(words, fmt.Sprint(n[class]))
	}
	return strings.Join(words, " / ")
}

// legend names the counts of a cell.
func (h half) legend() string {
	var words []string
	for _, class := range h.classes {
		words = append(words, class.String())
	}
	return strings.Join(words, " / ")
}

// print prints the sums.
func (t *table) print(w io.Writer) {
	for _, h := range t.halves() {
		fmt.Fprintf(w, "%-10s %-40s", h.kind, h.legend())
		for _, c := range t.columns {
			fmt.Fprintf(w, "  %s %s: %s", c.name, c.version, h.cell(c, ""))
		}
		fmt.Fprintln(w)
	}
}

// printCases prints what became of each case.
func (t *table) printCases(w io.Writer) {
	for _, h := range t.halves() {
		for i, c := range h.cases {
			fmt.Fprintf(w, "%s %v (RFC %s)\n", h.kind, c, c.rfc)
			for _, col := range t.columns {
				r := h.of(col)[i]
				fmt.Fprintf(w, "  %-10s %-9v %-22s %s\n", col.name, r.class, r.told, strings.Join(r.why, "; "))
			}
		}
	}
}

// verdict says how opencache did, and fails when that is not as wanted.
func (t *table) verdict(w io.Writer) error {
	i := slices.Index(t.names, "opencache")
	if i < 0 {
		return nil
	}
	own := t.columns[i]
	desyncs, unclear, missed := 0, 0, 0
	for _, h := range t.halves() {
		n := count(h.of(own))
		desyncs, unclear = desyncs+n[desync], unclear+n[ambiguous]
		for i, c := range h.cases {
			if r := h.of(own)[i]; r.missed != "" {
				missed++
				fmt.Fprintf(w, "MISSED %s %v (RFC %s): %s\n", h.kind, c, c.rfc, r.missed)
			}
		}
	}
	fmt.Fprintf(w, "opencache: %d cases (%d requests, %d responses), %d desyncs, %d ambiguous forwarded\n",
		len(t.corpus.requests)+len(t.corpus.responses), len(t.corpus.requests), len(t.corpus.responses), desyncs, unclear)
	if missed > 0 {
		return fmt.Errorf("opencache does not do as wanted in %d cases", missed)
	}
	return nil
}

// document is docs/strictness.md.
func (t *table) document() []byte {
	var b bytes.Buffer
	b.WriteString(preface)
	fmt.Fprintf(&b, "## Results\n\nMeasured on %s with", time.Now().UTC().Format("2006-01-02"))
	for i, c := range t.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", c.name, c.version)
	}
	b.WriteString(", by\n\n    test/shows/3-2.sh -write docs/strictness.md\n\n")
	b.WriteString(howToRead)
	for _, h := range t.halves() {
		fmt.Fprintf(&b, "\n### %s by technique\n\n%d cases; %s.\n\n", h.title, len(h.cases), h.legend())
		t.techniques(&b, h)
	}
	b.WriteString("\n## Techniques\n")
	for _, h := range t.halves() {
		fmt.Fprintf(&b, "\n%s:\n\n", h.title)
		for _, name := range h.techniques() {
			fmt.Fprintf(&b, "- **%s**: %s\n", name, t.corpus.abstracts[h.kind+"/"+name])
		}
	}
	for _, h := range t.halves() {
		fmt.Fprintf(&b, "\n## %s where the peers differ\n\n", h.title)
		t.differences(&b, h)
	}
	return b.Bytes()
}

// techniques writes a table with a row for each technique.
func (t *table) techniques(b *bytes.Buffer, h half) {
	t.heading(b, "technique", "cases")
	for _, name := range h.techniques() {
		fmt.Fprintf(b, "| %s | %d |", name, len(h.results(t.columns[0], name)))
		for _, c := range t.columns {
			fmt.Fprintf(b, " %s |", h.cell(c, name))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "| **all** | %d |", len(h.cases))
	for _, c := range t.columns {
		fmt.Fprintf(b, " **%s** |", h.cell(c, ""))
	}
	b.WriteByte('\n')
}

func (t *table) heading(b *bytes.Buffer, left ...string) {
	names := left
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat(" --- |", len(names)))
}

// differences writes the cases of which the peers make different things.
func (t *table) differences(b *bytes.Buffer, h half) {
	t.heading(b, "case", "RFC")
	for i, c := range h.cases {
		first := h.of(t.columns[0])[i].class
		if !slices.ContainsFunc(t.columns, func(col *column) bool { return h.of(col)[i].class != first }) {
			continue
		}
		fmt.Fprintf(b, "| %v | %s |", c, c.rfc)
		for _, col := range t.columns {
			word := h.of(col)[i].class.String()
			if h.of(col)[i].class > safe {
				word = "**" + word + "**"
			}
			fmt.Fprintf(b, " %s |", word)
		}
		b.WriteByte('\n')
	}
}

// compare fails when a file says otherwise of opencache than t.
func (t *table) compare(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	want, got := ownColumn(t.document()), ownColumn(old)
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("%s: row %q is missing: write it anew", file, want[i])
		case i >= len(want):
			return fmt.Errorf("%s: row %q is too many: write it anew", file, got[i])
		case got[i] != want[i]:
			return fmt.Errorf("%s: row %q, want %q: write it anew", file, got[i], want[i])
		}
	}
	return nil
}

// ownColumn returns the rows of the tables by technique, as far as they speak
// of opencache.
func ownColumn(document []byte) (rows []string) {
	for _, row := range strings.Split(string(document), "\n") {
		if cells := strings.Split(row, " | "); len(cells) > 3 && strings.Contains(cells[2], " / ") {
			rows = append(rows, strings.Join(cells[:3], " | "))
		}
	}
	return rows
}
