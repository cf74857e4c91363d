package wire

import (
	"strconv"
	"time"
)

// dateFormat is an IMF-fixdate (RFC 9110, 5.6.7).
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// A Destination is how an upstream is to see a request. The zero Destination
// is the request's own target.
type Destination struct {
	Host string // "": r.Authority
	Base string // path in front of every target, without a slash at its end
}

// AppendRequest appends the request head for an upstream: request line in
// origin form (asterisk form where the path is that, authority form for
// CONNECT) with HTTP/1.1, Host, the fields that are not hidden, the framing
// from r.Length, "Expect: 100-continue" when r.Continue and there is content,
// "Connection: Upgrade" with the Upgrade field when r.Upgrade, "TE: trailers"
// when r.Trailers, and the empty line.
func AppendRequest(dst []byte, r *Request, to Destination) []byte {
	if r.Method != OtherMethod {
		dst = append(dst, r.Method.String()...)
	} else {
		dst = append(dst, r.at(r.method)...)
	}
	dst = append(dst, ' ')
	dst = appendTarget(dst, r, to.Base)
	// RFC 9112, 3.2: a Host line always, empty when there is no authority.
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if to.Host != "" {
		dst = append(dst, to.Host...)
	} else {
		dst = append(dst, r.Authority()...)
	}
	dst = append(dst, "\r\n"...)
	dst = r.AppendFields(dst, NameSet{})
	dst = appendFraming(dst, r)
	dst = appendConnection(dst, r)
	return append(dst, "\r\n"...)
}

func appendTarget(dst []byte, r *Request, base string) []byte {
	if r.Method == CONNECT {
		return append(dst, r.Authority()...)
	}
	path := r.Path()
	if len(path) != 1 || path[0] != '*' {
		dst = append(dst, base...)
	}
	if len(path) == 0 {
		dst = append(dst, '/')
	}
	dst = append(dst, path...)
	if r.hasQuery {
		dst = append(append(dst, '?'), r.at(r.query)...)
	}
	return dst
}

func appendFraming(dst []byte, r *Request) []byte {
	switch {
	case r.Length < 0:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.Length > 0 || r.Method == POST || r.Method == PUT || r.Method == PATCH || r.Method == QUERY:
		dst = AppendLength(dst, r.Length) // RFC 9110, 8.6: also when it is 0
	}
	if r.Length != 0 && r.Continue { // a promise to wait, made anew by whoever keeps it
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	return dst
}

func appendConnection(dst []byte, r *Request) []byte {
	protocol := r.Protocol()
	if !r.Upgrade {
		protocol = nil
	}
	switch {
	case protocol != nil && r.Trailers:
		dst = append(dst, "Connection: Upgrade, TE\r\n"...)
	case protocol != nil:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	case r.Trailers:
		dst = append(dst, "Connection: TE\r\n"...)
	}
	if protocol != nil {
		dst = AppendField(dst, Upgrade, protocol)
	}
	if r.Trailers {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	return dst
}

// AppendStatus appends the status line "HTTP/1.1 200 OK\r\n"; the reason
// phrase is empty for a status that is not registered.
func AppendStatus(dst []byte, status int) []byte {
	if status == 200 {
		return append(dst, "HTTP/1.1 200 OK\r\n"...)
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendUint(dst, uint64(status), 10)
	dst = append(dst, ' ')
	if status >= 0 && status < len(reasons) {
		dst = append(dst, reasons[status]...)
	}
	return append(dst, "\r\n"...)
}

// AppendField appends one field line with an interned name. value must not
// hold CR, LF or NUL.
func AppendField[T ~string | ~[]byte](dst []byte, n Name, value T) []byte {
	return AppendNamed(dst, n.String(), value)
}

// AppendNamed appends one field line with any name.
func AppendNamed[T, U ~string | ~[]byte](dst []byte, name T, value U) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendLength appends "Content-Length: n\r\n".
func AppendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendDate appends t (Unix seconds) as an IMF-fixdate.
func AppendDate(dst []byte, unix int64) []byte {
	return time.Unix(unix, 0).UTC().AppendFormat(dst, dateFormat)
}

// AppendChunk appends a chunk-size line for n > 0 bytes of chunk data: the
// caller follows it with the data and CR LF.
func AppendChunk(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the last chunk with trailer fields (nil: none) and
// the empty line.
func AppendLastChunk(dst []byte, trailer *Head) []byte {
	dst = append(dst, "0\r\n"...)
	if trailer != nil {
		dst = trailer.AppendFields(dst, NameSet{})
	}
	return append(dst, "\r\n"...)
}

// reasons are the phrases of the registered status codes (IANA, RFC 9110, 15).
var reasons = [...]string{
	100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints",
	104: "Upload Resumption Supported",
	200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information",
	204: "No Content", 205: "Reset Content", 206: "Partial Content", 207: "Multi-Status",
	208: "Already Reported", 226: "IM Used",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
	304: "Not Modified", 305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
	404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone",
	411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large",
	414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
	417: "Expectation Failed", 421: "Misdirected Request", 422: "Unprocessable Content",
	423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required",
	428: "Precondition Required", 429: "Too Many Requests",
	431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
	500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
	503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
	506: "Variant Also Negotiates", 507: "Insufficient Storage", 508: "Loop Detected",
	510: "Not Extended", 511: "Network Authentication Required",
}
