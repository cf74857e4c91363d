package main

import (
	"fmt"
	"maps"
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

// add puts tests into r, in place of those of the same id.
func (r run) add(tests []*test) {
	for _, t := range tests {
		r[t.ID] = t
	}
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

// A fault is a test that ended otherwise than it should.
type fault struct{ id, text string }

// judge returns the faults, those that nobody expects behind the others.
func (p *plan) judge(ran run) (faults []fault) {
	known := map[string]bool{}
	for _, w := range p.wishes {
		known[w.id] = true
		t := ran[w.id]
		if t == nil {
			faults = append(faults, fault{w.id, w.id + ": is missing"})
			continue
		}
		if text := w.fault(ran, t); text != "" {
			text = fmt.Sprintf("%s (%s): %s\n  %s\n  answers: %s", w.id, t.Kind, text, t.Name, strings.Join(t.Said, " | "))
			faults = append(faults, fault{w.id, text})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ran)) {
		if !known[id] {
			end, says := ran.end(ran[id])
			faults = append(faults, fault{id, fmt.Sprintf("%s (%s): nobody expects it; %s %s", id, ran[id].Kind, end, says)})
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
func summary(p *plan, ran run) string {
	var b strings.Builder
	for _, kind := range kinds {
		passed, all := ran.count(kind, nil)
		if kind == "check" {
			fmt.Fprintf(&b, "%s: %d yes, %d no\n", kind, passed, all-passed)
			continue
		}
		_, want := p.count(kind)
		fmt.Fprintf(&b, "%s: %d of %d passed, %d of them expected to\n", kind, passed, all, want)
	}
	for _, e := range p.exceptions {
		ids := slices.DeleteFunc(p.excepted(e.name), func(id string) bool { t := ran[id]; return t == nil || ran.passed(t) })
		if len(ids) > 0 {
			fmt.Fprintf(&b, "excepted by %s (%s): %d\n", e.section, e.name, len(ids))
		}
	}
	return b.String()
}
