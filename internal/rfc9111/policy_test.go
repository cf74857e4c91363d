package rfc9111

import (
	"strings"
	"testing"
)

// valid makes a Valid of "200=60 2xx=off any=5".
func valid(tb testing.TB, text string) *Valid {
	tb.Helper()
	v := new(Valid)
	for _, item := range strings.Fields(text) {
		status, ttl, _ := strings.Cut(item, "=")
		seconds := Off
		if ttl != "off" {
			seconds, _ = parseDelta([]byte(ttl), false)
		}
		if err := v.Set(status, seconds); err != nil {
			tb.Fatal(err)
		}
	}
	return v
}

// directivesOf makes a set of names.
func directivesOf(tb testing.TB, names string) (all Directives) {
	tb.Helper()
	for _, name := range strings.Fields(names) {
		d, ok := ParseDirective(name)
		if !ok {
			tb.Fatalf("directive %q is not known", name)
		}
		all |= d
	}
	return all
}

func TestValid(t *testing.T) {
	v := valid(t, "any=1 2xx=2 200=3 404=off 5xx=off 503=4")
	for status, want := range map[int]int64{200: 3, 201: 2, 299: 2, 301: 1, 404: Off, 403: 1, 500: Off, 503: 4, 100: 1, 599: Off} {
		if got, ok := v.ttl(status); got != want || !ok || v.Covers(status) != (want != Off) {
			t.Errorf("%d: got %d, %t, covers %t, want %d", status, got, ok, v.Covers(status), want)
		}
	}
	if err := v.Set("2XX", 9); err != nil {
		t.Error(err)
	}
	if got, _ := v.ttl(204); got != 9 {
		t.Errorf("set again: got %d, want 9", got)
	}
	for _, none := range []*Valid{nil, {}, valid(t, "4xx=5")} {
		if got, ok := none.ttl(200); got != 0 || ok || none.Covers(200) {
			t.Errorf("%+v: got %d, %t for 200", none, got, ok)
		}
	}
	for _, bad := range []string{"", "20", "2000", "099", "600", "6xx", "0xx", "2x", "xxx", "+20", "all", "2xx "} {
		if err := new(Valid).Set(bad, 1); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestFreshness: whose word on freshness counts, and what is stored by it.
func TestFreshness(t *testing.T) {
	respect := func(v string) Policy { return Policy{Valid: valid(t, v)} }
	ignore := func(v string) Policy { return Policy{Mode: Ignore, Valid: valid(t, v)} }
	merge := func(v string, ceiling int64) Policy {
		return Policy{Mode: Merge, Valid: valid(t, v), Ceiling: ceiling}
	}
	without := func(p Policy, names string) Policy { p.Disregard = directivesOf(t, names); return p }
	fresh := func(p Policy) Policy { p.FreshOnly = true; return p }
	cookies := func(p Policy) Policy { p.StoreCookies = true; return p }
	decline := func(p Policy, names string) Policy { p.Decline = directivesOf(t, names); return p }
	const etag = "ETag: \"a\"\n"
	for _, tt := range []struct {
		what     string
		policy   Policy
		status   int
		head     string
		storable Reason
		lifetime int64
		from     Reason
	}{
		{"respect: the upstream's wins", respect("200=60"), 200, "Cache-Control: s-maxage=600", OK, 600, WhySMaxAge},
		{"respect: shorter wins too", respect("200=60"), 200, "Cache-Control: max-age=6", OK, 6, WhyMaxAge},
		{"respect: none from upstream", respect("200=60"), 200, "", OK, 60, WhyValid},
		{"respect: no-store", respect("200=60"), 200, "Cache-Control: no-store", WhyNoStore, 60, WhyValid},
		{"respect: private", respect("any=60"), 200, "Cache-Control: private", WhyPrivate, 60, WhyValid},
		{"respect: class", respect("200=60 4xx=5"), 404, "", OK, 5, WhyValid},
		{"respect: a status that nothing else would store", respect("5xx=5"), 503, "", OK, 5, WhyValid},
		{"respect: off above the upstream's word", respect("any=60 503=off"), 503, "Cache-Control: max-age=60", WhyStatusOff, 0, WhyStatusOff},
		{"respect: not covered, upstream freshness", fresh(respect("200=60")), 404, "Cache-Control: max-age=6", OK, 6, WhyMaxAge},
		{"respect: not covered", fresh(respect("200=60")), 404, etag, WhyNoFreshness, 0, WhyNoFreshness},
		{"respect: not covered, stored for validation", respect("200=60"), 404, etag, OK, 0, WhyNoFreshness},
		{"respect: not covered, no status to guess by", respect("200=60"), 302, etag, WhyStatus, 0, WhyNoFreshness},
		{"respect: ttl above heuristics", Policy{Valid: valid(t, "200=60"), Heuristic: 10}, 200, "Last-Modified: " + dayAgo, OK, 60, WhyValid},
		{"respect: heuristics where not covered", fresh(Policy{Valid: valid(t, "404=60"), Heuristic: 10}), 200, "Last-Modified: " + dayAgo, OK, 8640, WhyHeuristic},
		{"respect: ttl 0", respect("200=0"), 200, etag, OK, 0, WhyValid},
		{"respect: ttl 0 and no validator", respect("200=0"), 200, "", WhyStale, 0, WhyValid},
		{"respect: 429 is never stored", respect("any=60"), 429, "", WhyStatus, 60, WhyValid},
		{"respect: Set-Cookie", respect("200=60"), 200, "Set-Cookie: a=b", WhySetCookie, 60, WhyValid},
		{"respect: Set-Cookie by the upstream's word", respect("200=60"), 200, "Set-Cookie: a=b\nCache-Control: max-age=5", OK, 5, WhyMaxAge},
		{"respect: Set-Cookie by the operator's word", cookies(respect("200=60")), 200, "Set-Cookie: a=b", OK, 60, WhyValid},
		{"respect: Vary *", respect("200=60"), 200, "Vary: *", WhyVary, 60, WhyValid},

		{"ignore: directives", ignore("200=60"), 200, "Cache-Control: no-store, private, max-age=6, must-revalidate", OK, 60, WhyValid},
		{"ignore: Expires", ignore("200=60"), 200, "Expires: 0", OK, 60, WhyValid},
		{"ignore: not covered", ignore("200=60"), 404, "Cache-Control: max-age=6\n" + etag, WhyStatus, 0, WhyNoFreshness},
		{"ignore: no heuristics", Policy{Mode: Ignore, Heuristic: 10, DefaultTTL: 9}, 200, "Last-Modified: " + dayAgo, WhyStatus, 0, WhyNoFreshness},
		{"ignore: off", ignore("any=60 200=off"), 200, "Cache-Control: max-age=6", WhyStatusOff, 0, WhyStatusOff},
		{"ignore: Set-Cookie, whose leave does not count", ignore("200=60"), 200, "Set-Cookie: a=b\nCache-Control: max-age=6", WhySetCookie, 60, WhyValid},
		{"ignore: Set-Cookie by the operator's word", cookies(ignore("200=60")), 200, "Set-Cookie: a=b", OK, 60, WhyValid},
		{"ignore: Vary counts", ignore("200=60"), 200, "Vary: *", WhyVary, 60, WhyValid},
		{"ignore: syntax", ignore("200=60"), 200, "Cache-Control: a=\"", OK, 60, WhyValid},
		{"ignore: a targeted field's word", ignore("200=60"), 200, "Cache-Control: max-age=0, s-maxage=0, no-cache", OK, 60, WhyValid},

		{"merge: the shorter, upstream's", merge("200=60", 0), 200, "Cache-Control: max-age=6", OK, 6, WhyMaxAge},
		{"merge: the shorter, the rule's", merge("200=60", 0), 200, "Cache-Control: max-age=600", OK, 60, WhyValid},
		{"merge: Expires", merge("200=60", 0), 200, "Expires: " + hourLater + "\nDate: " + dateT0, OK, 60, WhyValid},
		{"merge: ceiling", merge("", 30), 200, "Cache-Control: max-age=600", OK, 30, WhyCeiling},
		{"merge: ceiling on the rule's", merge("200=60", 30), 200, "", OK, 30, WhyCeiling},
		{"merge: below the ceiling", merge("200=60", 90), 200, "Cache-Control: max-age=600", OK, 60, WhyValid},
		{"merge: only the rule's", merge("200=60", 0), 200, "", OK, 60, WhyValid},
		{"merge: no-store", merge("200=60", 0), 200, "Cache-Control: no-store", WhyNoStore, 60, WhyValid},
		{"merge: off", merge("200=off", 0), 200, "Cache-Control: max-age=600", WhyStatusOff, 0, WhyStatusOff},
		{"a ceiling is merge's alone", Policy{Ceiling: 30}, 200, "Cache-Control: max-age=600", OK, 600, WhyMaxAge},

		{"s-maxage but not max-age", without(Policy{}, "max-age"), 200, "Cache-Control: max-age=5, s-maxage=600", OK, 600, WhySMaxAge},
		{"max-age disregarded, nor what repeats it", without(fresh(Policy{}), "max-age"), 200, "Cache-Control: max-age=5\nExpires: " + hourLater + "\n" + etag, WhyNoFreshness, 0, WhyNoFreshness},
		{"max-age disregarded, Expires alone", without(Policy{}, "max-age"), 200, "Expires: " + hourLater + "\nDate: " + dateT0, OK, 3600, WhyExpires},
		{"Expires disregarded", without(respect("200=60"), "expires"), 200, "Expires: 0", OK, 60, WhyValid},
		{"s-maxage disregarded", without(Policy{}, "s-maxage"), 200, "Cache-Control: max-age=5, s-maxage=600", OK, 5, WhyMaxAge},
		{"no-store disregarded", without(Policy{}, "no-store"), 200, "Cache-Control: max-age=5, no-store", OK, 5, WhyMaxAge},
		{"private disregarded", without(Policy{}, "private"), 200, `Cache-Control: max-age=5, private`, OK, 5, WhyMaxAge},
		{"must-understand disregarded", without(Policy{}, "must-understand"), 200, "Cache-Control: max-age=5, no-store, must-understand", WhyNoStore, 5, WhyMaxAge},
		{"both must-understand and no-store", without(Policy{}, "must-understand no-store"), 200, "Cache-Control: max-age=5, no-store, must-understand", OK, 5, WhyMaxAge},

		{"declined", decline(ignore("200=60"), "no-store private no-cache"), 200, "Cache-Control: no-store", WhyDeclined, 60, WhyValid},
		{"declined", decline(ignore("200=60"), "no-store private no-cache"), 200, "Cache-Control: private", WhyDeclined, 60, WhyValid},
		{"declined", decline(ignore("200=60"), "no-store private no-cache"), 200, "Cache-Control: no-cache", WhyDeclined, 60, WhyValid},
		{"declined by one that names fields", decline(ignore("200=60"), "private"), 200, `Cache-Control: private="x"`, WhyDeclined, 60, WhyValid},
		{"not that one", decline(ignore("200=60"), "no-store"), 200, "Cache-Control: no-cache", OK, 60, WhyValid},
		{"nothing to decline", decline(ignore("200=60"), "no-store"), 200, "Cache-Control: max-age=1", OK, 60, WhyValid},
	} {
		f, a := response(t, tt.status, tt.head), request(t, Get, "")
		if got := Storable(f, a, &tt.policy); got != tt.storable {
			t.Errorf("%s: %d %q: storable: got %q, want %q", tt.what, tt.status, tt.head, got, tt.storable)
		}
		got, from := Lifetime(f, &tt.policy)
		if got != tt.lifetime || from != tt.from {
			t.Errorf("%s: %d %q: lifetime: got %d by %q, want %d by %q", tt.what, tt.status, tt.head, got, from, tt.lifetime, tt.from)
		}
	}
}

// TestIgnoredFields: what an ignored directive would take out of a response
// stays in it.
func TestIgnoredFields(t *testing.T) {
	f := response(t, 200, `Cache-Control: no-cache="a", private="b"`)
	for _, tt := range []struct {
		policy Policy
		want   string
	}{
		{Policy{}, "a b"},
		{Policy{Mode: Ignore}, ""},
		{Policy{Disregard: directivesOf(t, "no-cache")}, "b"},
		{Policy{Disregard: directivesOf(t, "private")}, "a"},
	} {
		got := strings.Join(f.Withheld([][]byte{[]byte(`no-cache="a", private="b"`)}, &tt.policy), " ")
		if got != tt.want || f.Withholds(&tt.policy) != (tt.want != "") {
			t.Errorf("%+v: got %q, withholds %t, want %q", tt.policy, got, f.Withholds(&tt.policy), tt.want)
		}
	}
}

// TestPolicyJudges: what a policy says about what is stored counts at once,
// also when another one had it stored.
func TestPolicyJudges(t *testing.T) {
	stale := Policy{Mode: Ignore, Valid: valid(t, "200=60")}
	with := func(change func(*Policy)) Policy { p := stale; change(&p); return p }
	for _, tt := range []struct {
		what, head, request string
		policy              Policy
		after               int64 // seconds
		do                  Action
		why                 Reason
		meanwhile           bool
	}{
		{"ignore: fresh by the rule", "Cache-Control: no-cache, max-age=0", "", stale, 59, Deliver, WhyValid, false},
		{"ignore: counts from its coming", "Age: 1000\nDate: " + hourAgo, "", stale, 59, Deliver, WhyValid, false},
		{"ignore: its time is over", "Cache-Control: max-age=600", "", stale, 60, Validate, WhyStale, false},
		{"ignore: the client's word counts", "", "Cache-Control: no-cache", stale, 5, Validate, WhyRequestNoCache, false},
		{"ignore: so does its max-age, of the real age", "Age: 1000", "Cache-Control: max-age=1000", stale, 5, Validate, WhyRequestMaxAge, false},
		{"respect: Age counts", "Age: 1000", "", Policy{Valid: valid(t, "200=60")}, 0, Validate, WhyStale, false},
		{"changed: no-store counts again", "Cache-Control: no-store, max-age=60", "", Policy{}, 5, Validate, WhyNoStore, false},
		{"changed: private counts again", "Cache-Control: private, max-age=60", "", Policy{}, 5, Validate, WhyPrivate, false},
		{"changed: a private cache", "Cache-Control: private, max-age=60", "", Policy{Private: true}, 5, Deliver, WhyMaxAge, false},
		{"changed: off", "Cache-Control: max-age=60", "", Policy{Valid: valid(t, "any=off")}, 5, Validate, WhyStatusOff, false},
		{"changed: declined", "Cache-Control: no-store", "", with(func(p *Policy) { p.Decline = directivesOf(t, "no-store") }), 5, Validate, WhyDeclined, false},
		{"changed: cookies", "Set-Cookie: a=b", "", stale, 5, Validate, WhySetCookie, false},
		{"cookies by leave", "Set-Cookie: a=b\nCache-Control: max-age=60", "", Policy{}, 5, Deliver, WhyMaxAge, false},

		{"background", "", "", with(func(p *Policy) { p.Background = true }), 1e6, DeliverAndRefresh, WhyBackground, false},
		{"background: upstream's word in respect", "Cache-Control: max-age=60", "", Policy{Background: true}, 90, DeliverAndRefresh, WhyBackground, false},
		{"background: must-revalidate", "Cache-Control: max-age=60, must-revalidate", "", Policy{Background: true}, 90, Validate, WhyMustRevalidate, false},
		{"background: s-maxage", "Cache-Control: s-maxage=60", "", Policy{Background: true}, 90, Validate, WhySMaxAge, false},
		{"background: must-revalidate ignored", "Cache-Control: must-revalidate", "", with(func(p *Policy) { p.Background = true }), 90, DeliverAndRefresh, WhyBackground, false},
		{"background: must-revalidate disregarded", "Cache-Control: max-age=60, must-revalidate", "",
			Policy{Background: true, Disregard: directivesOf(t, "must-revalidate")}, 90, DeliverAndRefresh, WhyBackground, false},
		{"background: no-cache", "Cache-Control: max-age=60, no-cache", "", Policy{Background: true}, 90, Validate, WhyNoCache, false},
		{"background: what never was fresh", "ETag: \"a\"", "", Policy{Background: true}, 90, Validate, WhyStale, false},
		{"background: ceiling", "", "", with(func(p *Policy) { p.Background, p.StaleMax = true, 40 }), 101, Validate, WhyStaleMax, false},
		{"background: within the ceiling", "", "", with(func(p *Policy) { p.Background, p.StaleMax = true, 40 }), 100, DeliverAndRefresh, WhyBackground, false},
		{"background: the client wants nothing stale", "", "Cache-Control: max-age=500", with(func(p *Policy) { p.Background = true }), 90, Validate, WhyStale, false},
		{"updating", "", "", with(func(p *Policy) { p.StaleOn = OnUpdating }), 90, Validate, WhyStale, true},
		{"updating: ceiling", "", "", with(func(p *Policy) { p.StaleOn, p.StaleMax = OnUpdating, 29 }), 90, Validate, WhyStaleMax, false},
		{"updating: must-revalidate", "Cache-Control: max-age=60, must-revalidate", "", Policy{StaleOn: OnUpdating}, 90, Validate, WhyMustRevalidate, false},
		{"updating: no-cache from the client", "", "Cache-Control: no-cache", with(func(p *Policy) { p.StaleOn = OnUpdating }), 90, Validate, WhyRequestNoCache, false},
		{"updating: only-if-cached", "", "Cache-Control: only-if-cached", with(func(p *Policy) { p.StaleOn = OnUpdating }), 90, Refuse, WhyOnlyIfCached, false},
		{"ceiling: stale-while-revalidate", "Cache-Control: max-age=60, stale-while-revalidate=600", "", Policy{StaleMax: 20}, 90, Validate, WhyStaleMax, false},
		{"ceiling: max-stale", "Cache-Control: max-age=60", "Cache-Control: max-stale", Policy{StaleMax: 20}, 90, Validate, WhyStaleMax, false},
		{"ignore: stale-while-revalidate", "Cache-Control: stale-while-revalidate=600", "", stale, 90, Validate, WhyStale, false},
	} {
		f := response(t, 200, tt.head)
		v := Judge(f, request(t, Get, tt.request), &tt.policy, t0+tt.after*1000)
		if v.Do != tt.do || v.Why != tt.why || v.Meanwhile != tt.meanwhile {
			t.Errorf("%s: %q to %q: got %s (%s), meanwhile %t; want %s (%s), %t", tt.what, tt.head, tt.request, v.Do, v.Why, v.Meanwhile, tt.do, tt.why, tt.meanwhile)
		}
		if want := CurrentAge(f, t0+tt.after*1000); v.Age != want {
			t.Errorf("%s: age %d, want %d", tt.what, v.Age, want)
		}
	}
}

func TestStaleConditions(t *testing.T) {
	all := OnError | OnTimeout | OnInvalid | On500 | On502 | On503 | On504 | On403 | On404 | On429
	p := Policy{StaleIfError: MaxDelta, StaleOn: OnTimeout | On404}
	for _, tt := range []struct {
		what, head, request string
		policy              Policy
		failed              Conditions
		after               int64
		want                bool
		why                 Reason
	}{
		{"one of them", "", "", p, OnTimeout, 90, true, WhyPolicyStale},
		{"none of them", "", "", p, OnError, 90, false, WhyStale},
		{"none of them, by the upstream's word", "Cache-Control: stale-if-error=60", "", p, OnError, 90, true, WhyStaleIfError},
		{"none of them, by the client's word", "", "Cache-Control: max-stale", p, On500, 90, true, WhyMaxStale},
		{"a 404", "", "", p, On404, 90, true, WhyPolicyStale},
		{"a 404 is no error by any other word", "Cache-Control: stale-if-error=60", "Cache-Control: max-stale", Policy{}, On404, 90, false, WhyStale},
		{"a 404, and the upstream's limit", "Cache-Control: stale-if-error=10", "", p, On404, 90, false, WhyStale},
		{"the window", "", "", Policy{StaleIfError: 20, StaleOn: all}, On403, 90, false, WhyStale},
		{"the ceiling", "", "", Policy{StaleIfError: 60, StaleMax: 29, StaleOn: all}, On403, 90, false, WhyStaleMax},
		{"the ceiling above the upstream's word", "Cache-Control: stale-if-error=600", "", Policy{StaleMax: 29}, OnError, 90, false, WhyStaleMax},
		{"must-revalidate", "Cache-Control: max-age=60, must-revalidate", "", Policy{StaleIfError: 60, StaleOn: all}, OnError, 90, false, WhyMustRevalidate},
		{"no-cache", "Cache-Control: no-cache", "", Policy{StaleIfError: 60, StaleOn: all}, OnError, 90, false, WhyNoCache},
		{"no-cache ignored", "Cache-Control: no-cache", "", Policy{Mode: Ignore, StaleIfError: 60, StaleOn: all}, OnError, 90, true, WhyPolicyStale},
		{"stale-if-error ignored", "Cache-Control: stale-if-error=600", "", Policy{Mode: Ignore}, OnError, 90, false, WhyStale},
		{"off now", "", "", Policy{Valid: valid(t, "200=off"), StaleIfError: 60}, OnError, 90, false, WhyStatusOff},
		{"still fresh", "Cache-Control: max-age=100", "Cache-Control: no-cache", p, OnTimeout, 90, true, WhyMaxAge},
		{"still fresh, none of them", "Cache-Control: max-age=100", "Cache-Control: no-cache", Policy{}, On404, 90, false, WhyStale},
	} {
		if tt.policy.Valid == nil {
			tt.policy.Valid = valid(t, "200=60")
		}
		got, why := StaleOnError(response(t, 200, tt.head), request(t, Get, tt.request), &tt.policy, Failure{tt.failed, t0 + tt.after*1000})
		if got != tt.want || why != tt.why {
			t.Errorf("%s: got %t (%s), want %t (%s)", tt.what, got, why, tt.want, tt.why)
		}
	}
	for status, want := range map[int]Conditions{500: On500, 502: On502, 503: On503, 504: On504, 403: On403, 404: On404, 429: On429, 200: 0, 501: 0} {
		if OnStatus(status) != want {
			t.Errorf("%d: got %b, want %b", status, OnStatus(status), want)
		}
		if p := (Policy{StaleOn: On404}); p.HeedsStatus(status) != (status == 404 || want&failures != 0) {
			t.Errorf("%d heeded: %t", status, p.HeedsStatus(status))
		}
	}
	for i, name := range conditionNames {
		if c, ok := ParseCondition(name); !ok || c != 1<<i {
			t.Errorf("%s: got %b, %t", name, c, ok)
		}
	}
	if _, ok := ParseCondition("http_501"); ok {
		t.Error("http_501 is a condition")
	}
}
