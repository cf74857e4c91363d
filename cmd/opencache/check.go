package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"opencache/internal/config"
)

// checkCmd is opencache check.
type checkCmd struct {
	Sources []string `arg:"" name:"source" help:"Where documents are: folders, single files, etcd://HOST/PREFIX or https://HOST of a Directus."`

	POP       string `name:"pop" env:"OPENCACHE_POP,OPENCACHE_POP_ID,POP_ID" placeholder:"ID" help:"Check for this PoP's node alone (default for each that has a document)."`
	Print     bool   `help:"Print what is in effect, with all defaults and where each value came from, and the bounds of every buffer, queue and wait."`
	Report    bool   `help:"Print what the tier policy does to each site."`
	TokenFile string `env:"OPENCACHE_TOKEN_FILE,BAAS_TOKEN_FILE" placeholder:"FILE" help:"File with the token that a Directus is shown (default the variable BAAS_TOKEN)."`
	Output    string `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Help is shown by opencache check --help.
func (c *checkCmd) Help() string {
	return "All faults are told at once, each with document, line, column and path, what was found and what is expected. " +
		"Warnings, which keep nothing from being served, are told apart.\n\nExit code 0: no fault; 1: faults; 2: asked in the wrong way."
}

// A checkReport is what check found.
type checkReport struct {
	Documents int           `json:"documents"`
	Sites     int           `json:"sites"`
	Faults    []placedFault `json:"faults"`
	Warnings  []placedFault `json:"warnings"`

	Effective map[string]string `json:"effective,omitempty"` // by key, as text with comments
	Bounds    *boundSet         `json:"bounds,omitempty"`
	Policy    string            `json:"report,omitempty"`
}

// A placedFault is a fault as JSON has it.
type placedFault struct {
	Document string `json:"document"`
	Path     string `json:"path,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Found    string `json:"found,omitempty"`
	Expected string `json:"expected"`
	Nearest  string `json:"nearest,omitempty"`
}

// Run checks. The error, when there are faults, makes the exit code 1.
func (c *checkCmd) Run() error {
	docs, err := readDocuments(c.Sources, c.TokenFile)
	if err != nil {
		return err
	}
	r, err := c.check(docs)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(r)
	} else {
		err = r.print(os.Stdout)
	}
	switch n := len(r.Faults); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("check: %s in %s", counting(n, "fault"), counting(len(faulty(r.Faults)), "document"))
	}
	return nil
}

// check checks for one node, or for those of all points of presence.
func (c *checkCmd) check(docs *documentSet) (*checkReport, error) {
	r := &checkReport{Documents: len(docs.texts), Faults: []placedFault{}, Warnings: []placedFault{}}
	faults, warnings := slices.Clone(docs.faults), []config.Fault(nil)
	pops := []string{c.POP}
	if c.POP == "" {
		pops = append(pops, docs.pops()...)
	} else if _, ok := docs.texts[popKeys+c.POP]; !ok {
		warnings = append(warnings, config.Fault{Document: popKeys + c.POP, Expected: "a document of this PoP; the defaults alone hold"})
	}
	var shown *compiled
	for _, pop := range pops {
		one, err := docs.compile(pop)
		if err != nil {
			return nil, err
		}
		faults, warnings = append(faults, one.faults...), append(warnings, one.warnings...)
		if shown == nil {
			shown = one
		}
	}
	r.Sites = len(shown.shot.Sites)
	r.Faults, r.Warnings = distinct(faults), distinct(warnings)
	if c.Print {
		r.Effective = map[string]string{}
		for key := range docs.texts {
			if text := shown.set.Print(key); text != nil {
				r.Effective[key] = string(text)
			}
		}
		bounds, err := boundsOf(&shown.shot)
		if err != nil {
			return nil, err
		}
		r.Bounds = bounds
	}
	if c.Report {
		r.Policy = tierReport(&shown.shot).String()
	}
	return r, nil
}

// distinct are faults in the order of their documents and places, each once.
func distinct(faults []config.Fault) []placedFault {
	slices.SortStableFunc(faults, func(a, b config.Fault) int {
		return cmp.Or(cmp.Compare(a.Document, b.Document), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	list := make([]placedFault, 0, len(faults))
	for _, f := range slices.Compact(faults) {
		list = append(list, placedFault(f))
	}
	return list
}

// faulty are the documents that have faults.
func faulty(faults []placedFault) map[string]bool {
	set := map[string]bool{}
	for _, f := range faults {
		set[f.Document] = true
	}
	return set
}

// counting is a number of things in words.
func counting(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// print writes the report for people.
func (r *checkReport) print(w io.Writer) error {
	var b bytes.Buffer
	for _, f := range r.Faults {
		fmt.Fprintln(&b, config.Fault(f))
	}
	for _, f := range r.Warnings {
		fmt.Fprintln(&b, "warning: "+config.Fault(f).String())
	}
	for _, key := range slices.Sorted(maps.Keys(r.Effective)) {
		fmt.Fprintf(&b, "// %s\n%s\n", key, strings.TrimSuffix(r.Effective[key], "\n"))
	}
	if r.Bounds != nil {
		r.Bounds.print(&b)
	}
	b.WriteString(r.Policy)
	if len(r.Faults) == 0 {
		fmt.Fprintf(&b, "%s with %s: no fault", counting(r.Documents, "document"), counting(r.Sites, "site"))
		if n := len(r.Warnings); n > 0 {
			fmt.Fprintf(&b, ", %s", counting(n, "warning"))
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
