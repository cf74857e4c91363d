package expr_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"opencache/internal/expr"
)

// patterns are those of documents, and what is near to them. Those that begin
// with a tilde are to be matched by regexp itself.
var patterns = []string{
	`^/static/`, `\.css$`, `\.(css|js|png|jpe?g|woff2?)$`, `^/(static|img)/.*\.(css|js)$`, `^/static/.*\.css$`, `^/a/.+`, `^/a/.*$`,
	`^/exact$`, `^$`, ``, `^`, `$`, `bot|crawl|spider`, `bot`, `.*bot.*`, `^.*\.css$`, `(?s)^/a.*b$`, `(?s)^.+$`, `^/a|\.css$`, `^(/a|/b|/)$`, `^/a.*b`, `^/[ab]/[0-9]x`,
	`^é/ü$`, `é|ü`, `^/k[a-f]?s\.js$`, `^/(?:x)?/y`, "a\nb", "^a\nb$", `\.(?:KS|ks)$`, `^/(?P<name>a|b)$`, `^/(|a)b$`,
	`~^/a/[^/]+$`, `~a.*b`, `~^/a\d+`, `~\bx\b`, `~^(/a|$)`, `~a+`, `~^/a.+b.*$`, `~[Aa]b`, `~^/a.*b.*c`, "~^a\n.*b", `~.+x`, `~\x{FFFD}`, `~^a.{3}b$`,
}

// subjects are what patterns are tried on.
var subjects = []string{
	"", "/", "/a", "/a/", "/a/b", "/a/b.css", "/static/x.css", "/static/x.css\n", "/static/\n.css", "/static/.css", "/static.css", "/STATIC/X.CSS", "/img/a.js", "/img/a.jsx",
	"/exact", "/exact/", "a bot b", "A BoT b", "crawl", "spide", "/k\u017f.js", "/\u212as.js", "/KS.js", "/ks.js", "/kas.js", "x.\u212a\u017f", "x.kS", "é/ü", "\xc3\xc3\xa9", "\xc3", "\xa9/a", "é", "É", "\xff", "\ufffd",
	"a\nb", "/a\nb", "/axb", "/ab", "/a\xc3b", "/a/é", "/a/\xe9.css", "b", "/b", "//y", "/x/y", "/a/1x", "/b/9x", "Ab", "ab", "aB", "\n", "x\n", "a\x00b",
}

// TestPatternShapes: what has a shape answers as regexp does, and is one.
func TestPatternShapes(t *testing.T) {
	for _, text := range patterns {
		want := true
		if text != "" && text[0] == '~' {
			want, text = false, text[1:]
		}
		for _, fold := range []bool{false, true} {
			p, err := expr.ParsePattern(text, fold)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if !fold && p.Quick() != want {
				t.Errorf("%s: got quick %t, want %t", text, p.Quick(), want)
			}
			for _, s := range subjects {
				if got, want := p.Match([]byte(s)), p.Slow([]byte(s)); got != want {
					t.Errorf("%s, fold %t, of %q: got %t, regexp says %t", text, fold, s, got, want)
				}
			}
		}
	}
}

func TestLiteralPrefix(t *testing.T) {
	for _, c := range []struct {
		text string
		fold bool
		want string
	}{
		{`^/static/.*\.css$`, false, "/static/"}, {`^/static/`, false, "/static/"}, {`^/static`, true, ""}, {`/static/`, false, ""},
		{`^/a(b|bc)d`, false, "/ab"}, {`^/(static|style)/`, false, "/st"}, {`^/a|^/ab`, false, "/a"}, {`^/a|/b`, false, ""}, {`^/ab?`, false, "/a"},
		{`(^/x/)y.`, false, "/x/y"}, {`^/x\.y/[0-9]+`, false, "/x.y/"}, {`^a\x{FFFD}b`, false, "a"}, {`^`, false, ""}, {``, false, ""}, {`^/x+`, false, "/"},
	} {
		p, err := expr.ParsePattern(c.text, c.fold)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if got := p.LiteralPrefix(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestPatternFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`^/a(?=b)`, `at position 4: "(?=": lookahead can not be matched in linear time`},
		{`^/(?!admin)`, `at position 3: "(?!": negative lookahead can not be matched in linear time: use !~ in a condition, or a rule of higher priority`},
		{`a(?<=b)`, `at position 2: "(?<=": lookbehind can not be matched in linear time`},
		{`a(?<!b)c`, `at position 2: "(?<!": negative lookbehind can not be matched in linear time`},
		{`(a)\1`, `at position 4: "\\1": backreferences can not be matched in linear time`},
		{`a\k<x>`, `at position 2: "\\k": backreferences can not be matched in linear time`},
		{`^/a++b`, `at position 4: "++": possessive repetition is of no use here: nothing is tried twice; leave the + out`},
		{`x(?>a)`, `at position 2: "(?>": atomic groups are of no use here: nothing is tried twice; use (?:`},
		{`(?<=x)`, `at position 1: "(?<=": lookbehind can not be matched in linear time`},
		{`\1`, `at position 1: "\\1": backreferences can not be matched in linear time`},
		{`a++`, `at position 2: "++": possessive repetition is of no use here: nothing is tried twice; leave the + out`},
		{`(?P=x)`, `at position 1: "(?P": invalid or unsupported Perl syntax`},
		{`(?<na-me>x)`, `at position 1: "(?<na-me>": invalid named capture`},
		{`a(b`, `at position 4: "a(b": missing closing )`},
		{`a)b`, `at position 2: ")b": unexpected )`},
		{`[`, `at position 1: "[": missing closing ]`},
		{`a[b`, `at position 2: "[b": missing closing ]`},
		{`*a`, `at position 1: "*": missing argument to repetition operator`},
		{`a{1001}`, `at position 2: "{1001}": invalid repeat count`},
		{`((a{30}){30}){30}`, `at position 14: "{30}": invalid repeat count`},
		{`(a{30}){30}(b{100}){9}(c{200}){5}(d{500}){2}[xyz]{999}`, `at position 1: "(a{30}){30}(b{100}){": it comes to 4893 steps: expected at most 4096`},
		{"a\xff", `at position 2: "\xff": invalid UTF-8`},
	} {
		_, err := expr.ParsePattern(c.text, false)
		var fault *expr.Error
		if !errors.As(err, &fault) || fault.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.text, err, c.want)
		}
	}
	p, err := expr.ParsePattern(`^/old/(.*)\.(php)$`, true)
	if err != nil {
		t.Fatal(err)
	}
	if at := p.Submatch([]byte("/OLD/x.PHP")); p.Groups() != 2 || len(at) != 6 || at[2] != 5 || at[3] != 6 {
		t.Errorf("got %d groups at %v", p.Groups(), at)
	}
}

// TestPatternsRandom is TestPatternShapes for patterns that are put together
// from what shapes are made of.
func TestPatternsRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 5))
	atoms := []string{
		"a", "b", "k", "S", "/", `\.`, "é", ".", ".*", ".+", ".*?", "(?s:.*)", "(?s:.+)", "^", "$", `\A`, `\z`, "(a|b)", "(a|ab|)", "[ab]", "[kK]", "[^a]", "(?i:k)", "(?i:s|ab)", "a?", "(?:ab)?",
		"(css|js|jsx)", "|", "|^", "a{2}", "a+", "(", ")", "\n", `\x{FFFD}`, `\b`,
	}
	bytesOf := []string{"a", "b", "k", "K", "s", "S", "/", ".", "é", "É", "\n", "\xc3", "\xa9", "\u212a", "\u017f", "css", "js", "ab", "\ufffd", "\x00"}
	pick := func(from []string, n int) (s string) {
		for range n {
			s += from[random.IntN(len(from))]
		}
		return s
	}
	quick := 0
	for range 20000 {
		text, fold := pick(atoms, 1+random.IntN(5)), random.IntN(3) == 0
		if random.IntN(2) == 0 {
			text = "^" + text
		}
		if random.IntN(3) == 0 {
			text += "$"
		}
		p, err := expr.ParsePattern(text, fold)
		if err != nil {
			continue
		}
		if p.Quick() {
			quick++
		}
		for range 6 {
			s := []byte(pick(bytesOf, random.IntN(6)))
			got, want := p.Match(s), p.Slow(s)
			if got != want {
				t.Fatalf("%q, fold %t, of %q: got %t, regexp says %t", text, fold, s, got, want)
			}
			if want && !bytes.HasPrefix(s, []byte(p.LiteralPrefix())) {
				t.Fatalf("%q, fold %t, matches %q, which does not begin with %q", text, fold, s, p.LiteralPrefix())
			}
		}
	}
	if quick < 5000 {
		t.Errorf("got %d shapes: expected the test to try some", quick)
	}
}
