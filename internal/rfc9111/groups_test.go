package rfc9111

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	long := strings.Repeat("x", 4000)
	var many, names []string
	for n := range 300 {
		names = append(names, fmt.Sprint("group ", n))
		many = append(many, fmt.Sprintf("%q", names[n]))
	}
	for _, tt := range []struct {
		lines []string
		want  []string
	}{
		{[]string{`"scripts"`}, []string{"scripts"}},
		{[]string{`"eurovision-results", "australia"`}, []string{"eurovision-results", "australia"}},
		{[]string{`"a"`, `"b","A"`}, []string{"a", "b", "A"}},
		{[]string{`"a";b;c="d", "e"`}, []string{"a", "e"}},
		{[]string{`"a\"b\\", ""`}, []string{`a"b\`, ""}},
		{[]string{`"` + long + `"`}, []string{long}},
		{[]string{strings.Join(many, ", ")}, names[:MaxGroups]},
		{[]string{``}, nil},
		{nil, nil},
		{[]string{`scripts`}, nil},
		{[]string{`"a", b`}, nil},
		{[]string{`"a", ("b")`}, nil},
		{[]string{`"a", 1`}, nil},
		{[]string{`"a",`}, nil},
		{[]string{`"a" "b"`}, nil},
		{[]string{`"a`}, nil},
		{[]string{`"ä"`}, nil},
	} {
		var lines [][]byte
		for _, l := range tt.lines {
			lines = append(lines, []byte(l))
		}
		if got := Groups(lines); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.lines, got, tt.want)
		}
	}
}
