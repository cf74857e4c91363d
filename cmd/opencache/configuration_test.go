package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"opencache/internal/config"
)

// TestConfigurationExamples reads the documents of docs/configuration.md, which
// must be good, and compares its report with theirs.
func TestConfigurationExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{}
	for _, block := range regexp.MustCompile("(?s)```jsonc\n// (opencache:\\S+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		texts[block[1]] = []byte(block[2])
	}
	shot := new(config.Set).Load(texts)
	if len(texts) != 3 || len(shot.Faults)+len(shot.Warnings) > 0 {
		t.Fatalf("got %d documents, faults %v, warnings %v", len(texts), shot.Faults, shot.Warnings)
	}
	report := shot.Node.CacheTierPolicy.Report(shot.Own, shot.Node, 512<<20).String()
	if !strings.Contains(string(page), "```text\n"+report+"```") {
		t.Errorf("the report of these documents is\n%s", report)
	}
}
