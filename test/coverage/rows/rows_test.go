package rows

import (
	"reflect"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	const text = Header + `
seed004-x	seed 004	Returns cached responses	proved	TestPlays/memory/a; internal/rfc9111 TestJudge	
rfc9111-4.2	RFC 9111, 4.2	freshness	later:4		not yet
`
	got, err := Read(strings.NewReader(text))
	want := []Row{
		{Line: 2, ID: "seed004-x", Source: "seed 004", Quote: "Returns cached responses", Status: "proved", Proofs: []Proof{
			{"cmd/opencache", "TestPlays/memory/a"}, {"internal/rfc9111", "TestJudge"},
		}},
		{Line: 3, ID: "rfc9111-4.2", Source: "RFC 9111, 4.2", Quote: "freshness", Status: "later:4", Why: "not yet"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestReadFaults(t *testing.T) {
	tests := []struct{ name, line, fault string }{
		{"columns", "a-b\tc\td\tproved\tTestX", "5 columns"},
		{"id", "A b\tc\td\tproved\tTestX\t", "id"},
		{"spaces", "a-b\tc \td\tproved\tTestX\t", "spaces"},
		{"no source", "a-b\t\td\tproved\tTestX\t", "source or quote"},
		{"no quote", "a-b\tc\t\tproved\tTestX\t", "source or quote"},
		{"long quote", "a-b\tc\t" + strings.Repeat("w ", 14) + "w\tproved\tTestX\t", "15 words"},
		{"status", "a-b\tc\td\tdone\tTestX\t", "status"},
		{"no proof", "a-b\tc\td\tproved\t\t", "by no test"},
		{"proof of the rest", "a-b\tc\td\tlater\tTestX\tsoon", "a test is named"},
		{"no reason", "a-b\tc\td\tdeclined\t\t", "not why"},
		{"proof", "a-b\tc\td\tproved\tsee above\t", "want [PACKAGE ]TEST"},
		{"twice", "a-b\tc\td\tproved\tTestX\t\na-b\tc\td\tproved\tTestX\t", "is that of line 2"},
		{"empty line", "", "1 columns"},
	}
	for _, tt := range tests {
		_, err := Read(strings.NewReader(Header + "\n" + tt.line + "\n"))
		if err == nil || !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %q: got %v, want a fault with %q", tt.name, tt.line, err, tt.fault)
		}
	}
	if _, err := Read(strings.NewReader("id\n")); err == nil {
		t.Error("another header: got no fault")
	}
}
