// Package rfc9111 decides what a cache may do with a response. It is pure:
// what RFC 9111 derives from a response is digested once into Facts, what it
// derives from a request becomes an Ask, the time is an argument, and
// functions over those return values. It knows no message type, does no I/O,
// keeps no state and allocates nothing on the way of a hit.
//
// The cache is a shared one unless Policy.Private says otherwise. It is not
// decided here what the key of a stored response is, nor what becomes of a
// request once the verdict is known.
//
//	var f rfc9111.Facts
//	f.Reset(200, requestTime, responseTime)
//	f.Field(rfc9111.CacheControl, []byte("max-age=60"))
//	f.Done()
//	why := rfc9111.Storable(&f, &ask, policy)
//	…
//	v := rfc9111.Judge(&f, &ask, policy, now)
//
// Times are Unix milliseconds, spans of time are seconds, as the fields have
// them, unless a comment says otherwise.
package rfc9111

// A Field is a field that the rules read; the caller maps names to it.
type Field uint8

// The fields; None is all others.
const (
	None Field = iota

	// Of responses.

	CacheControl // of requests too
	Age
	Date
	Expires
	ETag
	LastModified
	Vary
	SetCookie
	ContentRange

	// Of requests.

	Pragma
	Authorization
	Range
	IfRange
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince

	// NumFields is the number of fields, None included.
	NumFields int = iota
)

// Absent marks a number that no field gave.
const Absent = -1

// A Policy is what configuration may say about the rules. The zero Policy is
// a shared cache that does what RFC 9111 requires and nothing it only allows.
type Policy struct {
	// Private says that the cache is one user's alone: what RFC 9111 says of
	// shared caches does not hold for it (1, 3.5, 5.2.2.7, .8 and .10), and
	// the cookies in it are that user's own (7.3).
	Private bool
	// Heuristic is the part of the time since Last-Modified that a response
	// without explicit freshness is fresh, in percent (RFC 9111, 4.2.2
	// suggests 10). 0: no heuristic freshness.
	Heuristic int
	// HeuristicMax bounds it, in seconds; 0: a day.
	HeuristicMax int64
	// DefaultTTL is the freshness lifetime in seconds of a 200 that carries
	// no explicit freshness; it goes before a heuristic one. 0: none.
	DefaultTTL int64
	// Mode says whose word on freshness counts.
	Mode Mode
	// Valid is how long responses are fresh by status; what it has off is
	// never stored. nil: it covers none.
	Valid *Valid
	// Ceiling bounds freshness in mode Merge, in seconds; 0: nothing does.
	Ceiling int64
	// Disregard are directives of responses that do not count.
	Disregard Directives
	// Decline are directives that keep a response from being stored, also
	// where they do not count.
	Decline Directives
	// FreshOnly refuses to store what nothing gives freshness to; otherwise it
	// is stored when it can be validated.
	FreshOnly bool
	// StoreCookies stores responses with Set-Cookie also where the origin does
	// not say how long they are fresh.
	StoreCookies bool
	// NoSetCookie refuses to store responses with Set-Cookie.
	NoSetCookie bool
	// StaleIfError is for how many seconds past its freshness a response may
	// be served when the upstream fails and no directive says so or forbids
	// it (RFC 9111, 4.2.4). 0: not without a directive.
	StaleIfError int64
	// StaleOn is what counts as failing for StaleIfError; 0: that it could not
	// be reached, did not answer in time or not in HTTP, or answered 500, 502,
	// 503 or 504. With OnUpdating a stale response answers while another
	// request has it validated, whatever StaleIfError says.
	StaleOn Conditions
	// StaleMax is for how many seconds past its freshness a response may be
	// served at all; 0: nothing but the rules bounds it.
	StaleMax int64
	// Background serves what has expired at once and has it validated behind,
	// as if each response allowed it for ever (RFC 5861, 3).
	Background bool
}
