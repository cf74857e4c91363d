package h1

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"opencache/internal/wire"
)

// The stages of a reply. Start moves it from fresh to open, End to done,
// Hijack to away, and any error to broken.
type stage uint8

const (
	stageFresh  stage = iota // no final head yet; interim ones may go out
	stageOpen                // content comes
	stageDone                // complete, though perhaps held back
	stageBroken              // will never be complete
	stageAway                // the connection is somebody else's
)

// How the client tells where the content ends (RFC 9112, 6.3).
type frame uint8

const (
	frameNone   frame = iota // there is none; what is written is dropped
	frameLength              // Content-Length
	frameChunks              // chunked
	frameClose               // the connection's end
)

// What is with a client that expects 100 (RFC 9110, 10.1.1).
const (
	expectNothing uint8 = iota
	expectAwaited
	expectSettled // sent, or no longer of use
)

// A reply is the way of the Handler's answer onto the connection: the Sink of
// wire.Reply.
//
// Until Start, out may be written to by whoever reads the request's content
// first (100 Continue) or asks for the context; afterwards it is the Handler's
// goroutine's alone.
type reply struct {
	c     *conn
	p     *wire.Reply
	frame frame
	last  bool  // the connection ends behind this reply
	left  int64 // content bytes that frameLength still wants
	mark  int   // where in out this reply begins; 0 once some of it is out
	how   fate  // of a broken reply

	sent   int64         // bytes written since reset
	waited time.Duration // for the client to take them
	owed   int64         // bytes of earlier replies left when it was slow first; below 0: it was not yet

	before func() error // the method value of beforeContent, made once

	stage stage

	mu      sync.Mutex // guards the fields below, and out while started is false
	started bool       // the final head is in out, or there will be none
	expect  uint8
	lost    error // of a write before Start by another goroutine
}

var _ wire.Sink = (*reply)(nil)

// reset makes r the reply to the next request.
func (r *reply) reset() {
	r.p = &r.c.rep
	r.frame, r.last, r.left, r.mark, r.how = frameNone, false, 0, len(r.c.out), finish
	r.sent, r.waited, r.owed = 0, 0, -1
	r.stage, r.started, r.expect, r.lost = stageFresh, false, expectNothing, nil
}

func (r *reply) awaitContinue(yes bool) {
	if yes {
		r.expect = expectAwaited
	}
}

// beforeContent asks a client that waits for it to send the content. It runs
// on the goroutine that reads that.
func (r *reply) beforeContent() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expect != expectAwaited {
		return nil
	}
	r.expect = expectSettled
	if len(r.c.in.Unread()) > 0 {
		return nil // it did not wait
	}
	r.c.out = append(r.c.out, "HTTP/1.1 100 Continue\r\n\r\n"...)
	r.lost = r.c.flush()
	return r.lost
}

// flushEarlier sends the replies to earlier requests that are held back.
func (r *reply) flushEarlier() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started && r.lost == nil {
		r.lost = r.c.flush()
	}
}

// Interim sends an interim response; see wire.Sink.
func (r *reply) Interim(status int, fields []byte) error {
	if r.c.req.Minor == 0 { // RFC 9110, 15.2
		return nil
	}
	if status < 100 || status > 199 || status == 101 {
		return fmt.Errorf("reply: %d is no interim status", status)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freshLocked(); err != nil {
		return err
	}
	if status == 100 {
		if r.expect == expectSettled {
			return nil
		}
		r.expect = expectSettled
	}
	r.c.out = wire.AppendStatus(r.c.out, status)
	r.c.out = append(r.c.out, fields...)
	r.c.out = append(r.c.out, "\r\n"...)
	return r.flush()
}

// Start fixes the head; see wire.Sink.
func (r *reply) Start() error {
	if s := r.p.Status; s < 200 && (s != 101 || !r.c.req.Upgrade) || s > 999 {
		return fmt.Errorf("reply: %d is no final status", s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.freshLocked(); err != nil {
		return err
	}
	r.stage, r.started = stageOpen, true
	c, p := r.c, r.p
	c.reserve(len(p.Fields) + headMost)
	c.out = wire.AppendStatus(c.out, p.Status)
	c.out = append(c.out, p.Fields...)
	if !hasField(p.Fields, "date") {
		c.appendDate()
	}
	if r.switched() {
		r.last = true
		r.appendSwitch()
	} else {
		r.appendFraming()
		r.appendConnection()
	}
	r.expect = expectSettled
	c.out = append(c.out, "\r\n"...)
	return nil
}

// headMost is more than what the Sink adds to a head.
const headMost = 256

// appendFraming decides how the content ends (RFC 9112, 6.3; RFC 9110, 8.6).
func (r *reply) appendFraming() {
	c, p := r.c, r.p
	bodiless := c.req.Method == wire.HEAD || p.Status == 304
	switch {
	case p.Status == 204:
	case p.Length >= 0:
		c.out = wire.AppendLength(c.out, p.Length)
		if !bodiless {
			r.frame, r.left = frameLength, p.Length
		}
	case bodiless:
	case c.req.Minor > 0:
		c.out = append(c.out, "Transfer-Encoding: chunked\r\n"...)
		r.frame = frameChunks
	default:
		r.frame = frameClose
	}
}

// appendConnection decides whether the connection goes on (RFC 9112, 9.3).
func (r *reply) appendConnection() {
	c := r.c
	r.last = c.req.Close || r.frame == frameClose || c.srv.draining.Load() ||
		r.expect == expectAwaited // its content may or may not come
	if !r.last && c.body.over() {
		r.last = true
		if !c.body.bad.Load() {
			c.reached(limitDrain)
		}
	}
	switch {
	case r.last:
		c.out = append(c.out, "Connection: close\r\n"...)
	case c.req.Minor == 0:
		c.out = append(c.out, "Connection: keep-alive\r\n"...)
	}
}

// appendSwitch announces the protocol that follows: the Handler's word, else
// what the client asked for (RFC 9110, 7.8).
func (r *reply) appendSwitch() {
	c := r.c
	if r.p.Status != 101 {
		return
	}
	c.out = append(c.out, "Connection: Upgrade\r\n"...)
	if !hasField(r.p.Fields, "upgrade") {
		c.out = wire.AppendField(c.out, wire.Upgrade, c.req.Protocol())
	}
}

// Write gives content; see wire.Sink.
func (r *reply) Write(p []byte) (int, error) {
	if err := r.take(len(p)); err != nil || r.frame == frameNone || len(p) == 0 {
		if err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if len(p) > copyMax {
		if err := r.ship(wire.Span{Mem: p, N: len(p)}); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if err := r.copy(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Span gives content and releases it; see wire.Sink.
func (r *reply) Span(s wire.Span) error {
	if err := r.take(s.N); err != nil || r.frame == frameNone || s.N == 0 {
		s.Release()
		return err
	}
	switch {
	case s.Mem == nil && (s.N <= copyMax || r.frame == frameChunks) && !piped(s):
		return r.load(s)
	case s.Mem == nil, s.N > copyMax:
		return r.ship(s)
	}
	err := r.copy(s.Mem)
	s.Release()
	return err
}

// take checks that n more bytes of content are in order, and counts them.
func (r *reply) take(n int) error {
	if err := r.in(stageOpen); err != nil {
		return err
	}
	if r.frame == frameLength {
		if int64(n) > r.left {
			r.Abort()
			r.p.Err = errLong
			return errLong
		}
		r.left -= int64(n)
	}
	return nil
}

// copy puts p into the output buffer.
func (r *reply) copy(p []byte) error {
	c := r.c
	c.reserve(len(p) + chunkMost)
	if r.frame == frameChunks {
		c.out = wire.AppendChunk(c.out, len(p))
	}
	c.out = append(c.out, p...)
	return r.loaded(len(p))
}

// load reads s into the output buffer, piece by piece, and releases it. A chunk
// is announced when its content is there.
func (r *reply) load(s wire.Span) error {
	c := r.c
	defer s.Release()
	for s.N > 0 {
		n := min(s.N, copyMax)
		c.reserve(n + chunkMost)
		at := len(c.out)
		if r.frame == frameChunks {
			c.out = wire.AppendChunk(c.out, n)
		}
		if err := c.buffer(s.Slice(0, n)); err != nil {
			c.out = c.out[:at]
			return r.lack(s.N, err)
		}
		if err := r.loaded(n); err != nil {
			return err
		}
		if s = s.Slice(n, s.N-n); s.N > 0 && s.Owner.Pressure() == wire.Yield {
			c.reached(limitYield)
			return r.fail(errYield)
		}
	}
	return nil
}

// loaded ends a piece of content of n bytes in the output buffer.
func (r *reply) loaded(n int) error {
	c := r.c
	r.chunkEnd()
	r.p.Sent += int64(n)
	if len(c.out) >= c.srv.o.pipeline || len(c.out) > len(block{})-copyMax {
		return r.flush()
	}
	return nil
}

// lack notes that n bytes of content did not come: err says why.
func (r *reply) lack(n int, err error) error {
	if r.frame == frameLength {
		r.left += int64(n)
	}
	return err
}

// chunkMost is more than what a chunk takes around its data.
const chunkMost = 32

func (r *reply) chunkEnd() {
	if r.frame == frameChunks {
		r.c.out = append(r.c.out, "\r\n"...)
	}
}

// ship sends what is buffered and s without copying s, which it releases.
func (r *reply) ship(s wire.Span) error {
	c := r.c
	if r.frame == frameChunks {
		c.out = wire.AppendChunk(c.out, s.N)
	}
	n, err := c.send(s)
	r.p.Sent += int64(n)
	switch {
	case errors.Is(err, wire.ErrLost):
		return r.lack(s.N-n, err)
	case err != nil:
		return r.fail(err)
	}
	r.chunkEnd()
	return nil
}

// Flush sends what is buffered; see wire.Sink. Before Start that is the
// replies to earlier requests: a Handler about to wait calls it.
func (r *reply) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.p.Err != nil:
		return r.p.Err
	case r.lost != nil:
		return r.fail(r.lost)
	}
	return r.flush()
}

func (r *reply) flush() error {
	if err := r.c.flush(); err != nil {
		return r.fail(err)
	}
	return nil
}

// End completes the message; see wire.Sink.
func (r *reply) End(trailer *wire.Head) error {
	if err := r.in(stageOpen); err != nil {
		return err
	}
	switch {
	case r.switched():
		r.Abort()
		r.p.Err = errNoHijack
		return errNoHijack
	case r.left > 0:
		r.Abort()
		r.p.Err = errShort
		return errShort
	case r.frame == frameChunks:
		r.c.out = wire.AppendLastChunk(r.c.out, trailer)
	}
	r.stage = stageDone
	return nil
}

// Abort leaves the message incomplete; see wire.Sink.
func (r *reply) Abort() {
	c := r.c
	r.mu.Lock()
	defer r.mu.Unlock()
	stage := r.stage
	if stage > stageOpen {
		return
	}
	r.stage, r.started, r.p.Err = stageBroken, true, errAborted
	if stage == stageFresh {
		return
	}
	c.srv.tally.aborted.Add(1)
	switch {
	case r.frame == frameNone, r.frame == frameLength && r.left == 0:
		// All that was announced is there: keep back what did not go yet.
		c.out = c.out[:r.mark]
		r.how = reset
	case r.frame == frameClose:
		r.how = reset // RFC 9112, 8: an orderly end would be the content's
	}
}

// in returns why r is not in stage s.
func (r *reply) in(s stage) error {
	switch {
	case r.stage == s:
		return nil
	case r.p.Err != nil:
		return r.p.Err
	}
	return errOrder
}

// freshLocked returns why no head can go out now.
func (r *reply) freshLocked() error {
	if r.lost != nil && r.p.Err == nil {
		return r.fail(r.lost)
	}
	return r.in(stageFresh)
}

// fail notes that the client can not be reached any more.
func (r *reply) fail(err error) error {
	if r.p.Err == nil {
		r.p.Err = &wire.Error{Side: wire.Client, Err: err}
		r.c.srv.tally.aborted.Add(1)
		r.c.srv.log().Debug("reply lost", "remote", r.c.remote, "err", err)
	}
	r.stage, r.how = stageBroken, reset
	r.c.out = r.c.out[:0]
	return r.p.Err
}

// apologise answers for a Handler that did not.
func (r *reply) apologise() {
	const text = "no answer was made\n"
	p := r.p
	p.Status, p.Length = 500, int64(len(text))
	p.Fields = append(p.Fields[:0], "Content-Type: text/plain; charset=utf-8\r\n"...)
	if r.Start() == nil {
		_, _ = r.Write([]byte(text))
		_ = r.End(nil)
	}
}

// hasField reports whether block has a field line named name, given in lower
// case.
func hasField(block []byte, name string) bool {
	for len(block) > len(name) {
		if block[len(name)] == ':' && block[0]|0x20 == name[0] && wire.EqualFold(block[:len(name)], name) {
			return true
		}
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			return false
		}
		block = block[end+1:]
	}
	return false
}

var (
	errAborted  = errors.New("reply: aborted")
	errLong     = errors.New("reply: more content than its length")
	errShort    = errors.New("reply: less content than its length")
	errOrder    = errors.New("reply: call out of order")
	errNoHijack = errors.New("reply: switched protocols and was not hijacked")
)
