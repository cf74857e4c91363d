package expr_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"opencache/internal/expr"
)

// TestDocumentedVariables: the table of docs/expressions.md is that of the code.
func TestDocumentedVariables(t *testing.T) {
	doc, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, v := range expr.Variables() {
		name := "$" + v.Name
		if strings.HasSuffix(name, "_") {
			name += "NAME"
		}
		where := ""
		for i, letter := range "kcurax" {
			if v.Places>>i&1 != 0 {
				where += string(letter)
			}
		}
		meaning := v.Meaning
		if v.NotYet != "" {
			meaning += " — **not yet**: " + v.NotYet
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", name, where, v.Depends, meaning)
	}
	got := regexp.MustCompile("(?m)^\\| `\\$\\w+` \\| [kcurax]+ \\|.*\n").FindAllString(string(doc), -1)
	if strings.Join(got, "") != want.String() {
		t.Errorf("docs/expressions.md: the table of variables is not the code's; expected these lines:\n%s", &want)
	}
}

// TestDocumentedExamples: what the document shows in backquotes behind "Key:",
// "Condition:" and "Pattern:" can be parsed.
func TestDocumentedExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]func(string) error{
		"key":       func(s string) error { _, err := expr.ParseKey(s, expr.KeyOptions{}); return err },
		"condition": func(s string) error { _, err := expr.ParseCondition(s); return err },
		"pattern":   func(s string) error { _, err := expr.ParsePattern(s, false); return err },
		"redirect":  func(s string) error { _, err := expr.ParseText(s, expr.InRedirect); return err },
	}
	found := regexp.MustCompile("(?ms)^```(key|condition|pattern|redirect)\n(.*?)^```$").FindAllStringSubmatch(string(doc), -1)
	seen := map[string]bool{}
	for _, block := range found {
		for line := range strings.Lines(block[2]) {
			text, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "   ") // what follows is said of it
			if err := kinds[block[1]](text); err != nil {
				t.Errorf("docs/expressions.md: %s %s: %v", block[1], text, err)
			}
			seen[block[1]] = true
		}
	}
	if len(seen) != len(kinds) {
		t.Errorf("docs/expressions.md: got examples of %v", seen)
	}
}
