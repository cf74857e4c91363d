package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// Resumed content is that of an answer to a GET which, where the upstream cuts
// it short, goes on with the rest: asked for as a range, under the strong
// validator that the answer had, so that no byte is another content's (RFC
// 9110, 14.2 and 13.1.5). Where that can not be had, content cut short stays so.
//
// It lives in a call or a fetch, which make one exchange after the other. The
// fields of its response are there until it is closed, as without it.
type resumed struct {
	e    *Engine
	ctx  context.Context // of the exchange
	pol  *Policy
	req  *wire.Request // which was sent
	resp *wire.Response

	asked, answered time.Time // of the exchange: a date is a validator by its age

	read  int64        // bytes of content that came
	moved bool         // some of them since the present answer began
	tries int          // how often the rest was asked for
	times atomic.Int32 // how often it came
	ended error        // what Read has ended with
	rest

	mu     sync.Mutex // guards the fields below
	body   wire.Body  // of the present answer; its reader may look at it without mu
	stop   func()     // ends the context of the present answer; nil: it is not resumed
	closed bool
}

// A rest is what of content is asked for when it is cut short.
type rest struct {
	tag    []byte // the strong validator
	coding []byte // the Content-Encoding
	first  int64  // where the first answer's content begins in the whole
	end    int64  // and where it ends; Unknown: with the whole, whose length is not known
	length int64  // of the whole, or Unknown
}

var _ wire.Body = (*resumed)(nil)

// maxResumes is what Policy.Resumes is by default.
const maxResumes = 3

func (p *Policy) resumes() int {
	if p.Resumes == 0 {
		return maxResumes
	}
	return p.Resumes
}

// over puts b between resp and its content. asked and answered are when its
// exchange was made.
func (b *resumed) over(resp *wire.Response, asked, answered time.Time) {
	b.times.Store(0)
	if resp.Body == nil {
		return
	}
	b.resp, b.asked, b.answered = resp, asked, answered
	b.read, b.moved, b.tries, b.ended, b.rest = 0, true, 0, nil, rest{}
	b.mu.Lock()
	b.body, b.stop, b.closed = resp.Body, nil, false
	b.mu.Unlock()
	resp.Body = b
}

func (b *resumed) Read(p []byte) (int, error) {
	for b.ended == nil {
		if b.again() && len(p) > 0 {
			p = p[:min(int64(len(p)), b.end-b.first-b.read)]
		}
		n, err := b.body.Read(p)
		if n, err, ok := b.settle(n, err); ok {
			return n, err
		}
	}
	return 0, b.ended
}

// SpliceTo moves content into a pipe; see wire.SpliceTo.
func (b *resumed) SpliceTo(p *wire.Pipe) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	n, err := wire.SpliceTo(b.body, p)
	n, err, _ = b.settle(n, err)
	return n, err
}

// settle notes what a read of the present answer gave. It reports false when
// there is another to be read now.
func (b *resumed) settle(n int, err error) (int, error, bool) {
	b.read += int64(n)
	b.moved = b.moved || n > 0
	switch {
	case b.again() && b.first+b.read >= b.end:
		b.ended, err = io.EOF, nil
		return n, err, n > 0
	case err == nil, n > 0: // an error comes again
		return n, nil, true
	case err == io.EOF && b.tries == 0:
	case err == io.EOF:
		err = errShortPart
		fallthrough
	default:
		if b.resume(err) {
			return 0, nil, false
		}
	}
	b.ended = err
	return 0, err, true
}

// again reports whether the present answer is one that was asked for in place of
// the first: then its end is known.
func (b *resumed) again() bool { return b.tries > 0 }

var errShortPart = &wire.Error{Side: wire.Upstream, Status: 502, Err: fmt.Errorf("%w: a part ended before its last byte: %w", origin.Cut, io.ErrUnexpectedEOF)}

// resume asks for what is missing since err. It reports whether it comes.
func (b *resumed) resume(err error) bool {
	if !cutShort(err) || b.ctx.Err() != nil {
		return false
	}
	if b.tries >= b.pol.resumes() || !b.moved || b.tries == 0 && !b.begin() || b.end >= 0 && b.first+b.read >= b.end {
		b.e.Stats.Cut.Add(1)
		return false
	}
	b.tries++
	b.moved = false
	b.free()
	if resp, stop := b.ask(); resp != nil && b.take(resp.Body, stop) {
		b.times.Add(1)
		b.e.Stats.Resumed.Add(1)
		return true
	}
	b.e.Stats.Cut.Add(1)
	return false
}

// cutShort reports whether err is content that did not come to its end by the
// upstream's doing. What came is right as far as it goes, which is not said of
// an upstream that breaks the protocol.
func cutShort(err error) bool {
	var side *wire.Error
	var fault origin.Fault
	switch {
	case errors.As(err, &side) && side.Side != wire.Upstream:
		return false
	case errors.As(err, &fault) && fault == origin.BadResponse:
		return false
	}
	return !errors.Is(err, os.ErrClosed) && !errors.Is(err, context.Canceled)
}

// begin reads from the first answer what the rest is asked for by. It reports
// false when the answer can not be resumed.
func (b *resumed) begin() bool {
	resp := b.resp
	if b.req.Method != wire.GET || b.req.Length != 0 || resp.Status != 200 && resp.Status != 206 ||
		wire.EqualFold(resp.Get(wire.AcceptRanges), "none") || resp.Count(wire.ETag) > 1 {
		return false
	}
	var h storedHead
	h.digest(resp, b.asked, b.answered, b.pol)
	b.tag = slices.Clone(h.strongValidator())
	b.coding = appendCodings(nil, resp)
	b.first, b.end, b.length = 0, resp.Length, resp.Length
	if resp.Status == 206 {
		p, length, ok := partOf(resp)
		if !ok {
			return false
		}
		b.first, b.end, b.length = p.First, p.Last+1, length
	}
	return len(b.tag) > 0
}

// appendCodings appends all that a response says of how its content is coded.
func appendCodings(dst []byte, resp *wire.Response) []byte {
	for value := range resp.Values("Content-Encoding") {
		dst = append(append(dst, value...), ',')
	}
	return dst
}

// free lets the connection of the answer that was cut go, but keeps the fields
// of the first: whoever hands it on may not have read them.
func (b *resumed) free() {
	b.mu.Lock()
	body, stop := b.body, b.stop
	b.stop = nil
	b.mu.Unlock()
	if b.tries == 1 {
		var own wire.Head
		own.CopyFrom(&b.resp.Head)
		defer func() { b.resp.Head = own }()
	}
	_ = body.Close()
	if stop != nil {
		stop()
	}
}

// ask asks for the rest; nil when it can not be had. stop is to be called when
// the response is done with.
func (b *resumed) ask() (resp *wire.Response, stop func()) {
	var r wire.Request
	r.CopyFrom(b.req)
	r.Attempts, r.Trailers = nil, false // those of a part are not those of the whole
	for _, name := range conditions {
		r.Del(name)
	}
	p := rfc9111.Part{First: b.first + b.read, Last: b.end - 1}
	if b.end < 0 {
		r.Add(wire.Range, fmt.Appendf(nil, "bytes=%d-", p.First))
	} else {
		r.Add(wire.Range, rangeOf(p))
	}
	r.Add(wire.IfRange, b.tag)
	ctx, stop := context.WithCancel(b.ctx)
	b.mu.Lock()
	b.stop = stop // for a Close while the answer is waited for
	closed := b.closed
	b.mu.Unlock()
	if closed {
		stop()
		return nil, nil
	}
	resp, err := b.pol.Upstream.Exchange(ctx, &r)
	if err == nil && b.fits(resp, p) {
		return resp, stop
	}
	if err == nil {
		closeBody(resp)
	}
	stop()
	return nil, nil
}

// fits reports whether resp is the rest, p, of the same content, coded alike.
func (b *resumed) fits(resp *wire.Response, p rfc9111.Part) bool {
	dropUnreadable(resp)
	got, length, ok := partOf(resp)
	if b.end < 0 && ok && got.Last == length-1 {
		p.Last = got.Last
	}
	validator := wire.ETag
	if b.tag[0] != '"' {
		validator = wire.LastModified
	}
	if resp.Status != 206 || !ok || got != p || b.length >= 0 && length != b.length || resp.Count(validator) != 1 ||
		!bytes.Equal(resp.Get(validator), b.tag) || !bytes.Equal(appendCodings(nil, resp), b.coding) {
		return false
	}
	b.end, b.length = p.Last+1, length
	return true
}

// take makes body the present answer's, unless b was closed meanwhile.
func (b *resumed) take(body wire.Body, stop func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = body.Close()
		stop()
		return false
	}
	b.body, b.stop = body, stop
	return true
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *resumed) Ready() bool { return b.ended != nil || wire.Ready(b.body) }

// Trailer returns the trailer of an answer that came whole. A part's says
// nothing of the whole.
func (b *resumed) Trailer() *wire.Head {
	if b.again() {
		return nil
	}
	return b.body.Trailer()
}

func (b *resumed) Close() error {
	b.mu.Lock()
	body, stop := b.body, b.stop
	b.closed = true
	b.mu.Unlock()
	if stop != nil {
		defer stop()
	}
	return body.Close()
}
