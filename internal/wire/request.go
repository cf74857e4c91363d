package wire

import "bytes"

// ParseRequest parses the request head at the start of buf into r, in place: r
// borrows buf. It returns the number of bytes that the head takes, or 0 and no
// error when buf does not hold all of it yet (call again when more bytes with a
// line feed among them have come). An error is a *Error with side Client and
// the status to refuse with; the connection is then to be closed, and r holds
// what was parsed before the fault, for a log.
//
// It sets everything but Body, Remote, Port, ID, Interim, Attempts and Watch,
// which it leaves alone. Secure is set from the target: true for an absolute-form https
// target, else false; a TLS connection's owner sets it behind the call.
func ParseRequest(r *Request, buf []byte, lim Limits) (n int, err error) {
	lim.complete()
	view := buf[:min(len(buf), lim.Head)]
	r.forget()
	r.borrow(view)
	s := section{kind: ofRequest, max: lim.Fields, length: Unknown}
	n, bad := r.parse(view, lim.Line, &s)
	if bad.status == 0 && n == 0 && len(buf) >= lim.Head {
		bad = fault{431, lim.Head, "head larger than allowed"}
	}
	if bad.status != 0 {
		return 0, bad.err(ofRequest)
	}
	if n > 0 {
		r.buf = view[:n:n]
		if r.Method == OPTIONS && r.path.n == 0 { // RFC 9112, 3.2.4
			r.path = put(&r.Head, "*")
		}
	}
	return n, nil
}

// forget empties what ParseRequest is to set.
func (r *Request) forget() {
	r.Head.Reset()
	r.Method, r.Minor, r.Length = OtherMethod, 0, 0
	r.Close, r.Upgrade, r.Continue, r.Trailers, r.Secure = false, false, false, false, false
	r.method, r.target, r.authority, r.path, r.query = ref{}, ref{}, ref{}, ref{}, ref{}
	r.hasQuery = false
}

func (r *Request) parse(buf []byte, maxLine int, s *section) (int, fault) {
	start, next, bad := requestLine(buf, maxLine)
	if bad.status != 0 || next == 0 {
		return 0, bad
	}
	if bad = r.startLine(buf[:next-2], start); bad.status != 0 {
		return 0, bad
	}
	n, bad := r.Head.parse(buf, next, s)
	if bad.status != 0 || n == 0 {
		return 0, bad
	}
	return n, r.judge(s, n)
}

// requestLine finds the request line: where it starts, and where the field
// section behind it does; 0 when it is not complete.
func requestLine(buf []byte, maxLine int) (start, next int, bad fault) {
	// One empty line is to be ignored (RFC 9112, 2.2).
	if len(buf) >= 2 && buf[0] == '\r' && buf[1] == '\n' {
		start = 2
	}
	if start < len(buf) && class[buf[start]]&tokenByte == 0 && string(buf) != "\r" {
		return 0, 0, fault{400, start, "no request line"}
	}
	end := bytes.IndexByte(buf[start:], '\n') - 1 // of the line, without CR LF
	switch {
	case end > maxLine || end == -2 && tooLong(buf[start:], maxLine):
		return 0, 0, fault{414, start, "request line longer than allowed"}
	case end == -2:
		return 0, 0, fault{}
	case end == -1 || buf[start+end] != '\r':
		return 0, 0, badByte(buf, start+end+1)
	}
	return start, start + end + 2, fault{}
}

// tooLong reports whether the start line that b begins, which has no line feed
// yet, is longer than most. A carriage return at its end may be the line's end.
func tooLong(b []byte, most int) bool {
	return len(b) > most+1 || len(b) == most+1 && b[most] != '\r'
}

// startLine parses the request line that starts at i and ends buf
// (RFC 9112, 3).
func (r *Request) startLine(buf []byte, i int) fault {
	m := i
	for m < len(buf) && class[buf[m]]&tokenByte != 0 {
		m++
	}
	v := len(buf) - len(" HTTP/1.1")
	if m == i || m >= v || buf[m] != ' ' || buf[v] != ' ' {
		return fault{400, m, "request line is not method, target and version"}
	}
	minor, major := version(buf[v+1:])
	switch {
	case major > 1:
		return fault{505, v + 1, "HTTP version above 1"}
	case major != 1:
		return fault{400, v + 1, "HTTP version"}
	}
	r.Minor = minor
	r.method = ref{uint32(i), uint32(m - i)}
	r.Method = lookupMethod(buf[i:m])
	return r.parseTarget(buf[:v], m+1)
}

// version reads "HTTP/" DIGIT "." DIGIT; major is 0 when b is something else.
// A minor above 1 counts as 1 (RFC 9110, 2.5).
func version(b []byte) (minor, major uint8) {
	if len(b) != 8 || string(b[:5]) != "HTTP/" || b[6] != '.' || b[5]-'0' > 9 || b[7]-'0' > 9 {
		return 0, 0
	}
	return min(b[7]-'0', 1), b[5] - '0'
}

// judge checks what only the whole head tells, and sets the digests. at is
// the offset behind it.
func (r *Request) judge(s *section, at int) fault {
	switch {
	case s.hosts == 0 && r.Minor > 0: // RFC 9112, 3.2
		return fault{400, at, "no Host"}
	case s.coding != noCoding && r.Minor == 0: // RFC 9112, 6.1
		return fault{400, at, "Transfer-Encoding in HTTP/1.0"}
	case s.coding != noCoding && s.length != Unknown: // RFC 9112, 6.1
		return fault{400, at, "Transfer-Encoding together with Content-Length"}
	case s.coding == badCoding: // RFC 9112, 6.3, item 4
		return fault{400, at, "Transfer-Encoding that does not end in one chunked"}
	case s.coding == unknownCoding: // RFC 9112, 6.1
		return fault{501, at, "transfer coding other than chunked"}
	case s.unmet: // RFC 9110, 10.1.1
		return fault{417, at, "expectation other than 100-continue"}
	}
	if r.authority.n == 0 {
		r.authority = s.host
	}
	r.Length = max(s.length, 0) // RFC 9112, 6.3, item 7
	if s.coding == chunkedCoding {
		r.Length = Unknown
	}
	r.Close = !s.persists(r.Minor)
	// HTTP/1.0 has none of these (RFC 9110, 7.8 and 10.1.1).
	r.Upgrade = s.upgrade && s.upgradeOption && r.Minor > 0
	r.Continue = s.continues && r.Minor > 0
	r.Trailers = s.trailers && r.Minor > 0
	return fault{}
}

// Reset empties r and keeps its memory.
func (r *Request) Reset() {
	h := r.Head
	*r = Request{Head: h}
	r.Head.Reset()
}

// CopyFrom makes r a copy of o with a buffer of its own, without Body, Interim,
// Watch and TLS, which become nil. r's memory is used again.
func (r *Request) CopyFrom(o *Request) {
	h := r.Head
	if r == o {
		h.CopyFrom(&r.Head)
	} else {
		h.CopyFrom(&o.Head)
		*r = *o
	}
	r.Head, r.Body, r.Interim, r.Watch, r.TLS = h, nil, nil, nil, nil
}

// Framing returns how the content of r is framed.
func (r *Request) Framing() Framing {
	if r.Length < 0 {
		return Chunked
	}
	return Framing(r.Length)
}

// MethodText returns the method as received or as set.
func (r *Request) MethodText() []byte {
	text := r.at(r.method)
	if r.Method != OtherMethod && string(text) != r.Method.String() {
		return []byte(r.Method.String())
	}
	return text
}

// SetMethod sets an interned method.
func (r *Request) SetMethod(m Method) {
	r.Method, r.method = m, put(&r.Head, m.String())
}

// SetMethodText sets any method; m must be a token.
func (r *Request) SetMethodText(m []byte) {
	r.Method, r.method = lookupMethod(m), put(&r.Head, m)
}

// Protocol returns the value of the first Upgrade field line, which is hidden
// otherwise: nil when there is none.
func (r *Request) Protocol() []byte { return r.protocol() }

// SetProtocol sets the value of the Upgrade field. It is sent when r.Upgrade
// is set.
func (r *Request) SetProtocol(p []byte) { r.setProtocol(p) }

func (h *Head) protocol() []byte {
	for i := range h.fields {
		if h.fields[i].id == Upgrade {
			return h.at(h.fields[i].value)
		}
	}
	return nil
}

func (h *Head) setProtocol(p []byte) {
	f := field{name: put(h, Upgrade.String()), value: put(h, p), id: Upgrade, hop: true}
	h.set.Add(Upgrade) // so that Del looks for it
	h.Del(Upgrade)
	h.fields = append(h.fields, f)
}
