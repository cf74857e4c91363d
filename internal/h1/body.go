package h1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// A body is the content of the request at hand as the Handler sees it. Read
// may run on another goroutine than the Handler's; Close and what the reply
// asks may come at any time.
type body struct {
	c       *conn
	content wire.Content
	absent  bool        // the request has none
	closed  atomic.Bool // no further Read
	whole   atomic.Bool // all was read: the connection is at the next request
	bad     atomic.Bool // it ended in an error
	left    atomic.Int64

	mu     sync.Mutex // held by Read; guards the fields below
	got    int64      // bytes read off the connection
	waited time.Duration
}

var _ wire.Body = (*body)(nil)

// none makes b the content of a request without.
func (b *body) none() {
	b.absent = true
	b.closed.Store(true)
	b.whole.Store(true)
}

// reset makes b the content of a request, framed as f.
func (b *body) reset(f wire.Framing) {
	b.content.Reset(&b.c.in, f, b.c.srv.o.limits)
	b.content.Of = &b.c.req.Head
	if b.c.reply.expect == expectAwaited {
		b.content.Before = b.c.reply.before
	}
	b.absent = false
	b.closed.Store(false)
	b.whole.Store(false)
	b.bad.Store(false)
	b.left.Store(int64(f))
	b.got, b.waited = 0, 0
}

// Read fills p with content; see wire.Body.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole.Load() {
		return 0, io.EOF
	}
	if b.closed.Load() {
		return 0, os.ErrClosed
	}
	n, err := b.content.Read(p)
	if most := b.c.srv.o.content; most > 0 && b.content.TotalRead() > most {
		if !b.bad.Swap(true) { // chunked: only now is it known
			b.c.reached(limitContent)
		}
		return 0, &wire.Error{Side: wire.Client, Status: 413, Err: errLargeContent}
	}
	if left := b.left.Load(); left > 0 {
		b.left.Store(left - int64(n))
	}
	if b.content.Done() {
		b.whole.Store(true)
		b.c.watcher.contentRead()
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if b.closed.Load() {
		return n, os.ErrClosed
	}
	b.bad.Store(true)
	var broken *net.OpError
	switch {
	case errors.Is(err, errPace):
		b.c.reached(limitSlowSender)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.c.reached(limitBody)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		b.c.watcher.gone()
	}
	return n, err
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *body) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.absent && !b.closed.Load() && b.content.Ready()
}

// Trailer returns the trailer fields; see wire.Body.
func (b *body) Trailer() *wire.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.whole.Load() {
		return nil
	}
	return b.content.Trailer()
}

// Close makes a Read in progress return and others fail.
func (b *body) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	if b.mu.TryLock() {
		b.mu.Unlock()
		return nil
	}
	// What is read here and now may be lost, and with it the connection:
	// settle finds out.
	b.c.rd.stop()
	return nil
}

// end ends reading for this request, waits for a Read in progress, and returns
// whether all content was read.
func (b *body) end() bool {
	if b.absent {
		return true
	}
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c.rd.isStopped() {
		b.c.rd.resume()
	}
	return b.whole.Load()
}

// over reports that the connection can not go on behind this content: it
// ended in an error, or more is to come than would be dropped.
func (b *body) over() bool {
	return !b.whole.Load() && (b.bad.Load() || b.left.Load() > b.c.srv.o.drain)
}

// pace judges the client as a sender after it took d for n bytes. Its caller
// is within Read or has ended it.
func (b *body) pace(n int, d time.Duration) error {
	b.got += int64(n)
	b.waited += d
	if b.waited > grace && tooSlow(b.got, b.waited, b.c.srv.o.rate) {
		return fmt.Errorf("%w: %d bytes in %s", errPace, b.got, b.waited.Round(time.Millisecond))
	}
	return nil
}

// tooSlow reports whether n bytes in d are fewer than rate bytes a second.
func tooSlow(n int64, d time.Duration, rate int64) bool {
	return rate > 0 && float64(n) < d.Seconds()*float64(rate)
}

// errPace is a timeout to the Content: the client gets 408.
var errPace = fmt.Errorf("client slower than the minimum rate: %w", os.ErrDeadlineExceeded)
