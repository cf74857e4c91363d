package store

import (
	"errors"
	"strings"
	"testing"
)

func TestPatternFaults(t *testing.T) {
	for _, tt := range []struct {
		expr string
		at   int // -1: a fault without a place
		want string
	}{
		{"a(b", 3, "missing closing )"},
		{"ab)c", 4, "unexpected )"},
		{"a[b", 1, "missing closing ]"},
		{"a*b(*c)", 4, "missing argument to repetition operator"},
		{`\d\y`, 2, "invalid escape sequence"},
		{"a{2}b{3,2}", 5, "invalid repeat count"},
		{"x(?<n", 1, "invalid named capture"},
		{"a\xff", 1, "invalid UTF-8"},
		{"", -1, "empty"},
		{strings.Repeat("a", PatternMax+1), -1, "at most 1024"},
		{"(a{33}){30}", -1, "steps"},
	} {
		_, err := NewPattern(tt.expr, 0)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.20q: got %v, want %q", tt.expr, err, tt.want)
			continue
		}
		var fault *PatternError
		if got := errors.As(err, &fault); got != (tt.at >= 0) || got && fault.At != tt.at {
			t.Errorf("%.20q: got %v, want position %d", tt.expr, err, tt.at)
		}
	}
	if _, err := NewPattern("a", 256); err == nil {
		t.Error("slash number 256: got no error")
	}
}

func TestPatternSees(t *testing.T) {
	for _, tt := range []struct {
		expr  string
		slash int
		key   string
		want  bool
	}{
		{"^/img/", 3, "http://a/img/x", true},
		{"^/img/", 3, "http://img/x", false},
		{"a", 3, "http://a/b", false},
		{"a", 0, "http://a/b", true},
		{"^/x$", 4, "http://a/base/x", true},
		{`\?.*\bq=1`, 3, "http://a/b?q=1", true},
		{"gzip", 3, "http://a/b\x00gzip", false},
		{"b$", 3, "http://a/b\x00gzip", true},
		{"a", 3, "a", true},
	} {
		p, err := NewPattern(tt.expr, tt.slash)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.hits([]byte(tt.key)); got != tt.want {
			t.Errorf("%q from slash %d on %q: got %v, want %v", tt.expr, tt.slash, tt.key, got, tt.want)
		}
		if again := parsePattern(p.text); again == nil || again.hits([]byte(tt.key)) != tt.want {
			t.Errorf("%q from slash %d: remembered as %q it is another", tt.expr, tt.slash, p.text)
		}
	}
}

// FuzzPattern: whatever an operator sends, it is refused or can be matched and
// remembered, and a fault is within the expression.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"^/a", "(", "a{1000}", `\pN+?`, "(?i)x|y", "[^/]*$", "((a*)*)*"} {
		f.Add(seed, 3)
	}
	f.Fuzz(func(t *testing.T, expr string, slash int) {
		p, err := NewPattern(expr, slash)
		var fault *PatternError
		if errors.As(err, &fault) && (fault.At < 0 || fault.At > len(expr)) {
			t.Fatalf("%q: the fault is at %d", expr, fault.At)
		}
		if err != nil {
			return
		}
		key := []byte("http://a/b/c?d\x00e")
		again := parsePattern(p.text)
		if again == nil || p.hits(key) != again.hits(key) {
			t.Fatalf("%q: remembered as %q it is another", expr, p.text)
		}
	})
}
