// Package rows reads docs/coverage.tsv: which statement of a seed or of an RFC
// is proved, and by which tests. It checks the form of the table alone; that
// the tests exist is coverage_test.go's to see, that they ran test/coverage's.
//
//	rows, err := rows.Read(file)
//	…
//	for _, row := range rows {
//		for _, p := range row.Proofs {
//			fmt.Println(row.ID, "is proved by", p.Test, "in", p.Package)
//		}
//	}
package rows

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Header is the first line of the table.
const Header = "id\tsource\tquote\tstatus\tproof\twhy"

// quoteWords bounds a quote of a seed.
const quoteWords = 14

// A Row is one statement.
type Row struct {
	Line              int // in the file, from 1
	ID, Source, Quote string
	Status            string // proved, declined, later, or later: and the number of an issue
	Proofs            []Proof
	Why               string // of what is not proved
}

// A Proof is a test by the name that go test prints.
type Proof struct {
	Package string // folder in the repository; "." is the root
	Test    string // with its subtests: TestPlays/memory/hit-and-miss
}

// PlayPackage is where the plays run: a proof that names no package is there.
const PlayPackage = "cmd/opencache"

// Read returns the rows of a table; the error tells all faults.
func Read(r io.Reader) (rows []Row, err error) {
	var faults []error
	ids := map[string]int{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			if lines.Text() != Header {
				faults = append(faults, fmt.Errorf("line 1: got %q, want %q", lines.Text(), Header))
			}
			continue
		}
		row, err := parse(lines.Text())
		row.Line = n
		if first := ids[row.ID]; err == nil && first != 0 {
			err = fmt.Errorf("id %q is that of line %d", row.ID, first)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		ids[row.ID] = n
		rows = append(rows, row)
	}
	return rows, errors.Join(append(faults, lines.Err())...)
}

var (
	idForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9.]+)+$`)
	statusForm = regexp.MustCompile(`^(proved|declined|later|later:[0-9]+)$`)
	proofForm  = regexp.MustCompile(`^(?:([a-z0-9_/.]+) )?((?:Test|Fuzz|Example)\S+)$`)
)

func parse(line string) (row Row, err error) {
	cells := strings.Split(line, "\t")
	if len(cells) != 6 {
		return row, fmt.Errorf("got %d columns, want 6", len(cells))
	}
	if i := slices.IndexFunc(cells, func(c string) bool { return c != strings.TrimSpace(c) }); i >= 0 {
		return row, fmt.Errorf("column %d: spaces around %q", i+1, cells[i])
	}
	row = Row{ID: cells[0], Source: cells[1], Quote: cells[2], Status: cells[3], Why: cells[5]}
	switch {
	case !idForm.MatchString(row.ID):
		return row, fmt.Errorf("id %q: want small letters, digits and dots in parts joined by -", row.ID)
	case row.Source == "" || row.Quote == "":
		return row, fmt.Errorf("%s: source or quote is missing", row.ID)
	case len(strings.Fields(row.Quote)) > quoteWords:
		return row, fmt.Errorf("%s: a quote of %d words, want at most %d", row.ID, len(strings.Fields(row.Quote)), quoteWords)
	case !statusForm.MatchString(row.Status):
		return row, fmt.Errorf("%s: status %q: want proved, declined, later or later:N", row.ID, row.Status)
	}
	if row.Proofs, err = parseProofs(cells[4]); err != nil {
		return row, fmt.Errorf("%s: %w", row.ID, err)
	}
	switch proved := row.Status == "proved"; {
	case proved && len(row.Proofs) == 0:
		return row, fmt.Errorf("%s: proved, but by no test", row.ID)
	case !proved && len(row.Proofs) > 0:
		return row, fmt.Errorf("%s: %s, but a test is named", row.ID, row.Status)
	case !proved && row.Why == "":
		return row, fmt.Errorf("%s: %s, but not why", row.ID, row.Status)
	}
	return row, nil
}

// parseProofs reads tests between "; ".
func parseProofs(cell string) (proofs []Proof, err error) {
	if cell == "" {
		return nil, nil
	}
	for text := range strings.SplitSeq(cell, "; ") {
		m := proofForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("proof %q: want [PACKAGE ]TEST", text)
		}
		p := Proof{Package: m[1], Test: m[2]}
		if p.Package == "" {
			p.Package = PlayPackage
		}
		proofs = append(proofs, p)
	}
	return proofs, nil
}
