package h1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"opencache/internal/wire"
)

// A write that blocks is looked at after firstSlice, then every laterSlice:
// its reader may be too slow for what it holds.
const (
	firstSlice = 250 * time.Millisecond
	laterSlice = time.Second
)

// record is the most that one TLS record carries. A TLS write that timed out
// can not be continued, so each gets a whole WriteTimeout.
const record = 16 << 10

// A cargo is what is on its way out: bytes that are the connection's own, then
// a span that is lent. What is copied out of the span moves over to own.
type cargo struct {
	c     *conn
	own   []byte
	span  wire.Span   // the rest; Owner is nil once it is released
	fd    int         // of the file that has the span, -1: it is not sent from there
	dev   wire.Device // that the file is on; nil: a call on fd does not wait
	block []byte      // that own is in after copying

	began time.Time // when the client was first waited for; zero: not yet
	moved time.Time // the last progress since
	past  int       // slices that passed
	tick  int       // left at that; before the first slice passed, the rest
	since time.Time // begin of the time in which MinRate is looked at
	had   int       // left at that
	armed bool      // the slice is running
	err   error
	vec   vector
}

func (g *cargo) rest() int { return len(g.own) + g.span.N }

// advance notes that n bytes are out.
func (g *cargo) advance(n int) {
	g.c.count.out.Add(uint64(n))
	g.c.reply.sent += int64(n)
	k := min(n, len(g.own))
	g.own = g.own[k:]
	if n -= k; n > 0 {
		g.span = g.span.Slice(n, g.span.N-n)
	}
}

// release ends the loan.
func (g *cargo) release() {
	g.span.Release()
	g.span, g.fd, g.dev = wire.Span{}, -1, nil
}

// copyOut moves all of the span that a block takes to own, which is empty,
// and releases the loan when that was all.
func (g *cargo) copyOut() error {
	if g.block == nil {
		g.block = g.c.srv.borrow(len(block{}))
	}
	n := min(g.span.N, len(g.block))
	if err := g.span.Copy(g.block[:n]); err != nil {
		return err
	}
	g.own = g.block[:n]
	if n == g.span.N {
		g.release()
	} else {
		g.span = g.span.Slice(n, g.span.N-n)
	}
	return nil
}

// flush sends what is buffered.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.send(wire.Span{})
	return err
}

// send sends what is buffered, then s, which it releases. It returns how many
// bytes of s are out. After an error that is an ErrLost the connection is as
// good as before, and some of the rest may still be buffered.
func (c *conn) send(s wire.Span) (n int, err error) {
	size := s.N
	if s, err = c.ahead(s); err != nil {
		s.Release()
		return 0, err
	}
	g := &c.cargo
	g.own, g.span, g.fd, g.dev = c.out, s, -1, nil
	g.began, g.moved, g.past, g.tick, g.err = time.Time{}, time.Time{}, 0, 0, nil
	if c.raw != nil && s.N > 0 && s.Owner != nil && (s.Mem == nil || s.N >= fileMin) {
		g.fd = s.Owner.Expose()
		if s.Mem == nil {
			g.dev, _ = s.Owner.(wire.Device)
		}
	}
	if c.raw != nil {
		err = c.sendRaw()
	} else {
		err = c.sendConn()
	}
	if !g.began.IsZero() {
		now := time.Now()
		if err == nil {
			err = c.pace(now)
		}
		c.reply.waited += now.Sub(g.began)
		if c.raw != nil {
			c.wr.until(time.Time{})
		}
	}
	rest := g.rest()
	g.release()
	g.own = nil
	if g.block != nil {
		c.lend(&g.block)
	}
	c.out, c.reply.mark = c.out[:0], 0
	return size - min(size, rest), err
}

// ahead copies what is to go out with the head, or with what else is buffered,
// and returns the rest of s. What is all copied is released.
func (c *conn) ahead(s wire.Span) (wire.Span, error) {
	k := 0
	switch room := len(block{}) - len(c.out); {
	case s.Mem != nil && c.secure:
		k = min(record-len(c.out)%record, s.N) // a full record rather than two
	case s.Mem != nil || s.N == 0 || piped(s):
	case c.raw == nil:
		k = min(room, s.N)
	case s.N <= room && s.N < fileMin: // one packet rather than two
		k = s.N
	}
	if k <= 0 {
		return s, nil
	}
	if err := c.buffer(s.Slice(0, k)); err != nil {
		return s, err
	}
	if k == s.N {
		s.Release()
		return wire.Span{}, nil
	}
	return s.Slice(k, s.N-k), nil
}

// buffer copies s behind what is buffered, which stays as it is on error.
func (c *conn) buffer(s wire.Span) error {
	c.reserve(s.N)
	at := len(c.out)
	c.out = slices.Grow(c.out, s.N)[:at+s.N]
	if err := s.Copy(c.out[at:]); err != nil {
		c.out = c.out[:at]
		return err
	}
	return nil
}

// sendRaw sends the cargo on a socket by system calls of its own.
func (c *conn) sendRaw() error {
	for {
		// No limit is in force until it would block: setting one costs more
		// than the rest of a small write's way here.
		g := &c.cargo
		g.armed = false
		err := c.raw.Write(c.writes)
		switch {
		case err == nil && g.err == nil && g.rest() > 0:
			// Not in there: a device may take its time, and who closes the
			// connection waits for that.
			if err := g.copyOut(); err != nil {
				return err
			}
			continue
		case err == nil:
			return g.err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		if err := c.slow(); err != nil {
			return err
		}
		c.wr.until(time.Time{})
	}
}

// arm limits the wait for a reader that takes no more to a slice. Its caller
// has seen that the write would block.
func (g *cargo) arm() {
	if g.armed {
		return
	}
	g.armed = true
	now := time.Now()
	g.begin(now)
	g.c.wr.until(now.Add(g.slice()))
}

// begin notes that the client is waited for.
func (g *cargo) begin(now time.Time) {
	if g.began.IsZero() {
		g.began, g.moved, g.since, g.tick = now, now, now, g.rest()
	}
}

// left is how many bytes the client has not taken yet: the rest, and what the
// kernel keeps for it.
func (g *cargo) left() int { return g.rest() + g.c.unacked() }

func (g *cargo) slice() time.Duration {
	d := laterSlice
	if g.past == 0 {
		d = firstSlice
	}
	if w := g.c.srv.o.write; w > 0 {
		d = min(d, w)
	}
	return d
}

// sendConn sends the cargo through the connection's Write.
func (c *conn) sendConn() error {
	g := &c.cargo
	for g.rest() > 0 {
		if len(g.own) == 0 && g.span.Mem == nil {
			if err := g.copyOut(); err != nil {
				return err
			}
		}
		p := g.own
		if len(p) == 0 {
			p = g.span.Mem[:g.span.N]
		}
		if c.secure {
			p = p[:min(len(p), record)]
		}
		n, err := c.writeSlice(p)
		g.advance(n)
		switch {
		case err == nil && g.rest() == 0:
		case err != nil && (c.secure || !errors.Is(err, os.ErrDeadlineExceeded)):
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.reached(limitWrite)
			}
			return err
		case err != nil || c.secure && time.Since(g.moved) > g.slice():
			if err := c.slow(); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSlice writes p within the time that it may take.
func (c *conn) writeSlice(p []byte) (int, error) {
	g := &c.cargo
	var now time.Time
	if c.secure || g.span.Owner == nil && g.past == 0 {
		now, _ = c.wr.within(c.srv.o.write)
	} else {
		now = time.Now()
		c.wr.until(now.Add(g.slice()))
	}
	g.begin(now)
	n, err := c.nc.Write(p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.ErrShortWrite
	}
	return n, err
}

// slow decides, after a slice in which the cargo did not get out, whether to
// go on: for the client's sake and for the sake of whose memory it holds.
func (c *conn) slow() error {
	g, now := &c.cargo, time.Now()
	if g.past++; g.past == 1 {
		c.queueLess()
		// From here on the kernel's share counts too: asking for it costs.
		if g.rest() < g.tick {
			g.moved = now
		}
		g.tick = g.left()
		g.had = g.tick
		if r := &c.reply; r.owed < 0 { // it takes what is left of earlier replies first
			r.owed = max(int64(g.tick-g.rest())-r.sent, 0)
		}
	}
	left := g.left()
	if left < g.tick {
		g.tick, g.moved = left, now
	} else if c.srv.o.write > 0 && now.Sub(g.moved) >= c.srv.o.write {
		c.reached(limitWrite)
		return errStalled
	}
	if err := c.pace(now); err != nil {
		return err
	}
	if w := c.srv.o.write; w > 0 && now.Sub(g.since) >= w {
		// What it took quickly once does not excuse it for ever.
		if err := c.keepsUp(int64(g.had-left), now.Sub(g.since)); err != nil {
			return err
		}
		g.since, g.had = now, left
	}
	if g.span.Owner == nil {
		return nil
	}
	if g.span.N <= len(block{}) && len(g.own) == 0 && !piped(g.span) {
		return g.copyOut()
	}
	if g.span.Owner.Pressure() == wire.Yield {
		c.reached(limitYield)
		return errYield
	}
	return nil
}

// pace judges the client as a reader.
func (c *conn) pace(now time.Time) error {
	r := &c.reply
	d := r.waited + now.Sub(c.cargo.began)
	if d <= grace {
		return nil
	}
	return c.keepsUp(r.taken(c.unacked()), d)
}

// taken is how many bytes of the reply the client has, when it has not
// acknowledged so many yet. It takes what is left of earlier replies first.
func (r *reply) taken(unacked int) int64 { return max(r.sent+max(r.owed, 0)-int64(unacked), 0) }

// keepsUp judges what a reader took of a reply in the time that it was waited
// for.
func (c *conn) keepsUp(taken int64, d time.Duration) error {
	if !tooSlow(taken, d, c.srv.o.rate) {
		return nil
	}
	c.reached(limitSlowReader)
	return fmt.Errorf("%w: %d bytes in %s", errSlow, taken, d.Round(time.Millisecond))
}

var (
	errStalled = errors.New("slow reader: no progress in time")
	errSlow    = errors.New("slow reader: below the minimum rate")
	errYield   = errors.New("slow reader: holds memory that is needed")
)
