package rfc9111

import "math"

// A RangeKind is what a Range field asks for.
type RangeKind uint8

const (
	// NoRange is no range: nothing asked, other units, or not well formed.
	// The answer is the whole.
	NoRange RangeKind = iota
	// Single is one range, and content has it.
	Single
	// Multi is more than one. The answer is the whole, as RFC 9110, 14.2
	// allows.
	Multi
	// Unsatisfiable is one range that content does not have: 416.
	Unsatisfiable
)

// ParseRange reads a Range field (RFC 9110, 14.1 and 14.2) for content of
// length bytes and returns the first and the last byte of a Single range.
// While the length is not known, or when it is 0, there is NoRange.
func ParseRange(value []byte, length int64) (kind RangeKind, first, last int64) {
	e := parseExtent(value)
	return e.in(length)
}

// An extent is a byte range before the length is known: from first to last,
// where last may be math.MaxInt64 for the end, or the last n bytes when first
// is Absent.
type extent struct {
	kind        RangeKind // NoRange, Single or Multi
	first, last int64
}

// parseExtent reads ranges-specifier (RFC 9110, 14.1.1). One range-spec that
// is invalid makes all of it invalid.
func parseExtent(value []byte) (e extent) {
	const unit = "bytes="
	if len(value) < len(unit) || !equalFold(value[:len(unit)], unit) {
		return extent{}
	}
	for rest := skip(value[len(unit):], isListSpace); len(rest) > 0; rest = skip(rest, isListSpace) {
		var ok bool
		kind := e.kind
		if rest, ok = e.take(rest); !ok {
			return extent{}
		}
		rest = skip(rest, isSpace)
		if len(rest) > 0 && rest[0] != ',' {
			return extent{}
		}
		if e.kind = Single; kind != NoRange {
			e.kind = Multi
		}
	}
	return e
}

// take reads one range-spec off the start of value.
func (e *extent) take(value []byte) (rest []byte, ok bool) {
	first, rest := position(value)
	if len(rest) == 0 || rest[0] != '-' {
		return rest, false
	}
	last, rest := position(rest[1:])
	switch {
	case first == Absent && last == Absent:
		return rest, false
	case last == Absent:
		last = math.MaxInt64
	case first != Absent && last < first:
		return rest, false
	}
	e.first, e.last = first, last
	return rest, true
}

// position reads 1*DIGIT, saturating; Absent without a digit.
func position(value []byte) (n int64, rest []byte) {
	digits := run(value, isDigit)
	if digits == 0 {
		return Absent, value
	}
	for _, c := range value[:digits] {
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return math.MaxInt64, value[digits:]
		}
		n = n*10 + d
	}
	return n, value[digits:]
}

// in resolves e in content of length bytes (RFC 9110, 14.1.2).
func (e *extent) in(length int64) (kind RangeKind, first, last int64) {
	switch {
	case e.kind != Single:
		return e.kind, 0, -1
	case length <= 0:
		return NoRange, 0, -1
	case e.first == Absent && e.last == 0, e.first >= length:
		return Unsatisfiable, 0, -1
	case e.first == Absent:
		return Single, max(0, length-e.last), length - 1
	}
	return Single, e.first, min(e.last, length-1)
}

// Select evaluates the preconditions and the range of a request against the
// response that was selected for it, whose content has length bytes, Absent
// while that is not known yet. It returns the status code of the answer and
// the first and the last byte of it: of the whole content when it is not 206,
// with last = -1 when there is none or its length is not known.
//
// The order is that of RFC 9110, 13.2.2; a cache has no part in its first two
// steps, so 412 is never an answer (see Ask.ForOrigin). While the length is
// not known a Range is ignored, as RFC 9110, 14.2 allows, and so it is when
// there is no content.
func Select(f *Facts, a *Ask, length int64) (status int, first, last int64) {
	// RFC 9110, 13.2.1: preconditions are ignored where the answer without
	// them would not be a success; RFC 9111, 4.3.2 speaks of 200 (and 206).
	if f.Status != 200 || !a.Method.reads() {
		return f.Status, 0, max(length, 0) - 1
	}
	if notModified(f, a) {
		return 304, 0, -1
	}
	if a.Method.ranges() && a.asked.kind == Single && ifRange(f, a) {
		switch kind, first, last := a.asked.in(length); kind {
		case Single:
			return 206, first, last
		case Unsatisfiable:
			return 416, 0, -1
		}
	}
	return 200, 0, max(length, 0) - 1
}

// notModified reports whether the client has what was selected already: steps
// 3 and 4 of RFC 9110, 13.2.2.
func notModified(f *Facts, a *Ask) bool {
	if a.has(askNone) {
		return a.none.match(&f.ETag)
	}
	if !a.has(askSinceDate) {
		return false
	}
	since, ok := a.since.time(f.ResponseTime)
	if !ok {
		return false
	}
	// RFC 9111, 4.3.2: without Last-Modified by Date, without that by the
	// time the response was received.
	switch {
	case f.has(hasLastModified):
		return f.LastModified <= since
	case f.has(hasDate):
		return f.Date <= since
	}
	return f.ResponseTime <= since
}

// ifRange reports whether If-Range lets Range count: step 5 of RFC 9110,
// 13.2.2. The comparison is strong, and exact for a date (13.1.5).
func ifRange(f *Facts, a *Ask) bool {
	switch {
	case !a.has(askIfRange):
		return true
	case a.has(askIfDate):
		at, ok := a.ifDate.time(f.ResponseTime)
		return ok && f.StrongLastModified() && at == f.LastModified
	}
	return a.ifRange.Strong(&f.ETag)
}
