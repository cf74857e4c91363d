package h1

import (
	"errors"
	"io"
	"os"
	"time"
)

// settle is how long a connection is quiet before it parks for long.
const settle = 5 * time.Second

// first waits for the first bytes of a request. This is where a connection
// parks.
//
// Who has sent nothing yet has HeadTimeout. Then a connection waits twice:
// for settle with what it has at hand, as most requests of a busy client come
// soon; then parked, which costs more to wake from and keeps less: no buffers,
// and the small stack of a goroutine that has not called the Handler yet. The
// first request of a connection is often its last, so it parks at once.
func (c *conn) first() bool {
	err := c.readErr
	if !c.parked {
		if err = c.arrive(); c.parked {
			if c.movable() {
				c.fate = moved
				return false
			}
			err = c.awaitParked()
		}
	}
	c.parked = false
	if !c.phase.CompareAndSwap(phaseIdle, phaseBusy) {
		c.fate = finish // Drain was faster
		return false
	}
	c.by = time.Time{}
	if err == nil {
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if c.served {
			c.reached(limitIdle)
		} else {
			c.reached(limitHead)
		}
	}
	c.fate = finish
	return false
}

// arrive waits until a request begins or c is to park: then it is parked, with
// its limit of time in force.
func (c *conn) arrive() error {
	c.shrinkOut()
	c.in.R, c.in.W = 0, 0
	c.phase.Store(phaseIdle)
	switch {
	case !c.srv.draining.Load():
		c.reading = c.waitsFor()
	case c.served:
		return io.EOF // as if the client had closed
	default:
		// Its request may be on its way: it has come before the drain began.
		c.reading, c.by = readUntil, time.Now().Add(min(drainFresh, either(c.srv.o.head, drainFresh)))
	}
	err := c.await()
	if c.reading != readSoon || !c.settled(err) {
		return err
	}
	c.reading = readIdle
	c.parked = err != errPark // settle has passed: see limit
	_, ok := c.limit()
	c.parked, c.hasParked = true, true
	if !ok {
		c.parked = false
		return os.ErrDeadlineExceeded
	}
	c.rise()
	return nil
}

// drainFresh is how long a connection that has not sent anything yet is waited
// for while the Server drains.
const drainFresh = time.Second

// waitsFor returns what a connection without a request reads next.
func (c *conn) waitsFor() uint8 {
	switch {
	case !c.served:
		return readFresh
	case c.srv.o.idle > 0 && c.srv.o.idle <= 2*settle, !c.secure && !c.lasting:
		return readIdle
	}
	return readSoon
}

// settled reports whether err is the end of the first wait.
func (c *conn) settled(err error) bool {
	return err == errPark || errors.Is(err, os.ErrDeadlineExceeded) && !c.rd.isStopped()
}

// errPark says that a connection is to park rather than to wait.
var errPark = errors.New("connection: to be parked")

// movable reports whether c parks on another goroutine: this one's stack has
// grown.
func (c *conn) movable() bool { return c.lasting && c.deep }

// An outliver is a connection whose acceptor need not take the return of
// ServeConn for its end.
type outliver interface {
	Outlive() (ended func())
}

// move lets a successor go on with the connection, which is parked. The caller
// does not touch c any more.
func (c *conn) move() {
	if c.ended == nil {
		c.ended = transport(c.nc).(outliver).Outlive()
	}
	c.fate, c.deep = keep, false
	go c.succeed()
}

// succeed is the goroutine that a parked connection goes on with. It waits
// with as few calls above it as can be: that is what its stack has room for.
func (c *conn) succeed() {
	c.readErr = c.awaitParked()
	if c.serve() {
		c.srv.release(c)
	}
}

// awaitParked waits for the first byte of a request without buffers, and then
// has what else is there. The limit of time is in force.
func (c *conn) awaitParked() (err error) {
	if c.raw != nil {
		if err = c.raw.Read(c.reads); err == nil {
			err = c.readErr
		}
		c.sit()
		return err
	}
	n, err := c.nc.Read(c.one[:]) // crypto/tls keeps a buffer only for what has come
	c.sit()
	if n == 0 {
		return err
	}
	c.in.W = copy(c.in.Buf, c.one[:n])
	c.count.in.Add(uint64(n))
	return nil // an error comes again
}

// awaitConn is await through the connection's Read.
func (c *conn) awaitConn() error {
	if c.reading == readSoon && !c.hasParked {
		return errPark
	}
	c.sit()
	return c.in.Fill()
}
