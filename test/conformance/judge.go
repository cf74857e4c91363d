package main

import (
	"fmt"
	"slices"
	"strings"
)

// A test is what client.mjs tells of one.
type test struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Depends []string `json:"depends"`
	Result  []string `json:"result"` // empty: passed; else who complains, and of what
	Said    []string `json:"said"`   // status and Cache-Status of each answer
}

// A run is all tests by their id.
type run map[string]*test

func newRun(tests []*test) run {
	r := run{}
	for _, t := range tests {
		r[t.ID] = t
	}
	return r
}

// end returns how a test ended, and what is to be said about it. As on the
// suite's own pages, one whose dependencies did not pass did not pass either.
func (r run) end(t *test) (end, says string) {
	good, bad := pass, fail
	if t.Kind == "check" {
		good, bad = yes, no
	}
	for _, id := range t.Depends {
		if on := r[id]; on == nil || !r.passed(on) {
			return bad, "depends on " + id
		}
	}
	if len(t.Result) > 0 {
		// Setup: it did not come to what it is to test. Any name but
		// Assertion beside it is an exception in the suite's code.
		return bad, strings.Join(t.Result, ": ")
	}
	return good, ""
}

func (r run) passed(t *test) bool {
	end, _ := r.end(t)
	return end == pass || end == yes
}

// judge returns a line for each test that ended otherwise than it should.
func (p *plan) judge(tests []*test) (faults []string) {
	ran := newRun(tests)
	known := map[string]bool{}
	for _, w := range p.wishes {
		known[w.id] = true
		if t := ran[w.id]; t == nil {
			faults = append(faults, w.id+": is missing")
		} else if fault := w.fault(ran, t); fault != "" {
			faults = append(faults, fmt.Sprintf("%s (%s): %s\n  %s\n  answers: %s", w.id, t.Kind, fault, t.Name, strings.Join(t.Said, " | ")))
		}
	}
	for _, t := range tests {
		if !known[t.ID] {
			end, says := ran.end(t)
			faults = append(faults, fmt.Sprintf("%s (%s): nobody expects it; %s %s", t.ID, t.Kind, end, says))
		}
	}
	return faults
}

// fault says what is wrong about how a test ended, "" when nothing is.
func (w *wish) fault(ran run, t *test) string {
	end, says := ran.end(t)
	switch {
	case w.kind != t.Kind:
		return "is expected as " + w.kind
	case w.want == either:
		return ""
	case w.want == fail && end == pass:
		return "passes, though it is excepted by " + w.except
	case w.want != end:
		return strings.TrimSuffix(fmt.Sprintf("got %s, want %s: %s", end, w.want, says), ": ")
	case !strings.HasPrefix(says, w.says):
		return fmt.Sprintf("fails otherwise than excepted: got %q, want %q", says, w.says)
	}
	return ""
}

// summary tells the figures of a run, and the exceptions with their sections.
func summary(p *plan, tests []*test) string {
	var b strings.Builder
	ran := newRun(tests)
	for _, kind := range kinds {
		all, passed := 0, 0
		for _, t := range tests {
			if t.Kind == kind {
				all++
				if ran.passed(t) {
					passed++
				}
			}
		}
		switch _, want := p.count(kind); kind {
		case "check":
			fmt.Fprintf(&b, "%s: %d yes, %d no\n", kind, passed, all-passed)
		default:
			fmt.Fprintf(&b, "%s: %d of %d passed, %d of them expected to\n", kind, passed, all, want)
		}
	}
	for _, e := range p.exceptions {
		ids := slices.DeleteFunc(p.excepted(e.name), func(id string) bool { t := ran[id]; return t == nil || ran.passed(t) })
		if len(ids) > 0 {
			fmt.Fprintf(&b, "excepted by %s (%s): %d\n", e.section, e.name, len(ids))
		}
	}
	return b.String()
}
