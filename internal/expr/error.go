package expr

import (
	"fmt"
	"strconv"
	"strings"
)

// An Error says what is wrong with a text, and where.
type Error struct {
	Source string // what was parsed
	At     int    // the byte of Source, from 0; its length: its end
	Found  string // what stands there; empty: nothing
	Why    string // what is wrong with it, or what was expected
	// Nearest is the known name that is most like Found; empty: none is.
	Nearest string
}

// Error tells all of it but Source.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at position %d: ", e.At+1)
	if e.Found != "" {
		b.WriteString(strconv.Quote(e.Found) + ": ")
	}
	b.WriteString(e.Why)
	if e.Nearest != "" {
		b.WriteString("; did you mean " + e.Nearest + "?")
	}
	return b.String()
}

func tooLong(s string) error {
	return &Error{Source: s, At: maxSource, Why: fmt.Sprintf("%d bytes: expected at most %d", len(s), maxSource)}
}

// nearest returns the name that takes the fewest changes to come to, when
// these are few.
func nearest(name string, known []string) (best string) {
	if len(name) > 64 {
		return ""
	}
	least := min(2, len(name)/3) + 1
	for _, k := range known {
		if d := distance(name, k, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out, changed or swapped
// with the next, or most when there are so many.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return min(rows[len(a)][len(b)], most)
}
