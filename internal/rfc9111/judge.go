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
	// Lifetime is how long the response is fresh in all, in seconds, and From
	// what says so.
	Lifetime int64
	From     Reason
	// Meanwhile says of Validate that, while another request has it validated,
	// the response may answer as it is: Selection is that answer.
	Meanwhile bool
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

// clockSlack is how much later than now, in milliseconds, a response may have
// come: another request may have brought it since now was read.
const clockSlack = 1000

// unborn reports whether the clock was set back since the response came. RFC
// 9111, 4.2.3 has resident_time be now less response_time, which is below 0
// then: how long it really was here cannot be known, and may be longer than it
// is fresh. So it is stale until it is validated, which dates it anew. It may
// still stand in for an error: that it can be too old for that is no worse than
// an error.
func unborn(f *Facts, now int64) bool { return now < f.ResponseTime-clockSlack }

// Judge says what may be done with a stored response for a request that it
// was selected for (RFC 9111, 4).
func Judge(f *Facts, a *Ask, p *Policy, now int64) (v Verdict) {
	c := candidate{f: f, a: a, p: p, real: f}
	if p.disregards() != 0 {
		h := p.heeded(f)
		c.f = &h
	}
	lifetime, from := lifetime(c.f, p)
	c.age, c.from, c.expires = age(c.f, now), from, lifetime > 0
	c.left = lifetime*1000 - c.age
	v.TTL, v.Lifetime, v.From = lifetime-c.age/1000, lifetime, from
	if c.f != f { // what the policy makes of its age is not told
		c.age = age(f, now)
	}
	v.Age = c.age / 1000
	c.unborn = unborn(f, now)
	if c.unborn {
		v.TTL = min(v.TTL, 0)
	}
	v.Do, v.Why = c.decide()
	switch {
	case v.Do == Deliver || v.Do == DeliverAndRefresh:
		v.Selection = Select(f, a, f.Length)
	case a.has(askOnlyIfCached):
		v.Do, v.Why, v.Status = Refuse, WhyOnlyIfCached, 504 // RFC 9111, 5.2.1.7
	case c.meanwhile:
		v.Meanwhile, v.Selection = true, Select(f, a, f.Length)
	}
	return v
}

// A candidate is a stored response for a request, at a time.
type candidate struct {
	f    *Facts // as the policy heeds them
	real *Facts // as they are
	a    *Ask
	p    *Policy
	age  int64  // milliseconds
	left int64  // of freshness, in milliseconds; not above 0: stale
	from Reason // of the freshness

	unborn    bool // it came later than now
	expires   bool // it was fresh once
	meanwhile bool // Verdict.Meanwhile
}

func (c *candidate) decide() (Action, Reason) {
	switch {
	case !c.a.Method.reads():
		return Forward, WhyMethod // RFC 9111, 4: written through
	case c.a.ForOrigin():
		return Forward, WhyPrecondition
	case c.f.has(noCache):
		return Validate, WhyNoCache // RFC 9111, 5.2.2.4
	case c.unborn:
		return Validate, WhyClock
	}
	if c.f.has(noStore|private|broken|sawSetCookie) || c.from == WhyStatusOff || c.p.Decline != 0 {
		if why := unkept(c.f, c.real, c.p, c.from); why != OK {
			return Validate, why
		}
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
	if c.p.tooStale(-c.left) {
		return Validate, WhyStaleMax
	}
	switch {
	// RFC 9111, 5.2.1.1: who sends max-age without max-stale wants nothing stale.
	case a.maxAge != Absent && !a.has(askMaxStale):
		return Validate, WhyStale
	case f.StaleWhileRevalidate > 0 && -c.left <= f.StaleWhileRevalidate*1000:
		return DeliverAndRefresh, WhyStaleWhileRevalidate // RFC 5861, 3
	// What never was fresh has not expired: it is to be validated each time.
	case c.p.Background && c.expires:
		return DeliverAndRefresh, WhyBackground
	case a.has(askMaxStale) && a.allows(-c.left):
		return Deliver, WhyMaxStale // RFC 9111, 5.2.1.2
	}
	c.meanwhile = c.p.StaleOn&OnUpdating != 0 && c.expires
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
