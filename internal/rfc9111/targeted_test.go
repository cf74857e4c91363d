package rfc9111

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// targetedBy digests a response with a targeted field, then the other fields.
func targetedBy(t *testing.T, field []string, head string) (f *Facts, counts bool) {
	t.Helper()
	f = new(Facts)
	f.Reset(200, t0, t0)
	counts = f.Target(asLines(field))
	lines(t, responseFields, head, f.Field)
	f.Done()
	return f, counts
}

func TestTarget(t *testing.T) {
	tests := []struct {
		section string
		field   []string
		maxAge  int64
		flags   factFlag
	}{
		{"2.2", []string{"max-age=60"}, 60, 0},
		{"2.1: several lines", []string{"max-age=60", "no-store"}, 60, noStore},
		{"2.1: the last of equal keys", []string{"max-age=60, max-age=5"}, 5, 0},
		{"2.1: parameters", []string{"max-age=60;x=1, no-store;y"}, 60, noStore},
		{"2.1: Decimal", []string{"max-age=60.0"}, 0, 0},
		{"2.1: String", []string{`max-age="60"`}, 0, 0},
		{"2.1: Token", []string{"max-age=a60"}, 0, 0},
		{"2.1: Boolean", []string{"max-age"}, 0, 0},
		{"2.1: Inner List", []string{"max-age=(60)"}, 0, 0},
		{"9111 1.2.2: negative", []string{"max-age=-1"}, 0, 0},
		{"9111 1.2.2: overflow", []string{"max-age=999999999999999"}, MaxDelta, 0},
		{"2.1: Boolean", []string{"no-store=?1, no-cache, private"}, Absent, noStore | noCache | private},
		{"2.1: false", []string{"no-store=?0, no-cache=?0, private=?0, must-revalidate=?0, public=?0, immutable=?0"}, Absent, 0},
		{"2.1: restricts with a wrong value", []string{`no-store=1, must-revalidate="a", proxy-revalidate=a`}, Absent, noStore | mustRevalidate | proxyRevalidate},
		{"2.1: permits with the right value alone", []string{"public=1, must-understand=a"}, Absent, 0},
		{"2.2: others", []string{"public, must-understand, immutable=5"}, Absent, public | mustUnderstand | immutable},
		{"2.2: unknown alone", []string{"none"}, Absent, 0},
		{"9111 5.2.2.4: qualified", []string{`no-cache="a, b"`}, Absent, noCacheFields},
		{"9111 5.2.2.7: qualified", []string{`private="a"`}, Absent, privateFields},
		{"2.1: a Token is no list", []string{"private=a"}, Absent, private},
		{"9111 5.2.2.7: empty", []string{`private=""`}, Absent, private},
		{"9111 5.2.2.7: needed", []string{`private="vary"`}, Absent, private},
		{"9111 5.2.2.3", []string{"no-store, must-understand"}, Absent, mustUnderstand},
	}
	for _, tt := range tests {
		f, ok := targetedBy(t, tt.field, "Cache-Control: max-age=7, stale-if-error=7, no-cache, private, broken=\"\nExpires: "+hourLater)
		if !ok || f.MaxAge != tt.maxAge || f.StaleIfError != Absent || f.HasExpires() || f.flags != tt.flags|targeted {
			t.Errorf("RFC 9213, %s: %q: got %v, max-age %d, flags %b, want %d, %b", tt.section, tt.field, ok, f.MaxAge, f.flags&^targeted, tt.maxAge, tt.flags)
		}
	}
}

// TestTargetIgnored: what is empty or not well formed changes nothing.
func TestTargetIgnored(t *testing.T) {
	const head = "Cache-Control: max-age=7\nExpires: 0"
	for _, field := range [][]string{nil, {""}, {"  "}, {"max-age=60,"}, {"Max-Age=60"}, {"max-age =60"}, {"max-age=60", ""}, {"a=1 b"}, {`a="`}} {
		f, ok := targetedBy(t, field, head)
		if want := response(t, 200, head); ok || *f != *want {
			t.Errorf("%q: got %v, %+v, want %+v", field, ok, *f, *want)
		}
	}
}

func TestTargetNumbers(t *testing.T) {
	f, _ := targetedBy(t, []string{"s-maxage=1, stale-while-revalidate=2, stale-if-error=3, immutable"}, "Cache-Control: s-maxage=9")
	if f.SMaxAge != 1 || f.StaleWhileRevalidate != 2 || f.StaleIfError != 3 || f.MaxAge != Absent || !f.Immutable() {
		t.Errorf("got %+v", *f)
	}
	// RFC 9111, 3.5: leave given by a targeted field.
	f, _ = targetedBy(t, []string{"max-age=60, public"}, "")
	if got := Storable(f, request(t, Get, "Authorization: x"), &Policy{}); got != OK {
		t.Errorf("public: got %s", got)
	}
	f, _ = targetedBy(t, []string{"max-age=60"}, "Cache-Control: public")
	if got := Storable(f, request(t, Get, "Authorization: x"), &Policy{}); got != WhyAuthorization {
		t.Errorf("public in Cache-Control: got %s, want %s", got, WhyAuthorization)
	}
}

func TestWithheld(t *testing.T) {
	tests := []struct {
		field, control []string
		shared, alone  string
	}{
		{nil, []string{"max-age=60"}, "", ""},
		{nil, []string{`no-cache="B, a,,A", max-age=60`, `PRIVATE="Set-Cookie"`}, "a b set-cookie", "a b"},
		{nil, []string{`no-cache=x, foo="private=y"`}, "x", "x"},
		{nil, []string{`no-cache="etag", no-cache="b"`}, "b", "b"}, // the first counts as if it had no list
		{[]string{`private="a", no-cache="b, C"`}, []string{`no-cache="z"`}, "a b c", "b c"},
		{[]string{`private="a", private`}, nil, "", ""},
		{[]string{`private="a,"`}, nil, "a", ""},
	}
	for _, tt := range tests {
		f, counts := targetedBy(t, tt.field, "Cache-Control: "+strings.Join(tt.control, "\nCache-Control: "))
		from := asLines(tt.control)
		if counts {
			from = asLines(tt.field)
		}
		for i, want := range []string{tt.shared, tt.alone} {
			p := Policy{Private: i == 1}
			got := ""
			if f.Withholds(&p) {
				got = strings.Join(f.Withheld(from, &p), " ")
			}
			if got != want {
				t.Errorf("%q, %q, private %v: got %q, want %q", tt.field, tt.control, p.Private, got, want)
			}
		}
	}
	f, _ := targetedBy(t, []string{`private="a", no-cache="b"`}, "")
	if f.WithholdNone(); f.flags != targeted|noCache|private {
		t.Errorf("none withheld: got %b", f.flags)
	}
	f = response(t, 200, "Cache-Control: max-age=60, private=\"set-cookie\"\nSet-Cookie: a=b")
	f.Lost(ETag)
	if got := Storable(f, request(t, Get, ""), &Policy{NoSetCookie: true}); got != WhySetCookie {
		t.Errorf("got %s, want %s", got, WhySetCookie)
	}
	f.Lost(SetCookie)
	if got := Storable(f, request(t, Get, ""), &Policy{NoSetCookie: true}); got != OK {
		t.Errorf("a cookie that is withheld: got %s", got)
	}
}

func TestNeeded(t *testing.T) {
	for name, want := range map[string]bool{
		"set-cookie": false, "Set-Cookie": false, "X-A": false, "Link": false, "Cache-Control": true, "CDN-Cache-Control": true,
		"x-cache-control-not": false, "cache-controls": false, "VARY": true, "ETag": true, "Cross-Origin-Resource-Policy": true,
		"cross-origin-resource-policy-x": false, "content-type": true, "content-md5": false, "": false,
	} {
		if got := needed([]byte(name)); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

// FuzzTarget: whatever a targeted field says, what is derived is in range, and
// what is withheld are names of fields that can be.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"max-age=60, no-store", "max-age=-5;x=1, private=\"a, B\"", "no-cache=\"etag\"\nno-cache=\"x\"", "s-maxage=999999999999999", "a,",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, value []byte, plain bool) {
		var facts Facts
		facts.Reset(200, t0, t0)
		lines := bytes.Split(value, []byte("\n"))
		if plain {
			for _, line := range lines {
				facts.Field(CacheControl, line)
			}
		} else if !facts.Target(lines) && facts.flags != 0 {
			t.Fatalf("%q does not count, but says %b", value, facts.flags)
		}
		facts.Done()
		if !facts.valid() {
			t.Fatalf("%q: out of range: %+v", value, facts)
		}
		for _, p := range []Policy{{}, {Private: true}} {
			if !facts.Withholds(&p) {
				continue
			}
			names := facts.Withheld(lines, &p)
			if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return needed([]byte(n)) || run([]byte(n), isToken) != len(n) || n == "" }) {
				t.Fatalf("%q: withheld %q", value, names)
			}
		}
	})
}
