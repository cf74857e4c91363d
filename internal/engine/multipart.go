package engine

import (
	"encoding/hex"
	"strconv"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A multipart is how several ranges go out: a multipart/byteranges content
// (RFC 9110, 14.6 and 15.3.7.2), each part behind a head of its own. The parts
// are those of the request, at most rfc9111.MaxRanges.
type multipart struct {
	parts    []rfc9111.Part
	size     int64 // complete length
	boundary string
	kind     []byte // Content-Type of each part, empty when the response has none
	head     []byte // room for a part's head
	list     [rfc9111.MaxRanges]rfc9111.Part
}

// newMultipart returns how the ranges of the request go out of a response
// with the head h and content of size bytes.
func (c *call) newMultipart(h *storedHead, size int64) *multipart {
	m := &multipart{size: size, boundary: c.e.boundary()}
	m.kind = append(m.kind, h.value(wire.ContentType)...)
	m.parts = m.list[:c.ask.Parts(size, &m.list)]
	return m
}

// boundary returns 128 random bits: no content holds them but by chance, nor
// by somebody's design, who would have to know them.
func (e *Engine) boundary() string {
	var b [16]byte
	for i := 0; i < len(b); i += 8 {
		v := e.store.Version()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return hex.EncodeToString(b[:])
}

// contentType appends the Content-Type of the answer.
func (m *multipart) contentType(dst []byte) []byte {
	dst = append(dst, "Content-Type: multipart/byteranges; boundary="...)
	return append(append(dst, m.boundary...), "\r\n"...)
}

// partHead returns what stands before the content of part i; behind the last
// one it is the end.
func (m *multipart) partHead(i int) []byte {
	b := m.head[:0]
	if i > 0 {
		b = append(b, "\r\n"...)
	}
	b = append(append(b, "--"...), m.boundary...)
	if i == len(m.parts) {
		b = append(b, "--\r\n"...)
	} else {
		b = append(b, "\r\n"...)
		if len(m.kind) > 0 {
			b = append(append(append(b, "Content-Type: "...), m.kind...), "\r\n"...)
		}
		b = appendContentRange(b, m.parts[i].First, m.parts[i].Last, m.size)
		b = append(b, "\r\n"...)
	}
	m.head = b
	return b
}

// length returns the size of the content.
func (m *multipart) length() (n int64) {
	for i, p := range m.parts {
		n += int64(len(m.partHead(i))) + p.Size()
	}
	return n + int64(len(m.partHead(len(m.parts))))
}

// sendParts sends the content: each part by send, which gives the bytes
// [from, to] and reports false when the answer has ended without them. It
// reports whether all went out.
func (c *call) sendParts(send func(from, to int64) bool) bool {
	m := c.multi
	for i, p := range m.parts {
		if c.p.Err != nil {
			break
		}
		_, _ = c.p.Write(m.partHead(i)) // the Reply keeps the error
		if !send(p.First, p.Last) {
			return false
		}
	}
	if c.p.Err == nil {
		_, _ = c.p.Write(m.partHead(len(m.parts)))
	}
	c.end(nil)
	return c.p.Err == nil
}

// appendMulti appends the fields of an answer with several parts and
// announces it: the Content-Type of the response is each part's, and a
// Content-Range has no place in this head (RFC 9110, 15.3.7.2).
func (c *call) appendMulti(h *storedHead, size int64) {
	c.multi = c.newMultipart(h, size)
	c.p.Fields = h.appendBlock(c.p.Fields, notInMulti)
	c.p.Fields = c.multi.contentType(c.p.Fields)
	c.p.Length = c.multi.length()
}

func appendContentRange(dst []byte, first, last, size int64) []byte {
	dst = append(dst, "Content-Range: bytes "...)
	dst = strconv.AppendInt(dst, first, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, last, 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, size, 10)
	return append(dst, "\r\n"...)
}
