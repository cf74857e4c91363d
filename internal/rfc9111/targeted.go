package rfc9111

import "github.com/dunglas/httpsfv"

// Target takes the lines of a targeted field, which is a Structured Field (RFC
// 9213). It reports whether that counts: then it stands for Cache-Control and
// Expires, whose lines Field ignores. One that is not well formed or empty
// changes nothing; the next of the target list is to be tried. Call it behind
// Reset and before Field, not again once it has reported true.
func (f *Facts) Target(lines [][]byte) bool {
	d, ok := dictionary(lines)
	if !ok || len(d.Names()) == 0 {
		return false
	}
	f.flags |= targeted
	for _, name := range d.Names() {
		m, _ := d.Get(name)
		f.member(name, m)
	}
	return true
}

// member takes one directive of a targeted field; keys are in lower case, and
// parameters mean nothing (RFC 9213, 2.1). A value of the wrong type is not
// used: freshness without one is none, what restricts does so all the same,
// what permits does not. "?0" is to say that the directive is not there.
func (f *Facts) member(name string, m httpsfv.Member) {
	b, isBool := bareBoolean(m)
	on, off := isBool && b, isBool && !b
	switch name {
	case "max-age":
		f.MaxAge = seconds(m)
	case "s-maxage":
		f.SMaxAge = seconds(m)
	case "stale-while-revalidate":
		f.StaleWhileRevalidate = seconds(m)
	case "stale-if-error":
		f.StaleIfError = seconds(m)
	case "no-store":
		f.set(noStore, !off)
	case "no-cache":
		f.set(restriction(m, noCache, noCacheFields), !off)
	case "private":
		f.set(restriction(m, private, privateFields), !off)
	case "must-revalidate":
		f.set(mustRevalidate, !off)
	case "proxy-revalidate":
		f.set(proxyRevalidate, !off)
	case "immutable":
		f.set(immutable, !off)
	case "public":
		f.set(public, on)
	case "must-understand":
		f.set(mustUnderstand, on)
	}
}

func (f *Facts) set(flag factFlag, on bool) {
	if on {
		f.flags |= flag
	}
}

// restriction returns whole, or fields when m names fields that can be
// withheld.
func restriction(m httpsfv.Member, whole, fields factFlag) factFlag {
	if s, ok := bareString(m); ok && withholdable([]byte(s)) {
		return fields
	}
	return whole
}

// seconds returns a directive's delta-seconds, 0 where m is none: a Decimal or
// a String is not made an Integer of (RFC 9213, 2.1), and freshness that cannot
// be read is no freshness (RFC 9111, 4.2.1).
func seconds(m httpsfv.Member) int64 {
	n, ok := bareInteger(m)
	if !ok {
		return 0
	}
	return clamp(n)
}
