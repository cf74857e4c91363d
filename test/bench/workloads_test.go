package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestChosen(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  []string
		err   string
	}{
		{nil, workloadNames(), ""},
		{[]string{"stampede", "hit-1k"}, []string{"hit-1k", "stampede"}, ""}, // in their own order
		{[]string{"hit-2k"}, nil, `workload "hit-2k"`},
	} {
		list, err := chosen(tt.names)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v: got error %v, want %q", tt.names, err, tt.err)
		}
		var got []string
		for _, w := range list {
			got = append(got, w.name)
			if w.status == 0 {
				t.Errorf("%s: got status 0, want one", w.name)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.names, got, tt.want)
		}
	}
}

// Servers are started anew when the mode changes: workloads of one mode stand
// together, but for those that want fresh ones anyway.
func TestOrder(t *testing.T) {
	var modes []mode
	for _, w := range workloads {
		if w.fresh || len(modes) > 0 && modes[len(modes)-1] == w.mode {
			continue
		}
		if slices.Contains(modes, w.mode) {
			t.Errorf("%s: mode %s comes a second time", w.name, w.mode)
		}
		modes = append(modes, w.mode)
	}
}

func TestCan(t *testing.T) {
	for _, tt := range []struct {
		server, load string
		want         bool
	}{
		{"nginx", "tls-1k", true},
		{"nginx-plain", "hit-1k", true},
		{"nginx-plain", "newconn", true},
		{"nginx-plain", "hit-64k", false},
		{"varnish", "tls-1k", false},
		{"haproxy", "range-64k", false},
		{"haproxy", "hit-10m", true},
		{"varnish", "newconn-defer", false},
		{"ats", "newconn-defer", true},
		{"varnish", "disk-1m", true},
		{"haproxy", "disk-1m", false},
		{"haproxy", "zipf-100k", true},
		{"nginx", "disk-cold", false},
	} {
		k, err := kindOf(options{}, tt.server)
		if err != nil {
			t.Fatal(err)
		}
		list, err := chosen([]string{tt.load})
		if err != nil {
			t.Fatal(err)
		}
		if got := k.can(list[0]); got != tt.want {
			t.Errorf("%s, %s: got %v, want %v", tt.server, tt.load, got, tt.want)
		}
	}
	if _, err := kindOf(options{}, "squid"); err == nil {
		t.Error("squid: got no error")
	}
}

// Every template can be filled in whatever the mode.
func TestFill(t *testing.T) {
	names, err := filepath.Glob("*.in")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("ats/*.in")
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, more...)
	if len(names) < 10 {
		t.Fatalf("got %v, want the templates of four servers", names)
	}
	for _, m := range append(onDisk, tiered) {
		for _, pinned := range []bool{true, false} {
			at := &site{Port: 8080, Origin: 9000, Dir: t.TempDir(), Store: t.TempDir(), Mode: m, Pinned: pinned}
			for _, name := range names {
				path, err := at.fill(options{conf: "."}, strings.TrimSuffix(name, ".in"))
				if err != nil {
					t.Errorf("%s, %s: %v", name, m, err)
					continue
				}
				text, err := os.ReadFile(path)
				if err != nil || len(text) == 0 || strings.Contains(string(text), "{{") {
					t.Errorf("%s, %s: got %q, %v, want all filled in", name, m, text, err)
				}
			}
		}
	}
}

func TestCertify(t *testing.T) {
	dir := t.TempDir()
	if err := certify(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"cert.pem": "CERTIFICATE", "key.pem": "PRIVATE KEY", "pair.pem": "PRIVATE KEY"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), "BEGIN "+want) {
			t.Errorf("%s: got %q, %v, want a %s", name, text, err, want)
		}
	}
}
