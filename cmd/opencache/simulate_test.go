package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/internal/lab"
)

// A trace from a file and from standard input, as text, JSON and a picture.
func TestSimulate(t *testing.T) {
	dir := t.TempDir()
	trace, picture := filepath.Join(dir, "trace"), filepath.Join(dir, "plot.svg")
	lines := strings.Repeat("0 a 1000\n1 b 2000\n", 10) + `{"request_method":"POST","request_uri":"/","body_bytes_sent":1}` + "\n"
	if err := os.WriteFile(trace, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, nil, "simulate", "--trace", trace, "--sizes", "4M,8M", "--plot", picture)
	for _, want := range []string{"20 requests, 29.3 KiB; 1 lines skipped\n", " 4M        lru  90.00", " 8M  opencache  90.00"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got %q, want %q in it", stdout, want)
		}
	}
	drawn, err := os.ReadFile(picture)
	if code != 0 || stderr != "" || err != nil || !strings.Contains(string(drawn), "w-tinylfu") {
		t.Errorf("got code %d, %q, %v, a picture %.60q", code, stderr, err, drawn)
	}

	code, stdout, stderr = run(t, nil, "simulate", "--trace", trace, "--sizes", "4M", "--policies", "lru", "--plot", filepath.Join(dir, "none", "plot.svg"))
	if code != 1 || !strings.Contains(stdout, " 4M     lru  90.00") || !strings.Contains(stderr, "--plot: ") {
		t.Errorf("a picture that cannot be drawn: got code %d, %q, %q", code, stdout, stderr)
	}

	cmd := opencache(t, nil, "simulate", "--trace=-", "--sizes=4M", "--policies=lru,opencache", "--warmup=18", "-o", "json")
	cmd.Stdin = strings.NewReader(lines)
	out, err := cmd.Output()
	var report lab.Report
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	if err != nil || report.Counted != 2 || report.Bytes != 3000 || len(report.Results) != 2 || report.Results[1].Hits != 2 || report.Results[1].HitBytes != 3000 {
		t.Errorf("got %s, %v", out, err)
	}
}

// What is wrong in a trace is said with its file and line, and ends it with 1.
func TestSimulateFault(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(trace, []byte("0 a 1\n0 b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := run(t, nil, "simulate", "--trace", trace, "--sizes", "4M")
	if want := "opencache: simulate: trace " + trace + `:2: "0 b" in 2 columns: expected three, time key size, or a line of JSON` + "\n"; code != 1 || stdout != "" || stderr != want {
		t.Errorf("got code %d, %q, %q; want 1, %q", code, stdout, stderr, want)
	}
}

// A trace without a request is a fault, and no table of zeros.
func TestSimulateNothing(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":         ": empty: expected requests, a line each",
		"# none\n": ": empty: expected requests, a line each",
		`{"request_method":"POST","request_uri":"/","body_bytes_sent":1}` + "\n": ": no request to play: all 1 lines were skipped",
	} {
		trace := filepath.Join(dir, "trace")
		if err := os.WriteFile(trace, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(t, nil, "simulate", "--trace", trace, "--sizes", "4M")
		if want := "opencache: simulate: --trace " + trace + want + "\n"; code != 1 || stdout != "" || stderr != want {
			t.Errorf("trace %q: got code %d, %q, %q; want 1, %q", text, code, stdout, stderr, want)
		}
	}
}

func TestBar(t *testing.T) {
	for want, got := range map[string]string{
		"[####################....................]  50 %  7 requests": barLine(0.5, "7 requests"),
		"[########################################] 100 %  9 requests": barLine(1.2, "9 requests"),
		"8 requests": barLine(-1, "8 requests"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
