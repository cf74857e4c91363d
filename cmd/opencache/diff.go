package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
)

// diffCmd is opencache diff.
type diffCmd struct {
	Old string `arg:"" help:"Documents: a folder, a file, etcd://HOST/PREFIX or https://HOST of a Directus."`
	New string `arg:"" help:"Those that take their place."`

	URLs      string `name:"urls" placeholder:"FILE" help:"Requests to compare, a line each: a URL, or a method and a URL; - is standard input (default those that the documents tell apart)."`
	Log       string `placeholder:"FILE" help:"Compare the requests of an access log; - is standard input."`
	Scheme    string `default:"https" enum:"http,https" help:"Of the log's requests: http, https (default ${default})."`
	Most      int    `default:"100000" placeholder:"N" help:"Compare so many different requests at most (default ${default})."`
	POP       string `name:"pop" env:"OPENCACHE_POP,OPENCACHE_POP_ID,POP_ID" placeholder:"ID" help:"The node's PoP."`
	TokenFile string `env:"OPENCACHE_TOKEN_FILE,BAAS_TOKEN_FILE" placeholder:"FILE" help:"File with the token that a Directus is shown (default the variable BAAS_TOKEN)."`
	Output    string `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Help is shown by opencache diff --help.
func (c *diffCmd) Help() string {
	return "Each request is explained by both (see opencache explain), for several answers that the upstream might give, and what differs is told: " +
		"site, route, rule, key, zone, upstream, freshness, fields and the policy in effect.\n\n" +
		"Exit code 0: no difference; 1: some; 2: they could not be compared."
}

// A supposition is an answer that the upstream might give.
type supposition struct {
	name   string
	status int
	fields []string
}

var suppositions = []supposition{
	{"200", 200, nil}, {"200 with max-age=600", 200, []string{"Cache-Control: max-age=600"}}, {"404", 404, nil}, {"503", 503, nil},
}

// A diffReport is what diff found.
type diffReport struct {
	Requests  int         `json:"requests"`          // that were compared
	Different int         `json:"different"`         // of them
	Skipped   int         `json:"skipped,omitempty"` // lines that are no request, or beyond --most
	Groups    []diffGroup `json:"groups"`            // requests that differ in the same way, most of them first
}

// A diffGroup is a way in which requests differ.
type diffGroup struct {
	Changes  []diffChange `json:"changes"`
	Count    int          `json:"count"`
	Requests []string     `json:"requests"` // some of them
}

// A diffChange is one thing that differs.
type diffChange struct {
	What string   `json:"what"`
	Old  string   `json:"old"`
	New  string   `json:"new"`
	When []string `json:"when,omitempty"` // the upstream answers so; none: whatever it answers
}

// shownRequests is how many of a group are named.
const shownRequests = 10

// Run compares. The error, when there are differences, makes the exit code 1.
func (c *diffCmd) Run() error {
	if c.URLs != "" && c.Log != "" {
		return usageError{errors.New("--urls and --log: expected one of them")}
	}
	if c.Most < 1 {
		return usageError{fmt.Errorf("--most: %d: expected 1 or more", c.Most)}
	}
	was, is, err := c.read()
	if err != nil {
		return trouble{err}
	}
	requests, skipped, err := c.requests(was, is)
	if err != nil {
		return trouble{err}
	}
	r := &diffReport{Skipped: skipped, Groups: []diffGroup{}}
	if err := r.compare(was, is, requests); err != nil {
		return trouble{err}
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(r)
	} else {
		err = r.print(os.Stdout)
	}
	switch {
	case err != nil:
		return trouble{err}
	case r.Different > 0:
		return fmt.Errorf("diff: %d of %s would be treated differently", r.Different, counting(r.Requests, "request"))
	}
	return nil
}

// read reads both sides, which must be without faults: what a start leaves
// out would look like what somebody has taken away.
func (c *diffCmd) read() (was, is *compiled, err error) {
	var both [2]*compiled
	for i, name := range []string{c.Old, c.New} {
		docs, err := readDocuments([]string{name}, c.TokenFile)
		if err != nil {
			return nil, nil, err
		}
		one, err := docs.compile(c.POP)
		if err != nil {
			return nil, nil, err
		}
		if faults := slices.Concat(docs.faults, one.faults); len(faults) > 0 {
			return nil, nil, fmt.Errorf("diff: %s: %s, see opencache check; the first: %s", name, counting(len(faults), "fault"), faults[0])
		}
		both[i] = one
	}
	return both[0], both[1], nil
}

// compare explains each request by both.
func (r *diffReport) compare(was, is *compiled, requests []edge.Question) error {
	at := time.Now()
	groups := map[string]int{}
	for i := range requests {
		q := &requests[i]
		changes, err := changesOf(was, is, q, at)
		if err != nil {
			return fmt.Errorf("diff: %s: %w", requestName(q), err)
		}
		r.Requests++
		if len(changes) == 0 {
			continue
		}
		r.Different++
		text, err := json.Marshal(changes)
		if err != nil {
			return err
		}
		n, ok := groups[string(text)]
		if !ok {
			n = len(r.Groups)
			groups[string(text)] = n
			r.Groups = append(r.Groups, diffGroup{Changes: changes})
		}
		g := &r.Groups[n]
		if g.Count++; len(g.Requests) < shownRequests {
			g.Requests = append(g.Requests, requestName(q))
		}
	}
	slices.SortStableFunc(r.Groups, func(a, b diffGroup) int { return b.Count - a.Count })
	return nil
}

// changesOf are the changes for a request, under all suppositions.
func changesOf(was, is *compiled, q *edge.Question, at time.Time) (changes []diffChange, err error) {
	supposed := suppositions
	if q.Status != 0 && !slices.ContainsFunc(supposed, func(s supposition) bool { return s.status == q.Status }) {
		supposed = append(slices.Clone(supposed), supposition{fmt.Sprint(q.Status), q.Status, nil})
	}
	for _, s := range supposed {
		one := *q
		one.Status, one.Response, one.At = s.status, s.fields, at
		before, err := saidOf(was.plan, &one)
		if err != nil {
			return nil, err
		}
		after, err := saidOf(is.plan, &one)
		if err != nil {
			return nil, err
		}
		changes = merged(changes, before, after, s.name)
	}
	for i := range changes {
		if len(changes[i].When) == len(supposed) {
			changes[i].When = nil
		}
	}
	slices.SortFunc(changes, func(a, b diffChange) int { return strings.Compare(a.What+a.Old, b.What+b.Old) })
	return changes, nil
}

// merged adds what differs under a supposition.
func merged(changes []diffChange, before, after map[string]string, when string) []diffChange {
	for what := range after {
		if _, ok := before[what]; !ok {
			before[what] = ""
		}
	}
	for what, was := range before {
		is := after[what]
		if was == is {
			continue
		}
		i := slices.IndexFunc(changes, func(c diffChange) bool { return c.What == what && c.Old == was && c.New == is })
		if i < 0 {
			i = len(changes)
			changes = append(changes, diffChange{What: what, Old: was, New: is})
		}
		changes[i].When = append(changes[i].When, when)
	}
	return changes
}

// saidOf is what a plan's explanation says, by name.
func saidOf(p *edge.Plan, q *edge.Question) (map[string]string, error) {
	x, err := p.Explain(q)
	if err != nil {
		return nil, err
	}
	policy := x.Policy
	x.URL, x.Method, x.Added, x.Removed, x.Policy = "", "", nil, nil, nil
	said := map[string]string{}
	if err := tellInto(said, "", x); err != nil {
		return nil, err
	}
	if policy != nil {
		own := *policy
		own.Match, own.ID, own.Priority = config.RuleMatch{}, "", 0
		err = tellInto(said, "policy", &own)
	}
	return said, err
}

// tellInto adds what a value says in JSON, by path.
func tellInto(said map[string]string, path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	return tellTree(said, path, tree)
}

func tellTree(said map[string]string, path string, tree any) error {
	object, ok := tree.(map[string]any)
	if !ok {
		var b bytes.Buffer
		out := json.NewEncoder(&b)
		out.SetEscapeHTML(false)
		err := out.Encode(tree)
		if text, is := tree.(string); is {
			said[path] = text
		} else {
			said[path] = strings.TrimSpace(b.String())
		}
		return err
	}
	for name, value := range object {
		if path != "" {
			name = path + "." + name
		}
		if err := tellTree(said, name, value); err != nil {
			return err
		}
	}
	return nil
}

// print writes the report for people.
func (r *diffReport) print(w io.Writer) error {
	var b bytes.Buffer
	for i := range r.Groups {
		g := &r.Groups[i]
		for _, name := range g.Requests {
			fmt.Fprintln(&b, name)
		}
		if more := g.Count - len(g.Requests); more > 0 {
			fmt.Fprintf(&b, "and %d more\n", more)
		}
		for _, c := range g.Changes {
			when := ""
			if len(c.When) > 0 {
				when = " (upstream: " + strings.Join(c.When, ", ") + ")"
			}
			fmt.Fprintf(&b, "  %s: %s -> %s%s\n", c.What, orNone(c.Old), orNone(c.New), when)
		}
	}
	if r.Skipped > 0 {
		fmt.Fprintf(&b, "%s left out\n", counting(r.Skipped, "line"))
	}
	if r.Different == 0 {
		fmt.Fprintf(&b, "%s: no difference\n", counting(r.Requests, "request"))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
