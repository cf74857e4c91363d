package rfc9111

import "testing"

func TestStorable(t *testing.T) {
	tests := []struct {
		section string
		status  int
		head    string
		method  Method
		request string
		policy  Policy
		want    Reason
	}{
		{"9111 3: explicit freshness", 200, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9111 3: Expires", 200, "Expires: " + hourLater, Get, "", Policy{}, OK},
		{"9111 3: s-maxage", 200, "Cache-Control: s-maxage=60", Get, "", Policy{}, OK},
		{"10008: QUERY", 200, "Cache-Control: max-age=60", Query, "", Policy{}, OK},
		{"9111 3: method", 200, "Cache-Control: max-age=60", Head, "", Policy{}, WhyMethod},
		{"9111 3: method", 200, "Cache-Control: max-age=60", OtherSafe, "", Policy{}, WhyMethod},
		{"9111 3: method", 200, "Cache-Control: max-age=60", Unsafe, "", Policy{}, WhyMethod},
		{"9111 3: interim", 103, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9110 15: no status code", 600, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9111 3: 206", 206, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9111 3: 206 to Range", 206, "Cache-Control: max-age=60", Get, "Range: bytes=0-1", Policy{}, WhyRangeRequest},
		{"9111 3: 304", 304, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9110 15.5.22: 426", 426, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9111 3: 412 as any final status", 412, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9110 15.5.13: 412 to a precondition", 412, "Cache-Control: max-age=60", Get, "If-Match: \"a\"", Policy{}, WhyPrecondition},
		{"9111 3: 416 as any final status", 416, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9110 15.5.17: 416 to a range", 416, "Cache-Control: max-age=60", Get, "Range: bytes=9-", Policy{}, WhyRangeRequest},
		{"9111 3: 412 is not heuristically cacheable", 412, "ETag: \"a\"", Get, "", Policy{}, WhyStatus},
		{"7725 3: 451", 451, "ETag: \"a\"", Get, "", Policy{}, OK},
		{"6585 3", 428, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"6585 5", 431, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9111 3: unknown status, explicit", 599, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9111 5.2.2.9: unknown status, public", 599, "Cache-Control: public\nLast-Modified: " + dayAgo, Get, "", Policy{Heuristic: 10}, OK},
		{"9111 5.2.2.3: unknown status", 599, "Cache-Control: max-age=60, must-understand", Get, "", Policy{}, WhyMustUnderstand},
		{"9110 14.2: 404 to Range", 404, "Cache-Control: max-age=60", Get, "Range: bytes=0-1", Policy{}, WhyRangeRequest},
		{"9110 14.2: the whole to Range", 200, "Cache-Control: max-age=60", Get, "Range: bytes=0-1", Policy{}, OK},
		{"6585 4", 429, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"6585 6", 511, "Cache-Control: max-age=60", Get, "", Policy{}, WhyStatus},
		{"9111 3: unknown status, explicit", 299, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9111 5.2.2.3: unknown status", 299, "Cache-Control: max-age=60, must-understand", Get, "", Policy{}, WhyMustUnderstand},
		{"9111 5.2.2.3: unknown status", 299, "Cache-Control: max-age=60, must-understand, no-store", Get, "", Policy{}, WhyMustUnderstand},
		{"9111 5.2.2.3: known status", 404, "Cache-Control: max-age=60, must-understand, no-store", Get, "", Policy{}, OK},
		{"9111 5.2.2.5", 200, "Cache-Control: max-age=60, no-store", Get, "", Policy{}, WhyNoStore},
		{"9111 5.2.2.5: another line", 200, "Cache-Control: max-age=60\nCache-Control: no-store", Get, "", Policy{}, WhyNoStore},
		{"9111 4.2.1: conflict", 200, "Cache-Control: public, no-store, max-age=60", Get, "", Policy{}, WhyNoStore},
		{"9111 5.2.2.7", 200, "Cache-Control: private, max-age=60", Get, "", Policy{}, WhyPrivate},
		{"9111 5.2.2.7: conflict", 200, "Cache-Control: public, private, s-maxage=60", Get, "", Policy{}, WhyPrivate},
		{"9111 5.2.2.7: qualified", 200, `Cache-Control: private="x", max-age=60`, Get, "", Policy{}, OK},
		{"9111 5.2.2.7: qualified, a field that is needed", 200, `Cache-Control: private="vary", max-age=60`, Get, "", Policy{}, WhyPrivate},
		{"9111 5.2.2.7: qualified and not", 200, `Cache-Control: private="x", max-age=60, private`, Get, "", Policy{}, WhyPrivate},
		{"9111 5.2.2.7: malformed", 200, `Cache-Control: private="x y", max-age=60`, Get, "", Policy{}, WhyPrivate},
		{"syntax", 200, `Cache-Control: max-age=60, a="`, Get, "", Policy{}, WhySyntax},
		{"9111 5.2.1.5", 200, "Cache-Control: max-age=60", Get, "Cache-Control: no-store", Policy{}, WhyRequestNoStore},
		{"9111 3.5", 200, "Cache-Control: max-age=60", Get, "Authorization: x", Policy{}, WhyAuthorization},
		{"9111 3.5: Expires", 200, "Expires: " + hourLater, Get, "Authorization: x", Policy{}, WhyAuthorization},
		{"9111 3.5: proxy-revalidate gives no leave", 200, "Cache-Control: max-age=60, proxy-revalidate", Get, "Authorization: x", Policy{}, WhyAuthorization},
		{"9111 3.5: must-revalidate", 200, "Cache-Control: max-age=60, must-revalidate", Get, "Authorization: x", Policy{}, OK},
		{"9111 3.5: public", 200, "Cache-Control: max-age=60, public", Get, "Authorization: x", Policy{}, OK},
		{"9111 3.5: s-maxage", 200, "Cache-Control: s-maxage=60", Get, "Authorization: x", Policy{}, OK},
		{"9111 3.5: default ttl gives no leave", 200, "", Get, "Authorization: x", Policy{DefaultTTL: 60}, WhyAuthorization},
		{"9111 4.1", 200, "Cache-Control: max-age=60\nVary: *", Get, "", Policy{}, WhyVary},
		{"9111 4.1", 200, "Cache-Control: max-age=60\nVary: Accept", Get, "", Policy{}, OK},
		{"9111 7.3: Set-Cookie does not inhibit", 200, "Cache-Control: max-age=60\nSet-Cookie: a=b", Get, "", Policy{}, OK},
		{"policy", 200, "Cache-Control: max-age=60\nSet-Cookie: a=b", Get, "", Policy{NoSetCookie: true}, WhySetCookie},
		{"9111 3: not heuristically cacheable", 302, "ETag: \"a\"", Get, "", Policy{}, WhyStatus},
		{"9111 3: not heuristically cacheable", 500, "ETag: \"a\"", Get, "", Policy{}, WhyStatus},
		{"9111 3: explicit", 302, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9111 3: explicit", 500, "Cache-Control: max-age=60", Get, "", Policy{}, OK},
		{"9111 5.2.2.9: public", 302, "Cache-Control: public\nETag: \"a\"", Get, "", Policy{}, OK},
		{"9111 3: heuristically cacheable", 200, "ETag: \"a\"", Get, "", Policy{}, OK},
		{"9111 3: heuristically cacheable", 404, "ETag: \"a\"", Get, "", Policy{}, OK},
		{"never useful", 200, "", Get, "", Policy{}, WhyNoFreshness},
		{"never useful", 404, "", Get, "", Policy{DefaultTTL: 60}, WhyNoFreshness},
		{"policy", 200, "", Get, "", Policy{DefaultTTL: 60}, OK},
		{"never useful", 200, "Cache-Control: max-age=0", Get, "", Policy{}, WhyStale},
		{"never useful", 200, "Expires: 0", Get, "", Policy{}, WhyStale},
		{"never useful: older than it may be", 200, "Cache-Control: max-age=60\nAge: 60", Get, "", Policy{}, WhyStale},
		{"never useful", 200, "Cache-Control: no-cache, max-age=60", Get, "", Policy{}, WhyNoCache},
		{"validator", 200, "Cache-Control: no-cache, max-age=60\nETag: \"a\"", Get, "", Policy{}, OK},
		{"validator", 200, "Cache-Control: max-age=0\nLast-Modified: " + hourAgo, Get, "", Policy{}, OK},
		{"5861 3", 200, "Cache-Control: max-age=0, stale-while-revalidate=5", Get, "", Policy{}, OK},
		{"5861 4", 200, "Cache-Control: max-age=0, stale-if-error=5", Get, "", Policy{}, OK},
		{"5861 4: forbidden", 200, "Cache-Control: max-age=0, stale-if-error=5, must-revalidate", Get, "", Policy{}, WhyStale},
		{"policy", 200, "Cache-Control: max-age=0", Get, "", Policy{StaleIfError: 5}, OK},
	}
	for _, tt := range tests {
		f, a := response(t, tt.status, tt.head), request(t, tt.method, tt.request)
		if got := Storable(f, a, &tt.policy); got != tt.want {
			t.Errorf("%s: %d %q to %d %q, %+v: got %s, want %s", tt.section, tt.status, tt.head, tt.method, tt.request, tt.policy, got, tt.want)
		}
	}
}

func TestLifetime(t *testing.T) {
	ten := Policy{Heuristic: 10}
	tests := []struct {
		section string
		status  int
		head    string
		policy  Policy
		want    int64
		from    Reason
	}{
		{"9111 4.2.1: s-maxage first", 200, "Cache-Control: max-age=60, s-maxage=5\nExpires: " + hourLater, Policy{}, 5, WhySMaxAge},
		{"9111 4.2.1: max-age second", 200, "Cache-Control: max-age=60\nExpires: " + hourLater, Policy{}, 60, WhyMaxAge},
		{"9111 5.3: max-age=0 over Expires", 200, "Cache-Control: max-age=0\nExpires: " + hourLater, Policy{}, 0, WhyMaxAge},
		{"9111 4.2.1: Expires - Date", 200, "Date: " + hourAgo + "\nExpires: " + hourLater, Policy{}, 7200, WhyExpires},
		{"9110 6.6.1: no Date", 200, "Expires: " + hourLater, Policy{}, 3600, WhyExpires},
		{"9111 5.3: in the past", 200, "Date: " + dateT0 + "\nExpires: " + hourAgo, Policy{}, 0, WhyExpires},
		{"9110 6.6.1: Date that is none", 200, "Date: yesterday\nExpires: " + hourLater, Policy{}, 3600, WhyExpires},
		{"9111 4.2.1: invalid s-maxage over a valid max-age", 200, "Cache-Control: max-age=60, s-maxage=x", Policy{}, 0, WhySMaxAge},
		{"9111 4.2.2: not over an invalid max-age", 200, "Cache-Control: max-age=x\nLast-Modified: " + dayAgo, ten, 0, WhyMaxAge},
		{"7725 3", 451, "Date: " + dateT0 + "\nLast-Modified: " + hourAgo, ten, 360, WhyHeuristic},
		{"9111 5.3: invalid", 200, "Date: " + dateT0 + "\nExpires: 0", Policy{}, 0, WhyExpires},
		{"9111 4.2.2: not over an explicit time", 200, "Expires: 0\nLast-Modified: " + dayAgo, Policy{Heuristic: 10, DefaultTTL: 9}, 0, WhyExpires},
		{"9111 1.2.2: far future", 200, "Expires: Fri, 31 Dec 9999 23:59:59 GMT", Policy{}, MaxDelta, WhyExpires},
		{"9111 4.2.2", 200, "Date: " + dateT0 + "\nLast-Modified: " + hourAgo, ten, 360, WhyHeuristic},
		{"9111 4.2.2: no Date", 404, "Last-Modified: " + hourAgo, ten, 360, WhyHeuristic},
		{"9111 4.2.2: a minute is not lost", 200, "Date: " + dateT0 + "\nLast-Modified: Sun, 01 Jun 2025 11:59:00 GMT", ten, 6, WhyHeuristic},
		{"9111 4.2.2: at most a day", 200, "Date: " + dateT0 + "\nLast-Modified: Sat, 01 Jan 0000 00:00:00 GMT", Policy{Heuristic: 200}, 86400, WhyHeuristic},
		{"9111 4.2.2: at most", 200, "Date: " + dateT0 + "\nLast-Modified: " + dayAgo, Policy{Heuristic: 50, HeuristicMax: 60}, 60, WhyHeuristic},
		{"9111 4.2.2: later than Date", 200, "Date: " + dateT0 + "\nLast-Modified: " + hourLater, ten, 0, WhyNoFreshness},
		{"9111 4.2.2: off", 200, "Date: " + dateT0 + "\nLast-Modified: " + hourAgo, Policy{}, 0, WhyNoFreshness},
		{"9110 15.1: status", 302, "Date: " + dateT0 + "\nLast-Modified: " + hourAgo, ten, 0, WhyNoFreshness},
		{"9111 5.2.2.9: public", 302, "Cache-Control: public\nDate: " + dateT0 + "\nLast-Modified: " + hourAgo, ten, 360, WhyHeuristic},
		{"policy", 200, "", Policy{Heuristic: 10, DefaultTTL: 9}, 9, WhyDefaultTTL},
		{"policy: 200 only", 203, "", Policy{DefaultTTL: 9}, 0, WhyNoFreshness},
		{"policy: before a guess", 200, "Last-Modified: " + hourAgo, Policy{Heuristic: 10, DefaultTTL: 9}, 9, WhyDefaultTTL},
		{"nothing", 200, "", Policy{}, 0, WhyNoFreshness},
	}
	for _, tt := range tests {
		got, from := Lifetime(response(t, tt.status, tt.head), &tt.policy)
		if got != tt.want || from != tt.from {
			t.Errorf("%s: %d %q, %+v: got %d by %s, want %d by %s", tt.section, tt.status, tt.head, tt.policy, got, from, tt.want, tt.from)
		}
	}
}

// TestHeuristicStatus: RFC 9110, 15.1 without 206, and RFC 7725.
func TestHeuristicStatus(t *testing.T) {
	want := map[int]bool{200: true, 203: true, 204: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 451: true, 501: true}
	for status := 100; status < 1000; status++ {
		if got := heuristic(status); got != want[status] {
			t.Errorf("%d: got %v, want %v", status, got, want[status])
		}
		if final(status) != understood(status) && final(status) && status < 207 {
			t.Errorf("%d: not understood", status)
		}
		if understood(status) && !final(status) {
			t.Errorf("%d: understood but never stored", status)
		}
	}
}

func TestInvalidates(t *testing.T) {
	for _, tt := range []struct {
		method Method
		status int
		want   bool
	}{
		{Unsafe, 200, true}, {Unsafe, 204, true}, {Unsafe, 303, true}, {Unsafe, 399, true},
		{Unsafe, 101, false}, {Unsafe, 400, false}, {Unsafe, 500, false},
		{Get, 200, false}, {Head, 200, false}, {OtherSafe, 200, false}, {Query, 200, false},
	} {
		if got := Invalidates(tt.method, tt.status); got != tt.want {
			t.Errorf("9111 4.4: method %d, %d: got %v, want %v", tt.method, tt.status, got, tt.want)
		}
	}
}

func TestValidates(t *testing.T) {
	const lm, other = "\nLast-Modified: " + hourAgo, "\nLast-Modified: " + dayAgo
	tests := []struct {
		section, stored, fresh string
		want                   bool
	}{
		{"9111 4.3.4: strong", `ETag: "a"`, `ETag: "a"`, true},
		{"9111 4.3.4: strong, other", `ETag: "a"`, `ETag: "b"`, false},
		{"9111 4.3.4: strong, stored is weak", `ETag: W/"a"`, `ETag: "a"`, false},
		{"9111 4.3.4: the tag over Last-Modified", `ETag: "a"` + lm, `ETag: "b"` + lm, false},
		{"9111 4.3.4: the tag over Last-Modified", `ETag: "a"` + lm, `ETag: "a"` + other, true},
		{"9111 4.3.4: weak", `ETag: W/"a"`, `ETag: W/"a"`, true},
		{"9111 4.3.4: weak, stored is strong", `ETag: "a"`, `ETag: W/"a"`, true},
		{"9111 4.3.4: weak, other", `ETag: W/"a"`, `ETag: W/"b"`, false},
		{"9111 4.3.4: Last-Modified", lm, lm, true},
		{"9111 4.3.4: Last-Modified, other", lm, other, false},
		{"9111 4.3.4: Last-Modified alone", `ETag: "a"` + lm, lm, true},
		{"9111 4.3.4: Last-Modified unknown", `ETag: "a"`, lm, false},
		{"9111 4.3.4: a tag unknown", lm, `ETag: "a"`, false},
		{"9111 4.3.4: a tag unknown beside the same date", "Date: " + dateT0 + lm, "Date: " + dateT0 + "\n" + `ETag: "a"` + lm, true},
		{"9111 4.3.4: a tag unknown beside a weak date", "Date: " + hourAgo + lm, "Date: " + dateT0 + "\n" + `ETag: "a"` + lm, false},
		{"9111 4.3.4: a tag unknown beside a weak date", "Date: " + dateT0 + lm, "Date: " + hourAgo + "\n" + `ETag: "a"` + lm, false},
		{"9111 4.3.4: a weak tag beside the same date", "Date: " + hourAgo + lm, `ETag: W/"a"` + lm, true},
		{"9111 4.3.4: none on both sides", "", "", true},
		{"9110 15.4.5: left out", `ETag: "a"` + lm, "", true},
		{"9111 4.3.4: none stored", "", `ETag: "a"`, false},
		{"9111 4.3.4: none stored", "", lm, false},
	}
	for _, tt := range tests {
		stored, fresh := response(t, 200, tt.stored), response(t, 304, tt.fresh)
		if got := Validates(stored, fresh); got != tt.want {
			t.Errorf("%s: stored %q, 304 %q: got %v, want %v", tt.section, tt.stored, tt.fresh, got, tt.want)
		}
	}
}

func TestReasons(t *testing.T) {
	seen := map[string]bool{}
	for r := range NumReasons {
		s := Reason(r).String()
		if s == "" || seen[s] {
			t.Errorf("reason %d: name %q is empty or used twice", r, s)
		}
		seen[s] = true
	}
	for a := range NumActions {
		if s := Action(a).String(); s == "" || s == "action?" {
			t.Errorf("action %d has no name", a)
		}
	}
	if got := Reason(NumReasons).String() + Action(NumActions).String(); got != "reason?action?" {
		t.Errorf("got %q", got)
	}
}

func TestPostStorable(t *testing.T) {
	for _, tt := range []struct {
		section string
		status  int
		head    string
		request string
		want    Reason
	}{
		{"9110 9.3.3: explicit freshness", 200, "Cache-Control: max-age=60", "", OK},
		{"9110 9.3.3: Expires", 200, "Expires: " + hourLater, "", OK},
		{"9110 9.3.3: a guess", 200, "Last-Modified: " + dayAgo, "", WhyNoFreshness},
		{"9110 9.3.3: a validator", 200, "ETag: \"a\"\nCache-Control: public", "", WhyNoFreshness},
		{"9110 8.7: about what was done", 201, "Cache-Control: max-age=60", "", WhyStatus},
		{"9110 8.7: about what was done", 404, "Cache-Control: max-age=60", "", WhyStatus},
		{"9111 5.2.2.5", 200, "Cache-Control: max-age=60, no-store", "", WhyNoStore},
		{"9111 5.2.2.7", 200, "Cache-Control: max-age=60, private", "", WhyPrivate},
		{"9111 3.5", 200, "Cache-Control: max-age=60", "Authorization: x", WhyAuthorization},
		{"9111 5.2.1.5", 200, "Cache-Control: max-age=60", "Cache-Control: no-store", WhyRequestNoStore},
	} {
		f, a := response(t, tt.status, tt.head), request(t, Unsafe, tt.request)
		if got := PostStorable(f, a, &Policy{Heuristic: 10}); got != tt.want {
			t.Errorf("%s: %d %q to %q: got %v, want %v", tt.section, tt.status, tt.head, tt.request, got, tt.want)
		}
	}
}
