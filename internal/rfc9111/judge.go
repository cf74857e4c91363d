package rfc9111

// A Verdict says what may be done with a stored response for a request.
type Verdict struct {
	Do  Action
	Why Reason
	// Selection is the answer for Deliver and DeliverAndRefresh; its Status
	// is 504 for Refuse, else 0.
	Selection
	// Age is the current age in seconds, for the Age field.
	Age int64
	// TTL is the freshness that is left in seconds; not above 0 when stale.
	TTL int64
}

// CurrentAge returns the age of a stored response in seconds, never negative
// (RFC 9111, 4.2.3).
func CurrentAge(f *Facts, now int64) int64 { return age(f, now) / 1000 }

// age returns current_age in milliseconds. Clocks that step back make none of
// its parts negative.
func age(f *Facts, now int64) int64 {
	apparent := int64(0)
	if f.has(hasDate) {
		// Date is cut to whole seconds; so is what it is compared with, lest
		// every response be up to a second old on arrival.
		apparent = max(0, f.ResponseTime/1000*1000-f.Date)
	}
	delay := max(0, f.ResponseTime-f.RequestTime)
	initial := max(apparent, f.AgeValue*1000+delay)
	resident := max(0, now-f.ResponseTime)
	return min(initial+resident, MaxDelta*1000)
}

// Judge says what may be done with a stored response for a request that it
// was selected for (RFC 9111, 4).
func Judge(f *Facts, a *Ask, p *Policy, now int64) (v Verdict) {
	lifetime, from := Lifetime(f, p)
	c := candidate{f: f, a: a, p: p, age: age(f, now), from: from}
	c.left = lifetime*1000 - c.age
	v.Age = c.age / 1000
	v.TTL = lifetime - v.Age
	v.Do, v.Why = c.decide()
	switch v.Do {
	case Deliver, DeliverAndRefresh:
		v.Selection = Select(f, a, f.Length)
	default:
		if a.has(askOnlyIfCached) {
			v.Do, v.Why, v.Status = Refuse, WhyOnlyIfCached, 504 // RFC 9111, 5.2.1.7
		}
	}
	return v
}

// A candidate is a stored response for a request, at a time.
type candidate struct {
	f    *Facts
	a    *Ask
	p    *Policy
	age  int64  // milliseconds
	left int64  // of freshness, in milliseconds; not above 0: stale
	from Reason // of the freshness
}

func (c *candidate) decide() (Action, Reason) {
	switch {
	case !c.a.Method.reads():
		return Forward, WhyMethod // RFC 9111, 4: written through
	case c.a.ForOrigin():
		return Forward, WhyPrecondition
	case c.f.has(noCache):
		return Validate, WhyNoCache // RFC 9111, 5.2.2.4
	}
	if why := c.declined(); why != OK {
		return Validate, why
	}
	// RFC 9111, 4.2: fresh while the lifetime is above the age.
	if c.left > 0 {
		if c.a.maxAge != Absent && c.tooOld() {
			return Deliver, WhyImmutable
		}
		return Deliver, c.from
	}
	return c.stale()
}

// declined returns which directive of the request asks for something better
// (RFC 9111, 5.2.1).
func (c *candidate) declined() Reason {
	a := c.a
	switch {
	case a.has(askNoCache):
		return WhyRequestNoCache
	// RFC 8246, 2.1: what will not change while it is fresh need not be asked
	// for because of its age, as browsers do on a reload; no-cache, their
	// forced reload, still counts.
	case a.maxAge != Absent && c.tooOld() && !(c.left > 0 && c.f.Immutable()):
		return WhyRequestMaxAge
	case a.minFresh != Absent && c.left < a.minFresh*1000:
		return WhyMinFresh // RFC 9111, 5.2.1.3
	}
	return OK
}

// tooOld reports whether the response is older than the request's max-age,
// which is there (RFC 9111, 5.2.1.1). An age of 0 is to have validated now:
// nothing that is stored has it, however short the time since.
func (c *candidate) tooOld() bool { return c.a.maxAge == 0 || c.age > c.a.maxAge*1000 }

// stale decides on a response that is not fresh any more (RFC 9111, 4.2.4).
func (c *candidate) stale() (Action, Reason) {
	f, a := c.f, c.a
	if why := forbidsStale(f, c.p); why != OK {
		return Validate, why
	}
	switch {
	// RFC 9111, 5.2.1.1: who sends max-age without max-stale wants nothing stale.
	case a.maxAge != Absent && !a.has(askMaxStale):
		return Validate, WhyStale
	case f.StaleWhileRevalidate > 0 && -c.left <= f.StaleWhileRevalidate*1000:
		return DeliverAndRefresh, WhyStaleWhileRevalidate // RFC 5861, 3
	case a.has(askMaxStale) && a.allows(-c.left):
		return Deliver, WhyMaxStale // RFC 9111, 5.2.1.2
	}
	return Validate, WhyStale
}

// forbidsStale returns which directive forbids to use the response once it is
// stale (RFC 9111, 4.2.4). no-cache, which forbids it fresh or stale, has its
// own place before.
func forbidsStale(f *Facts, p *Policy) Reason {
	switch {
	case f.has(mustRevalidate):
		return WhyMustRevalidate // RFC 9111, 5.2.2.2
	case f.has(proxyRevalidate) && !p.Private:
		return WhyProxyRevalidate // RFC 9111, 5.2.2.8
	case f.shared(p) != Absent:
		return WhySMaxAge // RFC 9111, 5.2.2.10
	}
	return OK
}

// StaleOnError reports whether the stored response may answer though the
// upstream failed to validate it: it could not be reached, or its answer was
// 500, 502, 503 or 504 (RFC 9111, 4.2.4; RFC 5861, 4). The limit to staleness
// is the request's stale-if-error, else the response's, else the policy's; a
// max-stale of the request permits too. A response that is still fresh may
// answer: that the client preferred a validated one does not help it now.
func StaleOnError(f *Facts, a *Ask, p *Policy, now int64) (bool, Reason) {
	if a.ForOrigin() {
		return false, WhyPrecondition
	}
	if f.has(noCache) {
		return false, WhyNoCache
	}
	lifetime, from := Lifetime(f, p)
	staleness := age(f, now) - lifetime*1000
	if staleness < 0 {
		return true, from
	}
	if why := forbidsStale(f, p); why != OK {
		return false, why
	}
	limit, why := errorLimit(f, a, p)
	if limit > 0 && staleness <= limit*1000 {
		return true, why
	}
	if a.has(askMaxStale) && a.allows(staleness) {
		return true, WhyMaxStale
	}
	return false, WhyStale
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
