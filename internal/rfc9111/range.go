package rfc9111

import "math"

// MaxRanges is how many ranges of a request are kept. Who asks for more is
// answered with the whole (RFC 9110, 14.2 and 17.15).
const MaxRanges = 16

// partGap is the gap between two parts of an answer below which sending it is
// cheaper than another part (RFC 9110, 15.3.7.2).
const partGap = 80

// A Part is a range of content, from its first byte to its last.
type Part struct{ First, Last int64 }

// Size returns the number of bytes.
func (p Part) Size() int64 { return p.Last - p.First + 1 }

// Has reports whether all of q lies in p.
func (p Part) Has(q Part) bool { return p.First <= q.First && q.Last <= p.Last }

// A Selection is what of a response answers a request.
type Selection struct {
	// Status is that of the answer: that of the response, or 206, 304 or 416.
	Status int
	// First and Last are the bytes that the answer holds; with several parts
	// those from the lowest to the highest of them.
	First, Last int64
	// Parts is how many ranges a 206 holds: 1, or more in a multipart answer
	// (Ask.Parts names them). 0 for other statuses.
	Parts int
}

// An extent is a byte range before the length is known: from first to last,
// where last may be math.MaxInt64 for the end, or the last n bytes when first
// is Absent.
type extent struct{ first, last int64 }

// ranges are what a Range field asks for, in its order; n = 0: nothing, other
// units, or not well formed. The answer then is the whole.
type ranges struct {
	n    int
	list [MaxRanges]extent // list[:n] count
}

// parse reads ranges-specifier (RFC 9110, 14.1.1). One range-spec that is
// invalid makes all of it invalid.
func (r *ranges) parse(value []byte) {
	const unit = "bytes="
	r.n = 0
	if len(value) < len(unit) || !equalFold(value[:len(unit)], unit) {
		return
	}
	n := 0
	for rest := skip(value[len(unit):], isListSpace); len(rest) > 0; rest = skip(rest, isListSpace) {
		var ok bool
		if n == MaxRanges {
			return
		}
		if rest, ok = r.list[n].take(rest); !ok {
			return
		}
		rest = skip(rest, isSpace)
		if len(rest) > 0 && rest[0] != ',' {
			return
		}
		n++
	}
	r.n = n
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
	*e = extent{first, last}
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

// in resolves e in content of length bytes, which has some (RFC 9110, 14.1.2).
func (e extent) in(length int64) (p Part, ok bool) {
	switch {
	case e.first == Absent && e.last == 0, e.first >= length:
		return p, false
	case e.first == Absent:
		return Part{max(0, length-e.last), length - 1}, true
	}
	return Part{e.first, min(e.last, length-1)}, true
}

// selected returns what the ranges, of which there is at least one, select in
// content of length bytes.
func (r *ranges) selected(length int64) Selection {
	if r.n == 1 {
		p, ok := r.list[0].in(length)
		if !ok {
			return Selection{Status: 416, Last: -1}
		}
		return Selection{206, p.First, p.Last, 1}
	}
	var parts [MaxRanges]Part
	n := r.parts(length, &parts)
	if n == 0 {
		return Selection{Status: 416, Last: -1}
	}
	s := Selection{206, parts[0].First, parts[0].Last, n}
	for _, p := range parts[1:n] {
		s.First, s.Last = min(s.First, p.First), max(s.Last, p.Last)
	}
	return s
}

// parts resolves the ranges in content of length bytes. Those that it does
// not have are left out; those that overlap, or have less than partGap bytes
// between them, become one, in the place of the first of them (RFC 9110,
// 15.3.7.2): no byte goes out twice, however it was asked for.
func (r *ranges) parts(length int64, dst *[MaxRanges]Part) (n int) {
	for _, e := range r.list[:r.n] {
		p, ok := e.in(length)
		if !ok {
			continue
		}
		at := n
		for i := 0; i < n; {
			q := dst[i]
			if p.First > q.Last && p.First-q.Last > partGap || q.First > p.Last && q.First-p.Last > partGap {
				i++
				continue
			}
			p = Part{min(p.First, q.First), max(p.Last, q.Last)}
			at = min(at, i)
			copy(dst[i:n], dst[i+1:n])
			n--
			i = 0 // it has grown, and may now reach those that were passed
		}
		at = min(at, n)
		copy(dst[at+1:n+1], dst[at:n])
		dst[at] = p
		n++
	}
	return n
}

// ParseContentRange reads a Content-Range of a 206 (RFC 9110, 14.4): the part
// and the complete length, Absent for "*". Other units, an unsatisfied-range,
// what is invalid and what no number holds are not ok.
func ParseContentRange(value []byte) (p Part, complete int64, ok bool) {
	const unit = "bytes "
	if len(value) < len(unit) || !equalFold(value[:len(unit)], unit) {
		return p, 0, false
	}
	first, rest := position(value[len(unit):])
	if first == Absent || len(rest) == 0 || rest[0] != '-' {
		return p, 0, false
	}
	last, rest := position(rest[1:])
	if last < first || last == math.MaxInt64 || len(rest) == 0 || rest[0] != '/' {
		return p, 0, false
	}
	complete = Absent
	if rest = rest[1:]; len(rest) != 1 || rest[0] != '*' {
		if complete, rest = position(rest); complete <= last || complete == math.MaxInt64 || len(rest) > 0 {
			return p, 0, false
		}
	}
	return Part{first, last}, complete, true
}
