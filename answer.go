package opencache

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"opencache/internal/wire"
)

// The stages of an answer. Start moves it from fresh to open, End to ended,
// and any error to broken.
type stage uint8

const (
	fresh  stage = iota // no final head yet
	open                // content comes
	ended               // complete
	broken              // will never be complete
)

// An answer is a http.ResponseWriter as the engine writes to it.
type answer struct {
	reply   *wire.Reply
	pieces  *sync.Pool // *[]byte, for Span
	w       http.ResponseWriter
	control *http.ResponseController
	old     bool  // the client speaks HTTP/1.0
	head    bool  // the request is a HEAD
	bare    bool  // no content follows the head; what is written is dropped
	left    int64 // content still to come, negative when only End tells
	stage   stage
}

var _ wire.Sink = (*answer)(nil)

func (a *answer) begin(w http.ResponseWriter, r *http.Request) {
	a.w, a.control = w, http.NewResponseController(w)
	a.old, a.head = !r.ProtoAtLeast(1, 1), r.Method == http.MethodHead
	a.reply.Sink = a
}

// Interim sends an interim response with fields and with what handlers further
// out have set; see wire.Sink.
func (a *answer) Interim(status int, fields []byte) error {
	if err := a.in(fresh); err != nil || a.old { // RFC 9110, 15.2
		return err
	}
	h := a.w.Header()
	kept := maps.Clone(h)
	for name, values := range kept {
		h[name] = values[:len(values):len(values)] // adding must not write behind them
	}
	setFields(h, fields)
	a.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, kept)
	return nil
}

// Start fixes the head; see wire.Sink.
func (a *answer) Start() error {
	if err := a.in(fresh); err != nil {
		return err
	}
	p := a.reply
	h := a.w.Header()
	setFields(h, p.Fields)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess, for a range from its middle
	}
	a.left = p.Length
	a.bare = a.head || p.Status == http.StatusNotModified || p.Status == http.StatusNoContent
	if p.Length >= 0 && p.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.FormatInt(p.Length, 10))
	}
	a.w.WriteHeader(p.Status)
	a.stage = open
	if a.left < 0 && !a.bare {
		return a.Flush() // a stream: its head is to be seen before its content
	}
	return nil
}

// Write gives content; see wire.Sink.
func (a *answer) Write(p []byte) (int, error) {
	switch err := a.in(open); {
	case err != nil:
		return 0, err
	case a.bare:
		return len(p), nil
	case a.left >= 0 && int64(len(p)) > a.left:
		return 0, a.fail(errLong)
	}
	n, err := a.w.Write(p)
	a.reply.Sent += int64(n)
	if a.left >= 0 {
		a.left -= int64(n)
	}
	if err != nil {
		return n, a.fail(&wire.Error{Side: wire.Client, Err: err})
	}
	return n, nil
}

// Span gives content and releases it; see wire.Sink. It goes through a buffer,
// so that the last piece of it is on its way without the loan, and an owner
// that is short of memory gets it back between two pieces.
func (a *answer) Span(s wire.Span) error {
	buf := a.pieces.Get().(*[]byte)
	defer a.pieces.Put(buf)
	for s.N > 0 {
		if s.Owner != nil && s.Owner.Pressure() == wire.Yield {
			s.Release()
			return a.fail(errSlow)
		}
		n := min(s.N, len(*buf))
		if err := s.Copy((*buf)[:n]); err != nil {
			s.Release()
			return err // the rest may come from elsewhere
		}
		if n == s.N {
			s.Release()
			s = wire.Span{}
		} else {
			s = s.Slice(n, s.N-n)
		}
		if _, err := a.Write((*buf)[:n]); err != nil {
			s.Release()
			return err
		}
	}
	s.Release()
	return nil
}

// Flush sends what is buffered, where w can do that; see wire.Sink.
func (a *answer) Flush() error {
	switch a.stage {
	case broken:
		return a.reply.Err
	case fresh: // nothing is buffered, and w would make up a head
		return nil
	}
	if err := a.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return a.fail(&wire.Error{Side: wire.Client, Err: err})
	}
	return nil
}

// End completes the answer; see wire.Sink.
func (a *answer) End(trailer *wire.Head) error {
	if err := a.in(open); err != nil {
		return err
	}
	if a.left > 0 && !a.bare {
		return a.fail(errShort)
	}
	a.stage = ended
	if trailer != nil {
		h := a.w.Header()
		for name, values := range headerOf(trailer) {
			h[http.TrailerPrefix+name] = values
		}
	}
	return nil
}

// Abort leaves the answer incomplete: ServeHTTP sees to it when the engine has
// returned. See wire.Sink.
func (a *answer) Abort() {
	if a.stage < ended {
		_ = a.fail(errAborted)
	}
}

// Hijack refuses: a request that switches protocols does not come here.
func (a *answer) Hijack() (io.ReadWriteCloser, error) { return nil, http.ErrNotSupported }

// in returns why the answer is not in stage s.
func (a *answer) in(s stage) error {
	switch {
	case a.stage == s:
		return nil
	case a.reply.Err != nil:
		return a.reply.Err
	}
	return errOrder
}

func (a *answer) fail(err error) error {
	if a.reply.Err == nil {
		a.reply.Err = err
	}
	a.stage = broken
	return err
}

var (
	errAborted = errors.New("answer: aborted")
	errLong    = errors.New("answer: more content than its length")
	errShort   = errors.New("answer: less content than its length")
	errSlow    = errors.New("answer: the client is too slow for the memory it holds")
	errOrder   = errors.New("answer: call out of order")
)
