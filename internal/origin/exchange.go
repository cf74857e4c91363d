package origin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"opencache/internal/wire"
)

// do makes one exchange. After an error the connection is closed, but its
// place still taken.
func (c *conn) do(ctx context.Context, r *wire.Request) (*wire.Response, *wire.Error) {
	c.begin(ctx, r)
	err := c.ask(r)
	if err == nil {
		var n int
		if n, err = c.answer(r); err == nil {
			if c.resp.Status == 101 {
				return c.tunnel(n), nil
			}
			return c.final(n), nil
		}
	}
	c.fail()
	return nil, err
}

// ask sends the request's head and sees to it that its content is sent.
func (c *conn) ask(r *wire.Request) *wire.Error {
	// The buffer is free: nothing is read before the head is written.
	head := wire.AppendRequest(c.buf[:0], r, wire.Destination{Host: c.u.Host, Base: c.u.Base})
	if c.line != nil {
		if err := c.askLine(r, head); err != nil {
			return err
		}
	} else {
		n, err := c.write(head)
		if c.wrote = n; err != nil {
			return c.why(err, BodyTimeout)
		}
	}
	if r.Length != 0 {
		c.sender = c.send(r)
	}
	return nil
}

// answer reads heads up to that of the final response and returns its size.
// Interim responses are passed on (RFC 9110, 15.2).
func (c *conn) answer(r *wire.Request) (int, *wire.Error) {
	for interim := 0; ; interim++ {
		n, err := c.readHead(r.Method)
		if err != nil {
			return 0, err
		}
		switch status := c.resp.Status; {
		case status >= 200:
			return n, nil
		case status == 101:
			// RFC 9110, 15.2.2: only what was asked for, and RFC 9110, 7.8:
			// not before the request is complete.
			if !r.Upgrade || c.sender != nil && !c.sender.settle(true) {
				return 0, c.bad(errors.New("101 (Switching Protocols) that was not asked for, or too early"))
			}
			return n, nil
		case interim >= cmp.Or(c.u.MaxInterim, 16):
			return 0, c.bad(fmt.Errorf("more than %d interim responses", interim))
		case status == 100 && c.sender != nil:
			c.sender.permit()
		}
		if r.Interim != nil {
			r.Interim(c.resp.Status, &c.resp.Head)
		}
		c.in.R += n
	}
}

// bad is the error for bytes that are not a response to the request.
func (c *conn) bad(err error) *wire.Error {
	e := c.u.blame(BadResponse, err)
	e.Sent = c.wrote > 0
	return e
}

// readHead reads and parses one response head; its bytes stay unread.
func (c *conn) readHead(m wire.Method) (int, *wire.Error) {
	for seen := 0; ; {
		// A head ends in a line feed: without a new one there is no more to
		// parse than before.
		if fresh := c.in.Unread()[seen:]; bytes.IndexByte(fresh, '\n') >= 0 || len(fresh) >= 4<<10 {
			n, err := wire.ParseResponse(&c.resp, c.in.Unread(), m, c.u.Limits)
			if err != nil {
				c.readErr = nil
				return 0, c.why(err, HeadTimeout)
			}
			if n > 0 {
				return n, nil
			}
			seen = len(c.in.Unread())
		}
		if err := c.fill(); err != nil {
			if seen = len(c.in.Unread()); ended(err) && seen > 0 {
				err = fmt.Errorf("%w after %d bytes of a response head", io.ErrUnexpectedEOF, seen)
			}
			return 0, c.why(err, HeadTimeout)
		}
	}
}

// fill reads more of a head, into a larger buffer when it has to be.
func (c *conn) fill() error {
	if c.in.R == 0 && c.in.W == len(c.in.Buf) {
		// The parser refuses what is longer than its limit; this only keeps a
		// limit set too high from growing the buffer without end.
		if len(c.in.Buf) >= 2*max(cmp.Or(c.u.Limits.Head, wire.DefaultLimits.Head), len(buffer{})) {
			return io.ErrShortBuffer
		}
		larger := make([]byte, 2*len(c.in.Buf))
		copy(larger, c.in.Buf)
		c.in.Buf = larger
	}
	return c.in.Fill()
}

// minRead is how much of a buffer must be left behind a head for reading
// content through it: chunk lines have to fit.
const minRead = 8 << 10

// final hands out a response whose head is the next n unread bytes.
func (c *conn) final(n int) *wire.Response {
	if c.sender != nil {
		c.sender.forbid()
	}
	if c.resp.Framing() == 0 {
		c.in.R += n
		resp := new(wire.Response)
		resp.CopyFrom(&c.resp)
		c.finish(true)
		return resp
	}
	c.seal(n)
	c.since, c.wait = time.Time{}, c.u.bodyTimeout() // from each read on
	c.content.Side = wire.Upstream
	c.content.Reset(&c.in, c.resp.Framing(), c.u.Limits)
	c.content.Of = &c.resp.Head
	b := &body{c: c, resp: c.resp}
	b.resp.Body = b
	return &b.resp
}

// seal keeps the n unread bytes of the head out of the way of what is read
// from here on: the response borrows them.
func (c *conn) seal(n int) {
	rest := c.in.Buf[c.in.R+n:]
	unread := c.in.W - c.in.R - n
	if len(rest) < minRead {
		c.spare = c.u.buffer()
		copy(c.spare[:], rest[:unread])
		rest = c.spare[:]
	}
	c.in.Buf, c.in.R, c.in.W = rest, 0, unread
}
