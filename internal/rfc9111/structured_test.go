package rfc9111

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
)

// TestDictionary checks the parser that is used against RFC 9651, 4.2.
func TestDictionary(t *testing.T) {
	const bad = "invalid"
	tests := []struct {
		lines []string
		want  string // key=value of each, sorted by first appearance
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"   "}, ""},
		{[]string{"\t"}, bad}, // only SP may lead
		{[]string{"max-age=60"}, "max-age=60"},
		{[]string{"  max-age=60  "}, "max-age=60"},
		{[]string{"max-age=60\t"}, "max-age=60"},
		{[]string{"a=1,b=2 ,\tc"}, "a=1 b=2 c=true"},
		{[]string{"a=1", "b=2"}, "a=1 b=2"},
		{[]string{"a=1", ""}, bad}, // joined, it ends in a comma
		{[]string{"", "a=1"}, bad},
		{[]string{"a=1,"}, bad},
		{[]string{",a=1"}, bad},
		{[]string{"a=1,,b=2"}, bad},
		{[]string{"a=1 b=2"}, bad},
		{[]string{"a =1"}, bad},
		{[]string{"a= 1"}, bad},
		{[]string{"a="}, bad},
		{[]string{"A=1"}, bad},
		{[]string{"max-Age=1"}, bad},
		{[]string{"1a=1"}, bad},
		{[]string{"a=1, a=2"}, "a=2"},
		{[]string{"a=1, b, a"}, "a=true b=true"},
		{[]string{"a=?0, b=?1, c=?2"}, bad},
		{[]string{"a=?0, b=?1"}, "a=false b=true"},
		{[]string{"a=1;x=y;z, b;p"}, "a=1 b=true"},
		{[]string{"a=1; x=1"}, "a=1"},
		{[]string{"a=1 ;x=1"}, bad},
		{[]string{"a=1;X=1"}, bad},
		{[]string{"a=999999999999999"}, "a=999999999999999"},
		{[]string{"a=1000000000000000"}, bad},
		{[]string{"a=000000000000001"}, "a=1"},
		{[]string{"a=-1"}, "a=-1"},
		{[]string{"a=-"}, bad},
		{[]string{"a=--1"}, bad},
		{[]string{"a=+1"}, bad},
		{[]string{"a=1.5"}, "a=1.5"},
		{[]string{"a=1."}, bad},
		{[]string{"a=1.2345"}, bad},
		{[]string{"a=1234567890123.1"}, bad},
		{[]string{`a="x,\"\\"`}, `a=x,"\`},
		{[]string{`a="x`}, bad},
		{[]string{`a="\x"`}, bad},
		{[]string{"a=\"\x7f\""}, bad},
		{[]string{"a=\"\u00e4\""}, bad},
		{[]string{`a="1`, `2"`}, "a=1, 2"}, // joined with a comma
		{[]string{"a='x'"}, bad},
		{[]string{"a=(1 2)"}, "a=(1 2)"},
		{[]string{"a=( 1  2 )"}, "a=(1 2)"},
		{[]string{"a=(1\t2)"}, bad},
		{[]string{"a=(1,2)"}, bad},
		{[]string{"a=(1"}, bad},
		{[]string{"a=()"}, "a=()"},
		{[]string{"a=@1, b=:aGk=:, c=%\"%c3%a4\", d=*t/x"}, "a=@1 b=:hi: c=\u00e4 d=*t/x"},
		{[]string{"a=%\"%C3%A4\""}, bad},
		{[]string{strings.Repeat(" ", maxStructured) + "a"}, bad},
	}
	for _, tt := range tests {
		d, ok := dictionary(asLines(tt.lines))
		got := bad
		if ok {
			var all []string
			for _, k := range d.Names() {
				m, _ := d.Get(k)
				all = append(all, k+"="+show(m))
			}
			got = strings.Join(all, " ")
		}
		if got != tt.want {
			t.Errorf("%.60q: got %q, want %q", tt.lines, got, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	const bad = "invalid"
	tests := []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{`"a", "b"`, `"c"`}, "a b c"},
		{[]string{`"a",`}, bad},
		{[]string{`"a"`, ""}, bad},
		{[]string{`a, "b";x=1, ("c" "d")`}, "a b (c d)"},
		{[]string{`"a" "b"`}, bad},
	}
	for _, tt := range tests {
		l, ok := list(asLines(tt.lines))
		got := bad
		if ok {
			var all []string
			for _, m := range l {
				all = append(all, show(m))
			}
			got = strings.Join(all, " ")
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.lines, got, tt.want)
		}
	}
}

// TestMembers checks that a member is taken only for what it is.
func TestMembers(t *testing.T) {
	tests := []struct{ value, want string }{
		{"5", "integer 5"}, {"-5;p", "integer -5"}, {"5.0", ""}, {`"5"`, "string 5"}, {"@5", ""},
		{"?1", "boolean true"}, {"?0", "boolean false"}, {"t", ""}, {`%"t"`, ""}, {":aGk=:", ""},
		{`("a" "b")`, "strings [a b]"}, {"()", "strings []"}, {`("a" b)`, ""}, {"(1)", ""},
	}
	for _, tt := range tests {
		d, ok := dictionary(asLines([]string{"k=" + tt.value}))
		if !ok {
			t.Errorf("%q: invalid", tt.value)
			continue
		}
		m, _ := d.Get("k")
		got := ""
		if n, ok := bareInteger(m); ok {
			got += fmt.Sprint("integer ", n)
		}
		if b, ok := bareBoolean(m); ok {
			got += fmt.Sprint("boolean ", b)
		}
		if s, ok := bareString(m); ok {
			got += "string " + s
		}
		if s, ok := innerStrings(m); ok {
			got += fmt.Sprint("strings ", s)
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.value, got, tt.want)
		}
	}
}

// FuzzStructured: whatever comes, parsing ends, and lines mean what their
// joined value means (RFC 9651, 4.2).
func FuzzStructured(f *testing.F) {
	for _, s := range []string{
		"max-age=60, no-cache", "a=1,\n,b", `a="x\"`, "a=(1 \"b\";c);d=?0", "a=@1, b=:aGk=:, c=%\"%c3\"", "\"g\", \"h\"\n\"i\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		lines := bytes.Split(value, []byte("\n"))
		joined := [][]byte{bytes.Join(lines, []byte(", "))}
		d, ok := dictionary(lines)
		if e, okJoined := dictionary(joined); ok != okJoined || ok && !sameNames(d, e) {
			t.Fatalf("%q: got %v, joined %v", value, ok, okJoined)
		}
		l, ok := list(lines)
		if m, okJoined := list(joined); ok != okJoined || len(l) != len(m) {
			t.Fatalf("%q: got %d members, joined %d", value, len(l), len(m))
		}
	})
}

func sameNames(d, e *httpsfv.Dictionary) bool {
	return strings.Join(d.Names(), ",") == strings.Join(e.Names(), ",")
}

func asLines(lines []string) (out [][]byte) {
	for _, line := range lines {
		out = append(out, []byte(line))
	}
	return out
}

func show(m httpsfv.Member) string {
	switch m := m.(type) {
	case httpsfv.InnerList:
		var all []string
		for _, item := range m.Items {
			all = append(all, show(item))
		}
		return "(" + strings.Join(all, " ") + ")"
	case httpsfv.Item:
		switch v := m.Value.(type) {
		case []byte:
			return ":" + string(v) + ":"
		case interface{ Unix() int64 }:
			return fmt.Sprint("@", v.Unix())
		}
		return fmt.Sprint(m.Value)
	}
	return fmt.Sprintf("%T", m)
}
