package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// A Framing says where content ends: behind so many bytes (0: there is none),
// or Chunked or UntilClose.
type Framing int64

const (
	Chunked    Framing = -1 // RFC 9112, 7.1
	UntilClose Framing = -2 // RFC 9112, 6.3, item 8
)

// directRead is the size from which on content is read straight into the
// reader's memory rather than through the Input's buffer.
const directRead = 4 << 10

// Content reads the content of one message off an Input. It is a Body. The
// zero Content is none: Read returns io.EOF.
//
// Reset, Read, Pass, Discard, Trailer and TotalRead belong to one goroutine. Close
// and Done may be called by any, also while a Read runs. Errors are *Error
// with the Side given here and 400 or 502 (408 or 504 for a timeout, 431 for
// trailers too large); content that ends early is io.ErrUnexpectedEOF inside.
// A Read after or interrupted by Close returns os.ErrClosed.
type Content struct {
	// Side is to blame for bad content: Client or Upstream.
	Side Side
	// Before is called once, by the first Read, before it reads; nil: not.
	// Its error becomes Read's. Set it behind Reset, which clears it.
	Before func() error
	// Of is the head of the message, read when a trailer has come: what its
	// Connection lists is for one hop there, too; nil: not known. Set it behind
	// Reset, which clears it.
	Of *Head
	// Interrupt is called by Close while a Read is running, and makes reads
	// of the Input's Src return; nil: Close does not interrupt. It must not
	// call methods of the Content. Reset keeps it.
	Interrupt func()

	in      *Input
	lim     Limits
	state   state
	left    int64 // bytes of content, or of the chunk, still to come
	total   int64
	line    int // bytes of the chunk-size line so far
	digits  int // hex digits in it
	excess  int // bytes of chunk-size lines beyond what their chunks excuse
	trailer Head
	err     error // what ended it: io.EOF when complete

	mu      sync.Mutex // guards the fields below
	reading bool
	closed  bool
	done    bool // complete, and no Interrupt came between
}

var _ Body = (*Content)(nil)

// Reset prepares c for the content of the next message on in. It must not be
// called while a Read runs. It keeps Side, Interrupt and memory, and clears
// Before and Of. The Head that Trailer returned is used again.
func (c *Content) Reset(in *Input, f Framing, lim Limits) {
	lim.complete()
	c.in, c.lim, c.Before, c.Of, c.err = in, lim, nil, nil, nil
	c.left, c.total, c.line, c.digits, c.excess = 0, 0, 0, 0, 0
	c.trailer.Reset()
	switch f {
	case Chunked:
		c.state = chunkSize
	case UntilClose:
		c.state, c.left = untilClose, 1<<62 // beyond any content
	case 0:
		c.state, c.err = noContent, io.EOF
	default:
		c.state, c.left = fixed, int64(f)
	}
	c.mu.Lock()
	c.reading, c.closed, c.done = false, false, c.err != nil
	c.mu.Unlock()
}

// Read fills p with content; see Body.
func (c *Content) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	n := 0
	if c.ready(); c.err == nil && len(p) > 0 {
		n = c.pull(p)
	}
	return c.finish(n)
}

// Pass has move take content off the connection past the Input, and returns
// what it returns; the most that it may take is given to it. 0 without an
// error says that a Read is to take what comes next: it is here already, or is
// not content alone. Pass counts as a Read.
func (c *Content) Pass(move func(most int64) (int, error)) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	n := 0
	if c.ready(); c.err == nil && c.state == fixed && c.in.R == c.in.W {
		var err error
		n, err = move(c.left)
		c.took(n)
		if n == 0 && err != nil {
			c.end(err)
		}
	}
	return c.finish(n)
}

// Discard reads and drops content, up to limit bytes of it. It reports whether
// the content is complete now, so that the connection can go on. It reads
// nothing, and reports false, when more than limit bytes are known to come or
// when Before is still to be called: the sender waits for it.
func (c *Content) Discard(limit int64) bool {
	if c.begin() != nil {
		return c.Done()
	}
	if c.err == nil && c.Before == nil && (c.state != fixed || c.left <= limit) {
		for c.err == nil && limit >= 0 {
			limit -= int64(c.drop(limit))
		}
	}
	_, _ = c.finish(0)
	return c.Done()
}

// Ready reports whether a Read would not have to wait for the connection: for
// chunks, whether something is here behind a whole line. It belongs to the
// goroutine that reads.
func (c *Content) Ready() bool {
	u := c.in.Unread()
	if c.err != nil || c.state <= inContent {
		return c.err != nil || len(u) > 0
	}
	line := bytes.IndexByte(u, '\n')
	return line >= 0 && line < len(u)-1
}

// Trailer returns the trailer fields: nil before Read has returned io.EOF and
// when there were none.
func (c *Content) Trailer() *Head {
	if c.err != io.EOF || len(c.trailer.fields) == 0 {
		return nil
	}
	return &c.trailer
}

// Close gives up the rest and makes a Read in progress return, though it does
// not wait for that. It returns nil.
func (c *Content) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading && !c.closed && c.Interrupt != nil {
		// Under the lock: a Read that got to its end first is not
		// interrupted, so that its connection can be used again.
		c.Interrupt()
	}
	c.closed = true
	return nil
}

// Done reports whether the content was read to its end, so that the Input is
// at the next message. It is false once Close came upon a Read in progress.
func (c *Content) Done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done || c.in == nil
}

// TotalRead returns how many bytes of content were read or discarded.
func (c *Content) TotalRead() int64 { return c.total }

// begin and finish enclose what touches the Input.
func (c *Content) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return os.ErrClosed
	}
	if c.in == nil {
		return io.EOF
	}
	c.reading = true
	return nil
}

func (c *Content) finish(n int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if c.closed {
		c.err = os.ErrClosed
	}
	c.done = c.err == io.EOF
	if n > 0 {
		return n, nil
	}
	return 0, c.err
}

// ready calls Before when that is due.
func (c *Content) ready() {
	if before := c.Before; before != nil && c.err == nil {
		c.Before = nil
		c.err = before()
	}
}

// pull moves content into p: it waits for the first byte, then takes what is
// in the buffer already, so that the end is seen as early as possible.
func (c *Content) pull(p []byte) (n int) {
	for c.err == nil {
		if c.state > inContent {
			if n > 0 && c.in.R == c.in.W {
				return n
			}
			c.frame()
			continue
		}
		q := p[n:]
		q = q[:min(int64(len(q)), c.left)]
		switch {
		case len(q) == 0:
			return n
		case c.in.R < c.in.W:
			k := copy(q, c.in.Unread())
			c.in.R += k
			n += k
			c.took(k)
		case n > 0:
			return n
		case len(q) >= directRead || len(q) >= len(c.in.Buf)-c.in.Base:
			k, err := c.in.Src.Read(q)
			n = k
			c.took(k)
			if k == 0 && err != nil {
				c.end(err)
			}
			if k > 0 || err == nil {
				return n
			}
		default:
			c.fill()
		}
	}
	return n
}

// drop consumes what is in the buffer, or fills it, up to one byte more than
// limit. It returns how many bytes of content that were.
func (c *Content) drop(limit int64) int {
	switch {
	case c.state > inContent:
		c.frame()
	case c.in.R == c.in.W:
		c.fill()
	default:
		k := int(min(int64(c.in.W-c.in.R)-1, c.left-1, limit) + 1)
		c.in.R += k
		c.took(k)
		return k
	}
	return 0
}

// took notes n bytes of content.
func (c *Content) took(n int) {
	c.total += int64(n)
	if c.state == untilClose {
		return
	}
	c.left -= int64(n)
	if c.left > 0 {
		return
	}
	if c.state == fixed {
		c.err = io.EOF
	} else if n > 0 {
		c.state = chunkDataCR
	}
}

func (c *Content) fill() {
	if err := c.in.Fill(); err != nil {
		c.end(err)
	}
}

// end notes the error of a read, which is the end only where the connection's
// is the content's.
func (c *Content) end(err error) {
	switch {
	case err == io.EOF && c.state == untilClose:
		c.err = io.EOF
		return
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.refuse(408, 504, fmt.Errorf("content: %w", err))
		return
	}
	c.refuse(400, 502, fmt.Errorf("content: %w", err))
}

// refuse ends the content with an error.
func (c *Content) refuse(client, upstream int, err error) {
	e := &Error{Side: c.Side, Status: client, Err: err}
	if c.Side == Upstream {
		e.Status = upstream
	}
	c.err = e
}
