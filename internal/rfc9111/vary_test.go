package rfc9111

import (
	"slices"
	"strings"
	"testing"
)

func values(s ...string) (v [][]byte) {
	for _, x := range s {
		v = append(v, []byte(x))
	}
	return v
}

func TestVaryNames(t *testing.T) {
	tests := []struct {
		values [][]byte
		want   string
		any    bool
	}{
		{nil, "", false},
		{values(""), "", false},
		{values("Accept-Encoding"), "accept-encoding", false},
		{values("b, A ,,\tb", "C"), "a,b,c", false},
		{values("*"), "", true},
		{values("a, *"), "", true},
		{values("a", "*"), "", true},
		{values("*a"), "*a", false}, // a token: "*" is one only alone
		{values("a b"), "", true},
		{values("a;q=1"), "", true},
		{values("\"a\""), "", true},
		{values("a:"), "", true},
	}
	for _, tt := range tests {
		names, any := VaryNames(tt.values)
		if got := strings.Join(names, ","); got != tt.want || any != tt.any {
			t.Errorf("9111 4.1: %q: got %q, %v, want %q, %v", tt.values, got, any, tt.want, tt.any)
		}
	}
}

func TestVaryWithin(t *testing.T) {
	tests := []struct {
		values, of [][]byte
		want       bool
	}{
		{nil, nil, true},
		{values("a"), values("A"), true},
		{values("a"), values("b, a"), true},
		{values("b", "a"), values("a,b,c"), true},
		{values("a"), nil, false},
		{values("a, b"), values("a"), false},
		{values("*"), values("a"), false},
		{values("a"), values("*"), true}, // which matches nothing
		{values("a b"), values("a, b"), false},
		{values(""), values("a"), true},
	}
	for _, tt := range tests {
		if got := VaryWithin(tt.values, tt.of); got != tt.want {
			t.Errorf("9111 4.1: %q within %q: got %v, want %v", tt.values, tt.of, got, tt.want)
		}
	}
}

// TestVariedMatch: which values of a field match (RFC 9111, 4.1).
func TestVariedMatch(t *testing.T) {
	const ae, al = "accept-encoding", "accept-language"
	tests := []struct {
		section, name string
		a, b          [][]byte
		want          bool
	}{
		{"absent", "x", nil, nil, true},
		{"absent is not empty", "x", nil, values(""), false},
		{"absent is not empty", ae, nil, values(""), false},
		{"equal", "x", values("a"), values("a"), true},
		{"case matters", "x", values("a"), values("A"), false},
		{"OWS at the ends", "x", values("a"), values(" a\t"), true},
		{"lines are joined", "x", values("a", "b"), values("a, b"), true},
		{"whitespace inside may matter", "x", values("a,b"), values("a, b"), false},
		{"order may matter", "accept", values("a, b"), values("b, a"), false},
		{"case of a type", "accept", values("Text/HTML"), values("text/html"), true},
		{"whitespace", "accept", values("text/html,*/*;q=0.8"), values(" text/html , */* ; q=0.80"), true},
		{"lines", "accept", values("a/b", "c/d"), values("a/b,c/d"), true},
		{"q=1 is not left out", "accept", values("a/b;q=1"), values("a/b"), false},
		{"weights", "accept", values("a/b;q=0.5"), values("a/b;q=0.51"), false},
		{"weight of another", "accept", values("a/b;q=0.5,c/d"), values("a/b,c/d;q=0.5"), false},
		{"not a weight", "accept", values("a/b;q=5"), values("a/b;q=0.005"), false},
		{"case of a parameter", "accept", values("a/b;Level=1"), values("a/b;level=1"), true},
		{"case of its value", "accept", values("a/b;level=A"), values("a/b;level=a"), false},
		{"quoted value", "accept", values(`a/b;x="c,d"`), values(`a/b; X="c,d"`), true},
		{"quoted value", "accept", values(`a/b;x="c, d"`), values(`a/b;x="c,d"`), false},
		{"quoted value", "accept", values(`a/b;x="c"`), values(`a/b;x=c`), false},
		{"empty parameters", "accept", values("a/b;;q=0.5;"), values("a/b;q=0.5"), true},
		{"extension", "accept", values("a/b;q=0.5;x"), values("a/b;q=0.5"), false},
		{"no media range", "accept", values("text"), values("TEXT"), false},
		{"no media range", "accept", values("a/b c/d"), values("a/b, c/d"), false},
		{"not to its end", "accept", values(`a/b;x="c`), values(`A/b;x="c`), false},
		{"order may matter", al, values("de, en"), values("en, de"), false},
		{"order of weights", al, values("de;q=0.5, en"), values("en, de;q=0.5"), false},
		{"case", al, values("de-AT, en"), values("DE-at, eN"), true},
		{"whitespace", al, values("de, en"), values(" de ,   en"), true},
		{"how a weight is spelt", al, values("de, *;q=0.5"), values("de,*; q=0.500"), true},
		{"weights", al, values("de, en;q=0.5"), values("de, en"), false},
		{"no range", al, values("de en"), values("de,en"), false},
		{"case", ae, values("GZIP"), values("gzip"), true},
		{"order", ae, values("gzip, br"), values("br,gzip"), true},
		{"lines", ae, values("gzip", "br"), values("br,gzip"), true},
		{"empty members", ae, values(",gzip,,"), values("gzip"), true},
		{"q=1 is the default", ae, values("gzip;q=1"), values("gzip"), true},
		{"q=1 is the default", ae, values("gzip ; Q=1.000"), values("gzip"), true},
		{"how a weight is spelt", ae, values("gzip;q=0.5"), values("gzip;q=0.500"), true},
		{"how a weight is spelt", ae, values("gzip;q=0."), values("gzip;q=0"), true},
		{"weights", ae, values("gzip;q=0.5"), values("gzip;q=0.501"), false},
		{"weights", ae, values("gzip;q=0"), values("gzip"), false},
		{"weights", ae, values("gzip;q=0, br"), values("br"), false},
		{"weight of another", ae, values("gzip;q=0.5, br"), values("gzip, br;q=0.5"), false},
		{"not a weight", ae, values("gzip;q=1.001"), values("gzip"), false},
		{"not a weight", ae, values("gzip;q=2"), values("gzip"), false},
		{"not a weight", ae, values("gzip;q=0.5555"), values("gzip;q=0.555"), false},
		{"not a weight", ae, values("gzip;x=1"), values("gzip"), false},
		{"no coding", ae, values("gzip br"), values("gzip, br"), false},
		{"twice", ae, values("gzip, gzip"), values("gzip"), false},
		{"twice, order", ae, values("a;q=0.2, a;q=0.1"), values("a;q=0.1, a;q=0.2"), true},
		{"a name within another, order", ae, values("ab, a"), values("a, ab"), true},
		{"empty is the same in all forms", ae, values(""), values(" ,"), true},
		{"another coding", ae, values("gzip"), values("br"), false},
		{"a longer name", ae, values("gzip"), values("gzip2"), false},
	}
	for _, tt := range tests {
		a, b := AppendVaried(nil, tt.name, tt.a), AppendVaried(nil, []byte(tt.name), tt.b)
		if got := slices.Equal(a, b); got != tt.want {
			t.Errorf("9111 4.1: %s: %s: %q and %q: got %v, want %v", tt.section, tt.name, tt.a, tt.b, got, tt.want)
		}
	}
	many := strings.Repeat("a,", 20)
	if slices.Equal(AppendVaried(nil, ae, values(many)), AppendVaried(nil, ae, values(many+"a"))) {
		t.Errorf("%q: matches with one member more", many)
	}
}

// TestVariedInjective: fields one after another cannot be taken for others.
func TestVariedInjective(t *testing.T) {
	names := []string{"a", "ab", "accept-encoding", "accept-language", "accept"}
	fields := [][][]byte{nil, values(""), values("a"), values("b"), values("gzip"), values("\x01\x00"), values("a", "b"), values("gzip, br"), values("a/b"), values("a/b;q=0.001, c/d")}
	seen := map[string]string{}
	for _, n1 := range names {
		for _, v1 := range fields {
			for _, n2 := range names {
				for _, v2 := range fields {
					key := string(AppendVaried(AppendVaried(nil, n1, v1), n2, v2))
					what := strings.Join([]string{n1, str(v1), n2, str(v2)}, "|")
					if was, ok := seen[key]; ok {
						t.Fatalf("%q and %q have the same key", was, what)
					}
					seen[key] = what
				}
			}
		}
	}
}

func str(v [][]byte) string {
	if v == nil {
		return "absent"
	}
	return string(slices.Concat(v...)) + "!" + strings.Repeat("+", len(v))
}
