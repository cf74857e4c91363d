package rfc9111

import (
	"strings"
	"testing"
	"time"
)

// t0 is when responses in these tests are received: 2025-06-01 12:00:00 UTC,
// a Sunday.
const t0 = int64(1748779200000)

const (
	dateT0    = "Sun, 01 Jun 2025 12:00:00 GMT"
	hourAgo   = "Sun, 01 Jun 2025 11:00:00 GMT"
	hourLater = "Sun, 01 Jun 2025 13:00:00 GMT"
	dayAgo    = "Sat, 31 May 2025 12:00:00 GMT"
)

var responseFields = map[string]Field{
	"cache-control": CacheControl, "age": Age, "date": Date, "expires": Expires, "etag": ETag,
	"last-modified": LastModified, "vary": Vary, "set-cookie": SetCookie, "content-range": ContentRange,
}

var requestFields = map[string]Field{
	"cache-control": CacheControl, "pragma": Pragma, "authorization": Authorization, "range": Range,
	"if-range": IfRange, "if-match": IfMatch, "if-none-match": IfNoneMatch,
	"if-modified-since": IfModifiedSince, "if-unmodified-since": IfUnmodifiedSince,
}

// lines calls field for each "Name: value" in a text of lines.
func lines(tb testing.TB, ids map[string]Field, text string, field func(Field, []byte)) {
	tb.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		id, ok := ids[strings.ToLower(name)]
		if !ok {
			tb.Fatalf("%q: no such field", line)
		}
		field(id, []byte(strings.Trim(value, " \t")))
	}
}

// response digests a response received at t0.
func response(tb testing.TB, status int, head string) *Facts {
	tb.Helper()
	var f Facts
	f.Reset(status, t0, t0)
	lines(tb, responseFields, head, f.Field)
	f.Done()
	return &f
}

// request digests a request.
func request(tb testing.TB, m Method, head string) *Ask {
	tb.Helper()
	var a Ask
	a.Reset(m)
	lines(tb, requestFields, head, a.Field)
	a.Done()
	return &a
}

func TestDirectives(t *testing.T) {
	tests := []struct {
		section, control string
		maxAge, sMaxAge  int64
		flags            factFlag
	}{
		{"5.2", "", Absent, Absent, 0},
		{"5.2", ",, ,", Absent, Absent, 0},
		{"5.2: names in any case", "MAX-age=60, No-Store", 60, Absent, noStore},
		{"5.2: quoted form accepted", `max-age="60"`, 60, Absent, 0},
		{"5.2: quoted-pair", `max-age="\6\0"`, 60, Absent, 0},
		{"5.6.1: empty members, OWS", " ,\tmax-age=60 ,, \t s-maxage=5,", 60, 5, 0},
		{"1.2.2: 2^31 is the greatest", "max-age=2147483648", MaxDelta, Absent, 0},
		{"1.2.2: overflow saturates", "max-age=99999999999999999999999999", MaxDelta, Absent, 0},
		{"1.2.2: leading zeros", "max-age=00060", 60, Absent, 0},
		{"4.2.1: first of several", "max-age=5, max-age=60", 5, Absent, 0},
		{"4.2.1: first of several", "max-age=60, max-age=5", 60, Absent, 0},
		{"4.2.1: not a number", "max-age=abc", 0, Absent, 0},
		{"4.2.1: fraction", "max-age=3600.0", 0, Absent, 0},
		{"4.2.1: negative", "max-age=-1", 0, Absent, 0},
		{"4.2.1: plus", "max-age=+1", 0, Absent, 0},
		{"4.2.1: without argument", "max-age", 0, Absent, 0},
		{"4.2.1: empty argument", "max-age=", 0, Absent, 0},
		{"4.2.1: empty quoted argument", `max-age=""`, 0, Absent, 0},
		{"4.2.1: space before =", "max-age =60", 0, Absent, 0},
		{"4.2.1: space behind =", "max-age= 60", 0, Absent, 0},
		{"4.2.1: more behind the value", "max-age=60 s", 0, Absent, 0},
		{"4.2.1: parameter", "max-age=60;x", 0, Absent, 0},
		{"4.2.1: single quotes", "max-age='60'", 0, Absent, 0},
		{"4.2.1: invalid beside valid", "max-age=60, max-age=x", 0, Absent, 0},
		{"4.2.1: invalid beside valid", "max-age=x, max-age=60", 0, Absent, 0},
		{"5.2.2.10", "s-maxage=7", Absent, 7, 0},
		{"5.2.2.10: invalid", "s-maxage=x", Absent, 0, 0},
		{"5.2.3: unknown ignored", "foo, bar=1, baz=\"x\", max-age=60", 60, Absent, 0},
		{"5.2.3: inside a quoted-string", `foo="max-age=1, no-store", max-age=60`, 60, Absent, 0},
		{"5.2.3: longer name", "max-ages=1, xmax-age=2, x-no-store, stale-while-revalidate-x=5", Absent, Absent, 0},
		{"5.6.4: quoted comma and quote", `foo="a\", no-store", max-age=60`, 60, Absent, 0},
		{"5.2: no token", `="x, no-store", ;no-cache, max-age=60`, 60, Absent, 0},
		{"quoted-string without end", `foo="x, max-age=60`, Absent, Absent, broken},
		{"quoted-string without end", `max-age=60, foo="x\`, 60, Absent, broken},
		{"control byte in quoted-string", "foo=\"\x01\", max-age=60", Absent, Absent, broken},
		{"quote in the wrong place", `max-age=60 "no-store`, 0, Absent, broken},
		{"5.2.2.4", "no-cache", Absent, Absent, noCache},
		{"5.2.2.4: qualified", `no-cache="Set-Cookie, X"`, Absent, Absent, noCacheFields},
		{"5.2.2.4: token form", `no-cache=set-cookie`, Absent, Absent, noCacheFields},
		{"5.2.2.4: qualified and not", `no-cache="x", no-cache`, Absent, Absent, noCacheFields | noCache},
		{"5.2.2.4: no names", `no-cache=""`, Absent, Absent, noCache},
		{"5.2.2.4: no names", `no-cache=" ,, "`, Absent, Absent, noCache},
		{"9110 5.6.1: empty members", `no-cache=" , a,,b ,"`, Absent, Absent, noCacheFields},
		{"5.2.2.4: no name", `no-cache="a b"`, Absent, Absent, noCache},
		{"5.2.2.4: no name", `no-cache="a, b;c"`, Absent, Absent, noCache},
		{"5.2.2.4: quoted-pair", `no-cache="set\-cookie"`, Absent, Absent, noCache},
		{"5.2.2.4: malformed", `no-cache="a" b`, Absent, Absent, noCache},
		{"5.2.2.4: no argument behind =", `no-cache=`, Absent, Absent, noCache},
		{"5.2.2.4: a field that is needed", `no-cache="a, CONTENT-type"`, Absent, Absent, noCache},
		{"5.2.2.4: a targeted field", `no-cache="X-Cache-Control"`, Absent, Absent, noCache},
		{"5.2.2.7", "private", Absent, Absent, private},
		{"5.2.2.7: qualified", `private="Set-Cookie"`, Absent, Absent, privateFields},
		{"5.2.2.7: a field that is needed", `private="etag"`, Absent, Absent, private},
		{"5.2.2.5: counts with an argument", "no-store=1", Absent, Absent, noStore},
		{"5.2.2.5: counts malformed", "no-store foo", Absent, Absent, noStore},
		{"5.2.2.2: counts with an argument", "must-revalidate=1", Absent, Absent, mustRevalidate},
		{"5.2.2.8", "proxy-revalidate", Absent, Absent, proxyRevalidate},
		{"5.2.2.9", "public", Absent, Absent, public},
		{"5.2.2.9: no argument allowed", "public=1", Absent, Absent, 0},
		{"5.2.2.9: malformed", "public foo", Absent, Absent, 0},
		{"RFC 8246, 2", "immutable", Absent, Absent, immutable},
		{"RFC 8246, 2: arguments ignored", `immutable=no, immutable="x"`, Absent, Absent, immutable},
		{"5.2.2.3", "must-understand", Absent, Absent, mustUnderstand},
		{"5.2.2.3: no-store ignored", "no-store, must-understand", Absent, Absent, mustUnderstand},
		{"5.2.2.3: no argument allowed", "no-store, must-understand=1", Absent, Absent, noStore},
	}
	for _, tt := range tests {
		f := response(t, 200, "Cache-Control: "+tt.control)
		if f.MaxAge != tt.maxAge || f.SMaxAge != tt.sMaxAge || f.flags != tt.flags {
			t.Errorf("%s: %q: got max-age %d, s-maxage %d, flags %b, want %d, %d, %b", tt.section, tt.control,
				f.MaxAge, f.SMaxAge, f.flags, tt.maxAge, tt.sMaxAge, tt.flags)
		}
	}
}

// TestLines: several lines are one list (RFC 9110, 5.2).
func TestLines(t *testing.T) {
	f := response(t, 200, "Cache-Control: max-age=60\nCache-Control: no-cache\nCache-Control: max-age=5, stale-if-error=9")
	if f.MaxAge != 60 || !f.has(noCache) || f.StaleIfError != 9 {
		t.Errorf("got max-age %d, stale-if-error %d, flags %b", f.MaxAge, f.StaleIfError, f.flags)
	}
}

func TestFields(t *testing.T) {
	tag := ParseTag([]byte(`"a"`))
	tests := []struct {
		section, head string
		check         func(f *Facts) bool
	}{
		{"9111 5.1", "Age: 60", func(f *Facts) bool { return f.AgeValue == 60 }},
		{"9111 5.1: first member", "Age: 60, 7", func(f *Facts) bool { return f.AgeValue == 60 }},
		{"9111 5.1: first line", "Age: 60\nAge: 7", func(f *Facts) bool { return f.AgeValue == 60 }},
		{"9110 5.6.1: empty member", "Age: , 7", func(f *Facts) bool { return f.AgeValue == 7 }},
		{"9111 5.1: invalid ignored", "Age: -60", func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9111 5.1: invalid first", "Age: x, 60", func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9111 5.1: invalid first line", "Age: x\nAge: 60", func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9111 5.1: fraction", "Age: 6.5", func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9111 5.1: quoted", `Age: "60"`, func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9111 5.1: empty", "Age:", func(f *Facts) bool { return f.AgeValue == 0 }},
		{"9110 5.6.1: empty line", "Age:\nAge: 7", func(f *Facts) bool { return f.AgeValue == 7 }},
		{"9111 1.2.2", "Age: 99999999999999999999", func(f *Facts) bool { return f.AgeValue == MaxDelta }},
		{"9110 6.6.1", "Date: " + dateT0, func(f *Facts) bool { return f.HasDate() && f.Date == t0 }},
		{"9110 6.6.1: first", "Date: " + dateT0 + "\nDate: " + hourAgo, func(f *Facts) bool { return f.Date == t0 }},
		{"9110 6.6.1: invalid", "Date: yesterday", func(f *Facts) bool { return !f.HasDate() && f.Date == 0 }},
		{"9111 5.3", "Expires: " + hourLater, func(f *Facts) bool { return f.HasExpires() && f.Expires == t0+3600_000 }},
		{"9111 5.3: 0", "Expires: 0", func(f *Facts) bool { return f.HasExpires() && f.Expires == longAgo }},
		{"9111 5.3: empty", "Expires:", func(f *Facts) bool { return f.HasExpires() && f.Expires == longAgo }},
		{"9111 4.2.1: first", "Expires: 0\nExpires: " + hourLater, func(f *Facts) bool { return f.Expires == longAgo }},
		{"9110 8.8.2", "Last-Modified: " + hourAgo, func(f *Facts) bool { return f.HasLastModified() && f.HasValidator() }},
		{"9110 8.8.2: invalid", "Last-Modified: x", func(f *Facts) bool { return !f.HasLastModified() && !f.HasValidator() }},
		{"9110 8.8.2: twice the same", "Last-Modified: " + hourAgo + "\nLast-Modified: " + hourAgo, (*Facts).HasLastModified},
		{"9110 8.8.2: two that differ", "Last-Modified: " + hourAgo + "\nLast-Modified: " + dayAgo,
			func(f *Facts) bool { return !f.HasLastModified() && f.LastModified == 0 }},
		{"9110 8.8.2.2: strong", "Last-Modified: " + hourAgo + "\nDate: " + dateT0, (*Facts).StrongLastModified},
		{"9110 8.8.2.2: same second", "Last-Modified: " + dateT0 + "\nDate: " + dateT0,
			func(f *Facts) bool { return !f.StrongLastModified() }},
		{"9110 8.8.2.2: no Date", "Last-Modified: " + hourAgo, func(f *Facts) bool { return !f.StrongLastModified() }},
		{"9110 8.8.3", `ETag: "a"`, func(f *Facts) bool { return f.ETag == tag && f.HasValidator() }},
		{"9110 8.8.3: weak", `ETag: W/"a"`, func(f *Facts) bool { return f.ETag.Weak && f.ETag.Sum == tag.Sum }},
		{"9110 8.8.3: not quoted", `ETag: a`, func(f *Facts) bool { return f.ETag == Tag{} && !f.HasValidator() }},
		{"9110 8.8.3: twice the same", "ETag: \"a\"\nETag: \"a\"", func(f *Facts) bool { return f.ETag == tag }},
		{"9110 8.8.3: two that differ", "ETag: \"a\"\nETag: W/\"a\"", func(f *Facts) bool { return f.ETag == Tag{} }},
		{"9110 8.8.3: never back", "ETag: \"a\"\nETag: \"b\"\nETag: \"a\"", func(f *Facts) bool { return f.ETag == Tag{} }},
		{"9110 12.5.5", "Vary: Accept", func(f *Facts) bool { return f.HasVary() && !f.has(varyAny) }},
		{"9111 4.1: *", "Vary: Accept, *", func(f *Facts) bool { return f.has(varyAny) }},
		{"9111 4.1: * in another line", "Vary: Accept\nVary: *", func(f *Facts) bool { return f.has(varyAny) }},
		{"9110 12.5.5: no name", "Vary: a b", func(f *Facts) bool { return f.has(varyAny) }},
		{"RFC 8246", "Cache-Control: immutable", (*Facts).Immutable},
	}
	for _, tt := range tests {
		if f := response(t, 200, tt.head); !tt.check(f) {
			t.Errorf("%s: %q: got %+v", tt.section, tt.head, *f)
		}
	}
}

func TestTags(t *testing.T) {
	valid := []string{`""`, `"a"`, `W/""`, `W/"a"`, `"!"`, `"a,b"`, "\"\x80\xff\"", `"\"`, `"#~"`}
	for _, s := range valid {
		if got := ParseTag([]byte(s)); !got.Present || got.Weak != strings.HasPrefix(s, "W/") {
			t.Errorf("%q: got %+v, want a tag", s, got)
		}
	}
	for _, s := range []string{"", `"`, `a`, `w/"a"`, `W/ "a"`, `W/a`, `"a`, `a"`, `"a" `, ` "a"`, `"a b"`, `"a""`, `"a", "b"`, "\"\x7f\"", "\"\t\"", "W", "W/", "*"} {
		if got := ParseTag([]byte(s)); got != (Tag{}) {
			t.Errorf("%q: got %+v, want none", s, got)
		}
	}
	// RFC 9110, 8.8.3.2, table 3.
	for _, tt := range []struct {
		a, b         string
		strong, weak bool
	}{
		{`W/"1"`, `W/"1"`, false, true}, {`W/"1"`, `W/"2"`, false, false},
		{`W/"1"`, `"1"`, false, true}, {`"1"`, `"1"`, true, true},
		{`"1"`, "", false, false}, {"", "", false, false},
	} {
		a, b := ParseTag([]byte(tt.a)), ParseTag([]byte(tt.b))
		if got := a.Strong(&b); got != tt.strong {
			t.Errorf("%s, %s: strong: got %v, want %v", tt.a, tt.b, got, tt.strong)
		}
		if got := a.Matches(&b); got != tt.weak {
			t.Errorf("%s, %s: weak: got %v, want %v", tt.a, tt.b, got, tt.weak)
		}
	}
}

func TestParseDate(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMilli()
	}
	const none = int64(-1)
	tests := []struct {
		section, value string
		want           int64
	}{
		{"9110 5.6.7: IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", at("1994-11-06T08:49:37Z")},
		{"9110 5.6.7: rfc850-date", "Sunday, 06-Nov-94 08:49:37 GMT", at("1994-11-06T08:49:37Z")},
		{"9110 5.6.7: asctime-date", "Sun Nov  6 08:49:37 1994", at("1994-11-06T08:49:37Z")},
		{"9110 5.6.7: asctime-date, 2DIGIT", "Wed Nov 16 08:49:37 1994", at("1994-11-16T08:49:37Z")},
		{"9110 5.6.7: asctime-date, 0 for SP", "Sun Nov 06 08:49:37 1994", at("1994-11-06T08:49:37Z")},
		{"9111 4.2: any case", "sUN, 06 nOV 1994 08:49:37 gmt", at("1994-11-06T08:49:37Z")},
		{"9110 5.6.7: leap second, rounded down", "Sat, 31 Dec 2016 23:59:60 GMT", at("2016-12-31T23:59:59Z")},
		{"9110 5.6.7: leap second elsewhere", "Sat, 31 Dec 2016 22:59:60 GMT", none},
		{"leap day", "Thu, 29 Feb 2024 00:00:00 GMT", at("2024-02-29T00:00:00Z")},
		{"no leap day", "Wed, 29 Feb 2023 00:00:00 GMT", none},
		{"no such day", "Sun, 31 Apr 2023 00:00:00 GMT", none},
		{"no such day", "Sun, 00 Apr 2023 00:00:00 GMT", none},
		{"no such day", "Sun, 32 Jan 2023 00:00:00 GMT", none},
		{"first year", "Sat, 01 Jan 0000 00:00:00 GMT", firstTime},
		{"last year", "Fri, 31 Dec 9999 23:59:59 GMT", lastTime},
		{"another day's name", "Mon, 06 Nov 1994 08:49:37 GMT", at("1994-11-06T08:49:37Z")},
		{"no day's name", "Xyz, 06 Nov 1994 08:49:37 GMT", none},
		{"no month", "Sun, 06 Foo 1994 08:49:37 GMT", none},
		{"9111 4.2: other zone", "Sun, 06 Nov 1994 08:49:37 UTC", none},
		{"9111 4.2: other zone", "Sun, 06 Nov 1994 08:49:37 EST", none},
		{"offset", "Sun, 06 Nov 1994 08:49:37 +0000", none},
		{"no zone", "Sun, 06 Nov 1994 08:49:37", none},
		{"one-digit day", "Sun, 6 Nov 1994 08:49:37 GMT", none},
		{"one-digit hour", "Sun, 06 Nov 1994 8:49:37 GMT", none},
		{"space for a digit", "Sun, 06 Nov 1994  8:49:37 GMT", none},
		{"dashes", "Sun, 06-Nov-1994 08:49:37 GMT", none},
		{"periods", "Sun, 06 Nov 1994 08.49.37 GMT", none},
		{"no comma", "Sun 06 Nov 1994 08:49:37 GMT", none},
		{"two spaces", "Sun,  06 Nov 1994 08:49:37 GMT", none},
		{"space in front", " Sun, 06 Nov 1994 08:49:37 GMT", none},
		{"space behind", "Sun, 06 Nov 1994 08:49:37 GMT ", none},
		{"hour 24", "Sun, 06 Nov 1994 24:00:00 GMT", none},
		{"minute 60", "Sun, 06 Nov 1994 08:60:37 GMT", none},
		{"list", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", none},
		{"long name in IMF-fixdate", "Sunday, 06 Nov 1994 08:49:37 GMT", none},
		{"short name in rfc850-date", "Sun, 06-Nov-94 08:49:37 GMT", none},
		{"no day's name in rfc850-date", "Someday, 06-Nov-94 08:49:37 GMT", none},
		{"four digits in rfc850-date", "Sunday, 06-Nov-1994 08:49:37 GMT", none},
		{"asctime-date with a zone", "Sun Nov  6 08:49:37 1994 GMT", none},
		{"seconds since 1970", "784111777", none},
		{"0", "0", none},
		{"empty", "", none},
	}
	for _, tt := range tests {
		got, ok := ParseDate([]byte(tt.value), t0)
		if tt.want == none && ok || tt.want != none && (!ok || got != tt.want) {
			t.Errorf("%s: %q: got %d, %v, want %d", tt.section, tt.value, got, ok, tt.want)
		}
	}
}

// TestShortYear: RFC 9110, 5.6.7 on more than 50 years in the future.
func TestShortYear(t *testing.T) {
	for _, tt := range []struct {
		now, value, want string
	}{
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-25 12:00:00 GMT", "2025-06-01T12:00:00Z"},
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-75 12:00:00 GMT", "2075-06-01T12:00:00Z"},
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-75 12:00:01 GMT", "1975-06-01T12:00:01Z"},
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-76 12:00:00 GMT", "1976-06-01T12:00:00Z"},
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-99 12:00:00 GMT", "1999-06-01T12:00:00Z"},
		{"2025-06-01T12:00:00Z", "Sunday, 01-Jun-00 12:00:00 GMT", "2000-06-01T12:00:00Z"},
		{"1994-06-01T12:00:00Z", "Sunday, 01-Jun-00 12:00:00 GMT", "2000-06-01T12:00:00Z"},
		{"2090-06-01T12:00:00Z", "Sunday, 01-Jun-10 12:00:00 GMT", "2110-06-01T12:00:00Z"},
		{"2090-06-01T12:00:00Z", "Sunday, 01-Jun-41 12:00:00 GMT", "2041-06-01T12:00:00Z"},
	} {
		now, _ := time.Parse(time.RFC3339, tt.now)
		got, ok := ParseDate([]byte(tt.value), now.UnixMilli())
		if s := time.UnixMilli(got).UTC().Format(time.RFC3339); !ok || s != tt.want {
			t.Errorf("%q at %s: got %s, %v, want %s", tt.value, tt.now, s, ok, tt.want)
		}
	}
}

func TestCodec(t *testing.T) {
	f := response(t, 200, "Date: "+dateT0+"\nETag: W/\"a\"\nCache-Control: max-age=60, must-revalidate\nVary: a")
	f.Length = 1 << 40
	var buf [FactsSize]byte
	f.Put(buf[:])
	var got Facts
	if err := got.Get(buf[:]); err != nil || got != *f {
		t.Errorf("got %+v, %v, want %+v", got, err, *f)
	}
	for i, spoil := range []struct {
		at   int
		with byte
	}{
		{0, layout + 1}, {1, 4}, {2, 0}, {3, 0xff}, {7, 0x80}, {15, 0x80}, // layout, tag bits, status, flags, Date
		{8 + 5*8 + 7, 0x80}, {8 + 6*8 + 3, 0x81}, {8 + 6*8 + 4*4 + 3, 0x81}, // Length, max-age, Age
	} {
		bad := buf
		bad[spoil.at] = spoil.with
		if err := got.Get(bad[:]); err == nil {
			t.Errorf("case %d, byte %d = %#x: got no error", i, spoil.at, spoil.with)
		}
	}
	if err := got.Get(buf[:FactsSize-1]); err == nil {
		t.Error("one byte short: got no error")
	}
}
