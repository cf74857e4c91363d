package wire

import "bytes"

// ParseResponse parses the head of a response to a request with method m, as
// ParseRequest does that of a request. Errors have side Upstream and status
// 502. It sets everything but Body and Tunnel. The reason phrase is dropped;
// a status line that ends behind the status code is taken, since RFC 9112, 4
// lets recipients split at white space and nothing rests on the phrase.
func ParseResponse(r *Response, buf []byte, m Method, lim Limits) (n int, err error) {
	lim.complete()
	view := buf[:min(len(buf), lim.Head)]
	r.Head.Reset()
	r.Status, r.Minor, r.Close, r.Length, r.framing = 0, 0, false, 0, 0
	r.borrow(view)
	s := section{kind: ofResponse, max: lim.Fields, length: Unknown}
	n, bad := r.parse(view, lim.Line, &s)
	if bad.status == 0 && n > 0 {
		bad = r.judge(&s, m, n)
	}
	if bad.status == 0 && n == 0 && len(buf) >= lim.Head {
		bad = fault{431, lim.Head, "head larger than allowed"}
	}
	if bad.status != 0 {
		return 0, bad.err(ofResponse)
	}
	if n > 0 {
		r.buf = view[:n:n]
	}
	return n, nil
}

func (r *Response) parse(buf []byte, maxLine int, s *section) (int, fault) {
	const least = len("HTTP/1.1 200")
	if len(buf) > 0 && buf[0] != 'H' {
		return 0, fault{502, 0, "no status line"}
	}
	end := bytes.IndexByte(buf, '\n') - 1 // of the line, without CR LF
	switch {
	case end > maxLine || end == -2 && tooLong(buf, maxLine):
		return 0, fault{431, 0, "status line longer than allowed"}
	case end == -2:
		return 0, fault{}
	case end < least || buf[end] != '\r':
		return 0, fault{502, 0, "status line is not version and status"}
	}
	minor, major := version(buf[:8])
	status, ok := parseLength(buf[9:least])
	if major != 1 || buf[8] != ' ' || !ok || status < 100 || status > 599 {
		return 0, fault{502, 0, "status line is not HTTP/1 and a status from 100 to 599"}
	}
	if i := valueEnd(buf, least); i != end || end > least && buf[least] != ' ' {
		return 0, fault{502, i, "reason phrase"}
	}
	r.Minor, r.Status = minor, int(status)
	return r.Head.parse(buf, end+2, s)
}

// judge decides where the content ends (RFC 9112, 6.3).
func (r *Response) judge(s *section, m Method, at int) fault {
	switch {
	case s.coding != noCoding && r.Minor == 0: // RFC 9112, 6.1
		return fault{502, at, "Transfer-Encoding in HTTP/1.0"}
	case s.coding != noCoding && s.length != Unknown: // RFC 9112, 6.3, item 3
		return fault{502, at, "Transfer-Encoding together with Content-Length"}
	case s.coding > chunkedCoding:
		return fault{501, at, "Transfer-Encoding other than chunked"}
	}
	r.Close = !s.persists(r.Minor)
	r.Length, r.framing = s.length, Framing(s.length)
	switch {
	case r.Status < 200 || r.Status == 204 || m == CONNECT && r.Status < 300:
		r.Length, r.framing = 0, 0
	case m == HEAD || r.Status == 304:
		r.framing = 0 // Length is that of the content that GET would have
	case s.coding == chunkedCoding:
		r.framing = Chunked
	case s.length == Unknown:
		r.framing, r.Close = UntilClose, true
	}
	return fault{}
}

// Framing returns how the content behind a parsed head is framed: 0 for
// responses to HEAD and for 1xx, 204 and 304.
func (r *Response) Framing() Framing { return r.framing }

// Reset empties r and keeps its memory.
func (r *Response) Reset() {
	h := r.Head
	*r = Response{Head: h}
	r.Head.Reset()
}

// CopyFrom makes r a copy of o with a buffer of its own, without Body and
// Tunnel, which become nil. r's memory is used again.
func (r *Response) CopyFrom(o *Response) {
	h := r.Head
	if r == o {
		h.CopyFrom(&r.Head)
	} else {
		h.CopyFrom(&o.Head)
		*r = *o
	}
	r.Head, r.Body, r.Tunnel = h, nil, nil
}

// Protocol returns the value of the first Upgrade field line, which is hidden
// otherwise: nil when there is none.
func (r *Response) Protocol() []byte { return r.protocol() }

// SetProtocol sets the value of the Upgrade field.
func (r *Response) SetProtocol(p []byte) { r.setProtocol(p) }
