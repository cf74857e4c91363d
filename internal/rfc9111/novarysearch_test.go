package rfc9111

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// told writes a configuration as a test reads it.
func told(config []byte) string {
	if config == nil {
		return "default"
	}
	b := &strings.Builder{}
	b.WriteString(map[bool]string{true: "except", false: "params"}[config[0]&searchExcept != 0])
	for rest := config[1:]; len(rest) > 0; rest = rest[1+rest[0]:] { // keys of up to 127 bytes here
		fmt.Fprintf(b, " %q", rest[1:1+rest[0]])
	}
	if config[0]&searchAnyOrder != 0 {
		b.WriteString(", any order")
	}
	return b.String()
}

func TestNoVarySearch(t *testing.T) {
	for _, tt := range []struct{ field, want string }{
		// Introduction
		{`key-order`, `params, any order`},
		{`params=("utm_source" "utm_medium" "utm_campaign")`, `params "utm_campaign" "utm_medium" "utm_source"`},
		{`except=("productId")`, `except "productId"`},
		// Obtain a URL variation config, Examples
		{`params=("a")`, `params "a"`},
		{`except=("x")`, `except "x"`},
		{`params=()`, `default`},
		{`except=()`, `except`},
		{`key-order="not a boolean"`, `default`},
		{`params="not an inner list"`, `default`},
		{`params=(not-a-string)`, `default`},
		{`params=?0`, `default`},
		{`params=?1`, `default`},
		{`params=?1, except=("x")`, `default`},
		{`params=("a"), except=("x")`, `default`},
		{`params=(), except=()`, `default`},
		{`except="not an inner list"`, `default`},
		{`except=(not-a-string)`, `default`},
		{`except=?1`, `default`},
		{`key-order=?1`, `params, any order`},
		{`except=("x"), key-order`, `except "x", any order`},
		{`key-order, except=("x")`, `except "x", any order`},
		{`key-order=?0`, `default`},
		// Parse a key
		{`params=("%C3%A9+%E6%B0%97")`, `params "é 気"`},
		// and more
		{``, `default`},
		{`key-order, params`, `default`},
		{`key-order;x=1, params=("a");y`, `params "a", any order`},
		{`params=("a";z "b")`, `params "a" "b"`},
		{`params=("b" "a" "b" "%61")`, `params "a" "b"`},
		{`params=("a"), later="x"`, `params "a"`},
		{`params=("a"), params=("b")`, `params "b"`}, // RFC 9651, 4.2.2: the last counts
		{`params=("a"`, `default`},
		{`Params=("a")`, `default`},
		{`params=("a" 1)`, `default`},
		{`params=(""), key-order=?0`, `params ""`},
	} {
		if got := told(NoVarySearch([][]byte{[]byte(tt.field)})); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.field, got, tt.want)
		}
	}
	if got := told(NoVarySearch([][]byte{[]byte("key-order"), []byte(`params=("a")`)})); got != `params "a", any order` {
		t.Errorf("two lines: got %s", got)
	}
	if NoVarySearch(nil) != nil {
		t.Error("no lines: got a configuration")
	}
}

func TestSearch(t *testing.T) {
	for _, tt := range []struct {
		field, a, b string
		want        bool
	}{
		// Comparing, Examples: given any value but the default
		{`key-order`, "", "", true},
		{`key-order`, "a=x", "%61=%78", true},
		{`key-order`, "a=\u00e9", "a=%C3%A9", true},
		{`key-order`, "a=%f6", "a=%ef%bf%bd", true},
		{`key-order`, "a=x&&&&", "a=x", true},
		{`key-order`, "a=", "a", true},
		{`key-order`, "a=%20", "a= &", true},
		{`key-order`, "a=+", "a= &", true},
		// Parse a key, Examples
		{`params=("%C3%A9+%E6%B0%97")`, "\u00e9 \u6c17=1", "\u00e9+\u6c17=2", true},
		{`params=("%C3%A9+%E6%B0%97")`, "%C3%A9%20\u6c17=3", "%C3%A9+%E6%B0%97=4", true},
		{`params=("%C3%A9+%E6%B0%97")`, "%C3%A9+%E6%B0%97=4", "", true},
		// order
		{`key-order`, "a=1&b=2", "b=2&a=1", true},
		{`key-order`, "a=1&a=2", "a=2&a=1", false},
		{`key-order`, "a=1&b=3&a=2", "a=1&a=2&b=3", true},
		{`params=("c")`, "a=1&b=2", "b=2&a=1", false},
		{`params=("c"), key-order`, "a=1&b=2&c", "c=3&b=2&a=1", true},
		// params and except
		{`params=("utm")`, "a=1&utm=x", "utm=y&utm=z&a=1", true},
		{`params=("utm")`, "a=1&Utm=x", "a=1", false},
		{`params=("utm")`, "a=1&u%74m=x", "a=1", true},
		{`except=("id")`, "id=1&x=2", "y=3&id=1", true},
		{`except=("id")`, "id=1", "id=2", false},
		{`except=("id")`, "id=1", "", false},
		{`except=()`, "a=1", "b=2&c", true},
		{`params=("")`, "=1", "", true},
		// what must stay apart
		{`key-order`, "a=1", "a=1&b", false},
		{`key-order`, "ab=c", "a=bc", false},
		{`key-order`, "a=b=c", "a=b%3Dc", true},
		{`key-order`, "a=b%26c", "a=b&c", false},
		{`key-order`, "%zz", "zz", false},
		{`key-order`, "%", "%25", true},
		{`key-order`, "a=%f0%90", "a=%ef%bf%bd", true}, // one U+FFFD for what could have gone on
		{`key-order`, "a=%f0%f0", "a=%ef%bf%bd", false},
		{`key-order`, "a=%e0%80", "a=%ef%bf%bd%ef%bf%bd", true},
		{`key-order`, "a=%ef%bb%bfx", "a=x", false}, // without BOM: it stays
	} {
		config := NoVarySearch([][]byte{[]byte(tt.field)})
		if config == nil {
			t.Errorf("%s: got the default", tt.field)
			continue
		}
		if got := equivalent(t, config, tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %q and %q: got equivalent %v, want %v", tt.field, tt.a, tt.b, got, tt.want)
		}
	}
	var s Search
	if _, ok := s.Append(nil, []byte{searchAnyOrder}, []byte(strings.Repeat("a&", MaxSearchParams))); !ok {
		t.Errorf("%d parameters are too many", MaxSearchParams)
	}
	if _, ok := s.Append(nil, []byte{searchAnyOrder}, []byte(strings.Repeat("a&", MaxSearchParams+1))); ok {
		t.Errorf("%d parameters are not too many", MaxSearchParams+1)
	}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { s.Append(buf, []byte{searchAnyOrder}, []byte("c=%20+&b&a=1&&")) }); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func equivalent(t *testing.T, config []byte, a, b string) bool {
	t.Helper()
	var s Search
	one, ok := s.Append(nil, config, []byte(a))
	two, again := s.Append(nil, config, []byte(b))
	if !ok || !again {
		t.Fatalf("%q, %q: too many parameters", a, b)
	}
	return string(one) == string(two)
}

// FuzzSearch: equivalence agrees with the document's algorithm done step by
// step, and with itself.
func FuzzSearch(f *testing.F) {
	f.Add(`key-order, params=("a" "%62")`, "a=1&b=2&c", "c&b=3")
	f.Add(`except=("a")`, "a=%f6", "a=%ef%bf%bd")
	f.Add(`params=("x")`, "+=%2", "%20=%")
	f.Add(`key-order`, "a=%f0%90&=", "a=%e0%80")
	f.Fuzz(func(t *testing.T, field, a, b string) {
		config := NoVarySearch([][]byte{[]byte(field)})
		if config == nil || strings.Count(a, "&") >= MaxSearchParams || strings.Count(b, "&") >= MaxSearchParams {
			return
		}
		naive := naiveConfig(field)
		if got, want := equivalent(t, config, a, b), slices.Equal(naive.apply(a), naive.apply(b)); got != want {
			t.Errorf("%s: %q and %q: got equivalent %v, want %v", field, a, b, got, want)
		}
	})
}

// A naive is a URL variation config as the document has it.
type naive struct {
	keys             []string
	except, anyOrder bool
}

// naiveConfig reads a field that NoVarySearch took.
func naiveConfig(field string) (n naive) {
	d, _ := dictionary([][]byte{[]byte(field)})
	if m, ok := d.Get("key-order"); ok {
		n.anyOrder, _ = bareBoolean(m)
	}
	m, ok := d.Get("params")
	if !ok {
		m, n.except = d.Get("except")
	}
	if m != nil {
		keys, _ := innerStrings(m)
		for _, k := range keys {
			n.keys = append(n.keys, naiveDecode(k))
		}
	}
	return n
}

// apply returns the list that is compared, names and values in turn.
func (n naive) apply(query string) (list []string) {
	type pair struct{ name, value string }
	var pairs []pair
	for _, p := range strings.Split(query, "&") {
		if p == "" {
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		q := pair{naiveDecode(name), naiveDecode(value)}
		if slices.Contains(n.keys, q.name) == n.except {
			pairs = append(pairs, q)
		}
	}
	if n.anyOrder {
		slices.SortStableFunc(pairs, func(a, b pair) int {
			return slices.Compare(utf16.Encode([]rune(a.name)), utf16.Encode([]rune(b.name)))
		})
	}
	for _, p := range pairs {
		list = append(list, p.name, p.value)
	}
	return list
}

// naiveDecode decodes by net/url a triplet at a time, and by the table of the
// Unicode Standard, 3-7, which says what goes on.
func naiveDecode(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	var raw []byte
	for i := 0; i < len(s); {
		if i+3 <= len(s) {
			if u, err := url.PathUnescape(s[i : i+3]); err == nil && s[i] == '%' {
				raw = append(raw, u...)
				i += 3
				continue
			}
		}
		raw = append(raw, s[i])
		i++
	}
	in := func(at int, low, high byte) bool { return at < len(raw) && low <= raw[at] && raw[at] <= high }
	shapes := []struct{ bounds [][2]byte }{
		{[][2]byte{{0x00, 0x7f}}},
		{[][2]byte{{0xc2, 0xdf}, {0x80, 0xbf}}},
		{[][2]byte{{0xe0, 0xe0}, {0xa0, 0xbf}, {0x80, 0xbf}}},
		{[][2]byte{{0xe1, 0xec}, {0x80, 0xbf}, {0x80, 0xbf}}},
		{[][2]byte{{0xed, 0xed}, {0x80, 0x9f}, {0x80, 0xbf}}},
		{[][2]byte{{0xee, 0xef}, {0x80, 0xbf}, {0x80, 0xbf}}},
		{[][2]byte{{0xf0, 0xf0}, {0x90, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
		{[][2]byte{{0xf1, 0xf3}, {0x80, 0xbf}, {0x80, 0xbf}, {0x80, 0xbf}}},
		{[][2]byte{{0xf4, 0xf4}, {0x80, 0x8f}, {0x80, 0xbf}, {0x80, 0xbf}}},
	}
	var out strings.Builder
	for i := 0; i < len(raw); {
		longest, whole := 1, false
		for _, shape := range shapes {
			n := 0
			for n < len(shape.bounds) && in(i+n, shape.bounds[n][0], shape.bounds[n][1]) {
				n++
			}
			if longest = max(longest, n); n == len(shape.bounds) {
				whole = true
			}
		}
		if whole {
			out.Write(raw[i : i+longest])
		} else {
			out.WriteString("\uFFFD")
		}
		i += longest
	}
	return out.String()
}
