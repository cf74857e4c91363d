package rfc9111

// Storable returns OK when the response may be stored, else why not (RFC 9111,
// 3). a is of the request that was sent for it: a Range or
// a HEAD that the cache replaced by a plain GET is the cache's own matter.
//
// OK does not mean that the response may answer another request before it has
// been validated: that is what Judge says, also of a response that is still
// being received.
func Storable(f *Facts, a *Ask, p *Policy) Reason {
	if p.disregards() == 0 {
		return storable(f, f, a, p)
	}
	h := p.heeded(f)
	return storable(&h, f, a, p)
}

// storable is Storable with f as p heeds it; real is as it is.
func storable(f, real *Facts, a *Ask, p *Policy) Reason {
	if why := refused(f, a, p); why != OK {
		return why
	}
	ttl, covered := p.Valid.ttl(f.Status)
	switch {
	// RFC 9111, 3.5: to requests with credentials only by leave.
	case a.has(askAuthorization) && !p.Private && !f.has(mustRevalidate|public) && f.SMaxAge == Absent:
		return WhyAuthorization
	// RFC 9111, 4.1: it never matches.
	case f.has(varyAny):
		return WhyVary
	case p.declined(real):
		return WhyDeclined
	// The operator's outright word on storing, which no freshness outdoes.
	case covered && ttl == Off:
		return WhyStatusOff
	case f.has(sawSetCookie) && p.refusesCookies(f):
		return WhySetCookie
	// RFC 9111, 3, last item: something must allow it.
	case !covered && (p.Mode == Ignore || !f.explicit(p) && !f.guessable(p)):
		return WhyStatus
	}
	return useful(f, p)
}

// Shareable reports whether nothing that the response itself says keeps it from
// being anybody else's: no no-store or private that counts, no cookie that may
// not be stored, none of the directives that the policy declines.
func Shareable(f *Facts, p *Policy) bool {
	h := p.heeded(f)
	_, from := lifetime(&h, p)
	why := unkept(&h, f, p, from)
	return why == OK || why == WhyStatusOff
}

// PostStorable is Storable for the answer to a POST, which is to answer a later
// GET or HEAD: only with explicit freshness (RFC 9110, 9.3.3). That its
// Content-Location is the POST's target is for the caller to see; only then,
// and with status 200, it is a representation of the target (RFC 9110, 8.7).
func PostStorable(f *Facts, a *Ask, p *Policy) Reason {
	switch {
	case f.Status != 200:
		return WhyStatus
	case !explicit(f, p):
		return WhyNoFreshness
	}
	get := *a
	get.Method = Get
	return Storable(f, &get, p)
}

func explicit(f *Facts, p *Policy) bool {
	h := p.heeded(f)
	return h.explicit(p)
}

// explicit reports whether the origin itself said how long the response is
// fresh.
func (f *Facts) explicit(p *Policy) bool {
	return f.shared(p) != Absent || f.MaxAge != Absent || f.has(sawExpires)
}

// shared returns the s-maxage where it counts (RFC 9111, 5.2.2.10).
func (f *Facts) shared(p *Policy) int64 {
	if p.Private {
		return Absent
	}
	return f.SMaxAge
}

// guessable reports whether a freshness that the origin did not give may be a
// heuristic one: the status code is defined so, or a directive marks the
// response as cacheable (RFC 9111, 3 and 4.2.2), in the cache of one user
// also private (5.2.2.7).
func (f *Facts) guessable(p *Policy) bool {
	return heuristic(f.Status) || f.has(public) || p.Private && f.has(private)
}

// refused returns what forbids to store the response, whatever else it says.
func refused(f *Facts, a *Ask, p *Policy) Reason {
	switch {
	case !a.Method.ranges():
		return WhyMethod
	// The answer to a Range is about a part; only a 200 is the whole.
	case a.has(askRange) && f.Status != 200:
		return WhyRangeRequest
	// A 412 is about a precondition, which no key holds.
	case f.Status == 412 && a.has(askIfMatch|askNone|askSince|askUnmodified):
		return WhyPrecondition
	case !final(f.Status):
		return WhyStatus
	// What a quoted-string without end hides may be a no-store.
	case f.has(broken):
		return WhySyntax
	case f.has(mustUnderstand) && !understood(f.Status):
		return WhyMustUnderstand
	case f.has(noStore):
		return WhyNoStore
	case f.has(private) && !p.Private:
		return WhyPrivate
	case a.has(askNoStore):
		return WhyRequestNoStore
	}
	return OK
}

// useful returns why a response that may be stored would never be used: it is
// not fresh on arrival, cannot be validated and must not be used stale. With
// FreshOnly it is not enough that it can be validated.
func useful(f *Facts, p *Policy) Reason {
	lifetime, from := lifetime(f, p)
	switch {
	case from == WhyNoFreshness && p.FreshOnly:
		return WhyNoFreshness
	case f.HasValidator():
		return OK
	case f.has(noCache):
		return WhyNoCache
	case lifetime > CurrentAge(f, f.ResponseTime):
		return OK
	case forbidsStale(f, p) == OK && (f.StaleWhileRevalidate > 0 || f.StaleIfError > 0 || p.StaleIfError > 0):
		return OK
	case from == WhyNoFreshness:
		return WhyNoFreshness
	}
	return WhyStale
}

// Lifetime returns how many seconds the response is fresh after it was
// generated (in mode Ignore: after it came), and what says so (RFC 9111,
// 4.2.1): WhySMaxAge, WhyMaxAge, WhyExpires, WhyValid, WhyCeiling,
// WhyDefaultTTL, WhyHeuristic, or 0 and WhyStatusOff or WhyNoFreshness.
func Lifetime(f *Facts, p *Policy) (seconds int64, from Reason) {
	if p.disregards() == 0 {
		return lifetime(f, p)
	}
	h := p.heeded(f)
	return lifetime(&h, p)
}

// lifetime is Lifetime with f as p heeds it.
func lifetime(f *Facts, p *Policy) (seconds int64, from Reason) {
	if p.Valid != nil || p.Mode != Respect {
		return ruledLifetime(f, p)
	}
	if seconds, from = f.ownLifetime(p); from != WhyNoFreshness {
		return seconds, from
	}
	return f.givenLifetime(p)
}

// ruledLifetime is lifetime where the policy has a say by status or mode.
func ruledLifetime(f *Facts, p *Policy) (seconds int64, from Reason) {
	ttl, covered := p.Valid.ttl(f.Status)
	if covered && ttl == Off {
		return 0, WhyStatusOff
	}
	seconds, from = f.ownLifetime(p) // in mode Ignore there is none
	switch {
	case covered && (from == WhyNoFreshness || p.Mode == Merge && ttl < seconds):
		seconds, from = ttl, WhyValid
	case from == WhyNoFreshness && p.Mode != Ignore:
		seconds, from = f.givenLifetime(p)
	}
	if p.Mode == Merge && p.Ceiling > 0 && seconds > p.Ceiling {
		return clamp(p.Ceiling), WhyCeiling
	}
	return seconds, from
}

// ownLifetime is what the response itself says.
func (f *Facts) ownLifetime(p *Policy) (seconds int64, from Reason) {
	switch {
	case f.shared(p) != Absent:
		return f.SMaxAge, WhySMaxAge
	case f.MaxAge != Absent:
		return f.MaxAge, WhyMaxAge
	case f.has(sawExpires):
		return clamp((f.Expires - f.generated()) / 1000), WhyExpires
	}
	return 0, WhyNoFreshness
}

// givenLifetime is what the policy gives to a response that says nothing.
func (f *Facts) givenLifetime(p *Policy) (seconds int64, from Reason) {
	// What an operator says outright counts more than a guess.
	if p.DefaultTTL > 0 && f.Status == 200 {
		return clamp(p.DefaultTTL), WhyDefaultTTL
	}
	if s := heuristicLifetime(f, p); s > 0 {
		return s, WhyHeuristic
	}
	return 0, WhyNoFreshness
}

// heuristicLifetime is a part of the time since Last-Modified (RFC 9111,
// 4.2.2), 0 where there is none.
func heuristicLifetime(f *Facts, p *Policy) int64 {
	if p.Heuristic <= 0 || !f.has(hasLastModified) || !f.guessable(p) {
		return 0
	}
	limit := p.HeuristicMax
	if limit <= 0 {
		limit = 24 * 60 * 60
	}
	since := max(0, f.generated()-f.LastModified) / 1000
	return min(since*int64(min(p.Heuristic, 100))/100, limit, MaxDelta)
}

// generated is when the response was generated: without a Date when it was
// received (RFC 9110, 6.6.1).
func (f *Facts) generated() int64 {
	if f.has(hasDate) {
		return f.Date
	}
	return f.ResponseTime
}

// clamp bounds seconds to what delta-seconds can say.
func clamp(seconds int64) int64 { return min(max(seconds, 0), MaxDelta) }

// final reports whether a response with that status may be stored at all.
func final(status int) bool {
	switch status {
	case 206, 304, // they update what is stored, and a part is a 200's (AsPartial)
		426,                // RFC 9110, 15.5.22: about the connection that it came by
		428, 429, 431, 511: // RFC 6585, 3 to 6: "MUST NOT be stored by a cache"
		return false
	}
	// RFC 9110, 15: interim ones are not final; what is no status code is
	// an error of the server.
	return status >= 200 && status <= 599
}

// understood reports whether the cache knows what the status code means to
// it: the final ones of RFC 9110, 15 that are stored, and 451 (RFC 7725).
func understood(status int) bool {
	switch {
	case !final(status):
		return false
	case status <= 205, status >= 300 && status <= 308 && status != 306,
		status >= 400 && status <= 417,
		status == 421, status == 422, status == 451,
		status >= 500 && status <= 505:
		return true
	}
	return false
}

// heuristic reports whether the status code is defined as heuristically
// cacheable (RFC 9110, 15.1; RFC 7725, 3). A part (206) is judged as a 200.
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501:
		return true
	}
	return false
}
