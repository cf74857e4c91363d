package origin

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"opencache/internal/wire"
)

// A body is one response and its content. It is not used again, so that a
// second Close, or a look at Status after it, can not meet another exchange.
type body struct {
	c      *conn
	closed atomic.Bool
	resp   wire.Response

	mu  sync.Mutex // held by Read, and by Close to its end; guards c and the fields below
	err error      // what Read has ended with
}

var _ wire.Body = (*body)(nil)

// errUnannounced is for content that ends with its connection where TLS did not
// announce that end: anybody may have cut it.
var errUnannounced = errors.New("the connection ended without a TLS close_notify")

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed.Load():
		return 0, os.ErrClosed
	case b.err != nil:
		return 0, b.err
	}
	n, err := b.c.content.Read(p)
	return n, b.note(err)
}

// SpliceTo moves content into a pipe; see wire.SpliceTo. Only what comes over
// a plain socket, in content of a known length, can be moved.
func (b *body) SpliceTo(p *wire.Pipe) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed.Load():
		return 0, os.ErrClosed
	case b.err != nil:
		return 0, b.err
	case b.c.line == nil:
		return 0, nil
	}
	b.c.line.pipe = p
	n, err := b.c.content.Pass(b.c.moveFunc)
	return n, b.note(err)
}

// note makes err what the exchange's caller gets of it.
func (b *body) note(err error) error {
	c := b.c
	switch {
	case err == nil:
		return nil
	case !ended(err) && b.closed.Load(): // by us, which is no failure of the server's
		err = os.ErrClosed
	case ended(err) && c.gate != nil && c.gate.silent && c.resp.Framing() == wire.UntilClose:
		err = c.u.broken(c.why(errUnannounced, Closed)) // RFC 9112, 9.8
	case !ended(err):
		err = c.u.broken(c.why(err, BodyTimeout))
	}
	b.err = err
	return err
}

// broken reports that content broke off, and tells the Circuit.
func (u *Upstream) broken(err *wire.Error) *wire.Error {
	if u.Circuit != nil && err.Side == wire.Upstream {
		u.Circuit.end(failed, u.now(), false)
	}
	return u.report(err)
}

// ended reports whether a Read returned the end. An error that wraps io.EOF is
// another: of content cut short.
func ended(err error) bool {
	return err == io.EOF
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *body) Ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.closed.Load() && (b.err != nil || b.c.content.Ready())
}

func (b *body) Trailer() *wire.Head {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() || !ended(b.err) {
		return nil
	}
	return b.c.content.Trailer()
}

// Close ends the exchange. The connection is kept when the content was read,
// or has come, to its end.
func (b *body) Close() error {
	if b.closed.Swap(true) {
		b.mu.Lock() // the first Close is done when the second returns
		defer b.mu.Unlock()
		return nil
	}
	alone := b.mu.TryLock()
	if !alone {
		b.c.abort()
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	whole := alone && (ended(b.err) || b.err == nil && b.c.rest())
	// The fields lie in the connection's memory, soon another response's.
	b.resp.Head = wire.Head{}
	b.c.finish(whole)
	return nil
}

// rest reports whether the content not yet read is there, to its end, and
// takes it.
func (c *conn) rest() bool {
	c.deaf = true
	return c.content.Done() || c.content.Discard(int64(len(c.in.Unread())))
}
