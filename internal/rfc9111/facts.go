package rfc9111

// Facts are what the rules derive from a response when it is stored. They
// have a fixed size and hold no pointers. Reset, Target for each field of the
// target list until one counts, one Field per field line in order, Done; from
// then on they are only read. When the head changes they are made anew (Renew).
type Facts struct {
	Status int
	flags  factFlag
	// Date is 0 unless HasDate.
	Date int64
	// Expires is 0 unless HasExpires. A value that is no date is a time
	// before all others.
	Expires int64
	// LastModified is 0 unless HasLastModified.
	LastModified int64
	// MaxAge, SMaxAge, StaleWhileRevalidate and StaleIfError are arguments of
	// Cache-Control or of the targeted field that stands for it, in seconds up
	// to MaxDelta, or Absent. An argument that cannot be read counts as 0.
	MaxAge, SMaxAge, StaleWhileRevalidate, StaleIfError int64
	// AgeValue is the Age field in seconds, 0 without one.
	AgeValue int64
	// RequestTime and ResponseTime are the clock when the request was sent
	// and when the response came.
	RequestTime, ResponseTime int64
	// Length is the size of the content in bytes, Absent while it is not
	// known. No field gives it: whoever has the content sets it.
	Length int64
	// ETag is the entity tag.
	ETag Tag
}

type factFlag uint32

const (
	// which fields there were, readable or not
	sawAge factFlag = 1 << iota
	sawDate
	sawExpires
	sawETag
	sawLastModified
	sawVary
	sawSetCookie
	// which of them can be used
	hasDate
	hasLastModified
	// of Vary
	varyAny
	// of Cache-Control, or of the targeted field that stands for it
	targeted // it was one
	broken
	noStore
	noCache
	noCacheFields // with field names: these alone are not reused
	private
	privateFields // with field names: these alone are not stored
	public
	mustRevalidate
	proxyRevalidate
	mustUnderstand
	immutable
	// only a part of the content is stored
	partial
	// of framing
	untilClose
	endOfFlags
)

// longAgo is the time of an Expires that is no date, which is to be taken for
// a time in the past (RFC 9111, 5.3): no date is before it.
const longAgo = firstTime

// Reset makes f the facts of a response with no fields yet.
func (f *Facts) Reset(status int, requestTime, responseTime int64) {
	*f = Facts{
		Status:               status,
		RequestTime:          requestTime,
		ResponseTime:         responseTime,
		MaxAge:               Absent,
		SMaxAge:              Absent,
		StaleWhileRevalidate: Absent,
		StaleIfError:         Absent,
		Length:               Absent,
	}
}

// Renew makes f the facts of a response with no fields yet whose head is made
// of old's and of what updates it, which was asked for and came at the times
// given: what no field says stays (RFC 9111, 3.2). Of Date and Age only the
// update's count: without them it was generated when it was received.
func (f *Facts) Renew(old *Facts, requestTime, responseTime int64) {
	f.Reset(old.Status, requestTime, responseTime)
	f.Length = old.Length
	f.flags = old.flags & (untilClose | partial)
}

// UntilClose says that the content ended with the connection, so that it may
// have been cut short unseen: such a response is not taken for immutable (RFC
// 8246, 3).
func (f *Facts) UntilClose() { f.flags |= untilClose }

// Field takes one field line; fields that say nothing about a response are
// ignored. The value is not kept.
func (f *Facts) Field(id Field, value []byte) {
	switch id {
	case CacheControl:
		f.control(value)
	case Age:
		// RFC 9111, 5.1: the first member counts, an invalid one is ignored.
		if member := firstMember(value); len(member) > 0 && f.first(sawAge) {
			f.AgeValue, _ = parseDelta(member, false)
		}
	case Date:
		if f.first(sawDate) {
			f.Date = f.date(value, hasDate)
		}
	case Expires:
		f.expires(value)
	case LastModified:
		f.lastModified(value)
	case ETag:
		f.etag(value)
	case Vary:
		f.flags |= sawVary
		if !readVary(value, func([]byte) {}) {
			f.flags |= varyAny
		}
	case SetCookie:
		f.flags |= sawSetCookie
	}
}

// Done resolves what one field says against another.
func (f *Facts) Done() {
	// RFC 9111, 5.2.2.3: who understands the status code ignores no-store.
	if f.has(mustUnderstand) && understood(f.Status) {
		f.flags &^= noStore
	}
}

// Partial reports whether only a part of the content is stored.
func (f *Facts) Partial() bool { return f.has(partial) }

// AsPartial makes f, the facts of a 206 for a part of content of length bytes
// in all, those of a 200 of which only a part came (RFC 9111, 3.3).
func (f *Facts) AsPartial(length int64) {
	f.Status, f.Length = 200, length
	f.flags |= partial
	f.Done()
}

// AsWhole makes f, the facts of a part, those of the whole.
func (f *Facts) AsWhole() { f.flags &^= partial }

// HasDate reports whether there is a Date that can be read.
func (f *Facts) HasDate() bool { return f.has(hasDate) }

// HasExpires reports whether there is an Expires field, readable or not.
func (f *Facts) HasExpires() bool { return f.has(sawExpires) }

// HasLastModified reports whether there is a Last-Modified that can be read.
func (f *Facts) HasLastModified() bool { return f.has(hasLastModified) }

// HasVary reports whether there is a Vary field.
func (f *Facts) HasVary() bool { return f.has(sawVary) }

// HasValidator reports whether the response can be validated by a conditional
// request (RFC 9111, 4.3.1).
func (f *Facts) HasValidator() bool { return f.ETag.Present || f.has(hasLastModified) }

// StrongLastModified reports whether Last-Modified is a strong validator: the
// response was sent at least a second after it, by the same clock (RFC 9110,
// 8.8.2.2).
func (f *Facts) StrongLastModified() bool {
	return f.has(hasDate) && f.has(hasLastModified) && f.Date >= f.LastModified+1000
}

// NoCache reports whether each use of the response needs a validation of its
// own (RFC 9111, 5.2.2.4).
func (f *Facts) NoCache() bool { return f.has(noCache) }

// Immutable reports whether the response will not change while it is fresh
// (RFC 8246).
func (f *Facts) Immutable() bool { return f.has(immutable) && !f.has(untilClose) }

func (f *Facts) has(flag factFlag) bool { return f.flags&flag != 0 }

// first sets flag and reports whether it was not set before.
func (f *Facts) first(flag factFlag) bool {
	seen := f.has(flag)
	f.flags |= flag
	return !seen
}

// date reads a date and sets flag when it is one; otherwise it returns 0.
func (f *Facts) date(value []byte, flag factFlag) int64 {
	t, ok := ParseDate(value, f.ResponseTime)
	if ok {
		f.flags |= flag
	}
	return t
}

// expires takes an Expires line: of several the first counts (RFC 9111, 4.2.1).
func (f *Facts) expires(value []byte) {
	if f.has(targeted) || !f.first(sawExpires) {
		return
	}
	t, ok := ParseDate(value, f.ResponseTime)
	if !ok {
		t = longAgo
	}
	f.Expires = t
}

// lastModified takes a Last-Modified line. Two that differ identify nothing.
func (f *Facts) lastModified(value []byte) {
	if f.first(sawLastModified) {
		f.LastModified = f.date(value, hasLastModified)
		return
	}
	if t, ok := ParseDate(value, f.ResponseTime); !ok || t != f.LastModified {
		f.flags &^= hasLastModified
		f.LastModified = 0
	}
}

// etag takes an ETag line. Two that differ identify nothing.
func (f *Facts) etag(value []byte) {
	t := ParseTag(value)
	if f.first(sawETag) {
		f.ETag = t
		return
	}
	if t != f.ETag {
		f.ETag = Tag{}
	}
}

// control takes a Cache-Control line (RFC 9111, 5.2.2).
func (f *Facts) control(value []byte) {
	if f.has(targeted) {
		return
	}
	d := directives{rest: value}
	for d.next() {
		f.directive(&d)
	}
	if d.broken {
		f.flags |= broken
	}
}

// directive takes one directive. Those that restrict count whatever argument
// they have, those that permit only when they are well formed: "if directives
// conflict, the most restrictive directive should be honored" (RFC 9111,
// 4.2.1).
func (f *Facts) directive(d *directives) {
	var buf [maxDirective]byte
	switch string(d.lower(&buf)) {
	case "max-age":
		f.delta(&f.MaxAge, d)
	case "s-maxage":
		f.delta(&f.SMaxAge, d)
	case "stale-while-revalidate":
		f.delta(&f.StaleWhileRevalidate, d)
	case "stale-if-error":
		f.delta(&f.StaleIfError, d)
	case "no-store":
		f.flags |= noStore
	case "no-cache":
		f.restrict(noCache, noCacheFields, d)
	case "private":
		f.restrict(private, privateFields, d)
	case "must-revalidate":
		f.flags |= mustRevalidate
	case "proxy-revalidate":
		f.flags |= proxyRevalidate
	case "public":
		f.permit(public, d)
	case "must-understand":
		f.permit(mustUnderstand, d)
	case "immutable":
		f.flags |= immutable // RFC 8246, 2: whatever argument it has
	}
}

func (f *Facts) permit(flag factFlag, d *directives) {
	if d.form == bare {
		f.flags |= flag
	}
}

// restrict sets whole, or fields when the directive names fields that can be
// withheld.
func (f *Facts) restrict(whole, fields factFlag, d *directives) {
	if (d.form == token || d.form == quoted) && withholdable(d.arg) {
		whole = fields
	}
	f.flags |= whole
}

// delta sets *to by the directive's argument. Of several the first counts,
// and one that cannot be read makes it 0: stale (RFC 9111, 4.2.1).
func (f *Facts) delta(to *int64, d *directives) {
	v, ok := d.delta()
	switch {
	case !ok:
		*to = 0
	case *to == Absent:
		*to = v
	}
}
