package model

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A bend is something between the engine and the world that makes a good
// cache a bad one: the zero bend leaves it good.
type bend struct {
	request  func(*Request)                        // a request before the engine sees it
	arrives  func(*Request)                        // and behind the engine, before it is recorded
	response func(e *Exchange, head string) string // a response before the engine sees it
	answer   func(*Answer)                         // an answer before the judge sees it
	key      func(url string) string               // what the engine takes for the key
	now      func(time.Time) time.Time             // what the engine takes for the time
	cutIsEnd bool                                  // content cut short ends as if whole
	bypass   bool                                  // nothing is cached
	late     bool                                  // what else goes on overtakes answers: no fault
}

// deaf makes a cache that does not hear a response's field: the engine gets
// what instead makes of its value, and the client what the origin said.
func deaf(name string, instead func(string) string) bend {
	aside := "X-Was-" + name
	return bend{
		response: func(_ *Exchange, head string) string {
			lines := strings.Split(head, "\r\n")
			var out []string
			for i, l := range lines {
				field, value, ok := strings.Cut(l, ": ")
				if i == 0 || !ok || !strings.EqualFold(field, name) {
					out = append(out, l)
					continue
				}
				if v := instead(value); v != "" {
					out = append(out, name+": "+v)
				}
				out = append(out, aside+": "+value)
			}
			return strings.Join(out, "\r\n")
		},
		answer: func(a *Answer) {
			if !a.Fields.Has(aside) {
				return
			}
			a.Fields = a.Fields.without(name)
			for i := range a.Fields {
				if strings.EqualFold(a.Fields[i].Name, aside) {
					a.Fields[i].Name = name
				}
			}
		},
	}
}

// without drops a directive from a Cache-Control value.
func without(directives ...string) func(string) string {
	return func(value string) string {
		var kept []string
		for _, member := range splitList(value) {
			name, _, _ := strings.Cut(strings.ToLower(member), "=")
			if !contains(directives, name) {
				kept = append(kept, member)
			}
		}
		return strings.Join(kept, ", ")
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// drops makes a cache that does not hear a request's fields.
func drops(names ...string) bend {
	return bend{
		request: func(r *Request) {
			for i := range r.Fields {
				if contains(names, r.Fields[i].Name) {
					r.Fields = append(Fields(nil), r.Fields...)
					r.Fields[i].Name = "X-Was-" + r.Fields[i].Name
				}
			}
		},
		arrives: func(r *Request) {
			for i := range r.Fields {
				r.Fields[i].Name = strings.TrimPrefix(r.Fields[i].Name, "X-Was-")
			}
		},
	}
}

// status makes a cache take one status for another.
func status(hears func(e *Exchange) int) bend {
	return bend{
		response: func(e *Exchange, head string) string {
			if n := hears(e); n != e.Status {
				head = fmt.Sprintf("HTTP/1.1 %d X\r\nX-Was: %d", n, e.Status) + head[strings.Index(head, "\r\n"):]
			}
			return head
		},
		answer: func(a *Answer) {
			if a.Fields.Has("X-Was") {
				_, _ = fmt.Sscan(a.Fields.Get("X-Was"), &a.Status)
				a.Fields = a.Fields.without("X-Was")
			}
		},
	}
}

// edits changes answers.
func edits(change func(a *Answer)) bend { return bend{answer: change} }

func setField(a *Answer, name string, value func(string) string) {
	if a.Fields.Has(name) {
		a.Fields = append(a.Fields.without(name), Field{name, value(a.Fields.Get(name))})
	}
}

var bends = map[string]bend{
	"ignores Vary":                 deaf("Vary", func(string) string { return "" }),
	"hears only the first of Vary": deaf("Vary", func(v string) string { first, _, _ := strings.Cut(v, ","); return first }),
	"ignores no-store":             deaf("Cache-Control", without("no-store")),
	"ignores no-cache":             deaf("Cache-Control", without("no-cache")),
	"ignores private":              deaf("Cache-Control", without("private")),
	"ignores must-revalidate":      deaf("Cache-Control", without("must-revalidate")),
	"ignores proxy-revalidate":     deaf("Cache-Control", without("proxy-revalidate")),
	"ignores s-maxage":             deaf("Cache-Control", without("s-maxage")),
	"ignores max-age":              deaf("Cache-Control", without("max-age")),
	"ignores must-understand":      deaf("Cache-Control", without("must-understand", "no-store")),
	"ignores Expires":              deaf("Expires", func(string) string { return "" }),
	"ignores Age":                  deaf("Age", func(string) string { return "" }),
	"takes weak tags for strong":   deaf("ETag", func(v string) string { return strings.TrimPrefix(v, "W/") }),
	"stretches stale-while-revalidate": deaf("Cache-Control", func(v string) string {
		return strings.ReplaceAll(strings.ToLower(v), "stale-while-revalidate=1", "stale-while-revalidate=9")
	}),
	"takes all queries for one":       deaf("No-Vary-Search", func(string) string { return "except=()" }),
	"ignores groups":                  deaf("Cache-Group-Invalidation", func(string) string { return "" }),
	"ignores Location":                deaf("Location", func(string) string { return "" }),
	"ignores targeted fields":         deaf("CDN-Cache-Control", func(string) string { return "" }),
	"stores what Authorization asked": drops("Authorization"),
	"ignores request directives":      drops("Cache-Control"),
	"ignores If-None-Match":           drops("If-None-Match"),
	"ignores If-Range":                drops("If-Range"),
	"ignores invalidation": status(func(e *Exchange) int {
		if e.Request.Method == "GET" || e.Request.Method == "HEAD" || e.Request.Method == "QUERY" {
			return e.Status
		}
		return 499
	}),
	"stores errors as if fine": status(func(e *Exchange) int {
		if e.Status == 302 || e.Status == 299 {
			return 200
		}
		return e.Status
	}),
	"tells the wrong Age": edits(func(a *Answer) { setField(a, "Age", func(v string) string { return v + "1" }) }),
	"tells no Age":        edits(func(a *Answer) { a.Fields = a.Fields.without("Age") }),
	"tells the wrong range": edits(func(a *Answer) {
		setField(a, "Content-Range", func(v string) string { return strings.Replace(v, "0-", "1-", 1) })
	}),
	"loses a field":        edits(func(a *Answer) { a.Fields = a.Fields.without("X-Secret") }),
	"passes a hop's field": edits(func(a *Answer) { a.Fields = append(a.Fields, Field{"Keep-Alive", "timeout=5"}) }),
	"swaps bytes":          edits(func(a *Answer) { a.Content = strings.Replace(a.Content, "b", "c", 1) }),
	"says 304 to all": edits(func(a *Answer) {
		if a.Status == 200 && a.Request.Fields.Has("If-None-Match") {
			a.Status, a.Content = 304, ""
		}
	}),
	"takes cut content as whole": {cutIsEnd: true},
	"confuses targets":           {key: func(url string) string { url, _, _ = strings.Cut(url, "?"); return url }},
	"confuses origins":           {key: func(url string) string { return strings.Replace(url, "other", "origin", 1) }},
	"has a slow clock": {now: func(t time.Time) time.Time {
		begin := time.UnixMilli(began)
		return begin.Add(t.Sub(begin) * 9 / 10)
	}},
	"stores nothing":         {bypass: true},
	"forgets its validators": {arrives: func(r *Request) { r.Fields = r.Fields.without("If-None-Match").without("If-Modified-Since") }},
}

// bentSteps is within how many steps the judge must catch a bad cache.
const bentSteps = 30_000

// TestBent has the judge look at bad caches: each is a good one with
// something before or behind it.
func TestBent(t *testing.T) {
	for name, b := range bends {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			sum := tally{kinds: map[Kind]int{}}
			for s := uint64(1); sum.steps < bentSteps; s++ {
				if fault, _ := run(t, sequence(s), &b, &sum); fault != "" {
					t.Logf("%s: caught at step %d: %s", name, sum.steps, fault)
					return
				}
			}
			t.Errorf("%s: not caught within %d steps", name, bentSteps)
		})
	}
}

// TestLate has the judge look at a good cache whose answers begin when all else
// that can go on has gone on, refreshes behind them above all.
func TestLate(t *testing.T) {
	b, sum := bend{late: true}, tally{kinds: map[Kind]int{}}
	for s := uint64(1); sum.steps < bentSteps/2; s++ {
		if fault, said := run(t, sequence(s), &b, &sum); fault != "" {
			t.Fatalf("seed %d: %s\n%s", s, fault, strings.Join(said, "\n"))
		}
	}
}
