package opencache

import (
	"testing"

	"opencache/internal/engine"
	"opencache/internal/rfc9111"
)

// TestReasonsHaveConstants: each word that the engine can give as a reason is a
// constant here, and no other.
func TestReasonsHaveConstants(t *testing.T) {
	known := map[Reason]bool{}
	for _, r := range []Reason{
		WhyMethod, WhyStatus, WhyRangeRequest, WhySyntax, WhyMustUnderstand, WhyNoStore, WhyPrivate,
		WhyRequestNoStore, WhyAuthorization, WhyVary, WhySetCookie, WhyNoFreshness, WhySMaxAge, WhyMaxAge, WhyExpires,
		WhyHeuristic, WhyDefaultTTL, WhyPrecondition, WhyNoCache, WhyRequestNoCache, WhyRequestMaxAge, WhyMinFresh,
		WhyMustRevalidate, WhyProxyRevalidate, WhyStale, WhyClock, WhyMaxStale, WhyStaleWhileRevalidate, WhyStaleIfError,
		WhyPolicyStale, WhyImmutable, WhyOnlyIfCached, WhyOriginUnreachable, WhyOriginTimeout, WhyOriginBroken,
		WhyOriginBusy, WhyClientGone, WhyOriginStatus, WhyLockTimedOut, WhyWasHitForMiss, WhyTooLarge, WhyStagingFull,
		WhyStoreFull, WhyQuotaReached, WhyRequestContent, WhyContentInGet, WhyTunnelAsked, WhyPolicyBypass,
		WhySegmentGone, WhyNotShareable, WhySoftPurged, WhyMachineCrashed, WhyInternal, WhyQueryUntyped, WhyQueryTooLong,
		WhyTooManyTags, WhyTooFewUses, WhyTooManyVariants, WhyLoopDetected, WhyPartialContent, WhyRefreshLimit, WhyRefreshResting,
		WhyContentChanged, WhyContentResumed, WhyTooManyHops,
	} {
		if known[r] {
			t.Errorf("two constants say %q", r)
		}
		known[r] = true
	}
	given := map[Reason]bool{}
	for r := range rfc9111.NumReasons {
		given[reasonOf(engine.Reason(r))] = true
	}
	for i := range engine.NumReasons {
		given[reasonOf(engine.OriginUnreachable+engine.Reason(i))] = true
	}
	delete(given, "")
	// What only documents can ask for, a program never hears of.
	for _, r := range []rfc9111.Reason{
		rfc9111.WhyStatusOff, rfc9111.WhyDeclined, rfc9111.WhyValid, rfc9111.WhyCeiling,
		rfc9111.WhyStaleMax, rfc9111.WhyBackground, rfc9111.WhyUpdating,
	} {
		delete(given, reasonOf(engine.Reason(r)))
	}
	delete(given, reasonOf(engine.BypassCondition))
	delete(given, reasonOf(engine.NoStoreCondition))
	delete(given, reasonOf(engine.TypeMismatch))
	delete(given, reasonOf(engine.AmbiguousPath))
	for r := range given {
		if !known[r] {
			t.Errorf("no constant says %q", r)
		}
	}
	for r := range known {
		if !given[r] {
			t.Errorf("the engine never says %q", r)
		}
	}
}
