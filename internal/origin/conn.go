package origin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"opencache/internal/wire"
)

// A buffer is what a connection in use reads into; an unused one has none.
type buffer [16 << 10]byte

// A conn is one connection. It is kept (nobody's but the pool's), or carries
// one exchange: begin takes it there, finish or fail end that. Only the
// goroutine that owns the exchange touches it, but for the sender, which
// writes while the owner reads.
type conn struct {
	u    *Upstream
	nc   net.Conn // what messages are spoken over: TLS, or raw itself
	raw  net.Conn // what was dialled
	gate *gate    // between TLS and raw; nil without TLS
	line *line    // past nc, where that is a plain socket; else nil
	peek func() bool

	address netip.Addr // that its name stood for; zero: it was dialled as it is

	idleSince time.Time
	reused    bool // an exchange was made on it before
	abortFunc func()
	moveFunc  func(most int64) (int, error)

	// Deadlines in force: a timer of the runtime is set only when the one
	// that runs is too far off.
	readBy, writeBy time.Time

	exchange
}

// An exchange is the state of one request and its response.
type exchange struct {
	ctx      context.Context
	stop     func() bool // ends the watch over ctx; nil: there is none
	blind    bool        // ctx is not watched yet
	begun    time.Time   // when, if blind
	stale    bool        // the kept connection was found useless before a byte was written
	sender   *sender     // nil: no content to send
	wrote    int         // bytes of the request's head written
	answered bool        // a byte came

	since   time.Time     // when the present wait for bytes began; zero: with each read
	wait    time.Duration // how long it may last
	deaf    bool          // read nothing more
	readErr error         // what the last read off the connection ended with

	buf     *buffer
	spare   *buffer // content is read through it when the head has filled buf
	in      wire.Input
	resp    wire.Response
	content wire.Content
}

// glance is how long an exchange waits for bytes before its context is
// watched: most are answered by then, and watching costs more than all else
// that the client does for one. A context that ends earlier is noticed then.
const glance = 40 * time.Millisecond

// begin prepares for a request.
func (c *conn) begin(ctx context.Context, r *wire.Request) {
	x := &c.exchange
	x.ctx, x.stop, x.sender = ctx, nil, nil
	x.wrote, x.answered, x.deaf, x.readErr, x.stale = 0, false, false, nil, false
	if x.since.IsZero() { // the pool knows the time
		x.since = time.Now()
	}
	x.wait = c.u.headTimeout()
	x.buf = c.u.buffer()
	x.in = wire.Input{Src: c, Buf: x.buf[:]}
	x.resp.Body, x.resp.Tunnel = nil, nil
	x.blind, x.begun = true, x.since
	if c.line == nil || r.Length != 0 {
		c.watch() // what is written may have to wait too
	}
}

// watch has the connection closed when the exchange's context ends.
func (c *conn) watch() {
	if !c.blind {
		return
	}
	c.blind = false
	if c.ctx.Done() != nil {
		c.stop = context.AfterFunc(c.ctx, c.abortFunc)
	}
}

// limit sets the deadline for a read that begins now, unless the one in force
// will do. While the context is not watched, the wait itself may be longer.
func (c *conn) limit(now time.Time) {
	since := c.since
	if since.IsZero() {
		since = now
	}
	until := c.until(since, now)
	wait, by := c.wait, until
	if c.blind && wait > glance {
		wait = glance
		if soon := now.Add(glance); soon.Before(by) {
			by = soon
		}
	}
	if !c.readBy.After(now.Add(wait/2)) || c.readBy.After(by) {
		c.readBy = by
		_ = c.nc.SetReadDeadline(by)
	}
}

// Read reads off the connection: the Input's source. It waits until c.until.
func (c *conn) Read(p []byte) (int, error) { return c.take(p) }

// take is Read; with nil it moves what the line was told to.
func (c *conn) take(p []byte) (int, error) {
	if c.deaf {
		return 0, errDeaf
	}
	now := time.Now()
	since := c.since
	if since.IsZero() {
		since = now
	}
	if c.blind && now.Sub(c.begun) >= glance {
		c.watch() // what never waits would never come to it
	}
	c.limit(now)
	if !c.answered && c.line == nil {
		// Nobody answers at once: others that are ready go first, and a read
		// that finds nothing, and parking, may be saved.
		runtime.Gosched()
	}
	for {
		var n int
		var err error
		if p == nil {
			n, err = c.line.pass()
		} else {
			n, err = c.nc.Read(p)
		}
		if n > 0 {
			c.answered = true
			return n, nil // an error behind bytes comes again
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// The deadline in force may be older than this wait, the context
			// not be watched yet, and the sender may have moved since.
			now = time.Now()
			if until := c.until(since, now); until.After(now) {
				c.watch()
				c.readBy = until
				_ = c.nc.SetReadDeadline(until)
				continue
			}
		}
		if err != nil {
			c.readErr = err
			return 0, err
		}
	}
}

// errDeaf ends a discard at what has come already.
var errDeaf = errors.New("reading no further")

// until says when a wait for the upstream that began at since is over. While
// content is being sent it begins anew with each piece, and does not run while
// the client is the one waited for.
func (c *conn) until(since, now time.Time) time.Time {
	if c.sender != nil {
		if moved := c.sender.moved(now); moved.After(since) {
			since = moved
		}
	}
	return since.Add(c.wait)
}

// write writes p; the whole of it has between two thirds of BodyTimeout and
// BodyTimeout.
func (c *conn) write(p []byte) (int, error) {
	now, wait := time.Now(), c.u.bodyTimeout()
	if left := c.writeBy.Sub(now); left < wait/3*2 || left > wait {
		c.writeBy = now.Add(wait)
		_ = c.nc.SetWriteDeadline(c.writeBy)
	}
	return c.nc.Write(p)
}

// abort closes the connection without a word, from any goroutine; a TLS alert
// could block.
func (c *conn) abort() { _ = c.raw.Close() }

// readable reports whether a kept connection has something to read: an end, an
// error, or bytes that nobody asked for. All of them make it useless.
func (c *conn) readable() bool {
	return c.peek != nil && c.peek() || c.gate != nil && c.gate.holds(c.nc)
}

// finish ends an exchange whose request was answered. The connection is kept
// when the response was whole, that is read to its end, and nothing speaks
// against it.
func (c *conn) finish(whole bool) {
	u := c.u
	if c.sender != nil && !c.sender.settle(whole) {
		whole = false
	}
	if c.stop != nil && !c.stop() {
		whole = false
	}
	keep := whole && !c.resp.Close && u.names.has(c.address) // Close also where only the end of the connection ends content
	if keep && len(c.in.Unread()) > 0 {
		// They can not be an answer to a request not yet sent (RFC 9112, 9.2).
		u.counts.surplus.Add(1)
		keep = false
	}
	c.lose()
	switch {
	case keep:
		u.put(c)
		return
	case whole:
		_ = c.nc.Close()
	default:
		c.abort()
	}
	u.free()
}

// fail ends an exchange that was not answered. The connection's place stays
// taken.
func (c *conn) fail() {
	c.abort()
	if c.sender != nil {
		c.sender.settle(false)
	}
	if c.stop != nil {
		c.stop()
	}
	c.lose()
}

// lose gives up what a connection has only during an exchange. The response
// keeps its field table for the next one.
func (c *conn) lose() {
	c.u.buffers.Put(c.buf)
	if c.spare != nil {
		c.u.buffers.Put(c.spare)
	}
	c.buf, c.spare, c.in, c.since = nil, nil, wire.Input{}, time.Time{}
	c.ctx, c.stop, c.sender = nil, nil, nil
}

func (u *Upstream) buffer() *buffer {
	if b, ok := u.buffers.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

// why tells what an exchange fails with when reading or writing ended in err;
// late is the fault when that is a deadline's.
func (c *conn) why(err error, late Fault) *wire.Error {
	if c.sender != nil {
		if e := c.sender.failure.Load(); e != nil {
			return e
		}
	}
	if c.ctx.Err() != nil {
		e := c.u.canceled(c.ctx)
		e.Sent = c.wrote > 0
		return e
	}
	fault := Closed
	var parsed *wire.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		fault = late
	case c.readErr == nil && errors.As(err, &parsed):
		fault, err = BadResponse, parsed.Err
	case errors.As(err, &parsed):
		err = parsed.Err
	case ended(err):
		err = io.ErrUnexpectedEOF
	}
	if fault == Closed && c.answered {
		fault = Cut
	}
	e := c.u.blame(fault, err)
	e.Sent = c.wrote > 0
	return e
}
