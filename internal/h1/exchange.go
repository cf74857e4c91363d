package h1

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"opencache/internal/wire"
)

// exchange has the request in c.req answered. It returns whether the
// connection goes on.
func (c *conn) exchange() bool {
	c.served, c.deep = true, true
	c.count.requests.Add(1)
	if err := c.prepare(); err != nil {
		c.lost(err)
		return false
	}
	c.call()
	c.settle()
	if c.fate == keep && len(c.out) >= c.srv.o.pipeline {
		if err := c.flush(); err != nil {
			c.lost(err)
		}
	}
	return c.fate == keep
}

// prepare completes the request and its reply for the Handler.
func (c *conn) prepare() error {
	r := &c.req
	r.Secure = r.Secure || c.secure
	r.Remote, r.Client, r.Port, r.TLS = c.remote, c.client, c.port, c.tls
	r.Watch, r.Interim, r.Body = c.watcher.watch, nil, nil
	c.rep = wire.Reply{Fields: c.rep.Fields[:0], Sink: &c.reply}
	c.reply.reset()
	f := r.Framing()
	if f == 0 {
		c.body.none()
		return nil
	}
	r.Body = &c.body
	if f < 0 || int64(len(c.in.Unread())) < int64(f) {
		// Reading it may block, and may read over the head's buffer.
		if err := c.flush(); err != nil {
			return err
		}
		size := max(2*c.srv.o.limits.Chunk, 2*len(c.in.Unread()))
		c.stage = c.srv.borrow(size)
		c.in.W = copy(c.stage, c.in.Unread())
		c.in.Buf, c.in.R = c.stage, 0
	}
	c.reading = readBody
	c.reply.awaitContinue(r.Continue && r.Minor > 0)
	c.body.reset(f)
	return nil
}

// call runs the Handler. A panic of it ends the connection.
func (c *conn) call() {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		c.srv.tally.panics.Add(1)
		if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			c.srv.log().Error("handler panic", "remote", c.remote, "panic", v, "stack", string(debug.Stack()))
		}
		if c.reply.stage == stageAway {
			cut(c.nc)
			return
		}
		c.reply.Abort()
		c.reply.last = true
	}()
	c.srv.Handler.Serve(&c.req, &c.rep)
}

// settle ends the exchange that the Handler has left: its reply, the watcher,
// and content that was not read. It sets the connection's fate.
func (c *conn) settle() {
	c.watcher.end()
	if c.tls != nil {
		c.tls.Handshake = 0
	}
	r := &c.reply
	switch r.stage {
	case stageAway:
		c.fate = away
		return
	case stageFresh:
		r.apologise()
	case stageOpen:
		r.Abort()
	}
	whole := c.body.end()
	switch {
	case r.stage == stageBroken:
		c.fate = r.how
	case whole && !r.last:
	case whole && c.req.Close && len(c.in.Unread()) == 0:
		c.fate = finish // the client said that it sends no more
	case r.last || !c.drop():
		c.fate = linger
	}
}

// drop reads and drops the rest of the request's content, so that the
// connection can be kept; false: it can not.
func (c *conn) drop() bool {
	// The reply goes first: the client may wait for it before it sends on.
	if err := c.flush(); err != nil {
		c.lost(err)
		return false
	}
	c.reading, c.by = readUntil, time.Now().Add(dropTime)
	c.body.content.Before = nil // 100 was sent, or the connection would end here
	if c.body.content.Discard(c.srv.o.drain) && c.body.content.Done() {
		return true
	}
	c.reached(limitDrain)
	return false
}

// lost notes that nothing can be written any more.
func (c *conn) lost(err error) {
	c.srv.tally.aborted.Add(1)
	c.out = c.out[:0]
	c.fate = reset
	c.srv.log().Debug("connection lost", "remote", c.remote, "err", err)
}

// refuse answers a head that was no request and ends the connection: nothing
// behind it can be told apart any more (RFC 9112, 2.2 and 9.6).
func (c *conn) refuse(err error) {
	status := 400
	var e *wire.Error
	if errors.As(err, &e) {
		err = e.Err
		if e.Status >= 400 {
			status = e.Status
		}
	}
	c.srv.tally.refuse(status)
	switch status {
	case 413:
		c.reached(limitContent)
	case 414, 431:
		c.reached(limitHeadSize)
	}
	c.srv.log().Debug("request refused", "remote", c.remote, "status", status, "err", err)
	c.appendRefusal(status, err)
	c.fate = linger
}

// appendRefusal appends a whole response that says why, and that it is the last.
func (c *conn) appendRefusal(status int, err error) {
	text := printable(err.Error()) + "\n"
	c.out = wire.AppendStatus(c.out, status)
	c.appendDate()
	c.out = append(c.out, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"...)
	if name := c.srv.Name; name != "" {
		// 503 is for connections that are too many: no request was looked at.
		what := "; error=http_request_error\r\n"
		if status == 503 {
			what = "; error=proxy_internal_response\r\n"
		}
		c.out = append(append(append(c.out, "Proxy-Status: "...), name...), what...)
	}
	c.out = wire.AppendLength(c.out, int64(len(text)))
	c.out = append(c.out, "\r\n"...)
	c.out = append(c.out, text...)
}

// turnAway answers a connection above MaxConns.
func (c *conn) turnAway() {
	c.fate = finish
	c.reached(limitConns)
	if !c.secure { // an answer would take a handshake
		c.srv.tally.refuse(503)
		c.appendRefusal(503, fmt.Errorf("connections: %d are open, which is the limit", c.srv.MaxConns))
		c.fate = linger
	}
	c.end()
}

// printable returns at most 200 bytes of s with everything escaped that is
// not printable ASCII: it may quote what a stranger sent.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := strconv.AppendQuoteToASCII(nil, s)
	b := q[:0]
	for i := 1; i < len(q)-1; i++ {
		if q[i] == '\\' && (q[i+1] == '"' || q[i+1] == '\\') {
			i++
		}
		b = append(b, q[i])
	}
	return string(b)
}

// appendDate appends the Date field (RFC 9110, 6.6.1), rendered once a second.
func (c *conn) appendDate() {
	if now := c.srv.o.now().Unix(); now != c.dateUnix || len(c.date) == 0 {
		c.dateUnix = now
		c.date = append(wire.AppendDate(append(c.date[:0], "Date: "...), now), "\r\n"...)
	}
	c.out = append(c.out, c.date...)
}
