package rfc9111

// What an operator may have a response's own word count for. A response is
// digested whole, and a Policy takes from the digest what it does not heed
// each time it is judged: so another Policy judges what is stored by its own
// light, at once.

// A Mode says whose word on how long a response is fresh counts.
type Mode uint8

const (
	// Respect has the response's count, and the policy's where it gives none.
	Respect Mode = iota
	// Ignore has the policy's count alone (Valid). No directive does, and no
	// Expires, Age or Date: the time runs from when the response came. What a
	// directive would have allowed, to store a response with Set-Cookie or to
	// a request with credentials, it does not allow then.
	Ignore
	// Merge has the shorter of both count where there are both, and at most
	// Ceiling.
	Merge
)

// Directives are a set of directives of responses.
type Directives uint16

const (
	dirMaxAge Directives = 1 << iota
	dirSMaxAge
	dirNoStore
	dirNoCache
	dirPrivate
	dirPublic
	dirMustRevalidate
	dirProxyRevalidate
	dirMustUnderstand
	dirImmutable
	dirStaleWhileRevalidate
	dirStaleIfError
	dirExpires // a field, which stands beside them

	// AllDirectives are all that are known, and Expires.
	AllDirectives Directives = 1<<iota - 1
)

var directiveNames = [...]string{"max-age", "s-maxage", "no-store", "no-cache", "private", "public", "must-revalidate",
	"proxy-revalidate", "must-understand", "immutable", "stale-while-revalidate", "stale-if-error", "expires"}

// ParseDirective returns the set of the one directive of that name, in lower
// case; "expires" stands for the field. ok is false for one that is not known.
func ParseDirective(name string) (d Directives, ok bool) {
	for i, known := range directiveNames {
		if name == known {
			return 1 << i, true
		}
	}
	return 0, false
}

// restrictions are the flags of directives that only restrict or permit, by
// their Directives.
var restrictions = [...]struct {
	dir  Directives
	flag factFlag
}{
	{dirNoStore, noStore},
	{dirNoCache, noCache | noCacheFields},
	{dirPrivate, private | privateFields},
	{dirPublic, public},
	{dirMustRevalidate, mustRevalidate},
	{dirProxyRevalidate, proxyRevalidate},
	{dirMustUnderstand, mustUnderstand},
	{dirImmutable, immutable},
	{dirExpires, sawExpires},
}

// disregards returns what does not count.
func (p *Policy) disregards() Directives {
	if p.Mode == Ignore {
		return AllDirectives
	}
	return p.Disregard
}

// heeded returns f without what p does not heed.
func (p *Policy) heeded(f *Facts) (h Facts) {
	h = *f
	drop := p.disregards()
	// Disregarding it, one has to take it that the no-store which should be
	// beside it (RFC 9111, 5.2.2.3) was there.
	if drop&dirMustUnderstand != 0 && f.has(mustUnderstand) {
		h.flags |= noStore
	}
	if drop&dirMaxAge != 0 {
		// Expires is for who does not know max-age, and says the same (RFC 9111, 5.3).
		if f.MaxAge != Absent {
			drop |= dirExpires
		}
		h.MaxAge = Absent
	}
	for _, r := range restrictions {
		if drop&r.dir != 0 {
			h.flags &^= r.flag
		}
	}
	if !h.has(sawExpires) {
		h.Expires = 0
	}
	unless := func(d Directives, to *int64) {
		if drop&d != 0 {
			*to = Absent
		}
	}
	unless(dirSMaxAge, &h.SMaxAge)
	unless(dirStaleWhileRevalidate, &h.StaleWhileRevalidate)
	unless(dirStaleIfError, &h.StaleIfError)
	if p.Mode == Ignore {
		h.flags &^= broken | hasDate
		h.Date, h.AgeValue, h.RequestTime = 0, 0, h.ResponseTime
	}
	return h
}

// declined reports whether the response carries a directive by which the
// policy declines it, heeded or not.
func (p *Policy) declined(f *Facts) bool {
	if p.Decline == 0 {
		return false
	}
	for _, r := range restrictions {
		if p.Decline&r.dir != 0 && f.has(r.flag) {
			return true
		}
	}
	return false
}

// unkept returns why what is stored would not be stored today: the policy has
// changed since. f is as it is heeded, real as it is.
func unkept(f, real *Facts, p *Policy, from Reason) Reason {
	switch {
	case f.has(broken):
		return WhySyntax
	case f.has(noStore):
		return WhyNoStore
	case f.has(private) && !p.Private:
		return WhyPrivate
	case from == WhyStatusOff:
		return WhyStatusOff
	case p.declined(real):
		return WhyDeclined
	case f.has(sawSetCookie) && p.refusesCookies(f):
		return WhySetCookie
	}
	return OK
}

// refusesCookies reports whether f, which has Set-Cookie, is not to be stored
// because of it: a cookie is shared only by the origin's own word (RFC 9111,
// 7.3), or the operator's.
func (p *Policy) refusesCookies(f *Facts) bool {
	return p.NoSetCookie || !p.Private && !p.StoreCookies && !f.explicit(p)
}
