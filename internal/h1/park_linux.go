package h1

import (
	"errors"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// await reads the first bytes of a request. While there are none, a connection
// with a socket of its own has no buffers. It returns errPark instead of
// waiting the first time that it could.
func (c *conn) await() error {
	if c.raw == nil {
		return c.awaitConn()
	}
	c.readErr, c.limited = nil, false
	if c.reading == readSoon && !c.passed {
		// Others that are ready go first: by then the next request may be
		// here, and a read that finds nothing, and waiting, are saved. Not
		// twice, since those who wait are looked at only when nobody is ready.
		c.passed = true
		runtime.Gosched()
	} else {
		c.passed = false
	}
	for {
		err := c.raw.Read(c.reads)
		if err == nil {
			err = c.readErr
		} else if errors.Is(err, os.ErrDeadlineExceeded) && !c.limited {
			// That was the limit of an earlier wait. This one's is put in
			// force when there is something to wait for.
			if _, ok := c.limit(); ok {
				c.limited = true
				continue
			}
		}
		c.sit()
		return err
	}
}

// readFirst reads from fd what is there, or gives the buffers back and returns
// false. It is RawConn.Read's callback.
func (c *conn) readFirst(fd uintptr) bool {
	if c.parked {
		return c.readOne(fd)
	}
	c.sit()
	n, err := readFD(int(fd), c.in.Buf)
	for errors.Is(err, unix.EINTR) {
		n, err = readFD(int(fd), c.in.Buf)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return !c.mayWait()
	case err != nil:
		c.readErr = err
	case n == 0:
		c.readErr = io.EOF
	default:
		c.in.R, c.in.W = 0, n
		c.count.in.Add(uint64(n))
	}
	return true
}

// mayWait prepares for waiting; false: readErr says why that is not to be.
func (c *conn) mayWait() bool {
	c.passed = false
	if c.reading == readSoon && !c.hasParked {
		c.readErr = errPark
		return false
	}
	if !c.limited {
		if _, ok := c.limit(); !ok {
			c.readErr = os.ErrDeadlineExceeded
			return false
		}
		c.limited = true
	}
	c.rise()
	return true
}

// readOne reads for a parked connection: one byte, and only when that is there
// the rest. It returns as readFirst does.
func (c *conn) readOne(fd uintptr) bool {
	for {
		n, errno := readByte(fd, &c.one)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			c.readErr = errno
		case n == 0:
			c.readErr = io.EOF
		default:
			c.readErr = nil
			c.readRest(fd)
		}
		return true
	}
}

// readRest has a desk for the byte that woke c, and for what is behind it.
func (c *conn) readRest(fd uintptr) {
	c.sit()
	c.in.W = copy(c.in.Buf, c.one[:])
	if n, err := readFD(int(fd), c.in.Buf[1:]); err == nil { // an error comes again
		c.in.W += n
	}
	c.count.in.Add(uint64(c.in.W))
}
