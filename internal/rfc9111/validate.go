package rfc9111

// Validates reports whether a 304 with the facts fresh freshens the stored
// response whose validators, and no others, were sent with the request (RFC
// 9111, 4.3.4).
//
// A tag in the 304 decides when the stored response has one: by strong
// comparison when it is strong, else by weak. Otherwise Last-Modified
// decides, by equality, and it must be a strong validator itself when the 304
// has a strong tag: that is what it identifies by then. A 304 without any validator can only mean the ones
// that were sent: many origins leave them out, against RFC 9110, 15.4.5.
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

// Freshen updates the facts of a stored response by those of the 304 that
// Validates it, as the head is updated: fields that the 304 carries replace
// those of the same name (RFC 9111, 3.2). The head's fields are the caller's
// to merge; digesting the merged ones is not needed. Of Date and Age only the
// 304's count: without them it was generated when it was received, so that
// the caller drops the stored ones from the head, too.
//
// Ask Storable afterwards: the 304 may have brought a no-store.
func Freshen(stored, fresh *Facts) {
	stored.take(fresh, controlFlags, sawCacheControl)
	if fresh.has(sawCacheControl) {
		stored.MaxAge, stored.SMaxAge = fresh.MaxAge, fresh.SMaxAge
		stored.StaleWhileRevalidate, stored.StaleIfError = fresh.StaleWhileRevalidate, fresh.StaleIfError
	}
	stored.take(fresh, sawExpires, sawExpires)
	if fresh.has(sawExpires) {
		stored.Expires = fresh.Expires
	}
	stored.take(fresh, sawETag, sawETag)
	if fresh.has(sawETag) {
		stored.ETag = fresh.ETag
	}
	stored.take(fresh, sawLastModified|hasLastModified, sawLastModified)
	if fresh.has(sawLastModified) {
		stored.LastModified = fresh.LastModified
	}
	stored.take(fresh, sawVary|varyAny, sawVary)
	stored.take(fresh, sawSetCookie, sawSetCookie)

	stored.flags = stored.flags&^(sawDate|hasDate|sawAge) | fresh.flags&(sawDate|hasDate|sawAge)
	stored.Date, stored.AgeValue = fresh.Date, fresh.AgeValue
	stored.RequestTime, stored.ResponseTime = fresh.RequestTime, fresh.ResponseTime
	stored.Done()
}

// take copies the flags in group when fresh has the field.
func (f *Facts) take(fresh *Facts, group, field factFlag) {
	if fresh.has(field) {
		f.flags = f.flags&^group | fresh.flags&group
	}
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
	case stored.Status != 200 && stored.Status != 206:
		return false
	case fresh.ETag.Present && !Validates(stored, fresh), fresh.ETag.Present && !stored.ETag.Present:
		return false
	case fresh.has(hasLastModified) && (!stored.has(hasLastModified) || stored.LastModified != fresh.LastModified):
		return false
	}
	return fresh.Length == Absent || fresh.Length == stored.Length || stored.Status == 206
}
