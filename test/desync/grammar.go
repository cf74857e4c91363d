package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A message is a request or a response as the grammar of RFC 9112 has it.
// What is not in the grammar, or in it twice, is an error: this is the reader
// that bytes are judged by, and it excuses nothing.
type message struct {
	start   [3]string // method, target, version; or version, status, reason
	fields  []pair
	body    []byte
	trailer []pair
}

type pair struct{ name, value string }

// errMore says that what is there may be the beginning of a message.
var errMore = errors.New("incomplete")

// values returns the values of the field lines with this name, in lower case.
func (m *message) values(name string) (v []string) {
	for _, f := range m.fields {
		if strings.ToLower(f.name) == name {
			v = append(v, f.value)
		}
	}
	return v
}

// field returns the first value, empty when there is none.
func (m *message) field(name string) string {
	if v := m.values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// scanRequest reads the request at the start of b and returns its size.
func scanRequest(b []byte) (*message, int, error) {
	text, i, err := line(b, 0)
	if err != nil {
		return nil, 0, startFault(b, err)
	}
	parts := strings.Split(text, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" {
		return nil, 0, fmt.Errorf("request line %q", text)
	}
	if parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0" {
		return nil, 0, fmt.Errorf("version %q", parts[2])
	}
	for _, c := range []byte(parts[1]) {
		if c <= ' ' || c >= 0x7f || c == '#' { // RFC 3986, 2
			return nil, 0, fmt.Errorf("byte %#02x in the target", c)
		}
	}
	m := &message{start: [3]string(parts)}
	if m.fields, i, err = fields(b, i); err != nil {
		return nil, 0, err
	}
	if err := m.checkHost(); err != nil {
		return nil, 0, err
	}
	length, err := m.framing(parts[2])
	if err != nil {
		return nil, 0, err
	}
	return m.content(b, i, max(length, noLength+1), length == noLength)
}

// startFault makes sure that garbage is told from a request line cut short.
func startFault(b []byte, err error) error {
	if err == errMore && len(b) > 0 && !isToken(string(b[:1])) {
		return fmt.Errorf("request line begins with %q", b[:1])
	}
	return err
}

// checkHost: one Host, a plain one, the same as in the target (RFC 9112, 3.2).
func (m *message) checkHost() error {
	hosts := m.values("host")
	if len(hosts) > 1 || len(hosts) == 0 && m.start[2] == "HTTP/1.1" {
		return fmt.Errorf("%d Host lines", len(hosts))
	}
	host := m.field("host")
	if strings.ContainsAny(host, " \t,/?#@\\\"<>{}|^`") {
		return fmt.Errorf("name in Host: %q", host)
	}
	if _, rest, ok := strings.Cut(m.start[1], "://"); ok && m.start[1][0] != '/' {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			rest = rest[:i]
		}
		if !strings.EqualFold(rest, host) {
			return fmt.Errorf("target of %q with Host %q", rest, host)
		}
	}
	return nil
}

const (
	chunkedContent = -1
	noLength       = -2
)

// framing reads Content-Length and Transfer-Encoding (RFC 9112, 6.3).
func (m *message) framing(version string) (int64, error) {
	lengths, codings := m.values("content-length"), m.values("transfer-encoding")
	switch {
	case len(lengths) > 0 && len(codings) > 0:
		return 0, errors.New("Content-Length and Transfer-Encoding")
	case len(lengths) > 1, len(codings) > 1:
		return 0, fmt.Errorf("framed %d times", len(lengths)+len(codings))
	case len(codings) == 1 && (!strings.EqualFold(codings[0], "chunked") || version == "HTTP/1.0"):
		return 0, fmt.Errorf("Transfer-Encoding %q in %s", codings[0], version)
	case len(codings) == 1:
		return chunkedContent, nil
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || strings.Trim(lengths[0], "0123456789") != "" {
			return 0, fmt.Errorf("Content-Length %q", lengths[0])
		}
		return int64(n), nil
	}
	return noLength, nil
}

// content takes the content from i on into m and returns the message's size.
func (m *message) content(b []byte, i int, length int64, none bool) (*message, int, error) {
	switch {
	case none:
		return m, i, nil
	case length == chunkedContent:
		n, err := m.chunks(b, i)
		return m, n, err
	case int64(len(b)-i) < length:
		m.body = b[i:]
		return m, 0, errMore
	}
	m.body = b[i : i+int(length)]
	return m, i + int(length), nil
}

// chunks reads chunked content (RFC 9112, 7.1).
func (m *message) chunks(b []byte, i int) (int, error) {
	for {
		text, next, err := line(b, i)
		if err != nil {
			return 0, err
		}
		digits := len(text) - len(strings.TrimLeft(text, "0123456789abcdefABCDEF"))
		size, err := strconv.ParseUint(text[:digits], 16, 63)
		if ext := text[digits:]; err != nil || ext != "" && (!strings.HasPrefix(strings.TrimLeft(ext, " \t"), ";") || !isValue(ext)) {
			return 0, fmt.Errorf("chunk line %q", text)
		}
		i = next
		if size == 0 {
			break
		}
		if uint64(len(b)-i) < size+2 {
			return 0, errMore
		}
		m.body = append(m.body, b[i:i+int(size)]...)
		i += int(size)
		if string(b[i:i+2]) != "\r\n" {
			return 0, fmt.Errorf("%q behind a chunk", b[i:i+2])
		}
		i += 2
	}
	var err error
	if m.trailer, i, err = fields(b, i); err != nil {
		return 0, err
	}
	for _, f := range m.trailer { // RFC 9110, 6.5.1
		switch strings.ToLower(f.name) {
		case "content-length", "transfer-encoding", "host", "authorization", "cookie", "set-cookie", "content-type":
			return 0, fmt.Errorf("%s in the trailer section", f.name)
		}
	}
	return i, nil
}

// fields reads a field section up to its empty line.
func fields(b []byte, i int) (f []pair, next int, err error) {
	for {
		var text string
		if text, i, err = line(b, i); err != nil || text == "" {
			return f, i, err
		}
		name, value, ok := strings.Cut(text, ":")
		switch {
		case text[0] == ' ' || text[0] == '\t':
			return nil, 0, fmt.Errorf("folded line %q", text) // RFC 9112, 5.2
		case !ok || !isToken(name):
			return nil, 0, fmt.Errorf("field line %q", text)
		case !isValue(value):
			return nil, 0, fmt.Errorf("control byte in %q", text)
		}
		f = append(f, pair{name, strings.Trim(value, " \t")})
	}
}

// line reads a line that ends in CR LF and has no other CR or LF.
func line(b []byte, i int) (text string, next int, err error) {
	rest := b[i:]
	end := bytes.IndexByte(rest, '\n')
	part := rest
	if end >= 0 {
		part = rest[:end]
	}
	if cr := bytes.IndexByte(part, '\r'); cr >= 0 && cr != len(part)-1 {
		return "", 0, fmt.Errorf("bare CR in %q", brief(part))
	}
	switch {
	case end < 0:
		return "", 0, errMore
	case end == 0 || rest[end-1] != '\r':
		return "", 0, fmt.Errorf("bare LF behind %q", brief(part))
	}
	return string(rest[:end-1]), i + end + 1, nil
}

// brief is the end of b, for a message.
func brief(b []byte) []byte { return b[max(0, len(b)-40):] }

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func isValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// scanAnswer reads the response at the start of b, to a request with this
// method, and returns its size. ended says that the connection has ended in
// order behind b, which is what content without a length wants.
func scanAnswer(b []byte, method string, ended bool) (*message, int, error) {
	text, i, err := line(b, 0)
	if err != nil {
		return nil, 0, err
	}
	parts := strings.SplitN(text, " ", 3)
	if len(parts) == 2 { // some leave out the blank too
		parts = append(parts, "")
	}
	if len(parts) != 3 || parts[0] != "HTTP/1.1" && parts[0] != "HTTP/1.0" || len(parts[1]) != 3 ||
		strings.Trim(parts[1], "0123456789") != "" || parts[1] < "100" || !isValue(parts[2]) {
		return nil, 0, fmt.Errorf("status line %q", text)
	}
	m := &message{start: [3]string(parts)}
	if m.fields, i, err = fields(b, i); err != nil {
		return nil, 0, err
	}
	length, err := m.framing(parts[0])
	if err != nil {
		return m, 0, err
	}
	status := parts[1]
	if (status[0] == '1' || status == "204") && length != noLength { // RFC 9110, 8.6; RFC 9112, 6.1
		return m, 0, fmt.Errorf("status %s with framing", status)
	}
	if status[0] == '1' || status == "204" || status == "304" || method == "HEAD" {
		return m, i, nil
	}
	if length == noLength {
		m.body = b[i:]
		if !ended {
			return m, 0, errMore
		}
		return m, len(b), nil
	}
	return m.content(b, i, length, false)
}
