package rfc9111

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		section, value string
		length         int64
		kind           RangeKind
		first, last    int64
	}{
		{"9110 14.1.2", "bytes=0-499", 10000, Single, 0, 499},
		{"9110 14.1.2", "bytes=500-999", 10000, Single, 500, 999},
		{"9110 14.1.2: suffix", "bytes=-500", 10000, Single, 9500, 9999},
		{"9110 14.1.2: open", "bytes=9500-", 10000, Single, 9500, 9999},
		{"9110 14.1.2: beyond the end", "bytes=9500-20000", 10000, Single, 9500, 9999},
		{"9110 14.1.2: suffix longer than all", "bytes=-20000", 10000, Single, 0, 9999},
		{"9110 14.1.2: first byte", "bytes=0-0", 1, Single, 0, 0},
		{"9110 14.1.2: large numerals", "bytes=0-99999999999999999999999", 10, Single, 0, 9},
		{"9110 14.1.2: large numerals", "bytes=-99999999999999999999999", 10, Single, 0, 9},
		{"9110 14.1.2: large numerals", "bytes=99999999999999999999999-", 10, Unsatisfiable, 0, -1},
		{"9110 14.1.2: largest length", "bytes=-1", math.MaxInt64, Single, math.MaxInt64 - 1, math.MaxInt64 - 1},
		{"9110 14.1.2: not satisfiable", "bytes=10-", 10, Unsatisfiable, 0, -1},
		{"9110 14.1.2: not satisfiable", "bytes=10-20", 10, Unsatisfiable, 0, -1},
		{"9110 14.1.2: no bytes", "bytes=-0", 10, Unsatisfiable, 0, -1},
		{"9110 14.2: no content", "bytes=0-", 0, NoRange, 0, -1},
		{"length not known", "bytes=0-1", Absent, NoRange, 0, -1},
		{"9110 14.1: unit in any case", "Bytes=1-2", 10, Single, 1, 2},
		{"9110 5.6.1: spaces, empty members", "bytes= ,1-2 , ", 10, Single, 1, 2},
		{"9110 14.1.2: several", "bytes=0-0,-1", 10, Multi, 0, -1},
		{"9110 14.1.2: several", "bytes= 0-999, 4500-5499, -1000", 10000, Multi, 0, -1},
		{"9110 14.1.1: last < first", "bytes=5-4", 10, NoRange, 0, -1},
		{"9110 14.1.1: one invalid", "bytes=0-1,5-4", 10, NoRange, 0, -1},
		{"9110 14.1.1: one invalid", "bytes=0-1,x", 10, NoRange, 0, -1},
		{"9110 14.2: other unit", "items=0-1", 10, NoRange, 0, -1},
		{"syntax", "", 10, NoRange, 0, -1},
		{"syntax", "bytes", 10, NoRange, 0, -1},
		{"syntax", "bytes=", 10, NoRange, 0, -1},
		{"syntax", "bytes=,", 10, NoRange, 0, -1},
		{"syntax", "bytes=-", 10, NoRange, 0, -1},
		{"syntax", "bytes=1", 10, NoRange, 0, -1},
		{"syntax", "bytes=1 -2", 10, NoRange, 0, -1},
		{"syntax", "bytes=1- 2", 10, NoRange, 0, -1},
		{"syntax", "bytes=1-2-3", 10, NoRange, 0, -1},
		{"syntax", "bytes=--2", 10, NoRange, 0, -1},
		{"syntax", "bytes=+1-2", 10, NoRange, 0, -1},
		{"syntax", "bytes=0x1-2", 10, NoRange, 0, -1},
		{"syntax", "bytes =1-2", 10, NoRange, 0, -1},
		{"syntax", "bytes=1-2 3-4", 10, NoRange, 0, -1},
		{"syntax", "bytes=1-2;3", 10, NoRange, 0, -1},
	}
	for _, tt := range tests {
		kind, first, last := ParseRange([]byte(tt.value), tt.length)
		if kind != tt.kind || first != tt.first || last != tt.last {
			t.Errorf("%s: %q of %d: got %d, %d-%d, want %d, %d-%d", tt.section, tt.value, tt.length, kind, first, last, tt.kind, tt.first, tt.last)
		}
	}
}

func TestSelect(t *testing.T) {
	const (
		tagged = "ETag: \"a\"\nLast-Modified: " + hourAgo + "\nDate: " + dateT0
		weak   = "ETag: W/\"a\"\nLast-Modified: " + dateT0 + "\nDate: " + dateT0
	)
	tests := []struct {
		section, head, request string
		method                 Method
		length                 int64
		status                 int
		first, last            int64
	}{
		{"whole", tagged, "", Get, 10, 200, 0, 9},
		{"whole, empty", tagged, "", Get, 0, 200, 0, -1},
		{"whole, not known", tagged, "", Get, Absent, 200, 0, -1},
		{"9110 13.1.2", tagged, `If-None-Match: "a"`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: HEAD", tagged, `If-None-Match: "a"`, Head, 10, 304, 0, -1},
		{"10008: condition", tagged, `If-None-Match: "a"`, Query, 10, 304, 0, -1},
		{"10008: range", tagged, `Range: bytes=0-1`, Query, 10, 206, 0, 1},
		{"9110 13.1.2: length not known", tagged, `If-None-Match: "a"`, Get, Absent, 304, 0, -1},
		{"9110 13.1.2: weak comparison", tagged, `If-None-Match: W/"a"`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: weak comparison", weak, `If-None-Match: "a"`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: in a list", tagged, `If-None-Match: "x,y", W/"b" ,"a"`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: in another line", tagged, "If-None-Match: \"b\"\nIf-None-Match: \"a\"", Get, 10, 304, 0, -1},
		{"9110 13.1.2: other", tagged, `If-None-Match: "b"`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: *", tagged, `If-None-Match: *`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: * without a tag", "", `If-None-Match: *`, Get, 10, 304, 0, -1},
		{"9110 13.1.2: * beside another", tagged, "If-None-Match: *\nIf-None-Match: \"a\"", Get, 10, 200, 0, 9},
		{"9110 13.1.2: * beside another", tagged, "If-None-Match: \"a\"\nIf-None-Match: *", Get, 10, 200, 0, 9},
		{"9110 13.1.2: * in a list", tagged, `If-None-Match: *, "a"`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: not quoted", tagged, `If-None-Match: a`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: part of a tag", tagged, `If-None-Match: "a`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: no comma", tagged, `If-None-Match: "a" "b"`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: empty", tagged, `If-None-Match:`, Get, 10, 200, 0, 9},
		{"9110 13.1.2: no tag stored", "", `If-None-Match: "a"`, Get, 10, 200, 0, 9},
		{"9110 13.1.3: If-None-Match is there", tagged, "If-None-Match: \"b\"\nIf-Modified-Since: " + dateT0, Get, 10, 200, 0, 9},
		{"9110 13.1.3: even an invalid one", tagged, "If-None-Match: b\nIf-Modified-Since: " + dateT0, Get, 10, 200, 0, 9},
		{"9110 13.1.3: equal", tagged, "If-Modified-Since: " + hourAgo, Get, 10, 304, 0, -1},
		{"9110 13.1.3: earlier", tagged, "If-Modified-Since: " + dateT0, Head, 10, 304, 0, -1},
		{"9110 13.1.3: later", tagged, "If-Modified-Since: " + dayAgo, Get, 10, 200, 0, 9},
		{"9110 13.1.3: obsolete form", tagged, "If-Modified-Since: Sunday, 01-Jun-25 11:00:00 GMT", Get, 10, 304, 0, -1},
		{"9110 13.1.3: invalid", tagged, "If-Modified-Since: x", Get, 10, 200, 0, 9},
		{"9110 13.1.3: no such day", tagged, "If-Modified-Since: Wed, 31 Nov 2027 00:00:00 GMT", Get, 10, 200, 0, 9},
		{"9110 13.1.3: two", tagged, "If-Modified-Since: " + dateT0 + "\nIf-Modified-Since: " + dateT0, Get, 10, 200, 0, 9},
		{"9111 4.3.2: by Date", "Date: " + hourAgo, "If-Modified-Since: " + hourAgo, Get, 10, 304, 0, -1},
		{"9111 4.3.2: by Date", "Date: " + dateT0, "If-Modified-Since: " + hourAgo, Get, 10, 200, 0, 9},
		{"9111 4.3.2: by the time received", "", "If-Modified-Since: " + dateT0, Get, 10, 304, 0, -1},
		{"9111 4.3.2: by the time received", "", "If-Modified-Since: " + hourAgo, Get, 10, 200, 0, 9},
		{"9110 14.2", tagged, "Range: bytes=2-4", Get, 10, 206, 2, 4},
		{"9110 14.2: not satisfiable", tagged, "Range: bytes=10-", Get, 10, 416, 0, -1},
		{"9110 14.2: GET only", tagged, "Range: bytes=2-4", Head, 10, 200, 0, 9},
		{"9110 14.2: 304 first", tagged, "Range: bytes=2-4\nIf-None-Match: \"a\"", Get, 10, 304, 0, -1},
		{"9110 14.2: 304 before 416", tagged, "Range: bytes=99-\nIf-None-Match: \"a\"", Get, 10, 304, 0, -1},
		{"9110 14.2: other tag", tagged, "Range: bytes=2-4\nIf-None-Match: \"b\"", Get, 10, 206, 2, 4},
		{"9110 14.2: several ignored", tagged, "Range: bytes=2-4,6-7", Get, 10, 200, 0, 9},
		{"9110 14.2: two lines", tagged, "Range: bytes=2-4\nRange: bytes=6-7", Get, 10, 200, 0, 9},
		{"9110 14.2: other unit", tagged, "Range: items=2-4", Get, 10, 200, 0, 9},
		{"9110 14.2: no content", tagged, "Range: bytes=0-4", Get, 0, 200, 0, -1},
		{"length not known", tagged, "Range: bytes=0-4", Get, Absent, 200, 0, -1},
		{"9110 13.1.5: tag", tagged, "Range: bytes=2-4\nIf-Range: \"a\"", Get, 10, 206, 2, 4},
		{"9110 13.1.5: order of lines", tagged, "If-Range: \"a\"\nRange: bytes=2-4", Get, 10, 206, 2, 4},
		{"9110 13.1.5: other tag", tagged, "Range: bytes=2-4\nIf-Range: \"b\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: 200 before 416", tagged, "Range: bytes=99-\nIf-Range: \"b\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: weak tag", tagged, "Range: bytes=2-4\nIf-Range: W/\"a\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: weak tag stored", weak, "Range: bytes=2-4\nIf-Range: \"a\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: weak on both sides", weak, "Range: bytes=2-4\nIf-Range: W/\"a\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: date", tagged, "Range: bytes=2-4\nIf-Range: " + hourAgo, Get, 10, 206, 2, 4},
		{"9110 13.1.5: earlier date", tagged, "Range: bytes=2-4\nIf-Range: " + dayAgo, Get, 10, 200, 0, 9},
		{"9110 13.1.5: later date", tagged, "Range: bytes=2-4\nIf-Range: " + dateT0, Get, 10, 200, 0, 9},
		{"9110 8.8.2.2: date is weak", weak, "Range: bytes=2-4\nIf-Range: " + dateT0, Get, 10, 200, 0, 9},
		{"9110 13.1.5: invalid", tagged, "Range: bytes=2-4\nIf-Range: a", Get, 10, 200, 0, 9},
		{"9110 13.1.5: empty", tagged, "Range: bytes=2-4\nIf-Range:", Get, 10, 200, 0, 9},
		{"9110 13.1.5: two lines", tagged, "Range: bytes=2-4\nIf-Range: \"a\"\nIf-Range: \"a\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: list", tagged, "Range: bytes=2-4\nIf-Range: \"a\", \"b\"", Get, 10, 200, 0, 9},
		{"9110 13.1.5: without Range", tagged, "If-Range: \"b\"", Get, 10, 200, 0, 9},
	}
	for _, tt := range tests {
		f, a := response(t, 200, tt.head), request(t, tt.method, tt.request)
		status, first, last := Select(f, a, tt.length)
		if status != tt.status || first != tt.first || last != tt.last {
			t.Errorf("%s: %q of %q, %d bytes: got %d, %d-%d, want %d, %d-%d", tt.section, tt.request, tt.head, tt.length,
				status, first, last, tt.status, tt.first, tt.last)
		}
	}
	// RFC 9110, 13.2.1: only where the answer would be a success, here 200.
	for _, status := range []int{203, 204, 301, 404, 500} {
		f := response(t, status, tagged)
		if got, first, last := Select(f, request(t, Get, "Range: bytes=2-4\nIf-None-Match: \"a\""), 10); got != status || first != 0 || last != 9 {
			t.Errorf("9110 13.2.1: %d: got %d, %d-%d", status, got, first, last)
		}
	}
}

// TestManyTags: what is beyond MaxTags does not match, what is before does.
func TestManyTags(t *testing.T) {
	var list []string
	for i := range MaxTags + 1 {
		list = append(list, fmt.Sprintf(`"%d"`, i))
	}
	a := request(t, Get, "If-None-Match: "+strings.Join(list, ", "))
	for i, want := range map[int]int{0: 304, MaxTags - 1: 304, MaxTags: 200} {
		if got, _, _ := Select(response(t, 200, "ETag: "+list[i]), a, 1); got != want {
			t.Errorf("tag %d of %d: got %d, want %d", i, len(list), got, want)
		}
	}
	// What one request left does not count for the next.
	a.Reset(Get)
	a.Field(IfNoneMatch, []byte(`"x"`))
	a.Done()
	if got, _, _ := Select(response(t, 200, `ETag: "1"`), a, 1); got != 200 {
		t.Errorf("after Reset: got %d, want 200", got)
	}
}

func TestAsk(t *testing.T) {
	a := request(t, Get, "Cache-Control: only-if-cached, no-store\nRange: bytes=0-1\nIf-None-Match: \"a\"")
	if !a.NoStore() || !a.OnlyIfCached() || !a.Ranged() || !a.Conditional() || a.ForOrigin() {
		t.Errorf("got %v, %v, %v, %v", a.OnlyIfCached(), a.Ranged(), a.Conditional(), a.ForOrigin())
	}
	a.Reset(Unsafe)
	a.Done()
	if a.NoStore() || a.OnlyIfCached() || a.Ranged() || a.Conditional() || !a.ForOrigin() {
		t.Errorf("after Reset: got %v, %v, %v, %v", a.OnlyIfCached(), a.Ranged(), a.Conditional(), a.ForOrigin())
	}
	for head, want := range map[string]bool{"Range: bytes=0-1,3-4": false, "Range: items=1-2": false, "": false, "Range: bytes=-5": true} {
		if got := request(t, Get, head).Ranged(); got != want {
			t.Errorf("%q: ranged: got %v, want %v", head, got, want)
		}
	}
	if request(t, Head, "Range: bytes=0-1").Ranged() {
		t.Error("9110 14.2: a HEAD is ranged")
	}
}
