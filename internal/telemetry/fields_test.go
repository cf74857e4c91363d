package telemetry

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestDocumentedFields: the table of the access log in docs/operating.md has
// each field once, in the order of a line, and no other.
func TestDocumentedFields(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)## The access log\n(.*?)\n## `).FindSubmatch(doc)
	if section == nil {
		t.Fatal("docs/operating.md: no section on the access log")
	}
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| (json, text|text) \\|").FindAllSubmatch(section[1], -1) {
		for _, name := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllSubmatch(row[1], -1) {
			got = append(got, fmt.Sprintf("%s: %s", name[1], row[2]))
		}
	}
	for i := range fields {
		in := "json, text"
		if fields[i].inText {
			in = "text"
		}
		want = append(want, fields[i].name+": "+in)
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/operating.md, The access log:\n got %q\nwant %q", got, want)
	}
}
