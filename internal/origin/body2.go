package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// A bodyTwo is a response of HTTP/2 and its content.
type bodyTwo struct {
	x      *exchange2
	ctx    context.Context // of the exchange
	from   *http.Response
	resp   wire.Response
	closed atomic.Bool

	mu  sync.Mutex // held by Read, and by Trailer; guards the field below
	err error      // what Read has ended with
}

var _ wire.Body = (*bodyTwo)(nil)

func (b *bodyTwo) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed.Load():
		return 0, os.ErrClosed
	case b.err != nil:
		return 0, b.err
	}
	b.x.expect(BodyTimeout, b.x.u.bodyTimeout())
	n, err := b.from.Body.Read(p)
	b.x.pause()
	switch {
	case err == nil:
		return n, nil
	case ended(err):
		b.err = io.EOF
	case b.closed.Load():
		b.err = os.ErrClosed
	default:
		b.err = b.x.u.broken(b.x.why(b.ctx, err))
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// hopTrailers are fields that no trailer may hold (RFC 9110, 6.5.1; RFC 9113, 8.2.2).
var hopTrailers = wire.NamesOf(wire.Host, wire.Connection, wire.ContentLength, wire.TransferEncoding, wire.Upgrade, wire.KeepAlive,
	wire.ProxyConnection, wire.TE, wire.Trailer, wire.Expect)

func (b *bodyTwo) Trailer() *wire.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() || !ended(b.err) {
		return nil
	}
	var h *wire.Head
	for name, values := range b.from.Trailer {
		if id := wire.Lookup(name); id != wire.Other && hopTrailers.Has(id) {
			continue
		}
		for _, value := range values {
			if h == nil {
				h = new(wire.Head)
			}
			h.AddNamed(name, []byte(value))
		}
	}
	return h
}

// Close ends the exchange; the server is told when there is more.
func (b *bodyTwo) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	b.x.cancelRead()
	_ = b.from.Body.Close()
	b.x.end()
	return nil
}

// cancelRead makes a Read return that waits for the server.
func (x *exchange2) cancelRead() { x.cancel(os.ErrClosed) }

// An upload is the content of a request on its way.
type upload struct {
	x       *exchange2
	left    int64         // below 0: as much as comes
	trailer http.Header   // filled at the end; nil: none is sent
	go100   chan struct{} // closed by permit; nil: send at once
	once    sync.Once
	quit    chan struct{} // closed by Close
	gone    sync.Once

	reading sync.Mutex // held by Read
	failed  atomic.Pointer[wire.Error]
}

// permit ends the wait for 100 (Continue).
func (l *upload) permit() {
	if l.go100 != nil {
		l.once.Do(func() { close(l.go100) })
	}
}

func (l *upload) fault() *wire.Error { return l.failed.Load() }

// Read implements io.Reader for package http2. While the client is waited for
// the server has all the time.
func (l *upload) Read(p []byte) (int, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.x.pauseUnlessAnswered()
	if err := l.wait(); err != nil {
		return 0, err
	}
	if l.left >= 0 {
		p = p[:min(int64(len(p)), l.left)]
	}
	if len(p) == 0 {
		l.x.expectUnlessAnswered(HeadTimeout, l.x.u.headTimeout())
		return 0, io.EOF
	}
	n, err := l.x.r.Body.Read(p)
	if l.left > 0 {
		l.left -= int64(n)
	}
	switch {
	case ended(err) && l.left > 0:
		return n, l.fail(fmt.Errorf("%w, %d of %d bytes missing", io.ErrUnexpectedEOF, l.left, l.x.r.Length))
	case ended(err), l.left == 0:
		l.end()
		return n, io.EOF
	case err != nil:
		return n, l.fail(err)
	}
	l.x.expectUnlessAnswered(BodyTimeout, l.x.u.bodyTimeout())
	return n, nil
}

// wait waits for 100 (Continue) where that was promised (RFC 9110, 10.1.1).
func (l *upload) wait() error {
	select {
	case <-l.quit:
		return os.ErrClosed
	default:
	}
	if l.go100 == nil {
		return nil
	}
	wait := l.x.u.ContinueTimeout
	if wait == 0 {
		wait = time.Second
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.quit:
		return os.ErrClosed
	case <-l.go100:
	case <-timer.C:
		if l.x.hasAnswer() { // and the content is not wanted
			<-l.quit
			return os.ErrClosed
		}
	}
	l.permit()
	return nil
}

// end is called when all was read.
func (l *upload) end() {
	if t := l.x.r.Body.Trailer(); t != nil && l.trailer != nil {
		for i := range t.Len() {
			if id, name, value, ok := t.At(i); ok && (id == wire.Other || !hopTrailers.Has(id)) {
				key := http.CanonicalHeaderKey(string(name))
				l.trailer[key] = append(l.trailer[key], string(value))
			}
		}
	}
	l.x.expectUnlessAnswered(HeadTimeout, l.x.u.headTimeout())
}

// fail is the error for content that the client did not deliver.
func (l *upload) fail(err error) error {
	e := &wire.Error{Side: wire.Client, Status: 400, Sent: true}
	var known *wire.Error
	if errors.As(err, &known) {
		e.Side, e.Status = known.Side, known.Status
	}
	e.Err = fmt.Errorf("origin %s: %w: %w", l.x.u.Addr, Content, err)
	l.failed.Store(e)
	return e
}

// Close gives up the rest, and makes a Read return.
func (l *upload) Close() error {
	l.gone.Do(func() { close(l.quit) })
	if !l.reading.TryLock() {
		_ = l.x.r.Body.Close()
		l.reading.Lock()
	}
	l.reading.Unlock()
	return nil
}

// pauseUnlessAnswered ends the wait for the server, while its answer is not
// being read.
func (x *exchange2) pauseUnlessAnswered() {
	if !x.hasAnswer() {
		x.pause()
	}
}

func (x *exchange2) expectUnlessAnswered(late Fault, wait time.Duration) {
	if !x.hasAnswer() {
		x.expect(late, wait)
	}
}
