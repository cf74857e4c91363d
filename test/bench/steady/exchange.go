package main

import "golang.org/x/sys/unix"

// event looks what c can do. An event may be one of a socket that is closed by
// now, so it is only a hint: whatever is not ready says so itself.
func (l *loop) event(c *conn) {
	if c.fd < 0 {
		return
	}
	if c.opening {
		reason, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || reason != 0 {
			l.lose(c)
			l.proceed(c)
			return
		}
		c.opening, c.waiting = false, true
	}
	if c.waiting && c.sent < len(c.request) {
		l.write(c)
	}
	if c.fd >= 0 {
		l.read(c)
	}
	l.proceed(c)
}

// write sends the request, or the rest of it.
func (l *loop) write(c *conn) {
	n, errno := write(c.fd, c.request[c.sent:])
	switch errno {
	case 0:
		c.sent += n
	case unix.EAGAIN, unix.EINTR: // its room is an event; one that was interrupted had none
	default:
		l.lose(c)
	}
}

// read takes what has come, until there is no more or the answer is complete.
func (l *loop) read(c *conn) {
	for {
		n, errno := read(c.fd, l.buffer)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return
		case errno != 0 || n == 0 || !c.waiting:
			l.lose(c)
			return
		}
		done, good := l.take(c, l.buffer[:n])
		switch {
		case done && !good:
			l.lose(c)
			return
		case done:
			l.finish(c)
			return
		}
	}
}

// take continues the answer with b, and says whether it is complete. One that
// is not good leaves a connection that is of no more use.
func (l *loop) take(c *conn, b []byte) (done, good bool) {
	for !c.inBody {
		part := b
		if len(c.head) > 0 {
			c.head = append(c.head, b...)
			part = c.head
		}
		h, n, err := parseHead(part)
		switch {
		case err != nil:
			return true, false
		case n == 0:
			if len(c.head) == 0 {
				c.head = append(c.head, b...)
			}
			return false, false
		case h.status < 200: // interim: another head follows
			b, c.head = part[n:], c.head[:0]
			continue
		}
		c.inBody, c.rest, c.current = true, h.length, h
		b = part[n:]
	}
	c.rest -= int64(len(b))
	// More than was announced is nobody's answer.
	return c.rest <= 0, c.rest == 0 && c.sent == len(c.request)
}

// finish ends a complete answer.
func (l *loop) finish(c *conn) {
	closes := c.current.closes
	l.outcome(c, l.now(), c.current.status == 200)
	if closes {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}
