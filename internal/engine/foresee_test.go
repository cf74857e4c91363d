package engine

import (
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// TestForesee: what is foreseen of a first request is what then happens.
func TestForesee(t *testing.T) {
	told := expiration(Override, func(x *Expiration) { x.BrowserTTL = 60 }).Compile()
	noStoreToo, _ := rfc9111.ParseDirective("no-store")
	policies := []Policy{
		{},
		{Rules: rfc9111.Policy{Heuristic: 10, StaleIfError: 60}},
		{Rules: rfc9111.Policy{Valid: validOf(t, "200", 60, "5xx", 5, "404", -1), FreshOnly: true}, Told: told},
		{Rules: rfc9111.Policy{Mode: rfc9111.Ignore, Valid: validOf(t, "any", 60), Decline: noStoreToo, Background: true, StaleMax: 30}, Told: told},
		{Rules: rfc9111.Policy{Mode: rfc9111.Merge, Valid: validOf(t, "2xx", 60), Ceiling: 30}, Pass: NewPassing(nil)},
		{Bypass: true}, {MinUses: 2}, {NoLock: true, PassHead: true},
	}
	heads := []string{
		"200 OK", "200 OK\r\nCache-Control: max-age=600", "200 OK\r\nCache-Control: no-store", "200 OK\r\nCache-Control: private, max-age=5",
		"200 OK\r\nCache-Control: max-age=90, stale-while-revalidate=9, stale-if-error=99\r\nETag: \"a\"", "200 OK\r\nETag: \"a\"",
		"200 OK\r\nSet-Cookie: a=b", "200 OK\r\nVary: *\r\nCache-Control: max-age=5", "404 No", "404 No\r\nCache-Control: max-age=5",
		"503 Busy", "503 Busy\r\nCache-Control: max-age=5", "301 Gone\r\nCache-Control: s-maxage=7, max-age=3", "200 OK\r\nCache-Control: max-age=5\r\nAge: 9",
	}
	asks := []struct{ method, field string }{
		{"GET", "A: b"}, {"HEAD", "A: b"}, {"GET", "Authorization: x"}, {"GET", "Cache-Control: no-store"}, {"GET", `If-Match: "a"`},
		{"GET", `If-None-Match: "b"`}, {"POST", "A: b"}, {"GET", "Cache-Control: only-if-cached"},
	}
	for i, pol := range policies {
		for _, head := range heads {
			for n, ask := range asks {
				for how, change := range map[string]func(*Route){"plain": plain, "bypass": bypass, "noStore": noStore, "both": both} {
					if how != "plain" && n > 1 {
						continue
					}
					play(t, func(t *testing.T) {
						g := newRigOf(t, 4<<20, numbered(head))
						defer g.close()
						g.pol = pol
						g.pol.Upstream = g.origin
						var r wire.Request
						text := ask.method + " /a HTTP/1.1\r\nHost: cache.test\r\n" + ask.field + "\r\n\r\n"
						if _, err := wire.ParseRequest(&r, []byte(text), wire.Limits{}); err != nil {
							t.Fatal(err)
						}
						var to Route
						change(&to)
						want := g.pol.Foresee(Case{Request: &r, Response: respond(head, "1"), Bypass: to.Bypass, NoStore: to.NoStore, Uses: 1, At: time.Now()})
						s := g.by(change, ask.method, ask.field)
						after(time.Millisecond)
						got := Forecast{Status: s.out.Status, Forward: s.out.Forward, Stored: s.out.Stored, Why: s.out.Why, Control: s.field("Cache-Control")}
						if s.out.Stored {
							got.TTL, got.Lifetime, got.From = s.out.TTL, s.out.Lifetime, s.out.From
						} else {
							want.TTL, want.Lifetime, want.From = 0, 0, 0
						}
						if want.Forward == NotForwarded { // it never gets there
							want.Control = "no-store"
						}
						want.Fields = "" // internal/edge compares all of them
						if want.Stale = (rfc9111.Window{}); got != want {
							t.Errorf("policy %d, %s with %q, %s, answered by %q: foreseen %+v, got %+v", i, ask.method, ask.field, how, head, want, got)
						}
					})
				}
			}
		}
	}
}

func TestStaleWindow(t *testing.T) {
	all := rfc9111.MaxDelta
	for _, tt := range []struct {
		head   string
		policy rfc9111.Policy
		want   rfc9111.Window
	}{
		{"Cache-Control: max-age=5", rfc9111.Policy{}, rfc9111.Window{}},
		{"Cache-Control: max-age=5, stale-while-revalidate=6, stale-if-error=7", rfc9111.Policy{StaleIfError: 9}, rfc9111.Window{While: 6, OnError: 7}},
		{"Cache-Control: max-age=5", rfc9111.Policy{Background: true, StaleIfError: 9}, rfc9111.Window{While: int64(all), OnError: 9}},
		{"Cache-Control: max-age=5", rfc9111.Policy{Background: true, StaleIfError: 9, StaleMax: 8}, rfc9111.Window{While: 8, OnError: 8}},
		{"Cache-Control: max-age=5, must-revalidate", rfc9111.Policy{Background: true}, rfc9111.Window{Why: rfc9111.WhyMustRevalidate}},
		{"Cache-Control: max-age=5, no-cache", rfc9111.Policy{Background: true}, rfc9111.Window{Why: rfc9111.WhyNoCache}},
		{"Cache-Control: max-age=5, no-store", rfc9111.Policy{Background: true}, rfc9111.Window{Why: rfc9111.WhyNoStore}},
	} {
		var h storedHead
		pol := Policy{Rules: tt.policy}
		h.digest(respond("200 OK\r\n"+tt.head, ""), time.Now(), time.Now(), &pol)
		if got := rfc9111.StaleWindow(&h.facts, &pol.Rules); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.head, got, tt.want)
		}
	}
}
