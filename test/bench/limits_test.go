package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// measured makes a result of one workload.
func measured(load string, of map[string]sample) *result {
	r := &result{}
	for _, server := range []string{"opencache", "nginx", "nginx-plain", "varnish", "ats"} {
		if v, ok := of[server]; ok {
			r.Rows = append(r.Rows, row{Workload: load, Server: server, sample: v, Samples: []sample{v}})
		}
	}
	return r
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    limit
		of   map[string]sample
		want string
		got  float64
	}{
		{"below", limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"opencache": {CPU: 6}, "nginx": {CPU: 10}}, "kept", 0.6},
		{"just", limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"opencache": {CPU: 8}, "nginx": {CPU: 10}}, "kept", 0.8},
		{"above", limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"opencache": {CPU: 9}, "nginx": {CPU: 10}}, "missed", 0.9},
		{"no other", limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"opencache": {CPU: 9}}, "not measured", 0},
		{"not itself", limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"nginx": {CPU: 9}}, "not measured", 0},
		{"other workload", limit{workload: "hit-64k", figure: cpu, whom: "nginx", most: 0.8}, map[string]sample{"opencache": {CPU: 9}, "nginx": {CPU: 1}}, "not measured", 0},
		{"p99", limit{workload: "hit-1k", figure: p99, whom: "nginx", most: 1}, map[string]sample{"opencache": {P99: 30, CPU: 1}, "nginx": {P99: 20, CPU: 9}}, "missed", 1.5},
		{"all done", limit{workload: "hit-1k", figure: done, whom: "ats", most: 1}, map[string]sample{"opencache": {AllMS: 480}, "ats": {AllMS: 500}}, "kept", 0.96},
		{"fetches", limit{workload: "hit-1k", figure: fetches, most: 1}, map[string]sample{"opencache": {Fetches: 2}}, "missed", 2},
		{"first byte", limit{workload: "hit-1k", figure: first, most: 450}, map[string]sample{"opencache": {FirstMS: 90}}, "kept", 90},
		{"misses", limit{workload: "hit-1k", figure: misses, whom: "ats", most: 1}, map[string]sample{"opencache": {Hits: 80}, "ats": {Hits: 75}}, "kept", 0.8},
		{"misses of none", limit{workload: "hit-1k", figure: misses, whom: "ats", most: 1}, map[string]sample{"opencache": {Hits: 80}}, "not measured", 0},
		{"harm", limit{workload: "hit-1k", figure: harm, most: 2}, map[string]sample{"opencache": {P99: 500, Quiet: 200}}, "missed", 2.5},
		{"bytes", limit{workload: "hit-1k", figure: memory, most: 4096}, map[string]sample{"opencache": {Bytes: 4097}}, "missed", 4097},
	} {
		v := measured("hit-1k", tt.of).judge([]limit{tt.l})[0]
		if v.word() != tt.want || v.got != tt.got {
			t.Errorf("%s: got %v, %q, want %v, %q", tt.name, v.got, v.word(), tt.got, tt.want)
		}
	}
}

// The ratio to nginx tuned for one size stands beside the one that counts.
func TestJudgePlain(t *testing.T) {
	r := measured("hit-1k", map[string]sample{"opencache": {CPU: 6}, "nginx": {CPU: 8}, "nginx-plain": {CPU: 10}})
	v := r.judge([]limit{{workload: "hit-1k", figure: cpu, whom: "nginx-plain", most: 0.65}})[0]
	if v.word() != "kept" || !strings.Contains(v.note, "because that is what DESIGN's figures were measured against") ||
		!strings.Contains(v.note, "0.75") {
		t.Errorf("got %q, note %q, want kept, why, and 0.75", v.word(), v.note)
	}
}

// A limit may be held against another workload of the other server.
func TestJudgeBeside(t *testing.T) {
	r := measured("newconn-defer", map[string]sample{"opencache": {CPU: 10}, "nginx": {CPU: 12}})
	r.Rows = append(r.Rows, measured("newconn", map[string]sample{"opencache": {CPU: 18}, "nginx-plain": {CPU: 20}}).Rows...)
	v := r.judge([]limit{{workload: "newconn-defer", figure: cpu, whom: "nginx-plain", most: 0.7, beside: "newconn"}})[0]
	if v.got != 0.5 || v.word() != "kept" || !strings.Contains(v.note, "0.83") {
		t.Errorf("got %v, %q, note %q, want 0.5, kept, and 0.83", v.got, v.word(), v.note)
	}
}

func TestAssert(t *testing.T) {
	kept := verdict{limit: limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, got: 0.7}
	missed := verdict{limit: limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, got: 0.9}
	absent := verdict{limit: limit{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}}
	for _, tt := range []struct {
		name     string
		verdicts []verdict
		want     string // in the error; empty: none
	}{
		{"all kept", []verdict{kept, absent}, ""},
		{"one missed", []verdict{missed, kept}, errMissed.Error()},
		{"none measured", []verdict{absent}, "no limit could be tried"},
	} {
		var printed strings.Builder
		err := assert(&printed, tt.verdicts)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if missed := errors.Is(err, errMissed); strings.Contains(printed.String(), "missed") != missed {
			t.Errorf("%s: got %q printed with error %v", tt.name, printed.String(), err)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []limit
		err  string
	}{
		{"", limits, ""},
		{"hit-1k nginx 0.8", []limit{{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}}, ""},
		{"hit-1k nginx 0.8; mem-idle 4096;", []limit{{workload: "hit-1k", figure: cpu, whom: "nginx", most: 0.8}, {workload: "mem-idle", figure: memory, most: 4096}}, ""},
		{"hit-1k", nil, "expected"},
		{"hit-1k of nginx 0.8", nil, "expected"},
		{"hit-2k nginx 0.8", nil, `workload "hit-2k"`},
		{"hit-1k nginx much", nil, `"much" is no number`},
		{"hit-1k nginx 0", nil, "no number above 0"},
	} {
		got, err := parseLimits(tt.text)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got error %v, want %q", tt.text, err, tt.err)
		}
		if err == nil && !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

// A limit that names no workload or server of ours would never be tried.
func TestLimits(t *testing.T) {
	for _, l := range limits {
		if _, err := chosen([]string{l.workload}); err != nil {
			t.Errorf("%v: %v", l, err)
		}
		if l.whom == "" {
			continue
		}
		if _, err := kindOf(options{}, l.whom); err != nil {
			t.Errorf("%v: %v", l, err)
		}
	}
}
