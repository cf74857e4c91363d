package main

import (
	"bytes"
	"errors"
)

const headMax = 16 << 10 // bytes of an answer's head

var (
	errHead    = errors.New("answer: malformed head")
	errHeadMax = errors.New("answer: head too long")
	errLength  = errors.New("answer: no single Content-Length")
)

// A head is what matters of an answer's head.
type head struct {
	status int
	length int64 // of the content
	closes bool  // the server will close the connection
}

// parseHead parses the head that b begins with and returns how many bytes it
// has; 0 when it is not complete. Content must be framed by one
// Content-Length: whatever else could delimit it is an error, as the end of the
// answer would be a guess.
func parseHead(b []byte) (h head, n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(b) > headMax || end > headMax:
		return head{}, 0, errHeadMax
	case end < 0:
		return head{}, 0, nil
	}
	lines := b[:end+2]
	i := bytes.IndexByte(lines, '\n')
	if h, err = parseStatus(lines[:i+1]); err != nil {
		return head{}, 0, err
	}
	h.length = -1
	for lines = lines[i+1:]; len(lines) > 0; lines = lines[i+1:] {
		i = bytes.IndexByte(lines, '\n')
		if err = h.field(lines[:i+1]); err != nil {
			return head{}, 0, err
		}
	}
	switch {
	case h.status < 200 || h.status == 204 || h.status == 304:
		h.length = 0 // RFC 9112, 6.3: whatever its fields say
	case h.length < 0:
		return head{}, 0, errLength
	}
	return h, end + 4, nil
}

// parseStatus parses "HTTP/1.1 200 OK\r\n".
func parseStatus(line []byte) (h head, err error) {
	const version = len("HTTP/1.1 ")
	if len(line) < version+5 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[version-1] != ' ' || !bytes.HasSuffix(line, []byte("\r\n")) {
		return head{}, errHead
	}
	switch line[version-2] {
	case '0':
		h.closes = true
	case '1':
	default:
		return head{}, errHead
	}
	for _, c := range line[version : version+3] {
		if c < '0' || c > '9' {
			return head{}, errHead
		}
		h.status = h.status*10 + int(c-'0')
	}
	if c := line[version+3]; h.status < 100 || c != ' ' && c != '\r' {
		return head{}, errHead
	}
	return h, nil
}

// field takes one line with its CRLF.
func (h *head) field(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !bytes.HasSuffix(line, []byte("\r\n")) || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' {
		return errHead
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:len(line)-2], " \t")
	switch {
	case colon == len("Connection") && bytes.EqualFold(name, []byte("Connection")):
		h.closes = h.closes || bytes.EqualFold(value, []byte("close"))
	case colon == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
		return h.contentLength(value)
	case colon == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return errLength
	}
	return nil
}

func (h *head) contentLength(value []byte) error {
	if len(value) == 0 || len(value) > 18 || h.length >= 0 {
		return errLength
	}
	h.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return errLength
		}
		h.length = h.length*10 + int64(c-'0')
	}
	return nil
}
