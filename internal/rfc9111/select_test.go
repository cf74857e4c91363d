package rfc9111

import (
	"fmt"
	"strings"
	"testing"
)

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
		{"9110 15.3.7.2: several, near", tagged, "Range: bytes=2-4,6-7", Get, 10, 206, 2, 7},
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
		got, want := Select(f, a, tt.length), Selection{Status: tt.status, First: tt.first, Last: tt.last}
		if want.Status == 206 {
			want.Parts = 1
		}
		if got != want {
			t.Errorf("%s: %q of %q, %d bytes: got %+v, want %+v", tt.section, tt.request, tt.head, tt.length, got, want)
		}
	}
	// RFC 9110, 13.2.1: only where the answer would be a success, here 200.
	for _, status := range []int{203, 204, 301, 404, 500} {
		f := response(t, status, tagged)
		got := Select(f, request(t, Get, "Range: bytes=2-4\nIf-None-Match: \"a\""), 10)
		if want := (Selection{Status: status, Last: 9}); got != want {
			t.Errorf("9110 13.2.1: %d: got %+v, want %+v", status, got, want)
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
		if got := Select(response(t, 200, "ETag: "+list[i]), a, 1).Status; got != want {
			t.Errorf("tag %d of %d: got %d, want %d", i, len(list), got, want)
		}
	}
	// What one request left does not count for the next.
	a.Reset(Get)
	a.Field(IfNoneMatch, []byte(`"x"`))
	a.Done()
	if got := Select(response(t, 200, `ETag: "1"`), a, 1).Status; got != 200 {
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
