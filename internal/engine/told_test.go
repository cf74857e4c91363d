package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// expiration is an Expiration that says no times.
func expiration(control Control, change func(*Expiration)) Expiration {
	x := Expiration{Control: control, BrowserTTL: rfc9111.Absent, CDNTTL: rfc9111.Absent}
	change(&x)
	return x
}

// TestTold: what becomes of Cache-Control, Expires, Age and Date.
func TestTold(t *testing.T) {
	now := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	const head = "Date: d\r\nCache-Control: max-age=5\r\nExpires: e\r\nETag: t\r\nAge: 9\r\n"
	for _, tt := range []struct {
		what   string
		x      Expiration
		fields string
		want   string
	}{
		{"nothing", expiration(Passthrough, func(*Expiration) {}), head, head},
		{"passthrough says no times", expiration(Passthrough, func(x *Expiration) { x.BrowserTTL, x.Immutable, x.SetExpires = 60, true, true }), head, head},
		{"passthrough, stale", expiration(Passthrough, func(x *Expiration) { x.WhileRevalidate, x.WhileError = 30, 60 }), head,
			"Date: d\r\nExpires: e\r\nETag: t\r\nAge: 9\r\nCache-Control: max-age=5, stale-while-revalidate=30, stale-if-error=60\r\n"},
		{"override", expiration(Override, func(x *Expiration) {
			x.BrowserTTL, x.CDNTTL, x.Immutable, x.Directives = 60, 600, true, []string{"public", "no-transform"}
		}), head,
			"ETag: t\r\nCache-Control: max-age=60, s-maxage=600, immutable, public, no-transform\r\nDate: Sun, 01 Jun 2025 12:00:00 GMT\r\n"},
		{"override, one", expiration(Override, func(x *Expiration) { x.CDNTTL = 0 }), "A: b\r\n",
			"A: b\r\nCache-Control: s-maxage=0\r\nDate: Sun, 01 Jun 2025 12:00:00 GMT\r\n"},
		{"override, Expires and stale", expiration(Override, func(x *Expiration) { x.BrowserTTL, x.SetExpires, x.WhileError = 60, true, 9 }), head,
			"ETag: t\r\nCache-Control: max-age=60, stale-if-error=9\r\nDate: Sun, 01 Jun 2025 12:00:00 GMT\r\nExpires: Sun, 01 Jun 2025 12:01:00 GMT\r\n"},
		{"override without a time", expiration(Override, func(x *Expiration) { x.Directives = []string{"no-cache"} }), head,
			"Date: d\r\nETag: t\r\nAge: 9\r\nCache-Control: no-cache\r\n"},
		{"override by nothing", expiration(Override, func(*Expiration) {}), head, head},
		{"additional", expiration(Additional, func(x *Expiration) {
			x.BrowserTTL, x.CDNTTL, x.Immutable, x.Directives = 60, 600, true, []string{"Public", `x="y"`}
		}), head,
			"Date: d\r\nExpires: e\r\nETag: t\r\nAge: 9\r\nCache-Control: max-age=5, s-maxage=600, immutable, Public, x=\"y\"\r\n"},
		{"additional, Expires", expiration(Additional, func(x *Expiration) { x.BrowserTTL, x.SetExpires = 60, true }), head,
			"Date: d\r\nCache-Control: max-age=5\r\nETag: t\r\nAge: 9\r\nExpires: Sun, 01 Jun 2025 12:01:00 GMT\r\n"},
		{"additional to several", expiration(Additional, func(x *Expiration) { x.Immutable = true }), "cache-control: a\r\nB: c\r\nCache-Control:\r\nCACHE-CONTROL: d\r\n",
			"B: c\r\nCache-Control: a, d, immutable\r\n"},
		{"additional to none", expiration(Additional, func(x *Expiration) { x.Immutable = true }), "B: c\r\n", "B: c\r\nCache-Control: immutable\r\n"},
		{"additional to all of it", expiration(Additional, func(x *Expiration) { x.Immutable = true }), "Cache-Control: IMMUTABLE\r\n", "Cache-Control: IMMUTABLE\r\n"},
		{"additional to no-store", expiration(Additional, func(x *Expiration) { x.BrowserTTL = 60 }), "Cache-Control: no-store\r\n", "Cache-Control: no-store\r\n"},
	} {
		told, got := tt.x.Compile(), []byte(tt.fields)
		if told != nil {
			var names wire.NameSet
			for id := range wire.Lines(got) {
				names.Add(id)
			}
			got = told.apply(got, names, now)
		}
		if string(got) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
}

// TestToldEverywhere: every way that an answer can go says what the policy has
// clients told, at once when that changes.
func TestToldEverywhere(t *testing.T) {
	play(t, func(t *testing.T) {
		head := "200 OK\r\nCache-Control: max-age=600, public\r\nExpires: 0\r\nETag: \"a\""
		g := newRig(t, func(_ int, r *wire.Request) (*wire.Response, error) { return respond(head, pattern(100)), nil })
		defer g.close()
		tell := func(x Expiration) { g.pol.Told = x.Compile() }
		tell(expiration(Override, func(x *Expiration) { x.BrowserTTL, x.CDNTTL = 60, 600 }))
		const over, was = "max-age=60, s-maxage=600", "max-age=600, public"
		check := func(what string, s *sink, cache, control string) {
			t.Helper()
			if got := s.field("Cache-Control"); got != control || s.field("X-Cache-Status") != cache || strings.Count(s.fields, "Cache-Control:") != 1 {
				t.Errorf("%s: got %d %s %q, want %s %q", what, s.reply.Status, s.field("X-Cache-Status"), got, cache, control)
			}
			stored := s.field("X-Cache-Status") == "HIT"
			if again := control == over; stored && (again == strings.Contains(s.fields, "Age:") || again == (s.field("Expires") != "")) {
				t.Errorf("%s: got fields %q", what, s.fields)
			}
			if !stored && strings.Count(s.fields, "Date:") > 1 {
				t.Errorf("%s: got fields %q", what, s.fields)
			}
		}
		check("miss", g.get("/a"), "MISS", over)
		after(100 * time.Second)
		check("hit", g.get("/a"), "HIT", over)
		check("HEAD", g.ask("HEAD", "/a"), "HIT", over)
		check("range", g.get("/a", "Range: bytes=1-5"), "HIT", over)
		check("ranges", g.get("/a", "Range: bytes=1-5,60-70"), "HIT", over)
		check("304", g.get("/a", `If-None-Match: "a"`), "HIT", over)
		check("bypass", g.by(bypass, "GET"), "BYPASS", over)
		check("pass", g.get("/a", `If-Match: "a"`), "BYPASS", over)
		check("not to be stored", g.by(both, "GET"), "BYPASS", was)
		check("unsafe", g.ask("POST", "/a"), "BYPASS", was)
		check("credentials", g.get("/c", "Authorization: x"), "MISS", over) // public: anybody's
		g.get("/a")
		after(100 * time.Second)
		tell(expiration(Additional, func(x *Expiration) { x.Immutable = true }))
		check("another policy", g.get("/a"), "HIT", was+", immutable")
		g.pol.Told = nil
		check("none", g.get("/a"), "HIT", was)
		tell(expiration(Override, func(x *Expiration) { x.BrowserTTL, x.CDNTTL = 60, 600 }))

		head = "200 OK\r\nCache-Control: private, max-age=5"
		check("private", g.get("/b"), "MISS", "private, max-age=5")
		check("private again", g.get("/b"), "MISS", "private, max-age=5")
		head = "200 OK\r\nCache-Control: max-age=5"
		check("credentials", g.get("/d", "Authorization: x"), "MISS", "max-age=5")
		head = "404 No\r\nCache-Control: max-age=5"
		check("error", g.get("/e"), "MISS", "max-age=5")
		g.pol.Rules.Valid = validOf(t, "404", 5)
		check("error that is covered", g.get("/e"), "HIT", over)
		g.origin.answer = func(int, *wire.Request) (*wire.Response, error) {
			return nil, &wire.Error{Side: wire.Upstream, Status: 404, Err: errGone}
		}
		check("our own", g.get("/f"), "MISS", "no-store")
	})
}

func TestPassing(t *testing.T) {
	if NewPassing([]string{"Cookie", "*"}) != nil {
		t.Error("* does not pass all")
	}
	p := NewPassing([]string{"cookie", "X-One"})
	for name, want := range map[string]bool{
		"Cookie": true, "x-one": true, "X-ONE": true, "X-Two": false, "Authorization": false, "User-Agent": false, "Accept": false, "Referer": false,
		"Range": true, "If-None-Match": true, "Accept-Encoding": true, "Content-Type": true, "Content-MD5": true, "Content-Digest": true,
		"Sec-WebSocket-Key": true, "Host": true, "TE": true, "Expect": true, "Cache-Control": true, "X-Forwarded-For": false, "": false,
	} {
		if p.Passes(name) != want || !(*Passing)(nil).Passes(name) {
			t.Errorf("%q: got %t", name, p.Passes(name))
		}
	}
}

// A guide gives requests a country, and answers a field.
type guide struct{ country, answer string }

func (g guide) Upstream(r *wire.Request) { r.AddNamed("OC-Country", []byte(g.country)) }
func (g guide) Answer(fields []byte, status int, _ wire.NameSet) []byte {
	return fmt.Appendf(fields, "X-Answer: %s %d\r\n", g.answer, status)
}

// TestPassingVary: what the upstream does not see has chosen nothing, and what
// it is given has chosen by what it was given.
func TestPassingVary(t *testing.T) {
	play(t, func(t *testing.T) {
		vary := ""
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if r.Has(wire.Cookie) || r.Has(wire.Authorization) || !r.Has(wire.AcceptLanguage) {
				t.Errorf("request %d: got %q", n, r.AppendFields(nil, wire.NameSet{}))
			}
			return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: "+vary, fmt.Sprint(n)), nil
		})
		defer g.close()
		g.pol.Pass, g.pol.Sets = NewPassing([]string{"Accept-Language"}), []string{"oc-country"}
		in := func(country string) func(*Route) { return func(t *Route) { t.Guide = guide{country: country} } }
		const de, fr = "Accept-Language: de", "Accept-Language: fr"
		vary = "Cookie, Accept-Language"
		g.by(in("A"), "GET", de, "Cookie: 1").want(t, 200, "MISS", "1")
		g.by(in("B"), "GET", de, "Cookie: 2").want(t, 200, "HIT", "1")
		g.by(in("B"), "GET", fr, "Cookie: 2").want(t, 200, "MISS", "2")
		g.by(in("B"), "GET", fr, "Authorization: me").want(t, 200, "HIT", "2")
		g.e.Purge([]byte("http://origin.test/a"), false)
		g.by(in("A"), "GET", de, "Authorization: me").want(t, 200, "MISS", "3") // the upstream does not know whose it is
		g.by(in("A"), "GET", de).want(t, 200, "HIT", "3")
		g.e.Purge([]byte("http://origin.test/a"), false)
		vary = "OC-Country"
		g.by(in("A"), "GET", de).want(t, 200, "MISS", "4")
		g.by(in("B"), "GET", de).want(t, 200, "MISS", "5")
		g.by(in("A"), "GET", de).want(t, 200, "HIT", "4")
		g.by(in("B"), "GET", de, "OC-Country: A").want(t, 200, "HIT", "5") // the client's does not pass
	})
}

// TestGuide: each answer passes by the guide, whichever way it goes.
func TestGuide(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\""))
		defer g.close()
		with := func(t *Route) { t.Guide = guide{answer: "yes"} }
		for _, tt := range []struct {
			method, field, want string
		}{
			{"GET", "A: b", "yes 200"}, {"GET", "A: b", "yes 200"}, {"HEAD", "A: b", "yes 200"}, {"GET", "Range: bytes=0-0", "yes 206"},
			{"GET", `If-None-Match: "a"`, "yes 304"}, {"GET", "Range: bytes=9-", "yes 416"}, {"POST", "A: b", "yes 200"},
		} {
			if got := g.by(with, tt.method, tt.field).field("X-Answer"); got != tt.want {
				t.Errorf("%s with %s: got %q, want %q", tt.method, tt.field, got, tt.want)
			}
		}
		g.origin.answer = func(int, *wire.Request) (*wire.Response, error) {
			return nil, &wire.Error{Side: wire.Upstream, Status: 504, Err: errGone}
		}
		if got := g.by(with, "GET").field("X-Answer"); got != "yes 504" {
			t.Errorf("error: got %q", got)
		}
	})
}

// TestHidden: a policy can have nothing told of the cache.
func TestHidden(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, numbered("200 OK\r\nX-Cache: theirs"))
		defer g.close()
		g.pol.Hidden, g.pol.Bypass = true, true
		if s := g.get("/a"); s.field("X-Cache-Status")+s.field("Cache-Status") != "" || s.field("X-Cache") != "theirs" {
			t.Errorf("got %q", s.fields)
		}
	})
}
