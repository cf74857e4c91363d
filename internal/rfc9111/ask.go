package rfc9111

import "math"

// Method is what the rules distinguish among request methods.
type Method uint8

const (
	// Get is GET.
	Get Method = iota
	// Head is HEAD.
	Head
	// Query is QUERY, for the key holds its content: it is to what was stored
	// for the same content as GET is to what was stored for GET (RFC 10008,
	// Caching, Conditional Requests, Range Requests).
	Query
	// OtherSafe is any other method defined as safe (RFC 9110, 9.2.1).
	OtherSafe
	// Unsafe is any method that is not, or is not known to be, safe.
	Unsafe
)

// reads reports whether a stored response may answer the method.
func (m Method) reads() bool { return m <= Query }

// ranges reports whether the method has ranges: GET, and QUERY as GET (RFC
// 9110, 14.2; RFC 10008, Range Requests).
func (m Method) ranges() bool { return m == Get || m == Query }

// An Ask is what the rules derive from a request. It has a fixed size and
// holds no pointers: a connection has one and uses it again. Reset, one Field
// per field line in order, Done; from then on it is only read.
type Ask struct {
	// Method may be changed after Done: when the request that is sent in
	// place of a HEAD is a GET, it is the GET's answer that is Storable.
	Method Method
	flags  askFlag

	maxAge, maxStale, minFresh, staleIfError int64 // Absent without

	since   stamp // If-Modified-Since
	ifRange Tag
	ifDate  stamp // If-Range when it is a date
	asked   ranges
	none    tags // If-None-Match
}

type askFlag uint16

const (
	askControl askFlag = 1 << iota // Cache-Control was there
	askPragma                      // Pragma: no-cache was there
	askNoCache
	askNoStore
	askOnlyIfCached
	askMaxStale // max-stale, with or without a value
	askAuthorization
	askRange // Range was there
	askIfRange
	askIfDate // If-Range is a date
	askIfMatch
	askNone // If-None-Match was there
	askSince
	askSinceDate // If-Modified-Since is a date
	askUnmodified
	askUnmodifiedDate
)

// Reset makes a the ask of a request with no fields yet.
func (a *Ask) Reset(method Method) {
	a.Method = method
	a.flags = 0
	a.maxAge, a.maxStale, a.minFresh, a.staleIfError = Absent, Absent, Absent, Absent
	a.ifRange = Tag{}
	a.asked.n = 0
	a.none.reset()
}

// Field takes one field line; fields that say nothing about a request are
// ignored. The value is not kept.
func (a *Ask) Field(id Field, value []byte) {
	switch id {
	case CacheControl:
		a.control(value)
	case Pragma:
		a.pragma(value)
	case Authorization:
		a.flags |= askAuthorization
	case Range:
		// A second line makes a list of it, which a Range is not.
		if a.first(askRange) {
			a.asked.parse(value)
		} else {
			a.asked.n = 0
		}
	case IfRange:
		a.setIfRange(value)
	case IfMatch:
		a.flags |= askIfMatch
	case IfNoneMatch:
		a.flags |= askNone
		a.none.add(value)
	case IfModifiedSince:
		s, ok := parseStamp(value)
		a.since = s
		a.once(askSince, askSinceDate, ok)
	case IfUnmodifiedSince:
		_, ok := ParseDate(value, 0)
		a.once(askUnmodified, askUnmodifiedDate, ok)
	}
}

// Done resolves what one field says against another.
func (a *Ask) Done() {
	// Pragma: no-cache is for caches that do not know Cache-Control (RFC
	// 9111, 5.4).
	if a.has(askPragma) && !a.has(askControl) {
		a.flags |= askNoCache
	}
}

// NoStore reports whether the client wants nothing of this kept (RFC 9111,
// 5.2.1.5).
func (a *Ask) NoStore() bool { return a.has(askNoStore) }

// OnlyIfCached reports whether the client wants a stored response or 504 (RFC
// 9111, 5.2.1.7); without a stored response the answer is 504.
func (a *Ask) OnlyIfCached() bool { return a.has(askOnlyIfCached) }

// Ranged reports whether the request asks for one byte range.
func (a *Ask) Ranged() bool { return a.Method.ranges() && a.asked.n == 1 }

// ManyRanges reports whether the request asks for several byte ranges.
func (a *Ask) ManyRanges() bool { return a.Method.ranges() && a.asked.n > 1 }

// FirstRange returns the first of the ranges, which are there: Last is
// math.MaxInt64 for the end; First is Absent, below 0, for the last Last bytes.
func (a *Ask) FirstRange() Part { return Part{a.asked.list[0].first, a.asked.list[0].last} }

// Within returns the one range in content of length bytes, Absent when that is
// not known. It is not ok when the content does not have it, or when that can
// not be known.
func (a *Ask) Within(length int64) (Part, bool) {
	switch e := a.asked.list[0]; {
	case length != Absent:
		return e.in(length)
	case e.first == Absent || e.last == math.MaxInt64:
		return Part{}, false
	default:
		return Part{e.first, e.last}, true
	}
}

// Parts puts the parts of content of length bytes, above 0, that the ranges of
// the request select into dst, in the order in which they are to be sent, and
// returns their number. It does not ask whether ranges count: Select does.
func (a *Ask) Parts(length int64, dst *[MaxRanges]Part) int { return a.asked.parts(length, dst) }

// Conditional reports whether the request carries If-None-Match or a usable
// If-Modified-Since: the answer may be 304.
func (a *Ask) Conditional() bool { return a.has(askNone | askSinceDate) }

// ForOrigin reports whether only the origin can answer the request: the
// method is none of GET, HEAD and QUERY, or it carries If-Match or
// If-Unmodified-Since (RFC 9111, 4.3.2).
func (a *Ask) ForOrigin() bool {
	return !a.Method.reads() || a.has(askIfMatch|askUnmodifiedDate)
}

func (a *Ask) has(flag askFlag) bool { return a.flags&flag != 0 }

// first sets flag and reports whether it was not set before.
func (a *Ask) first(flag askFlag) bool {
	seen := a.has(flag)
	a.flags |= flag
	return !seen
}

// once sets valid when ok and the field is there for the first time: a date
// field with several members is ignored (RFC 9110, 13.1.3 and 13.1.4).
func (a *Ask) once(seen, valid askFlag, ok bool) {
	if a.first(seen) && ok {
		a.flags |= valid
	} else {
		a.flags &^= valid
	}
}

// setIfRange takes an If-Range line. A second one makes the field invalid, and
// with it the condition false (RFC 9110, 13.1.5).
func (a *Ask) setIfRange(value []byte) {
	again := !a.first(askIfRange)
	a.flags &^= askIfDate
	a.ifRange = Tag{}
	if again {
		return
	}
	// "A valid entity-tag can be distinguished from a valid HTTP-date by
	// examining the first three characters for a DQUOTE."
	for _, c := range value[:min(3, len(value))] {
		if c == '"' {
			a.ifRange = ParseTag(value)
			return
		}
	}
	if s, ok := parseStamp(value); ok {
		a.ifDate = s
		a.flags |= askIfDate
	}
}

// control takes a Cache-Control line (RFC 9111, 5.2.1). Arguments that cannot
// be read are those of a client that wants something we do not know: they are
// ignored, as request directives are advisory, but for max-age, where 0 is
// the safe reading.
func (a *Ask) control(value []byte) {
	a.flags |= askControl
	d := directives{rest: value}
	for d.next() {
		a.directive(&d)
	}
}

func (a *Ask) directive(d *directives) {
	var buf [maxDirective]byte
	switch string(d.lower(&buf)) {
	case "no-cache":
		a.flags |= askNoCache
	case "no-store":
		a.flags |= askNoStore
	case "only-if-cached":
		a.flags |= askOnlyIfCached
	case "max-age":
		v, _ := d.delta()
		lowest(&a.maxAge, v)
	case "min-fresh":
		if v, ok := d.delta(); ok {
			a.minFresh = max(a.minFresh, v)
		}
	case "max-stale":
		a.setMaxStale(d)
	case "stale-if-error":
		if v, ok := d.delta(); ok {
			lowest(&a.staleIfError, v)
		}
	}
}

// setMaxStale takes a max-stale, whose argument may be missing.
func (a *Ask) setMaxStale(d *directives) {
	v, ok := d.delta()
	switch {
	case ok:
		lowest(&a.maxStale, v)
	case d.form != bare:
		return
	}
	a.flags |= askMaxStale
}

// lowest keeps the most restrictive of several values.
func lowest(to *int64, v int64) {
	if *to == Absent || v < *to {
		*to = v
	}
}

// pragma takes a Pragma line.
func (a *Ask) pragma(value []byte) {
	d := directives{rest: value}
	for d.next() {
		if d.form == bare && equalFold(d.name, "no-cache") {
			a.flags |= askPragma
		}
	}
}
