package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// headOf returns a response whose head is lines, joined by "|" behind the
// status line.
func headOf(t *testing.T, status, lines string) *wire.Response {
	t.Helper()
	text := "HTTP/1.1 " + status + "\r\n"
	if lines != "" {
		text += strings.ReplaceAll(lines, "|", "\r\n") + "\r\n"
	}
	resp := new(wire.Response)
	if n, err := wire.ParseResponse(resp, []byte(text+"\r\n"), wire.GET, wire.DefaultLimits); err != nil || n != len(text)+2 {
		t.Fatalf("%q: %d, %v", text, n, err)
	}
	return resp
}

func joined(h *storedHead) string {
	return strings.TrimSuffix(strings.ReplaceAll(string(h.block), "\r\n", "|"), "|")
}

// TestFreshened: each field of a 304 replaces all lines of its name, but for
// what the stored bytes are read by (RFC 9111, 3.2).
func TestFreshened(t *testing.T) {
	at := time.UnixMilli(784111777000) // Sun, 06 Nov 1994 08:49:37 GMT
	const then, now = "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Date: Sun, 06 Nov 1994 09:49:37 GMT"
	const ranges = "|Accept-Ranges: bytes"
	tests := []struct{ stored, fresh, want string }{
		{"X-A: 1|x-a: 2|X-B: 3|" + then, "X-a: 4|" + now, "X-B: 3" + ranges + "|X-a: 4|" + now},
		{"Link: a|" + then + "|Link: b", now + "|Link: c|Link: d", "Accept-Ranges: bytes|" + now + "|Link: c|Link: d"},
		{"X-A: 1|" + then, "X-A:|" + now, "Accept-Ranges: bytes|X-A: |" + now},
		{then + "|Content-Type: a/b|Content-Encoding: gzip|Content-Location: /a|Content-Length: 5",
			now + "|Content-Type: c/d|Content-Encoding: br|Content-Location: /b|Content-Length: 7",
			"Content-Encoding: gzip" + ranges + "|" + now + "|Content-Type: c/d|Content-Location: /b"},
		// RFC 9110, 6.6.1: a Date that is missing is the time of receipt.
		{then + "|Age: 5|X-A: 1", "Age: 7", "X-A: 1" + ranges + "|" + now},
		// RFC 9110, 7.6.1 and RFC 9111, 3.1: what is for one hop.
		{then + "|X-A: 1|X-B: 1", now + "|Connection: X-A|X-A: 2|Keep-Alive: 5|Proxy-Authenticate: x|X-Cache: HIT|X-B: 2",
			"X-A: 1" + ranges + "|" + now + "|X-B: 2"},
		{then + "|Cache-Control: max-age=5|Cache-Control: private=\"x-a\"|X-A: 1|X-B: 1", now + "|X-A: 2|X-B: 2",
			"Cache-Control: max-age=5|Cache-Control: private=\"x-a\"" + ranges + "|" + now + "|X-B: 2"},
		{then + "|X-A: 1|X-B: 1", now + "|Cache-Control: no-cache=\"x-a, date\"|X-B: 2",
			"X-A: 1" + ranges + "|" + now + "|Cache-Control: no-cache=\"x-a, date\"|X-B: 2"},
		{then + "|CDN-Cache-Control: private=\"x-a\"|X-A: 1", now + "|Cache-Control: max-age=9|X-A: 2",
			"CDN-Cache-Control: private=\"x-a\"" + ranges + "|" + now + "|Cache-Control: max-age=9"},
	}
	pol := Policy{Targets: []string{"CDN-Cache-Control"}}
	for _, tt := range tests {
		var stored, answer storedHead
		stored.digest(headOf(t, "200 OK", tt.stored), at, at, &pol)
		resp := headOf(t, "304 Not Modified", tt.fresh)
		answer.digest(resp, at.Add(time.Hour), at.Add(time.Hour), &pol)
		fresh, _ := stored.freshened(resp, &answer, &pol)
		if got := joined(&fresh); got != tt.want {
			t.Errorf("%s\n freshened by %s:\n got %s\nwant %s", tt.stored, tt.fresh, got, tt.want)
		}
		if fresh.facts.ResponseTime != answer.facts.ResponseTime || fresh.facts.Status != 200 {
			t.Errorf("%s: facts %+v", tt.stored, fresh.facts)
		}
		roundTrip(t, &fresh)
	}
}

// TestFreshenedTimes: of Date and Age only the 304's count, whatever is in the
// stored head.
func TestFreshenedTimes(t *testing.T) {
	at := time.UnixMilli(784111777000)
	for fresh, want := range map[string]int64{
		"":                                    0,
		"Age: 7":                              7,
		"Date: Sun, 06 Nov 1994 09:49:30 GMT": 7,
		"Date: Sun, 06 Nov 1994 09:49:37 GMT": 0,
		"Date: yesterday":                     0,
		"Date: Sun, 06 Nov 1994 09:49:37 GMT|Age: 3": 3,
	} {
		var stored, answer storedHead
		stored.digest(headOf(t, "200 OK", "Date: Sun, 06 Nov 1994 08:00:00 GMT|Age: 5000|ETag: \"a\""), at, at, &fuzzPolicy)
		later := at.Add(time.Hour)
		resp := headOf(t, "304 Not Modified", fresh)
		answer.digest(resp, later, later, &fuzzPolicy)
		head, _ := stored.freshened(resp, &answer, &fuzzPolicy)
		if got := rfc9111.CurrentAge(&head.facts, later.UnixMilli()); got != want {
			t.Errorf("%q: got an age of %d, want %d", fresh, got, want)
		}
	}
}

// TestDigestTargets: the order of the list decides, not that of the lines; a
// target that a list of names holds is not left out.
func TestDigestTargets(t *testing.T) {
	at := time.UnixMilli(784111777000)
	pol := Policy{Targets: []string{"x-edge", "CDN-Cache-Control"}}
	tests := []struct {
		head    string
		maxAge  int64
		why     rfc9111.Reason // of Storable
		without string         // a field that is left out
	}{
		{"CDN-Cache-Control: max-age=1|X-Edge: max-age=2|Cache-Control: max-age=3", 2, rfc9111.OK, ""},
		{"CDN-Cache-Control: max-age=1|X-Edge:|Cache-Control: no-store", 1, rfc9111.OK, ""},
		{"CDN-Cache-Control: max-age=1,|X-EDGE: a b|Cache-Control: max-age=3", 3, rfc9111.OK, ""},
		{"X-Edge: max-age=2, private=\"x-a\"|X-A: 1|Cache-Control: private=\"x-b\"|X-B: 1", 2, rfc9111.OK, "X-A: 1"},
		{"X-Edge: max-age=2, private=\"x-a, x-edge\"|X-A: 1", 2, rfc9111.WhyPrivate, ""},
		{"Cache-Control: max-age=2, private=\"set-cookie\"|Set-Cookie: a=b", 2, rfc9111.OK, "Set-Cookie: a=b"},
	}
	var ask rfc9111.Ask
	ask.Reset(rfc9111.Get)
	ask.Done()
	for _, tt := range tests {
		var h storedHead
		full := h.digest(headOf(t, "200 OK", tt.head), at, at, &pol)
		if got := rfc9111.Storable(&h.facts, &ask, &rfc9111.Policy{NoSetCookie: true}); h.facts.MaxAge != tt.maxAge || got != tt.why {
			t.Errorf("%s: got max-age %d, %s, want %d, %s", tt.head, h.facts.MaxAge, got, tt.maxAge, tt.why)
		}
		if (full != nil) != (tt.without != "") {
			t.Errorf("%s: left out: got %v, want %q", tt.head, full != nil, tt.without)
		}
		if full != nil && (!bytes.Contains(full.block, []byte(tt.without)) || bytes.Contains(h.block, []byte(tt.without))) {
			t.Errorf("%s: got %q of %q, want it without %q", tt.head, h.block, full.block, tt.without)
		}
		roundTrip(t, &h)
	}
}
