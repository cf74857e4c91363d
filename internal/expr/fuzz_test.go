package expr_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"opencache/internal/expr"
)

// checkFault makes sure that an error says what and where.
func checkFault(t *testing.T, source string, err error) {
	t.Helper()
	var fault *expr.Error
	if !errors.As(err, &fault) || fault.Source != source || fault.At < 0 || fault.At > len(source) || fault.Why == "" {
		t.Errorf("%q: got error %v (%+v)", source, err, fault)
	}
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{"", "a$host-${uri}$$", "$1$2", "$arg_a$cookie_b$http_c_d", "${", "$", "${cookie_a-b}", "$hots", "$request_id", "\xff$uri", "$cookie_", "a\nb", "$http_a$uri"} {
		f.Add(s, uint8(0x1f))
	}
	f.Fuzz(func(t *testing.T, s string, in uint8) {
		place := expr.Place(1) << (in % 6)
		text, err := expr.ParseText(s, place)
		if err != nil {
			checkFault(t, s, err)
			return
		}
		got := text.Append(nil, example)
		if value, ok := text.Constant(); ok && value != string(got) {
			t.Errorf("%q: got constant %q, evaluated %q", s, value, got)
		}
		if !strings.Contains(s, "$") && string(got) != s {
			t.Errorf("%q: got %q", s, got)
		}
		hostile := *example
		hostile.path, hostile.fields = "/%0d%0aSet-Cookie:x%00%7f", map[string]string{"a": "\r\nb"}
		if got := text.Append(nil, &hostile); place&(expr.InUpstream|expr.InResponse|expr.InRedirect) != 0 && bytes.ContainsAny(got, "\r\n\x00\x7f") {
			t.Errorf("%q: got a control character in %q", s, got)
		}
		for _, v := range text.Vars() {
			if v.ID == 0 || v.InKey != (place == expr.InKey || place == expr.InRedirect && v.ID == expr.URI) {
				t.Errorf("%q: got %+v", s, v)
			}
		}
	})
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{
		"", "$arg_a", "$a $b", "!$arg_a", "$arg_a = 1 && $uri ~* \\.css$", "($arg_a || '') && !($host != 'x')", "$uri ~ ^/[]a)]/(x|y)$", "-f x", "!!(!$host)",
		"\"$host\" = 'y'", "$uri !~* (?=x)", "$arg_a = 1 $arg_b", "((((", "$arg_a &&", "0", "$host ~ \"a b\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := expr.ParseCondition(s)
		if err != nil {
			checkFault(t, s, err)
			return
		}
		var scratch expr.Scratch
		got := c.True(example, &scratch)
		if value, ok := c.Constant(); ok && value != got {
			t.Errorf("%q: got constant %t, evaluated %t", s, value, got)
		}
		if strings.HasSuffix(s, "\\") || len(s) > 4000 || strings.Count(s, "(")+strings.Count(s, "!") > 20 {
			return
		}
		not, err := expr.ParseCondition("!( " + s + " )")
		if err != nil {
			t.Fatalf("%q: negated: %v", s, err)
		}
		if not.True(example, &scratch) == got {
			t.Errorf("%q: got %t, and so negated", s, got)
		}
	})
}

func FuzzPattern(f *testing.F) {
	for i, p := range patterns {
		f.Add(strings.TrimPrefix(p, "~"), i%2 == 0, []byte(subjects[i%len(subjects)]))
	}
	for _, p := range []string{`(?=a)`, `a++`, `\1`, `(?i)ks`, `(?i:K)|[ks]`, `(?m)^a$`, `(?U)^a.*b`, `^(?i:/k).*S$`, `\Qa.b\E$`} {
		f.Add(p, false, []byte("/ks"))
	}
	f.Fuzz(func(t *testing.T, s string, fold bool, b []byte) {
		p, err := expr.ParsePattern(s, fold)
		if err != nil {
			checkFault(t, s, err)
			return
		}
		// The text itself is more like what it matches than what is made up.
		for _, b := range [][]byte{b, []byte(s), slices.Concat([]byte(p.LiteralPrefix()), b), slices.Concat(b, bytes.Trim([]byte(s), "^$\\"))} {
			got, want := p.Match(b), p.Slow(b)
			if got != want {
				t.Errorf("%q, fold %t, of %q: got %t, regexp says %t", s, fold, b, got, want)
			}
			if want && !bytes.HasPrefix(b, []byte(p.LiteralPrefix())) {
				t.Errorf("%q, fold %t, matches %q, which does not begin with %q", s, fold, b, p.LiteralPrefix())
			}
		}
	})
}

// kept is what a normalizer must keep of a query, made the long way.
func kept(o expr.Normalize, query string) (params []string) {
	decoded := func(s string) string {
		out := ""
		for i := 0; i < len(s); i++ {
			const hex = "0123456789abcdef"
			switch {
			case s[i] == '+':
				out += " "
			case s[i] == '%' && i+2 < len(s) && strings.Contains(hex, strings.ToLower(s[i+1:i+2])) && strings.Contains(hex, strings.ToLower(s[i+2:i+3])):
				out += string([]byte{byte(strings.Index(hex, strings.ToLower(s[i+1:i+2]))<<4 | strings.Index(hex, strings.ToLower(s[i+2:i+3])))})
				i += 2
			default:
				out += s[i : i+1]
			}
		}
		return out
	}
	for p := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(p, "=")
		name = decoded(name)
		if slices.ContainsFunc(o.Drop, func(d string) bool { return len(d) == len(name) && strings.EqualFold(d, name) }) {
			continue
		}
		if o.DropRegex != "" && strings.HasPrefix(name, strings.TrimPrefix(o.DropRegex, "^")) {
			continue
		}
		params = append(params, p)
	}
	byName := func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	}
	switch o.Sort {
	case expr.ByName:
		slices.SortStableFunc(params, byName)
	case expr.ByValue:
		slices.SortFunc(params, func(a, b string) int {
			if c := byName(a, b); c != 0 {
				return c
			}
			_, av, _ := strings.Cut(a, "=")
			_, bv, _ := strings.Cut(b, "=")
			if c := strings.Compare(av, bv); c != 0 {
				return c
			}
			return strings.Compare(a, b)
		})
	}
	return params
}

// FuzzNormalize: what is kept can be read from what comes out, so two queries
// come to the same only if they have the same parameters that count; but no
// parameter is as good as an empty one.
func FuzzNormalize(f *testing.F) {
	for i, q := range []string{
		"", "&", "a", "a=", "=", "a=1&b=2", "b=2&a=1", "a=2&a=1&a", "utm=1&UTM=2&u%74m=3&u%7", "x_1=1&a&x_", "a;b&a%3bb&a+b&a%20b&a%26b", "&&a", "a==&a=%3D", "%", "%zz=1&%41=2",
	} {
		f.Add(q, uint8(i))
	}
	f.Fuzz(func(t *testing.T, query string, how uint8) {
		o := expr.Normalize{Sort: expr.Sort(how % 3)}
		if how&4 != 0 {
			o.Drop = []string{"utm", "A b"}
		}
		if how&8 != 0 {
			o.DropRegex = "^x_"
		}
		n, err := expr.NewNormalizer(o)
		if err != nil {
			t.Fatal(err)
		}
		var s expr.Scratch
		got := string(n.Append(nil, []byte(query), &s))
		want := strings.Join(kept(o, query), "&")
		if strings.Count(query, "&") >= 256 {
			want = query
		}
		if got != want {
			t.Errorf("%+v %q: got %q, want %q", o, query, got, want)
		}
		if again := string(n.Append(nil, []byte(got), &s)); again != got {
			t.Errorf("%+v %q: got %q, and of that %q", o, query, got, again)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, p := range []string{"/", "/a/b", "/a//b/../c/./", "/%2e%2e/a%2f..%2fb", "/..", "/a/..", "//", "/%", "/%zz%4", "/%61%00%ff", "%7%30", "/%7%30", "*", "", "/a/.../..b/.c"} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		got := expr.AppendPath([]byte("x"), path)[1:]
		if len(path) > 0 && path[0] == '/' {
			segments := strings.Split(string(got), "/")
			if segments[0] != "" || len(segments) < 2 || slices.Contains(segments, "..") || slices.Contains(segments, ".") || bytes.Contains(got, []byte("//")) {
				t.Errorf("%q: got %q", path, got)
			}
			if want := slowPath(path); string(got) != want {
				t.Errorf("%q: got %q, want %q", path, got, want)
			}
		}
		if !validTriplets(path) { // no request has such a path: wire refuses it
			return
		}
		// The key's form means the same, and says so again.
		key := expr.AppendKeyPath(nil, path)
		if again := expr.AppendKeyPath(nil, key); !bytes.Equal(again, key) && !bytes.Contains(path, []byte("%25")) {
			t.Errorf("%q: got %q, and of that %q", path, key, again)
		}
		if len(path) > 0 && path[0] == '/' && !slices.Equal(expr.AppendPath(nil, key), got) {
			t.Errorf("%q: decoded %q, but by way of the key's %q", path, got, expr.AppendPath(nil, key))
		}
	})
}

func validTriplets(path []byte) bool {
	for i, b := range path {
		if b == '%' && (i+2 >= len(path) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(path[i+1])) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(path[i+2]))) {
			return false
		}
	}
	return true
}

// slowPath is AppendPath by way of a list of segments.
func slowPath(path []byte) string {
	var decoded []byte
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && validTriplets(path[i:min(i+3, len(path))]) {
			var b byte
			for _, c := range bytes.ToLower(path[i+1 : i+3]) {
				b = b<<4 | byte(strings.IndexByte("0123456789abcdef", c))
			}
			decoded = append(decoded, b)
			i += 2
			continue
		}
		decoded = append(decoded, path[i])
	}
	var out []string
	segments := strings.Split(string(decoded[1:]), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case "..":
			out = out[:max(len(out)-1, 0)]
		case ".", "":
		default:
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}
