package rfc9111

// Select evaluates the preconditions and the range of a request against the
// response that was selected for it, whose content has length bytes, Absent
// while that is not known yet. What is not a 206 holds the whole content, with
// Last = -1 when there is none or its length is not known.
//
// The order is that of RFC 9110, 13.2.2; a cache has no part in its first two
// steps, so 412 is never an answer (see Ask.ForOrigin). While the length is
// not known a Range is ignored, as RFC 9110, 14.2 allows, and so it is when
// there is no content.
func Select(f *Facts, a *Ask, length int64) Selection {
	// RFC 9110, 13.2.1: preconditions are ignored where the answer without
	// them would not be a success; RFC 9111, 4.3.2 speaks of 200 (and 206).
	if f.Status != 200 || !a.Method.reads() {
		return Selection{Status: f.Status, Last: max(length, 0) - 1}
	}
	if notModified(f, a) {
		return Selection{Status: 304, Last: -1}
	}
	if a.Method.ranges() && a.asked.n > 0 && length > 0 && ifRange(f, a) {
		return a.asked.selected(length)
	}
	return Selection{Status: 200, Last: max(length, 0) - 1}
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
