package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The page has what other caches did between these lines.
const (
	peersBegin = "<!-- peers: written by test/conformance/peers.sh -->\n"
	peersEnd   = "<!-- end of peers -->\n"
)

// compare returns a row for each cache whose results are in dir, as Markdown,
// in the order of versions.tsv. The last column leaves out what p excepts: of
// the required tests, those that stand on RFC text.
func compare(p *plan, dir string) (string, error) {
	versions, err := os.ReadFile(filepath.Join(dir, "versions.tsv"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| | required | optimal | required, without the exceptions |\n| --- | --- | --- | --- |\n")
	for line := range strings.Lines(string(versions)) {
		name, version, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		tests, err := readTests(filepath.Join(dir, name+".json"))
		if err != nil {
			return "", err
		}
		ran := run{}
		ran.add(tests)
		fmt.Fprintf(&b, "| %s |", strings.TrimSpace(name+" "+version))
		for _, kind := range kinds[:2] {
			passed, all := ran.count(kind, nil)
			fmt.Fprintf(&b, " %d of %d |", passed, all)
		}
		passed, all := ran.count(kinds[0], p)
		fmt.Fprintf(&b, " %d of %d |\n", passed, all)
	}
	return b.String(), nil
}

// count returns how many tests of a kind there are and how many passed; with a
// plan, of those that are to pass.
func (r run) count(kind string, p *plan) (passed, all int) {
	want := map[string]bool{}
	if p != nil {
		for _, w := range p.wishes {
			want[w.id] = w.want == pass
		}
	}
	for id, t := range r {
		if t.Kind != kind || p != nil && !want[id] {
			continue
		}
		all++
		if r.passed(t) {
			passed++
		}
	}
	return passed, all
}

// readTests reads what the suite's client found.
func readTests(name string) (tests []*test, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &tests); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return tests, nil
}
