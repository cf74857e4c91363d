package origin

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"opencache/internal/wire"
)

// A line is a connection over a plain socket, spoken to past net.Conn: one
// call looks whether a kept connection is still good, writes a request's head,
// parks until the answer comes and reads its beginning. The runtime's poller is
// armed before the look, so that nothing that comes behind it is missed, and
// nothing is read in vain. It is the connection's: asking allocates nothing.
type line struct {
	raw  syscall.RawConn
	step func(fd uintptr) bool // the method value of turn, made once

	turnState

	move func(fd uintptr) bool // the method value of splice, made once
	moveState
}

// A moveState is one use of a line to move content into a pipe.
type moveState struct {
	pipe  *wire.Pipe // empty
	most  int        // bytes to be moved
	moved int
	fault error
}

// A turnState is one use of a line.
type turnState struct {
	head []byte // still to be written
	into []byte // where the answer is to be read; nil: it is not waited for
	look bool   // see first whether the connection is still good

	asked bool  // head was written, if not whole
	stale bool  // it is not good: there is an end, an error or bytes nobody asked for
	n     int   // bytes read
	ended bool  // the end was read
	err   error // of writing, when asked is false, or of reading
}

// ask makes a turn. The connection's read deadline ends it, with
// os.ErrDeadlineExceeded; the turn may then be taken up again, until asked.
func (l *line) ask(head, into []byte, look bool) error {
	l.turnState = turnState{head: head, into: into, look: look}
	return l.raw.Read(l.step)
}

// pass waits for content and moves it into the pipe, as a Read would.
func (l *line) pass() (int, error) {
	l.moved, l.fault = 0, nil
	if err := l.raw.Read(l.move); err != nil {
		return 0, err
	}
	return l.moved, l.fault
}

// move moves at most most bytes into the line's pipe.
func (c *conn) move(most int64) (int, error) {
	c.line.most = int(min(most, int64(c.line.pipe.Size)))
	return c.take(nil)
}

// askLine sends the request's head over the connection's line, and takes the
// beginning of the answer where no content is to be sent first.
func (c *conn) askLine(r *wire.Request, head []byte) *wire.Error {
	l := c.line
	var into []byte
	if r.Length == 0 {
		into = c.buf[:]
		c.limit(c.since)
	}
	err := l.ask(head, into, c.reused)
	for tries := 0; errors.Is(err, os.ErrDeadlineExceeded) && !l.asked && l.err == nil; tries++ {
		// It is the last exchange's that has passed, or this goroutine slept.
		if tries == 3 {
			return c.why(err, HeadTimeout)
		}
		now := time.Now()
		c.since, c.readBy = now, time.Time{}
		c.limit(now)
		err = l.raw.Read(l.step)
	}
	c.wrote = len(head) - len(l.head)
	switch {
	case l.stale:
		c.stale = true
		return c.u.blame(Closed, errStale)
	case l.err != nil && !l.asked:
		return c.why(l.err, BodyTimeout)
	case err == nil && len(l.head) > 0: // more than the socket takes at once
		n, err := c.write(l.head)
		if c.wrote += n; err != nil {
			return c.why(err, BodyTimeout)
		}
	case l.n > 0:
		c.in.W, c.answered = l.n, true
	case l.err != nil || l.ended:
		c.readErr = io.EOF
		if l.err != nil {
			c.readErr = l.err
		}
		return c.why(c.readErr, HeadTimeout)
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return c.why(err, HeadTimeout)
	}
	return nil
}

// errStale is why a kept connection is not used. Nobody sees it: the exchange
// goes on with another.
var errStale = errors.New("a kept connection has something to read")
