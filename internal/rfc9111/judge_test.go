package rfc9111

import (
	"fmt"
	"testing"
)

func TestCurrentAge(t *testing.T) {
	tests := []struct {
		section             string
		requested, received int64 // ms before and after t0
		head                string
		now                 int64 // ms after t0
		want                int64
	}{
		{"9111 4.2.3: resident_time", 0, 0, "", 5000, 5},
		{"9111 4.2.3: cut to seconds", 0, 0, "", 5999, 5},
		{"9111 4.2.3: age_value", 0, 0, "Age: 10", 5000, 15},
		{"9111 4.2.3: response_delay", -2000, 0, "Age: 10", 5000, 17},
		{"9111 4.2.3: response_delay in parts", -600, 0, "", 400, 1},
		{"9111 4.2.3: apparent_age", 0, 0, "Date: " + hourAgo, 0, 3600},
		{"9111 4.2.3: the greater of both", 0, 0, "Age: 10\nDate: " + hourAgo, 0, 3600},
		{"9111 4.2.3: the greater of both", 0, 0, "Age: 7200\nDate: " + hourAgo, 1000, 7201},
		{"9111 4.2.3: Date in the future", 0, 0, "Date: " + hourLater, 1000, 1},
		{"Date is cut to seconds", 500, 999, "Date: " + dateT0, 999, 0},
		{"clock stepped back", 0, 0, "Age: 10", -3600_000, 10},
		{"clock stepped back between request and response", 9000, 0, "", 0, 0},
		{"9111 1.2.2: saturates", 0, 0, "Age: 2147483648", 5000, MaxDelta},
	}
	for _, tt := range tests {
		var f Facts
		f.Reset(200, t0+tt.requested, t0+tt.received)
		lines(t, responseFields, tt.head, f.Field)
		f.Done()
		if got := CurrentAge(&f, t0+tt.now); got != tt.want {
			t.Errorf("%s: %q: got %d, want %d", tt.section, tt.head, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	const sec = int64(1000)
	tests := []struct {
		section, head string
		method        Method
		request       string
		after         int64 // ms
		do            Action
		why           Reason
	}{
		{"9111 4.2: fresh", "Cache-Control: max-age=60", Get, "", 0, Deliver, WhyMaxAge},
		{"9111 4.2: fresh", "Cache-Control: s-maxage=60", Get, "", 59_999, Deliver, WhySMaxAge},
		{"9111 4.2: fresh", "Expires: " + hourLater, Head, "", 5 * sec, Deliver, WhyExpires},
		{"9111 4.2: lifetime > age", "Cache-Control: max-age=60", Get, "", 60 * sec, Validate, WhyStale},
		{"9111 4.2: no freshness", "ETag: \"a\"", Get, "", 0, Validate, WhyStale},
		{"9111 4.2.1: invalid max-age", "Cache-Control: max-age=x", Get, "", 0, Validate, WhyStale},
		{"9111 5.1: Age", "Cache-Control: max-age=60\nAge: 60", Get, "", 0, Validate, WhyStale},
		{"9111 4: unsafe method", "Cache-Control: max-age=60", Unsafe, "", 0, Forward, WhyMethod},
		{"10008: QUERY", "Cache-Control: max-age=60", Query, "", 0, Deliver, WhyMaxAge},
		{"9111 4: other method", "Cache-Control: max-age=60", OtherSafe, "", 0, Forward, WhyMethod},
		{"9111 4.3.2: If-Match", "Cache-Control: max-age=60", Get, "If-Match: \"a\"", 0, Forward, WhyPrecondition},
		{"9111 4.3.2: If-Unmodified-Since", "Cache-Control: max-age=60", Get, "If-Unmodified-Since: " + dateT0, 0, Forward, WhyPrecondition},
		{"9110 13.1.4: invalid", "Cache-Control: max-age=60", Get, "If-Unmodified-Since: x", 0, Deliver, WhyMaxAge},
		{"9110 13.1.4: list", "Cache-Control: max-age=60", Get, "If-Unmodified-Since: " + dateT0 + "\nIf-Unmodified-Since: " + dateT0, 0, Deliver, WhyMaxAge},
		{"9111 5.2.2.4", "Cache-Control: max-age=60, no-cache", Get, "", 0, Validate, WhyNoCache},
		{"9111 5.2.2.4: max-stale does not help", "Cache-Control: max-age=60, no-cache", Get, "Cache-Control: max-stale", 0, Validate, WhyNoCache},
		{"9111 5.2.2.4: qualified", `Cache-Control: max-age=60, no-cache="x"`, Get, "", 0, Deliver, WhyMaxAge},

		{"9111 5.2.1.4", "Cache-Control: max-age=60", Get, "Cache-Control: no-cache", 0, Validate, WhyRequestNoCache},
		{"9111 5.2.1.5: does not apply to what is stored", "Cache-Control: max-age=60", Get, "Cache-Control: no-store", 0, Deliver, WhyMaxAge},
		{"9111 5.4", "Cache-Control: max-age=60", Get, "Pragma: no-cache", 0, Validate, WhyRequestNoCache},
		{"9111 5.4: any case, in a list", "Cache-Control: max-age=60", Get, "Pragma: x, No-Cache", 0, Validate, WhyRequestNoCache},
		{"9111 5.4: other", "Cache-Control: max-age=60", Get, "Pragma: no-cache=1", 0, Deliver, WhyMaxAge},
		{"9111 5.4: beside Cache-Control", "Cache-Control: max-age=60", Get, "Pragma: no-cache\nCache-Control: max-age=60", 0, Deliver, WhyMaxAge},
		{"9111 5.2.1.1", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=30", 30 * sec, Deliver, WhyMaxAge},
		{"9111 5.2.1.1: older", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=30", 30_001, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.1: 0", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=0", 0, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.1: invalid", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=x", 0, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.1: the lowest", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=90, max-age=5", 6 * sec, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.1: no stale response", "Cache-Control: max-age=60, stale-while-revalidate=60", Get, "Cache-Control: max-age=90", 61 * sec, Validate, WhyStale},
		{"9111 5.2.1.1: unless max-stale", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=90, max-stale=9", 61 * sec, Deliver, WhyMaxStale},
		{"9111 5.2.1.3", "Cache-Control: max-age=60", Get, "Cache-Control: min-fresh=20", 40 * sec, Deliver, WhyMaxAge},
		{"9111 5.2.1.3: less", "Cache-Control: max-age=60", Get, "Cache-Control: min-fresh=20", 40_001, Validate, WhyMinFresh},
		{"9111 5.2.1.1: without argument is 0", "Cache-Control: max-age=60", Get, "Cache-Control: max-age", 0, Validate, WhyRequestMaxAge},
		{"9111 5.2.1.1: invalid is 0", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=-5", 0, Validate, WhyRequestMaxAge},
		{"9111 5.2: quoted", "Cache-Control: max-age=60", Get, "Cache-Control: max-age=\"30\"", 20 * sec, Deliver, WhyMaxAge},
		{"9111 5.2: any case, empty members", "Cache-Control: max-age=60", Get, "Cache-Control: ,, No-CACHE ,", 0, Validate, WhyRequestNoCache},
		{"9111 5.2.1.4: with an argument", "Cache-Control: max-age=60", Get, "Cache-Control: no-cache=\"x\"", 0, Validate, WhyRequestNoCache},
		{"9111 5.2.1.6: no-transform, unknown ones, those of responses", "Cache-Control: max-age=60", Get, "Cache-Control: no-transform, x=\"no-cache\", must-revalidate, private", 0, Deliver, WhyMaxAge},
		{"9111 5.2.1.2: negative", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale=-1", 61 * sec, Validate, WhyStale},
		{"9111 5.2.1.3: without argument", "Cache-Control: max-age=60", Get, "Cache-Control: min-fresh", 59 * sec, Deliver, WhyMaxAge},
		{"9111 5.2.1.3: invalid", "Cache-Control: max-age=60", Get, "Cache-Control: min-fresh=x", 59 * sec, Deliver, WhyMaxAge},
		{"9111 5.2.1.3: the greatest", "Cache-Control: max-age=60", Get, "Cache-Control: min-fresh=50, min-fresh=5", 20 * sec, Validate, WhyMinFresh},
		{"9111 5.2.1.2", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale=10", 70 * sec, Deliver, WhyMaxStale},
		{"9111 5.2.1.2: more", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale=10", 70_001, Validate, WhyStale},
		{"9111 5.2.1.2: any", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale", 9_000_000 * sec, Deliver, WhyMaxStale},
		{"9111 5.2.1.2: any, and a value", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale, max-stale=10", 71 * sec, Validate, WhyStale},
		{"9111 5.2.1.2: invalid", "Cache-Control: max-age=60", Get, "Cache-Control: max-stale=x", 61 * sec, Validate, WhyStale},
		{"9111 5.2.2.2", "Cache-Control: max-age=60, must-revalidate", Get, "", 59 * sec, Deliver, WhyMaxAge},
		{"9111 5.2.2.2: stale", "Cache-Control: max-age=60, must-revalidate", Get, "Cache-Control: max-stale", 60 * sec, Validate, WhyMustRevalidate},
		{"9111 5.2.2.8: stale", "Cache-Control: max-age=60, proxy-revalidate", Get, "Cache-Control: max-stale", 60 * sec, Validate, WhyProxyRevalidate},
		{"9111 5.2.2.10: stale", "Cache-Control: s-maxage=60", Get, "Cache-Control: max-stale", 60 * sec, Validate, WhySMaxAge},
		{"9111 5.2.2.10: stale", "Cache-Control: s-maxage=60, stale-while-revalidate=60", Get, "", 60 * sec, Validate, WhySMaxAge},
		{"9111 5.2.2.2: stale", "Cache-Control: max-age=60, must-revalidate, stale-while-revalidate=60", Get, "", 60 * sec, Validate, WhyMustRevalidate},
		{"5861 3", "Cache-Control: max-age=60, stale-while-revalidate=10", Get, "", 60 * sec, DeliverAndRefresh, WhyStaleWhileRevalidate},
		{"5861 3: to the end", "Cache-Control: max-age=60, stale-while-revalidate=10", Get, "", 70 * sec, DeliverAndRefresh, WhyStaleWhileRevalidate},
		{"5861 3: beyond", "Cache-Control: max-age=60, stale-while-revalidate=10", Get, "", 70_001, Validate, WhyStale},
		{"5861 3: 0", "Cache-Control: max-age=60, stale-while-revalidate=0", Get, "", 60 * sec, Validate, WhyStale},
		{"5861 3: invalid", "Cache-Control: max-age=60, stale-while-revalidate", Get, "", 60 * sec, Validate, WhyStale},
		{"5861 3: with max-stale", "Cache-Control: max-age=60, stale-while-revalidate=10", Get, "Cache-Control: max-stale", 65 * sec, DeliverAndRefresh, WhyStaleWhileRevalidate},
		{"5861 3: min-fresh wants none", "Cache-Control: max-age=60, stale-while-revalidate=10", Get, "Cache-Control: min-fresh=0", 65 * sec, Validate, WhyMinFresh},
		{"5861 4: not without an error", "Cache-Control: max-age=60, stale-if-error=10", Get, "", 61 * sec, Validate, WhyStale},
		{"9111 5.2.1.7", "Cache-Control: max-age=60", Get, "Cache-Control: only-if-cached", 0, Deliver, WhyMaxAge},
		{"9111 5.2.1.7: stale", "Cache-Control: max-age=60", Get, "Cache-Control: only-if-cached", 60 * sec, Refuse, WhyOnlyIfCached},
		{"9111 5.2.1.7: stale allowed", "Cache-Control: max-age=60", Get, "Cache-Control: only-if-cached, max-stale", 60 * sec, Deliver, WhyMaxStale},
		{"9111 5.2.1.7: no-cache", "Cache-Control: max-age=60", Get, "Cache-Control: only-if-cached, no-cache", 0, Refuse, WhyOnlyIfCached},
		{"9111 5.2.1.7: If-Match", "Cache-Control: max-age=60", Get, "Cache-Control: only-if-cached\nIf-Match: *", 0, Refuse, WhyOnlyIfCached},
		{"9111 5.2.3: unknown", "Cache-Control: max-age=60", Get, "Cache-Control: foo, bar=\"no-cache\"", 0, Deliver, WhyMaxAge},
	}
	for _, tt := range tests {
		f, a := response(t, 200, tt.head), request(t, tt.method, tt.request)
		got := Judge(f, a, &Policy{}, t0+tt.after)
		if got.Do != tt.do || got.Why != tt.why {
			t.Errorf("%s: %q for %d %q after %d ms: got %s by %s, want %s by %s", tt.section, tt.head, tt.method, tt.request, tt.after,
				got.Do, got.Why, tt.do, tt.why)
		}
	}
}

func TestVerdict(t *testing.T) {
	f := response(t, 200, "Cache-Control: max-age=60\nAge: 10\nETag: \"a\"")
	f.Length = 100
	for _, tt := range []struct {
		request string
		after   int64
		want    Verdict
	}{
		{"", 5000, Verdict{Do: Deliver, Why: WhyMaxAge, Age: 15, TTL: 45, Selection: Selection{Status: 200, Last: 99}}},
		{"Range: bytes=5-9", 0, Verdict{Do: Deliver, Why: WhyMaxAge, Age: 10, TTL: 50, Selection: Selection{206, 5, 9, 1}}},
		{"If-None-Match: \"a\"", 0, Verdict{Do: Deliver, Why: WhyMaxAge, Age: 10, TTL: 50, Selection: Selection{Status: 304, Last: -1}}},
		{"", 60_000, Verdict{Do: Validate, Why: WhyStale, Age: 70, TTL: -10}},
		{"Cache-Control: only-if-cached", 60_000, Verdict{Do: Refuse, Why: WhyOnlyIfCached, Age: 70, TTL: -10, Selection: Selection{Status: 504}}},
	} {
		tt.want.Lifetime, tt.want.From = 60, WhyMaxAge
		if got := Judge(f, request(t, Get, tt.request), &Policy{}, t0+tt.after); got != tt.want {
			t.Errorf("%q after %d ms: got %+v, want %+v", tt.request, tt.after, got, tt.want)
		}
	}
	f = response(t, 404, "Cache-Control: max-age=60")
	if got := Judge(f, request(t, Get, "Range: bytes=0-1"), &Policy{}, t0); got.Status != 404 || got.Last != -1 {
		t.Errorf("404: got %+v", got)
	}
}

func TestStaleOnError(t *testing.T) {
	tests := []struct {
		section, head, request string
		policy                 Policy
		after                  int64 // s
		want                   bool
		why                    Reason
	}{
		{"5861 4", "Cache-Control: max-age=60, stale-if-error=10", "", Policy{}, 70, true, WhyStaleIfError},
		{"5861 4: beyond", "Cache-Control: max-age=60, stale-if-error=10", "", Policy{}, 71, false, WhyStale},
		{"5861 4: of the request", "Cache-Control: max-age=60", "Cache-Control: stale-if-error=10", Policy{}, 70, true, WhyStaleIfError},
		{"5861 4: of the request, less", "Cache-Control: max-age=60, stale-if-error=100", "Cache-Control: stale-if-error=10", Policy{}, 71, false, WhyStale},
		{"5861 4: of the request, invalid", "Cache-Control: max-age=60, stale-if-error=100", "Cache-Control: stale-if-error=x", Policy{}, 71, true, WhyStaleIfError},
		{"5861 4: whatever freshness the client prefers", "Cache-Control: max-age=60, stale-if-error=10", "Cache-Control: no-cache", Policy{}, 65, true, WhyStaleIfError},
		{"9111 4.2.4: policy", "Cache-Control: max-age=60", "", Policy{StaleIfError: 10}, 70, true, WhyPolicyStale},
		{"9111 4.2.4: policy, beyond", "Cache-Control: max-age=60", "", Policy{StaleIfError: 10}, 71, false, WhyStale},
		{"9111 4.2.4: the directive over the policy", "Cache-Control: max-age=60, stale-if-error=0", "", Policy{StaleIfError: 10}, 65, false, WhyStale},
		{"9111 4.2.4: nobody says so", "Cache-Control: max-age=60", "", Policy{}, 60, false, WhyStale},
		{"9111 5.2.1.2", "Cache-Control: max-age=60", "Cache-Control: max-stale=10", Policy{}, 70, true, WhyMaxStale},
		{"9111 5.2.2.2", "Cache-Control: max-age=60, stale-if-error=10, must-revalidate", "", Policy{}, 60, false, WhyMustRevalidate},
		{"9111 5.2.2.4", "Cache-Control: max-age=60, stale-if-error=10, no-cache", "", Policy{}, 0, false, WhyNoCache},
		{"9111 5.2.2.8", "Cache-Control: max-age=60, stale-if-error=10, proxy-revalidate", "", Policy{}, 60, false, WhyProxyRevalidate},
		{"9111 5.2.2.10", "Cache-Control: s-maxage=60, stale-if-error=10", "", Policy{StaleIfError: 10}, 60, false, WhySMaxAge},
		{"9111 4: fresh", "Cache-Control: s-maxage=60", "Cache-Control: no-cache", Policy{}, 59, true, WhySMaxAge},
		{"9111 4.3.2", "Cache-Control: max-age=60, stale-if-error=10", "If-Match: \"a\"", Policy{}, 0, false, WhyPrecondition},
	}
	for _, tt := range tests {
		got, why := StaleOnError(response(t, 200, tt.head), request(t, Get, tt.request), &tt.policy, Failure{On500, t0 + tt.after*1000})
		if got != tt.want || why != tt.why {
			t.Errorf("%s: %q for %q, %+v after %d s: got %v by %s, want %v by %s", tt.section, tt.head, tt.request, tt.policy, tt.after, got, why, tt.want, tt.why)
		}
	}
}

var controls = []string{
	"", "max-age=60", "s-maxage=60", "max-age=0", "max-age=60, must-revalidate", "max-age=60, proxy-revalidate",
	"max-age=60, no-cache", "max-age=60, stale-while-revalidate=30", "s-maxage=60, stale-while-revalidate=30, stale-if-error=99",
	"max-age=60, must-revalidate, stale-while-revalidate=30, stale-if-error=99", "max-age=60, stale-if-error=30", "max-age=2147483648",
}

var demands = []string{
	"", "no-cache", "max-age=0", "max-age=30", "max-stale", "max-stale=10", "min-fresh=10", "only-if-cached",
	"max-age=30, max-stale", "no-store", "stale-if-error=50", "only-if-cached, max-stale",
}

// TestJudgeProperties: what holds whatever is combined.
func TestJudgeProperties(t *testing.T) {
	for _, control := range controls {
		for _, demand := range demands {
			f := response(t, 200, "ETag: \"a\"\nCache-Control: "+control)
			a := request(t, Get, "Cache-Control: "+demand)
			lifetime, _ := Lifetime(f, &Policy{})
			strict := f.has(mustRevalidate|proxyRevalidate|noCache) || f.SMaxAge != Absent
			for after := int64(-5000); after < 120_000; after += 500 {
				p := Policy{}
				v := Judge(f, a, &p, t0+after)
				name := fmt.Sprintf("%q for %q after %d ms: %+v", control, demand, after, v)
				use := v.Do == Deliver || v.Do == DeliverAndRefresh
				if use && v.TTL <= 0 && strict {
					t.Fatalf("9111 4.2.4: stale though forbidden: %s", name)
				}
				if use && f.has(noCache) {
					t.Fatalf("9111 5.2.2.4: no-cache delivered: %s", name)
				}
				if after < -clockSlack && (use || v.TTL > 0) {
					t.Fatalf("it came in the future, and is used: %s", name)
				}
				if v.Age < 0 || after >= -clockSlack && v.TTL != lifetime-v.Age {
					t.Fatalf("age and ttl: %s", name)
				}
				if (v.Do == Refuse) != (v.Status == 504) || use != (v.Status == 200) {
					t.Fatalf("status: %s", name)
				}
				if v.Do == Validate && a.OnlyIfCached() {
					t.Fatalf("9111 5.2.1.7: validated: %s", name)
				}
				if ok, _ := StaleOnError(f, a, &Policy{StaleIfError: 1 << 20}, Failure{On500, t0 + after}); ok && strict && v.TTL <= 0 {
					t.Fatalf("9111 4.2.4: stale on error though forbidden: %s", name)
				}
			}
		}
	}
}

// TestAgeIsMonotone: as time goes on no age falls, and no clock makes one negative.
func TestAgeIsMonotone(t *testing.T) {
	for _, head := range []string{"", "Age: 5", "Date: " + hourAgo, "Date: " + hourLater, "Age: 2147483648"} {
		for _, delay := range []int64{-10_000, 0, 1, 999, 10_000} {
			var f Facts
			f.Reset(200, t0-delay, t0)
			lines(t, responseFields, head, f.Field)
			f.Done()
			last := int64(0)
			for now := int64(firstTime); now <= lastTime; now = next(now) {
				got := CurrentAge(&f, now)
				if got < last {
					t.Fatalf("%q, delay %d: age %d at %d after %d", head, delay, got, now, last)
				}
				last = got
			}
		}
	}
}

// next moves quickly far from t0 and slowly near it.
func next(now int64) int64 {
	if t0-5000 <= now && now < t0+5000 {
		return now + 100
	}
	if now < t0-5000 {
		return min(now+lastTime/50, t0-5000)
	}
	return now + lastTime/50
}
