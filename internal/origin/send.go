package origin

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// settleTime is how long a response that is complete waits for the rest of its
// request: just so long that an upstream which took all of it does not lose
// the connection to the last write's return.
const settleTime = 50 * time.Millisecond

// A sender sends the content of one request, on a goroutine of its own. It
// ends in settle, which the exchange calls once it has its answer.
type sender struct {
	c     *conn
	r     *wire.Request
	begun time.Time

	last    atomic.Int64 // when content moved last, after begun; waiting while the client is waited for
	failure atomic.Pointer[wire.Error]
	go100   chan struct{} // closed by permit; nil: send at once
	quit    chan struct{} // closed by forbid
	done    chan struct{}
	whole   bool // all was sent; set before done is closed

	// Of the exchange's goroutine:
	permitted, forbidden bool
}

const waiting = -1

// send starts to send r's content.
func (c *conn) send(r *wire.Request) *sender {
	s := &sender{c: c, r: r, begun: time.Now(), quit: make(chan struct{}), done: make(chan struct{})}
	if r.Continue {
		s.go100 = make(chan struct{})
	}
	go s.run()
	return s
}

// moved returns when the request made its last step: now while the next one is
// the client's.
func (s *sender) moved(now time.Time) time.Time {
	if last := s.last.Load(); last != waiting {
		return s.begun.Add(time.Duration(last))
	}
	return now
}

// permit ends the wait for 100 (Continue).
func (s *sender) permit() {
	if s.go100 != nil && !s.permitted {
		s.permitted = true
		close(s.go100)
	}
}

// forbid ends it too: there is a final answer, and the content is not wanted.
func (s *sender) forbid() {
	if !s.forbidden {
		s.forbidden = true
		close(s.quit)
	}
}

// settle ends the sender and reports whether the request was sent whole. When
// it is not, the connection is closed.
func (s *sender) settle(patient bool) bool {
	if patient && s.wait() {
		return s.whole
	}
	s.forbid()
	select {
	case <-s.done:
	default:
		s.c.abort()
		_ = s.r.Body.Close()
		<-s.done
		return false
	}
	return s.whole
}

// wait waits a moment for the sender to end by itself.
func (s *sender) wait() bool {
	select {
	case <-s.done:
		return true
	default:
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-timer.C:
		return false
	}
}

func (s *sender) run() {
	defer close(s.done)
	defer func() {
		if v := recover(); v != nil { // one exchange's fault is not to end the process
			s.failure.Store(&wire.Error{Side: wire.Us, Status: 500, Err: fmt.Errorf("sending request content panicked: %v\n%s", v, debug.Stack())})
			s.c.abort()
		}
	}()
	if !s.mayBegin() {
		return
	}
	p, ok := s.c.u.pieces.Get().(*piece)
	if !ok {
		p = new(piece)
	}
	err := s.copy(p)
	s.c.u.pieces.Put(p)
	switch {
	case err == nil:
		s.whole = true
	case err.Side != wire.Upstream || err.Status == 504:
		s.failure.Store(err)
		s.c.abort()
	default:
		// The upstream reads no more. It may have said why: the reader finds
		// an answer or the end.
	}
}

// mayBegin waits for 100 (Continue) where that was promised (RFC 9110, 10.1.1).
func (s *sender) mayBegin() bool {
	if s.go100 == nil {
		return true
	}
	timer := time.NewTimer(cmp.Or(s.c.u.ContinueTimeout, time.Second))
	defer timer.Stop()
	select {
	case <-s.quit:
		return false
	case <-s.go100:
	case <-timer.C:
	}
	return true
}

// copy sends the content piece by piece.
func (s *sender) copy(p *piece) *wire.Error {
	left := s.r.Length
	for left != 0 {
		room := p[headroom : len(p)-tailroom]
		if left > 0 && left < int64(len(room)) {
			room = room[:left]
		}
		s.last.Store(waiting)
		n, err := s.r.Body.Read(room)
		s.last.Store(int64(time.Since(s.begun)))
		end := ended(err)
		if err != nil && !end {
			return s.clients(err)
		}
		if left > 0 {
			left -= int64(n)
		}
		if end && left > 0 {
			return s.clients(fmt.Errorf("%w, %d of %d bytes missing", io.ErrUnexpectedEOF, left, s.r.Length))
		}
		if out := s.frame(p, n, end); len(out) > 0 {
			if err := s.write(out); err != nil {
				return err
			}
		}
		if end {
			break
		}
	}
	return nil
}

// A piece holds as much content as is sent at once, and what frames it.
type piece [headroom + 32<<10 + tailroom]byte

const (
	headroom = 16 // the chunk line
	tailroom = 16 // CRLF and a last chunk without trailer
)

// frame returns what to send for the n bytes of content in p.
func (s *sender) frame(p *piece, n int, end bool) []byte {
	if s.r.Length >= 0 {
		return p[headroom : headroom+n]
	}
	out := p[headroom:headroom]
	if n > 0 {
		var line [headroom]byte
		size := wire.AppendChunk(line[:0], n)
		from := headroom - copy(p[headroom-len(size):], size)
		out = append(p[from:headroom+n], "\r\n"...)
	}
	if end {
		out = wire.AppendLastChunk(out, s.r.Body.Trailer())
	}
	return out
}

func (s *sender) write(out []byte) *wire.Error {
	_, err := s.c.write(out)
	s.last.Store(int64(time.Since(s.begun)))
	if err == nil {
		return nil
	}
	fault := Closed
	if errors.Is(err, os.ErrDeadlineExceeded) {
		fault = BodyTimeout
	}
	e := s.c.u.blame(fault, fmt.Errorf("sending content: %w", err))
	e.Sent = true
	return e
}

// clients is the error for content that the client did not deliver. The
// upstream must not take what it got for a whole request.
func (s *sender) clients(err error) *wire.Error {
	e := &wire.Error{Side: wire.Client, Status: 400}
	var known *wire.Error
	if errors.As(err, &known) {
		e.Side, e.Status = known.Side, known.Status
	}
	e.Err, e.Sent = fmt.Errorf("origin %s: %w: %w", s.c.u.Addr, Content, err), true
	return e
}
