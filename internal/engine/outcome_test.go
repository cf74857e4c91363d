package engine

import (
	"strings"
	"testing"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
)

func TestOutcomeFields(t *testing.T) {
	for _, tt := range []struct {
		out  Outcome
		want string
	}{
		{Outcome{Status: Hit, TTL: 57}, "X-Cache-Status: HIT\r\nX-Cache: HIT\r\nCache-Status: here; hit; ttl=57\r\n"},
		{Outcome{Status: Hit, TTL: 5, Why: Reason(rfc9111.WhyMaxStale)},
			"X-Cache-Status: HIT\r\nX-Cache: HIT\r\nCache-Status: here; hit; ttl=5; detail=\"max-stale\"\r\n"},
		{Outcome{Status: Stale, TTL: -3, Why: SoftPurged},
			"X-Cache-Status: STALE\r\nX-Cache: HIT\r\nCache-Status: here; hit; ttl=-3; detail=\"soft-purge\"\r\n"},
		{Outcome{Status: Revalidated, Forward: ForStale, Upstream: 304, TTL: 60},
			"X-Cache-Status: REVALIDATED\r\nX-Cache: HIT\r\nCache-Status: here; fwd=stale; fwd-status=304; ttl=60\r\n"},
		{Outcome{Status: Miss, Forward: ForURIMiss, Upstream: 200, Stored: true, TTL: 60, Collapsed: true},
			"X-Cache-Status: MISS\r\nX-Cache: MISS\r\nCache-Status: here; fwd=uri-miss; fwd-status=200; stored; ttl=60; collapsed\r\n"},
	} {
		if got := string(tt.out.appendFields(nil, "here", nil, false)); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.out, got, tt.want)
		}
	}
}

// The tier is told of what comes from the store, behind the reason.
func TestOutcomeTellsTier(t *testing.T) {
	for _, tt := range []struct {
		out  Outcome
		want string
	}{
		{Outcome{Status: Hit, TTL: 57}, `here; hit; ttl=57; detail="memory"`},
		{Outcome{Status: Hit, TTL: 57, Tier: store.OnDisk}, `here; hit; ttl=57; detail="disk"`},
		{Outcome{Status: Stale, TTL: -3, Why: SoftPurged, Tier: store.OnDisk}, `here; hit; ttl=-3; detail="soft-purge, disk"`},
		{Outcome{Status: Miss, Forward: ForURIMiss, Upstream: 200, Why: QuotaReached}, `here; fwd=uri-miss; fwd-status=200; detail="quota"`},
		{Outcome{Status: Miss, Forward: ForURIMiss, Upstream: 200}, `here; fwd=uri-miss; fwd-status=200`},
	} {
		_, got, _ := strings.Cut(string(tt.out.appendFields(nil, "here", nil, true)), "Cache-Status: here")
		if want := strings.TrimPrefix(tt.want, "here") + "\r\n"; got != want {
			t.Errorf("%+v: got %q, want %q", tt.out, got, want)
		}
	}
}
