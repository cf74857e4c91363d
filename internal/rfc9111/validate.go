package rfc9111

// Validates reports whether a 304 with the facts fresh freshens the stored
// response whose validators, and no others, were sent with the request (RFC
// 9111, 4.3.4).
//
// A tag in the 304 decides when the stored response has one: by strong
// comparison when it is strong, else by weak. Otherwise Last-Modified
// decides, by equality, and it must be a strong validator itself when the 304
// has a strong tag: that is what it identifies by then. A 304 without any
// validator can only mean the ones that were sent: many origins leave them
// out, against RFC 9110, 15.4.5.
func Validates(stored, fresh *Facts) bool {
	switch {
	case fresh.ETag.Present && stored.ETag.Present:
		if fresh.ETag.Weak {
			return stored.ETag.Matches(&fresh.ETag)
		}
		return stored.ETag.Strong(&fresh.ETag)
	case fresh.ETag.Present && !fresh.ETag.Weak && !(stored.StrongLastModified() && fresh.StrongLastModified()):
		return false
	case fresh.has(hasLastModified):
		return stored.has(hasLastModified) && stored.LastModified == fresh.LastModified
	}
	return !fresh.ETag.Present
}

// Invalidates reports whether an answer with that status to that method makes
// what is stored for the target invalid (RFC 9111, 4.4).
func Invalidates(method Method, status int) bool {
	return method == Unsafe && status >= 200 && status <= 399
}

// Confirms reports whether a 200 to a HEAD, with the facts fresh, speaks of
// the stored response to a GET that could have been chosen for it: what
// validators and Content-Length it carries are those of the stored one, which
// it then updates like a 304. Else the stored one is out of date (RFC 9111,
// 4.3.5). Length of fresh is the Content-Length, Absent without one.
func Confirms(stored, fresh *Facts) bool {
	switch {
	case stored.Status != 200:
		return false
	case fresh.ETag.Present && !Validates(stored, fresh), fresh.ETag.Present && !stored.ETag.Present:
		return false
	case fresh.has(hasLastModified) && (!stored.has(hasLastModified) || stored.LastModified != fresh.LastModified):
		return false
	}
	return fresh.Length == Absent || fresh.Length == stored.Length
}
