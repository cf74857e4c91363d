package rfc9111

import "testing"

func TestImmutable(t *testing.T) {
	const immutable = "Cache-Control: max-age=60, immutable\nETag: \"a\""
	tests := []struct {
		section, head, request string
		after                  int64 // seconds
		do                     Action
		why                    Reason
	}{
		{"8246 2.1: a reload", immutable, "Cache-Control: max-age=0", 30, Deliver, WhyImmutable},
		{"8246 2.1: another age", immutable, "Cache-Control: max-age=5", 30, Deliver, WhyImmutable},
		{"8246 2.1: young enough anyway", immutable, "Cache-Control: max-age=30", 30, Deliver, WhyMaxAge},
		{"8246 2.1: no directive", immutable, "", 30, Deliver, WhyMaxAge},
		{"8246 2.1: a forced reload", immutable, "Cache-Control: no-cache", 30, Validate, WhyRequestNoCache},
		{"8246 2.1: both", immutable, "Cache-Control: max-age=0, no-cache", 30, Validate, WhyRequestNoCache},
		{"8246 2.1: Pragma", immutable, "Pragma: no-cache", 30, Validate, WhyRequestNoCache},
		{"8246 2: stale", immutable, "Cache-Control: max-age=0", 60, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.3", immutable, "Cache-Control: max-age=0, min-fresh=50", 30, Validate, WhyMinFresh},
		{"8246 2: in a request", "Cache-Control: max-age=60", "Cache-Control: max-age=0, immutable", 30, Validate, WhyRequestMaxAge},
		{"9111 5.2.2.4", immutable + "\nCache-Control: no-cache", "Cache-Control: max-age=0", 0, Validate, WhyNoCache},
	}
	for _, tt := range tests {
		v := Judge(response(t, 200, tt.head), request(t, Get, tt.request), &Policy{}, t0+tt.after*1000)
		if v.Do != tt.do || v.Why != tt.why {
			t.Errorf("%s: %q to %q: got %s (%s), want %s (%s)", tt.section, tt.head, tt.request, v.Do, v.Why, tt.do, tt.why)
		}
	}
	// RFC 8246, 3: what may have been cut short is validated.
	f := response(t, 200, immutable)
	f.UntilClose()
	if v := Judge(f, request(t, Get, "Cache-Control: max-age=0"), &Policy{}, t0); v.Do != Validate {
		t.Errorf("until close: got %s (%s)", v.Do, v.Why)
	}
	var renewed Facts
	renewed.Renew(f, t0, t0)
	lines(t, responseFields, immutable, renewed.Field)
	if renewed.Done(); renewed.Immutable() {
		t.Error("until close, validated: immutable")
	}
}
