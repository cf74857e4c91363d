package opencache

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"runtime"
	"sync"
	"time"
	"weak"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

const (
	// pieceMax is how much of the store's memory is copied for a reader at a time.
	pieceMax = 64 << 10
	// lookAfter is how often it is seen whether the store needs what a reader
	// who does not come holds.
	lookAfter = time.Second
	// closeWait is how long Close waits for the end of what was read whole,
	// and for the engine to let go.
	closeWait = 50 * time.Millisecond
)

// A stream is an answer that comes while it is read: the engine's goroutine
// gives, as a wire.Sink, and the reader of the Body takes. Nothing is buffered:
// what is given is lent until it was read, so the engine goes at the reader's
// pace and knows at the end whether all was read. Its life:
//
//	fresh ──▶ started ──▶ ended
//	  └──────────▲───────────▲     ended: by End, by an error, by leaving
//
// RoundTrip waits for started or ended. The reader leaves by Close, by its
// context, or by forgetting the Body: then the engine's next call gets an
// error, and the context of all that it waits for is at its end.
type stream struct {
	c      *client
	r      *http.Request
	v      *errand
	ground ground
	trace  *Trace
	fate   fate
	ctx    context.Context // ends with the client's, and when the reader leaves
	cancel context.CancelCauseFunc
	shut   func() // closes the request's content; nil: it has none

	settled chan struct{} // closed when it is started or ended
	done    chan struct{} // closed when the engine has let go

	mu      sync.Mutex     // guards the fields below
	moved   sync.Cond      // any of them has changed
	resp    *http.Response // until RoundTrip returns it
	trailer weak.Pointer[http.Response]
	lent    []byte // not read yet
	taken   bool   // some was read
	bare    bool   // there is no Body
	started bool
	whole   bool // the engine has given all
	ended   bool
	closed  error // why the reader has left; nil: it has not
	err     error // what ended it; nil: its end
}

var _ wire.Sink = (*stream)(nil)

// exchange answers r by the engine on a goroutine of its own.
func (c *client) exchange(e *engine.Engine, v *errand, r *http.Request, trace *Trace) (*http.Response, error) {
	r = r.WithContext(r.Context()) // who gets an error may use theirs again at once
	s := &stream{c: c, r: r, v: v, trace: trace, settled: make(chan struct{}), done: make(chan struct{})}
	s.moved.L = &s.mu
	s.ctx, s.cancel = context.WithCancelCause(r.Context())
	s.fate.Context = r.Context()
	s.ground.c, s.ground.ctx, s.ground.r, s.ground.policy = c, s.ctx, snapshot(r), c.policy
	s.ground.policy.Upstream, s.ground.policy.Trace = &s.ground, s.engineTrace()
	v.route.Policy, v.reply.Sink = &s.ground.policy, s
	v.req.Watch = func() context.Context { return s.ctx }
	if r.Body != nil && r.Body != http.NoBody {
		s.shut = sync.OnceFunc(func() { _ = r.Body.Close() })
		v.req.Body, v.req.Length = &content{ReadCloser: r.Body, r: r}, r.ContentLength
		if r.ContentLength == 0 {
			v.req.Length = wire.Unknown
		}
	}
	go s.run(e)
	//nolint:staticcheck // deprecated, but http.Client itself sets it when it has a Timeout
	if r.Cancel != nil {
		go s.heed(r.Cancel)
	}
	select {
	case <-s.settled:
	case <-r.Context().Done():
	}
	return s.response()
}

// run is the engine's goroutine.
func (s *stream) run(e *engine.Engine) {
	defer close(s.done)
	defer s.cancel(nil)
	defer context.AfterFunc(s.ctx, s.wake)()
	defer context.AfterFunc(s.c.store.closing(), func() { s.leave(errClosed) })()
	if s.shut != nil { // also who waits for more of it is to see the end of ctx
		defer context.AfterFunc(s.ctx, s.shut)()
	}
	out := e.ServeRoute(&s.v.req, &s.v.reply, &s.v.route)
	if s.shut != nil {
		s.shut()
	}
	err := bare(out.Err)
	if err == nil {
		err = s.v.reply.Err
	}
	s.v.give()
	s.c.visits.Put(s.v)
	s.c.store.leave()
	s.finish(outcomeOf(&out), err)
}

// heed leaves when canceled is closed.
func (s *stream) heed(canceled <-chan struct{}) {
	select {
	case <-canceled:
		s.leave(errCanceled)
	case <-s.done:
	}
}

// finish ends s, unless End did, as the engine's return says.
func (s *stream) finish(out Outcome, err error) {
	s.mu.Lock()
	switch cause := context.Cause(s.ctx); {
	case s.whole:
	case cause != nil:
		s.err = cause
	case err == nil:
		s.err = io.ErrUnexpectedEOF
	default:
		s.err = err
	}
	if s.err != nil {
		out.Err = s.err
	}
	s.fate.set(out)
	s.mu.Unlock()
	s.trace.done(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if !s.started || s.bare {
		close(s.settled)
	}
	s.moved.Broadcast()
}

// engineTrace has the engine say what becomes of the request before its
// answer goes out.
func (s *stream) engineTrace() *engine.Trace {
	t := s.trace.engineTrace()
	if t == nil {
		t = new(engine.Trace)
	}
	t.Began = func(out engine.Outcome) { s.fate.set(outcomeOf(&out)) }
	return t
}

// response returns what RoundTrip does.
func (s *stream) response() (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.started && (s.ended || !s.bare):
		resp := s.resp
		s.resp = nil // else nobody could forget it
		return resp, nil
	case s.ended:
		return nil, s.err
	}
	err := context.Cause(s.r.Context())
	s.leaveLocked(err)
	return nil, err
}

// leave ends the reader's interest.
func (s *stream) leave(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked(why)
}

func (s *stream) leaveLocked(why error) {
	if s.closed == nil {
		s.closed = why
	}
	s.lent = nil
	s.moved.Broadcast()
	s.cancel(why)
}

// wake has who waits see that the context is at its end.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved.Broadcast()
}

// Interim gives an interim response that the cache itself has made to the
// client's httptrace: Base gives those that come from upstream. See wire.Sink.
func (s *stream) Interim(status int, fields []byte) error {
	if t := httptrace.ContextClientTrace(s.r.Context()); t != nil && t.Got1xxResponse != nil && s.ground.live.Load() == nil {
		return t.Got1xxResponse(status, textproto.MIMEHeader(headerOfFields(fields)))
	}
	return nil
}

// Start makes the Response; see wire.Sink.
func (s *stream) Start() error {
	p := &s.v.reply
	resp := &http.Response{
		StatusCode: p.Status, Status: statusText(p.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: headerOfFields(p.Fields), Body: http.NoBody, Request: s.r.WithContext(&s.fate),
	}
	setLength(resp, p.Length, s.r.Method)
	if out := s.fate.outcome(); out.Upstream == p.Status && !engine.Status(out.Status).FromStore() && !out.Collapsed {
		if m := s.ground.live.Load(); m != nil {
			m.dress(resp)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.goneLocked(); err != nil {
		return s.failLocked(err)
	}
	s.resp, s.trailer, s.started = resp, weak.Make(resp), true
	s.bare = s.r.Method == http.MethodHead || !hasContent(p.Status) || p.Length == 0
	if s.bare {
		return nil // all of it is here in a moment
	}
	b := &body{s}
	// Who forgets to close a Body leaves it to the collector.
	runtime.AddCleanup(b, func(s *stream) { s.leave(errForgotten) }, s)
	resp.Body = b
	close(s.settled)
	return nil
}

// Write lends p to the reader until it was read; see wire.Sink.
func (s *stream) Write(p []byte) (int, error) {
	_, err := s.write(p, nil)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// write is Write while a span is held, when it is not nil: if its owner wants
// it back before p was read, what it has is copied to rest and it is released.
func (s *stream) write(p []byte, span *wire.Span) (rest []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bare {
		return nil, nil
	}
	var lost error
	var look *time.Timer
	if span != nil {
		look = time.AfterFunc(lookAfter, s.wake)
		defer look.Stop()
	}
	s.lent = p
	s.moved.Broadcast()
	for len(s.lent) > 0 && s.goneLocked() == nil {
		s.moved.Wait()
		if span == nil || span.Owner == nil {
			continue
		}
		if span.Owner.Pressure() != wire.Keep {
			rest = make([]byte, span.N)
			lost = span.Copy(rest)
			span.Release()
			*span, span = wire.Span{}, nil
		} else {
			look.Reset(lookAfter)
		}
	}
	// Who has read it all may go: the last Write must tell the engine so.
	read := len(s.lent) == 0 && s.closed == nil
	if err := s.goneLocked(); err != nil && !read {
		s.lent = nil
		return nil, s.failLocked(err)
	}
	s.v.reply.Sent += int64(len(p))
	return rest, lost
}

// goneLocked returns why nobody reads any more.
func (s *stream) goneLocked() error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	return s.closed
}

// failLocked has the engine see err.
func (s *stream) failLocked(err error) error {
	if s.v.reply.Err == nil {
		s.v.reply.Err = &wire.Error{Side: wire.Client, Err: err}
	}
	return s.v.reply.Err
}

// Span gives content and releases it; see wire.Sink. What fits is copied at
// once: who reads may never come back. Of more, a piece is copied at a time,
// and the rest when its owner needs the place while the reader is away.
func (s *stream) Span(span wire.Span) error {
	buf := s.c.pieces.Get().(*[]byte)
	defer s.c.pieces.Put(buf)
	for span.N > pieceMax {
		if err := span.Copy(*buf); err != nil {
			span.Release()
			return err // the rest may come from elsewhere
		}
		span = span.Slice(pieceMax, span.N-pieceMax)
		rest, err := s.write(*buf, &span)
		if err != nil {
			span.Release()
			return err
		}
		if rest != nil {
			_, err = s.Write(rest)
			return err
		}
	}
	err := span.Copy((*buf)[:span.N])
	span.Release()
	if err != nil {
		return err
	}
	_, err = s.write((*buf)[:span.N], nil)
	return err
}

// Flush does nothing: nothing is held back. See wire.Sink.
func (s *stream) Flush() error { return nil }

// End completes the answer; see wire.Sink.
func (s *stream) End(trailer *wire.Head) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.v.reply.Err; err != nil {
		return err
	}
	s.whole = true
	resp := s.trailer.Value() //nolint:bodyclose // the Body is this stream's own
	if trailer == nil || resp == nil {
		return nil
	}
	if resp.Trailer == nil {
		resp.Trailer = http.Header{}
	}
	maps.Copy(resp.Trailer, headerOf(trailer))
	return nil
}

// Abort leaves the answer incomplete: finish says why. See wire.Sink.
func (s *stream) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.failLocked(errAborted)
}

// Hijack refuses: a request that switches protocols does not come here.
func (s *stream) Hijack() (io.ReadWriteCloser, error) { return nil, http.ErrNotSupported }

// A body is the Body of a Response that a stream makes.
type body struct{ s *stream }

var _ io.ReadCloser = (*body)(nil)

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.s.read(p)
	runtime.KeepAlive(b)
	return n, err
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.lent) == 0 && !s.ended && s.ctx.Err() == nil && len(p) > 0 {
		s.moved.Wait()
	}
	switch {
	case s.closed == errLeft:
		return 0, http.ErrBodyReadAfterClose
	case len(s.lent) > 0:
		n := copy(p, s.lent)
		s.taken = true
		s.lent = s.lent[n:]
		if len(s.lent) == 0 {
			s.moved.Broadcast()
		}
		return n, nil
	case s.ended && s.err == nil:
		return 0, io.EOF
	case s.ended:
		return 0, s.err
	}
	return 0, context.Cause(s.ctx) // nil when p is empty
}

// Close gives up what was not read. When all was, and only the end is missing,
// it waits a moment for that, so that the response is stored when it returns.
func (b *body) Close() error {
	s := b.s
	s.mu.Lock()
	read := s.taken && len(s.lent) == 0
	s.mu.Unlock()
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	if read {
		select {
		case <-s.done:
		case <-timer.C:
		}
	}
	s.leave(errLeft)
	select {
	case <-s.done:
	case <-timer.C:
	}
	runtime.KeepAlive(b)
	return nil
}

var (
	errLeft      = fmt.Errorf("opencache: the body was closed before its end: %w", context.Canceled)
	errForgotten = fmt.Errorf("opencache: the body was forgotten: %w", context.Canceled)
	errCanceled  = fmt.Errorf("opencache: the request's Cancel was closed: %w", context.Canceled)
	errClosed    = fmt.Errorf("opencache: the store was closed: %w", os.ErrClosed)
)
