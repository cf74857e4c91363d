package rfc9111

import "testing"

// TestPrivate: what is forbidden to shared caches alone is allowed in the
// cache of one user, and nothing else is.
func TestPrivate(t *testing.T) {
	tests := []struct {
		section       string
		status        int
		head, request string
		shared, alone Reason // of Storable
	}{
		{"9111 5.2.2.7", 200, "Cache-Control: private, max-age=60", "", WhyPrivate, OK},
		{"9111 3: private alone makes it cacheable", 302, "Cache-Control: private\nETag: \"a\"", "", WhyPrivate, OK},
		{"9111 3: s-maxage does not", 302, "Cache-Control: s-maxage=60\nETag: \"a\"", "", OK, WhyStatus},
		{"9111 3.5", 200, "Cache-Control: max-age=60", "Authorization: x", WhyAuthorization, OK},
		{"9111 7.3", 200, "Last-Modified: " + dayAgo + "\nSet-Cookie: a=b", "", WhySetCookie, OK},
		{"9111 5.2.2.10: s-maxage gives no freshness", 200, "Cache-Control: s-maxage=60", "", OK, WhyNoFreshness},
		{"9111 5.2.2.5: no-store", 200, "Cache-Control: no-store, max-age=60", "", WhyNoStore, WhyNoStore},
		{"9111 5.2.1.5: request no-store", 200, "Cache-Control: max-age=60", "Cache-Control: no-store", WhyRequestNoStore, WhyRequestNoStore},
		{"9111 5.2.2.3", 299, "Cache-Control: max-age=60, must-understand", "", WhyMustUnderstand, WhyMustUnderstand},
		{"9111 4.1: Vary: *", 200, "Cache-Control: max-age=60\nVary: *", "", WhyVary, WhyVary},
		{"9111 5.2.2.4: no-cache without validator", 200, "Cache-Control: no-cache, max-age=60", "", WhyNoCache, WhyNoCache},
		{"9111 5.2.2.8: useful when stale", 200, "Cache-Control: max-age=0, proxy-revalidate, stale-if-error=9", "", WhyStale, OK},
	}
	for _, tt := range tests {
		f, a := response(t, tt.status, tt.head), request(t, Get, tt.request)
		for private, want := range map[bool]Reason{false: tt.shared, true: tt.alone} {
			if got := Storable(f, a, &Policy{Private: private, Heuristic: 10}); got != want {
				t.Errorf("%s: %d %q to %q, private %v: got %s, want %s", tt.section, tt.status, tt.head, tt.request, private, got, want)
			}
		}
	}
	f, a := response(t, 200, "Cache-Control: max-age=60\nSet-Cookie: a=b"), request(t, Get, "")
	if got := Storable(f, a, &Policy{Private: true, NoSetCookie: true}); got != WhySetCookie {
		t.Errorf("a policy without cookies: got %s, want %s", got, WhySetCookie)
	}
}

func TestPrivateReuse(t *testing.T) {
	tests := []struct {
		section, head, request string
		after                  int64 // seconds
		shared, alone          Action
		onError                [2]bool // shared, alone
	}{
		{"9111 5.2.2.10: fresh by s-maxage", "Cache-Control: s-maxage=60, max-age=5", "", 30, Deliver, Validate, [2]bool{true, true}},
		{"9111 5.2.2.10: fresh by max-age", "Cache-Control: s-maxage=5, max-age=60", "", 30, Validate, Deliver, [2]bool{false, true}},
		{"9111 5.2.2.10: stale", "Cache-Control: s-maxage=5, max-age=5", "Cache-Control: max-stale", 30, Validate, Deliver, [2]bool{false, true}},
		{"9111 5.2.2.8: stale", "Cache-Control: max-age=5, proxy-revalidate", "Cache-Control: max-stale", 30, Validate, Deliver, [2]bool{false, true}},
		{"9111 5.2.2.2: stale", "Cache-Control: max-age=5, must-revalidate", "Cache-Control: max-stale", 30, Validate, Validate, [2]bool{false, false}},
		{"5861 3", "Cache-Control: max-age=5, proxy-revalidate, stale-while-revalidate=60", "", 30, Validate, DeliverAndRefresh, [2]bool{false, true}},
		{"9111 5.2.2.4: no-cache", "Cache-Control: max-age=60, no-cache", "", 0, Validate, Validate, [2]bool{false, false}},
		{"9111 4.2.2: private as public", "Cache-Control: private\nLast-Modified: " + dayAgo, "", 30, Validate, Deliver, [2]bool{false, true}},
	}
	for _, tt := range tests {
		status := 200
		if tt.section == "9111 4.2.2: private as public" {
			status = 302 // not heuristically cacheable by itself
		}
		f, a := response(t, status, tt.head), request(t, Get, tt.request)
		for i, want := range []Action{tt.shared, tt.alone} {
			p := Policy{Private: i == 1, Heuristic: 10, StaleIfError: 60}
			if got := Judge(f, a, &p, t0+tt.after*1000); got.Do != want {
				t.Errorf("%s: %q to %q, private %v: got %s (%s), want %s", tt.section, tt.head, tt.request, p.Private, got.Do, got.Why, want)
			}
			if got, why := StaleOnError(f, a, &p, Failure{On500, t0 + tt.after*1000}); got != tt.onError[i] {
				t.Errorf("%s: %q to %q, private %v, on an error: got %v (%s), want %v", tt.section, tt.head, tt.request, p.Private, got, why, tt.onError[i])
			}
		}
	}
}
