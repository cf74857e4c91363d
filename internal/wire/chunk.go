package wire

import (
	"bytes"
	"errors"
	"io"
)

// state is where in its framing a Content is. Up to inContent the next bytes
// are content, above it they are chunked framing (RFC 9112, 7.1).
type state uint8

const (
	noContent state = iota
	fixed
	untilClose
	chunkData
	inContent = chunkData
)

const (
	chunkSize    state = inContent + 1 + iota // hex digits
	chunkBlank                                // white space behind them
	chunkExt                                  // extensions, up to CR
	chunkSizeLF                               // behind the line's CR
	chunkDataCR                               // behind the data
	chunkDataLF                               // behind the data's CR
	trailerLines                              // behind the last chunk
)

const (
	maxDigits = 16
	// excuse is how many bytes of a size line are nobody's fault.
	excuse = 16
	// maxExcess bounds size lines beyond that and twice the data: endless
	// extensions on tiny chunks are an attack.
	maxExcess = 64 << 10
)

var (
	errChunkSize = error(marked{"chunked content: size is not 1 to 16 hex digits below 2^63", ErrCoding})
	errChunkLine = error(marked{"chunked content: byte in a chunk-size line that is not allowed there", ErrCoding})
	errChunkLong = error(marked{"chunked content: chunk-size line longer than allowed", ErrCoding})
	errChunkMuch = error(marked{"chunked content: more extensions than content", ErrCoding})
	errChunkEnd  = error(marked{"chunked content: no CR LF behind the data of a chunk", ErrCoding})
	errTrailer   = error(marked{"chunked content: trailer section larger than allowed", ErrCoding})
	errTrailerLF = error(marked{"chunked content: line feed without carriage return in the trailer section", ErrCoding})
)

// frame consumes chunked framing from the buffer, which it fills when it is
// empty, until content or the end is next.
func (c *Content) frame() {
	if c.in.R == c.in.W {
		if c.fill(); c.err != nil {
			return
		}
	}
	for c.err == nil && c.state > inContent && c.in.R < c.in.W {
		if c.state == trailerLines {
			c.trailers()
			continue
		}
		b := c.in.Buf[c.in.R]
		c.in.R++
		if err := c.advance(b); err != nil {
			c.refuse(400, 502, err)
		}
	}
}

// advance takes one byte of framing.
func (c *Content) advance(b byte) error {
	switch c.state {
	case chunkDataCR, chunkDataLF:
		if want := [...]byte{'\r', '\n'}[c.state-chunkDataCR]; b != want {
			return errChunkEnd
		}
		c.state++
		if c.state > chunkDataLF {
			c.state, c.left, c.line, c.digits = chunkSize, 0, 0, 0
		}
		return nil
	case chunkSizeLF:
		if b != '\n' {
			return errChunkLine
		}
		return c.sized()
	}
	if c.line++; c.line > c.lim.Chunk {
		return errChunkLong
	}
	switch {
	case c.state == chunkSize && isHex(b):
		return c.digit(b)
	case c.digits == 0:
		return errChunkSize
	case b == '\r' && (c.state != chunkBlank || c.Side == Upstream):
		// Some servers pad sizes with blanks. That is no grammar, yet not
		// ambiguous either: from an upstream it is taken.
		c.state = chunkSizeLF
	case c.state == chunkExt && class[b]&valueByte != 0:
	case c.state != chunkExt && isOWS(b):
		c.state = chunkBlank
	case c.state != chunkExt && b == ';':
		c.state = chunkExt
	default:
		return errChunkLine
	}
	return nil
}

func (c *Content) digit(b byte) error {
	v := b - '0'
	if v > 9 {
		v = b | 0x20 - 'a' + 10
	}
	if c.digits++; c.digits > maxDigits || c.left >= 1<<59 {
		return errChunkSize
	}
	c.left = c.left<<4 | int64(v)
	return nil
}

// sized ends a chunk-size line.
func (c *Content) sized() error {
	c.excess += max(c.line-excuse-int(min(2*uint64(c.left), maxExcess)), 0)
	if c.excess > maxExcess {
		return errChunkMuch
	}
	c.state = chunkData
	if c.left == 0 {
		c.state = trailerLines
	}
	return nil
}

// trailers takes bytes of the trailer section up to the end of a line.
func (c *Content) trailers() {
	h, b := &c.trailer, c.in.Unread()
	end := bytes.IndexByte(b, '\n') + 1
	if end == 0 {
		end = len(b)
	}
	if len(h.buf)+end > c.lim.Head {
		c.refuse(431, 502, errTrailer)
		return
	}
	c.in.R += end
	h.buf = append(h.buf, b[:end]...)
	n := len(h.buf)
	if h.buf[n-1] != '\n' {
		return
	}
	if n < 2 || h.buf[n-2] != '\r' {
		c.refuse(400, 502, errTrailerLF)
		return
	}
	if n == 2 || h.buf[n-3] == '\n' {
		c.parseTrailer()
	}
}

// parseTrailer parses the whole trailer section and drops the fields that may
// not be in it.
func (c *Content) parseTrailer() {
	h := &c.trailer
	s := section{kind: ofTrailer, max: c.lim.Fields}
	if _, bad := h.parse(h.buf, 0, &s); bad.status != 0 {
		c.refuse(bad.status, 502, errors.New("trailer section: "+bad.what))
		return
	}
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !untrailing.Has(f.id) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
	for n := Name(1); int(n) < NumNames; n++ {
		if untrailing.Has(n) {
			h.set.Remove(n)
		}
	}
	if c.Of != nil {
		h.hideListed(h.buf, c.Of, c.Of.buf) // RFC 9110, 7.6.1: "header or trailer field(s)"
	}
	c.err = io.EOF
}

// untrailing are the fields that mean nothing, or harm, in a trailer section:
// framing, routing, request modifiers, authentication, response control and
// how to read the content (RFC 9110, 6.5.1).
var untrailing = NamesOf(
	Connection, ContentLength, Host, KeepAlive, ProxyConnection, TE, Trailer, TransferEncoding, Upgrade,
	Forwarded, Via, XForwardedFor, XForwardedHost, XForwardedPort, XForwardedProto, XRealIP, CDNLoop,
	CacheControl, CDNCacheControl, SurrogateControl, Expect, MaxForwards, Pragma, Range,
	IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince,
	Authorization, Cookie, ProxyAuthenticate, ProxyAuthorization, ProxyAuthenticationInfo, SetCookie, WWWAuthenticate,
	Age, Date, Expires, Location, RetryAfter, Vary, Warning,
	ContentDisposition, ContentEncoding, ContentLanguage, ContentLocation, ContentRange,
	ContentSecurityPolicy, ContentType, StrictTransportSecurity,
)
