package script

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// client is one scripted client. It speaks when the play says so and listens
// in a goroutine of its own, one per connection, which ends with it.
type client struct {
	name  string
	from  netip.Addr
	place place
	log   *transcript
	serve func(net.Conn) // hands the other end to the subject

	conn    net.Conn      // nil: not connected. The play's goroutine alone uses it
	ended   chan struct{} // closed when the listening goroutine has ended
	current int           // index of the answer that expectations are about
	waited  bool          // the current answer was waited for
	writers []chan struct{}

	*board  // guards the fields below
	methods []string
	replies []*reply
	over    error // why the connection ended; nil: it has not
	paused  bool
	left    bool // this side closed it
}

// A reply is an answer as far as it has come.
type reply struct {
	*message
	interims []*message
	status   int
	headed   bool  // its head is here
	whole    bool  // it ended as its framing says
	fault    error // why it ended otherwise
}

// ended tells whether nothing more of it will come.
func (r *reply) ended() bool { return r.whole || r.fault != nil }

// connect makes a connection unless one is there.
func (c *client) connect() error {
	if c.conn != nil {
		var over bool
		c.peek(func() { over = c.over != nil })
		if !over && !c.closing() {
			return nil
		}
		c.close()
	}
	mine, theirs, err := c.place.pair(c.from)
	if err != nil {
		return err
	}
	c.conn, c.ended, c.current, c.waited = mine, make(chan struct{}), -1, true
	c.change(func() { c.methods, c.replies, c.over, c.left = nil, nil, nil, false })
	c.log.add(c.name, "connects")
	c.serve(theirs)
	go c.listen(mine, c.ended)
	return nil
}

// closing tells whether the last answer said that the connection ends
// after it; then it waits for that end.
func (c *client) closing() bool {
	closes := false
	c.peek(func() {
		if n := len(c.replies); n > 0 && n == len(c.methods) && c.replies[n-1].whole {
			connection, _ := c.replies[n-1].fields.get("Connection")
			closes = strings.EqualFold(connection, "close")
		}
	})
	if closes {
		c.await(c.place.patience(), func() bool { return c.over != nil })
	}
	return closes
}

// close ends the connection and its goroutines.
func (c *client) close() {
	if c.conn == nil {
		return
	}
	c.change(func() { c.paused, c.left = false, true })
	_ = c.conn.Close()
	<-c.ended
	for _, w := range c.writers {
		<-w
	}
	c.conn, c.writers = nil, nil
}

// listen reads answers until the connection ends.
func (c *client) listen(conn net.Conn, ended chan struct{}) {
	defer close(ended)
	br := bufio.NewReaderSize(&listener{c, conn}, 16<<10)
	for {
		_, err := br.Peek(1)
		if err == nil {
			r := &reply{message: &message{}}
			c.change(func() { c.replies = append(c.replies, r) })
			err = c.readReply(br, r)
			c.log.add(c.name, "< %s %v", show(r.body), errOr(r.fault, "whole"))
		}
		if err != nil {
			c.log.add(c.name, "connection ended: %v", err)
			c.change(func() { c.over = err })
			return
		}
	}
}

// listener reads from the connection unless the client is paused.
type listener struct {
	c    *client
	conn net.Conn
}

func (l *listener) Read(p []byte) (int, error) {
	l.c.mu.Lock()
	for l.c.paused {
		l.c.cond.Wait()
	}
	l.c.mu.Unlock()
	return l.conn.Read(p)
}

// readReply reads one answer into r. The error is that of the connection.
func (c *client) readReply(br *bufio.Reader, r *reply) error {
	err := c.readHeads(br, r)
	if err == nil {
		method := http.MethodGet
		c.peek(func() {
			for i, other := range c.replies {
				if other == r && i < len(c.methods) {
					method = c.methods[i]
				}
			}
		})
		var f framing
		if f, err = r.frame(method); err == nil {
			var trailers fields
			trailers, err = readBody(br, f, func(piece []byte) (err error) {
				c.change(func() { err = grow(&r.body, piece) })
				return err
			})
			c.change(func() { r.trailers = trailers })
			if err == nil && f.untilClose {
				c.change(func() { r.whole = true })
				return io.EOF
			}
		}
	}
	c.change(func() { r.whole, r.fault = err == nil, noEOF(err) })
	return err
}

// readHeads reads interim heads and the final one.
func (c *client) readHeads(br *bufio.Reader, r *reply) error {
	for {
		m, err := readHead(br)
		c.log.add(c.name, "< %s", show(m.raw))
		if err != nil {
			return noEOF(err)
		}
		version, rest, _ := strings.Cut(m.start, " ")
		code, _, _ := strings.Cut(rest, " ")
		if version != "HTTP/1.1" && version != "HTTP/1.0" || !isStatus(code) {
			return fmt.Errorf("status line %q: %w", m.start, errMalformed)
		}
		status, _ := strconv.Atoi(code) // isStatus
		if status < 200 && status != http.StatusSwitchingProtocols {
			c.change(func() { r.interims = append(r.interims, m) })
			continue
		}
		c.change(func() { r.raw, r.start, r.fields, r.status, r.headed = m.raw, m.start, m.fields, status, true })
		return nil
	}
}

// frame finds how r's content ends. // RFC 9112, 6.3
func (r *reply) frame(method string) (framing, error) {
	switch {
	case r.status == http.StatusSwitchingProtocols, method == http.MethodConnect && r.status < 300:
		return framing{untilClose: true}, nil
	case method == http.MethodHead, r.status == http.StatusNoContent, r.status == http.StatusNotModified:
		return framing{}, nil
	}
	return r.fields.frame(framing{untilClose: true})
}

// write sends b from a goroutine, since the subject may answer or stop
// reading before it has all of it.
func (c *client) write(b []byte) {
	c.log.add(c.name, "> %s", show(b))
	var before chan struct{}
	if n := len(c.writers); n > 0 {
		before = c.writers[n-1]
	}
	done := make(chan struct{})
	c.writers = append(c.writers, done)
	conn := c.conn
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		if _, err := conn.Write(b); err != nil {
			c.log.add(c.name, "writing ended: %v", err)
		}
	}()
}

// flushed waits until all that was written is on its way.
func (c *client) flushed() {
	for _, w := range c.writers {
		<-w
	}
	c.writers = nil
}

// ask notes a request of method, after its bytes were written or before;
// when waits is set it waits for its answer.
func (c *client) ask(method string, b []byte, waits bool) error {
	if err := c.connect(); err != nil {
		return err
	}
	var asked int
	c.change(func() {
		c.methods = append(c.methods, method)
		asked = len(c.methods)
	})
	c.write(b)
	if waits || c.waited && c.current == asked-2 {
		c.current, c.waited = asked-1, false
	}
	if waits {
		err := c.waitCurrent()
		// The answer may be here before the subject has stored it.
		c.place.settle()
		return err
	}
	return nil
}

// errNoAnswer: the connection ended before a byte of the answer came.
var errNoAnswer = errors.New("no answer")

// waitCurrent waits until the current answer has ended, or the connection
// before it began: that is for expectations to judge.
func (c *client) waitCurrent() error {
	c.waited = true
	err := c.until("an answer that ends", (*reply).ended)
	if errors.Is(err, errNoAnswer) {
		return nil
	}
	return err
}

// until waits until the current answer is as done says, or as it stays.
func (c *client) until(what string, done func(*reply) bool) error {
	if c.conn == nil || c.current < 0 {
		return errors.New("no request was sent")
	}
	c.await(c.place.patience(), func() bool {
		r := c.replyLocked()
		return c.over != nil || r != nil && (r.ended() || done(r))
	})
	var err error
	c.peek(func() {
		r := c.replyLocked()
		switch {
		case r == nil && c.over != nil:
			err = fmt.Errorf("%w: connection ended: %w", errNoAnswer, c.over)
		case r == nil:
			err = fmt.Errorf("no answer in %s, want %s", c.place.patience(), what)
		case !r.ended() && !done(r):
			err = fmt.Errorf("head %t and %d bytes of content in %s, want %s", r.headed, len(r.body), c.place.patience(), what)
		}
	})
	return err
}

// replyLocked is the current answer; nil: not a byte of it has come.
func (c *client) replyLocked() *reply {
	if c.current < 0 || c.current >= len(c.replies) {
		return nil
	}
	return c.replies[c.current]
}

func errOr(err error, text string) string {
	if err != nil {
		return err.Error()
	}
	return text
}
