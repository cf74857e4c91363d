package rfc9111

// Conditions are a set of what may befall a request at the upstream, for which
// a stale response may be the better answer.
type Conditions uint16

const (
	OnError    Conditions = 1 << iota // it could not be reached, or took no request
	OnTimeout                         // it did not answer in time
	OnInvalid                         // what it answered is no HTTP, or was cut short
	OnUpdating                        // another request has asked it already
	On500
	On502
	On503
	On504
	On403
	On404
	On429
)

// failures are those that stale-if-error is about (RFC 5861, 4).
const failures = OnError | OnTimeout | OnInvalid | On500 | On502 | On503 | On504

var conditionNames = [...]string{"error", "timeout", "invalid_header", "updating", "http_500", "http_502", "http_503",
	"http_504", "http_403", "http_404", "http_429"}

// ParseCondition returns the set of the one condition of that name, as nginx's
// proxy_cache_use_stale spells them.
func ParseCondition(name string) (c Conditions, ok bool) {
	for i, known := range conditionNames {
		if name == known {
			return 1 << i, true
		}
	}
	return 0, false
}

// OnStatus returns the condition that a status code of the upstream's is, 0
// when it is none.
func OnStatus(status int) Conditions {
	switch status {
	case 500:
		return On500
	case 502:
		return On502
	case 503:
		return On503
	case 504:
		return On504
	case 403:
		return On403
	case 404:
		return On404
	case 429:
		return On429
	}
	return 0
}

// staleOn returns for which conditions the policy itself allows stale answers.
func (p *Policy) staleOn() Conditions {
	if p.StaleOn == 0 {
		return failures
	}
	return p.StaleOn
}

// HeedsStatus reports whether the status code of an answer may have a stale
// response be the answer in its place.
func (p *Policy) HeedsStatus(status int) bool {
	return OnStatus(status)&(failures|p.StaleOn) != 0
}

// A Failure is what befell a request at the upstream, and when.
type Failure struct {
	What Conditions
	At   int64
}

// StaleOnError reports whether the stored response may answer though the
// upstream failed to validate it (RFC 9111, 4.2.4; RFC 5861, 4). The limit to
// staleness is the request's stale-if-error, else the response's, else the
// policy's, whose conditions count then; a max-stale of the request permits
// too, and StaleMax is above all. A response that is still fresh may answer:
// that the client preferred a validated one does not help it now.
func StaleOnError(f *Facts, a *Ask, p *Policy, failed Failure) (bool, Reason) {
	if p.disregards() == 0 {
		return staleOnError(f, f, a, p, failed)
	}
	h := p.heeded(f)
	return staleOnError(&h, f, a, p, failed)
}

func staleOnError(f, real *Facts, a *Ask, p *Policy, failed Failure) (bool, Reason) {
	if a.ForOrigin() {
		return false, WhyPrecondition
	}
	if f.has(noCache) {
		return false, WhyNoCache
	}
	lifetime, from := lifetime(f, p)
	if why := unkept(f, real, p, from); why != OK {
		return false, why
	}
	byWord, byPolicy := failed.What&failures != 0, failed.What&p.staleOn() != 0
	staleness := age(f, failed.At) - lifetime*1000
	switch {
	case !byWord && !byPolicy:
		return false, WhyStale
	case staleness < 0 && !unborn(f, failed.At):
		return true, from
	}
	if why := forbidsStale(f, p); why != OK {
		return false, why
	}
	if p.tooStale(staleness) {
		return false, WhyStaleMax
	}
	limit, why := errorLimit(f, a, p)
	if limit > 0 && staleness <= limit*1000 && (byPolicy || why != WhyPolicyStale) {
		return true, why
	}
	if byWord && a.has(askMaxStale) && a.allows(staleness) {
		return true, WhyMaxStale
	}
	return false, WhyStale
}

// tooStale reports whether the policy's ceiling is below a staleness in
// milliseconds.
func (p *Policy) tooStale(staleness int64) bool {
	return p.StaleMax > 0 && staleness > clamp(p.StaleMax)*1000
}

// allows reports whether max-stale, which is there, allows a staleness in
// milliseconds; without a value it allows any.
func (a *Ask) allows(staleness int64) bool {
	return a.maxStale == Absent || staleness <= a.maxStale*1000
}

// errorLimit returns for how many seconds a stale response may stand in for an
// error, and by whose word.
func errorLimit(f *Facts, a *Ask, p *Policy) (seconds int64, why Reason) {
	switch {
	case a.staleIfError != Absent:
		return a.staleIfError, WhyStaleIfError
	case f.StaleIfError != Absent:
		return f.StaleIfError, WhyStaleIfError
	}
	return clamp(p.StaleIfError), WhyPolicyStale
}

// A Window is for how many seconds past its freshness a response may answer
// requests that say nothing of it; MaxDelta stands for ever.
type Window struct {
	While   int64  // at once, with a validation behind
	OnError int64  // when validating it fails
	Why     Reason // what forbids both; OK: nothing does
}

// StaleWindow returns how stale the response may become.
func StaleWindow(f *Facts, p *Policy) (w Window) {
	h := p.heeded(f)
	lifetime, from := lifetime(&h, p)
	if w.Why = unkept(&h, f, p, from); w.Why != OK {
		return w
	}
	if w.Why = forbidsStale(&h, p); w.Why != OK {
		return w
	}
	if h.has(noCache) {
		return Window{Why: WhyNoCache}
	}
	w.While = max(h.StaleWhileRevalidate, 0)
	if p.Background && lifetime > 0 {
		w.While = MaxDelta
	}
	w.OnError, _ = errorLimit(&h, &Ask{staleIfError: Absent}, p)
	if p.StaleMax > 0 {
		w.While, w.OnError = min(w.While, p.StaleMax), min(w.OnError, p.StaleMax)
	}
	return w
}
