package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseWrk(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want wrkReport
		err  string
	}{
		{"Running 1s test\n{\"requests\":10,\"duration\":500000,\"bytes\":1,\"errors\":0,\"p50\":1.5,\"p99\":2}\n",
			wrkReport{Requests: 10, Duration: 500000, Bytes: 1, P50: 1.5, P99: 2}, ""},
		{"{\"requests\":10,\"duration\":5,\"errors\":2}", wrkReport{}, "2 errors in 10 requests"},
		{"{\"requests\":0,\"duration\":5,\"errors\":0}", wrkReport{}, "spoiled"},
		{"{\"requests\":9,\"duration\":0,\"errors\":0}", wrkReport{}, "0 errors in 9"},
		{"unable to connect", wrkReport{}, "unable to connect"},
		{"", wrkReport{}, "wrk's report"},
	} {
		got, err := parseWrk([]byte(tt.out))
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %+v, %v, want %+v, %q", tt.out, got, err, tt.want, tt.err)
		}
		if spoiled := errors.Is(err, errSpoiled); spoiled != (tt.err == "spoiled") {
			t.Errorf("%q: got spoiled %v", tt.out, spoiled)
		}
	}
}

func TestParseSteady(t *testing.T) {
	for _, tt := range []struct {
		out  string
		want steadyReport
		err  string
	}{
		{`{"requests":10,"errors":0,"rate":99.5,"p50":1,"p90":2,"p99":3,"p999":4,"max":5}`, steadyReport{Requests: 10, Rate: 99.5, P50: 1, P99: 3}, ""},
		{`{"requests":10,"errors":1}`, steadyReport{}, "1 errors in 10"},
		{`{"requests":0,"errors":0}`, steadyReport{}, "0 errors in 0"},
		{`{`, steadyReport{}, "open loop's report"},
	} {
		got, err := parseSteady([]byte(tt.out))
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %+v, %v, want %+v, %q", tt.out, got, err, tt.want, tt.err)
		}
	}
}

func TestRequestText(t *testing.T) {
	list, err := chosen([]string{"tls-handshake"})
	if err != nil {
		t.Fatal(err)
	}
	want := "GET /1k HTTP/1.1\r\nHost: 127.0.0.1:443\r\nConnection: close\r\n\r\n"
	if got := string(requestText(443, list[0])); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The key of a stored miss is about 80 bytes whoever is asked.
func TestTag(t *testing.T) {
	for _, k := range kinds(options{}) {
		path := (&bench{}).tag(&server{name: k.name}, "mem-object") + "/000000000001/1k"
		if n := len("http://127.0.0.1:40000" + path); n < 78 || n > 82 || strings.Count(path, "/") != 4 {
			t.Errorf("%s: got %q, %d bytes with the host, want about 80", k.name, path, n)
		}
	}
}

func TestHead(t *testing.T) {
	for _, tt := range []struct {
		text  string
		lines int
		want  string
	}{
		{"a\nb\nc\n", 2, "a\nb\n"},
		{"a\nb\n", 3, "a\nb\n"},
		{"a\nb", 2, "a\nb"},
		{"", 2, ""},
	} {
		if got := string(head([]byte(tt.text), tt.lines)); got != tt.want {
			t.Errorf("%q, %d: got %q, want %q", tt.text, tt.lines, got, tt.want)
		}
	}
}

func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	if got, err := blocks(filepath.Join(dir, "none")); got != 0 || err != nil {
		t.Errorf("no folder: got %d, %v, want 0", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := blocks(dir); got < 10_000 || err != nil {
		t.Errorf("a file of 10,000 bytes: got %d, %v, want at least as many", got, err)
	}
}
