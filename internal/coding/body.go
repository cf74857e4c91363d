package coding

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"opencache/internal/wire"
)

// Over returns an upstream whose responses are in the coding that requests
// have alone in Accept-Encoding, where the policy says so.
func (p *Policy) Over(next wire.Exchanger) wire.Exchanger { return &over{p, next} }

type over struct {
	p    *Policy
	next wire.Exchanger
}

var _ wire.Exchanger = (*over)(nil)

// Exchange implements wire.Exchanger.
func (o *over) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	resp, err := o.next.Exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	o.p.Apply(r, resp)
	return resp, nil
}

// Apply makes resp, its head and its content if it has some, what a client gets
// that takes what r says.
func (p *Policy) Apply(r *wire.Request, resp *wire.Response) {
	c := p.asked(r)
	if resp.Status == 304 {
		if c != Identity {
			confirm(r, &resp.Head)
		}
		return
	}
	if !p.fits(resp.Status, &resp.Head, resp.Length) {
		return
	}
	vary(&resp.Head)
	if c == Identity {
		return
	}
	if resp.Body != nil {
		b := &body{p: p, c: c, src: resp.Body, streams: resp.Length == wire.Unknown}
		if b.enc = p.Encoders.take(c, p.Level, &b.out); b.enc == nil {
			return
		}
		resp.Body = b
	}
	code(&resp.Head, c)
	resp.Length = wire.Unknown
}

// A body is content that is compressed while it is read.
type body struct {
	p       *Policy
	c       Coding
	src     wire.Body
	streams bool // it is shown as it comes: nobody said how much there is

	out bytes.Buffer // coded, and not read yet
	err error        // of src, once all before it is in out

	mu      sync.Mutex // guards the fields below
	enc     encoder    // nil: given back
	reading bool
	closed  bool
}

var _ wire.Body = (*body)(nil)

// piece is how much is read of src at a time.
const piece = 32 << 10

var errClosed = errors.New("content was closed")

// Read implements io.Reader.
func (b *body) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !b.begin() {
		return 0, errClosed
	}
	defer b.end()
	for b.out.Len() == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.fill()
	}
	return b.out.Read(p)
}

// fill codes the next piece of src.
func (b *body) fill() {
	pieces := &b.p.Encoders.pieces
	buf, ok := pieces.Get().(*[piece]byte)
	if !ok {
		buf = new([piece]byte)
	}
	defer pieces.Put(buf)
	n, err := b.src.Read(buf[:])
	stats := &b.p.Encoders.Stats
	stats.In.Add(int64(n))
	_, failed := b.enc.Write(buf[:n]) // to memory: it can not fail
	switch {
	case err == io.EOF:
		failed = errors.Join(failed, b.enc.Close())
		b.err = io.EOF
	case err != nil:
		b.err = err
	case b.streams && n > 0 && !wire.Ready(b.src):
		failed = errors.Join(failed, b.enc.Flush())
	}
	if failed != nil {
		b.err = failed
	}
	stats.Out.Add(int64(b.out.Len()))
}

// begin reports whether there is still an encoder, which is not taken away
// until end.
func (b *body) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = !b.closed && (b.enc != nil || b.err != nil)
	return b.reading
}

func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	if b.closed || b.err != nil {
		b.giveLocked()
	}
}

func (b *body) giveLocked() {
	if b.enc != nil {
		b.p.Encoders.give(b.c, b.p.Level, b.enc)
		b.enc = nil
	}
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *body) Ready() bool { return b.out.Len() > 0 || b.err != nil }

// Trailer implements wire.Body.
func (b *body) Trailer() *wire.Head { return b.src.Trailer() }

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.src.Close() // which ends a Read
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if !b.reading {
		b.giveLocked()
	}
	return err
}
