package opencache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"opencache/internal/wire"
)

const (
	// holdMax is how much content is held back before the head goes out,
	// unless next flushes: content up to that gets a length, and a panic
	// behind it can still become another answer.
	holdMax = 4 << 10
	// pipeMax is how far next may be ahead of who reads.
	pipeMax = 64 << 10
	// sniffLen is what http.DetectContentType looks at.
	sniffLen = 512
)

// An exchange is one call of next: the http.ResponseWriter that next has, and
// the content of the response as the engine reads it. Its life:
//
//		held ──▶ out ──▶ returned
//		  └─────────────────▲
//
//	  - held: next runs, its head can still change. Exchange waits.
//	  - out: holdMax was exceeded, or next flushed: the head is the response's
//	    and Exchange returns. next may be pipeMax ahead of Read.
//	  - returned: next has, and err says how: io.EOF when the response is whole.
//
// next's goroutine makes each move. Exchange, when it returns without content
// to read, and Close wait until next has returned: whoever asked is not left
// alone with a handler that still uses what the request was made of.
type exchange struct {
	ctx     context.Context // the engine's; next's ends with it
	cancel  context.CancelFunc
	shared  bool // ctx is not the client's: the answer is for the store
	head    bool // the request is a HEAD
	interim func(int, *wire.Head)
	done    chan struct{} // closed when next has returned, as the last thing

	// next's goroutine's, until ready is closed.
	header   http.Header
	resp     wire.Response
	sniff    bool     // the type of the content is to be guessed
	declared []string // names in Trailer
	ready    chan struct{}

	mu       sync.Mutex // guards the fields below
	moved    sync.Cond  // any of them has changed
	status   int        // 0: no WriteHeader yet
	length   int64      // as announced, Unknown when it was not
	written  int64
	read     int64
	buf      []byte // buf[off:] is written and not read
	off      int
	out      bool
	given    error // not nil: nobody reads any more; next's writes get it
	returned bool
	err      error
	trailer  wire.Head
}

var (
	_ wire.Exchanger      = (*upstream)(nil)
	_ wire.Body           = (*exchange)(nil)
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
	_ io.StringWriter     = (*exchange)(nil)
)

// Exchange has next answer r; see wire.Exchanger.
func (u *upstream) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	x := &exchange{
		ctx: ctx, head: r.Method == wire.HEAD, interim: r.Interim, header: http.Header{},
		shared: ctx.Done() != u.r.Context().Done(),
		done:   make(chan struct{}), ready: make(chan struct{}), length: wire.Unknown,
	}
	x.moved.L = &x.mu
	var of context.Context
	of, x.cancel = context.WithCancel(values{ctx, u.r.Context()})
	go x.run(u, u.request(of, r))
	<-x.ready
	x.mu.Lock()
	failed, bodiless := !x.out, x.bodiless()
	x.mu.Unlock()
	if failed || bodiless {
		<-x.done
		if x.err != io.EOF {
			return nil, x.err
		}
	}
	if !bodiless {
		x.resp.Body = x
	}
	return &x.resp, nil
}

// values is a context with the values of another beside its own.
type values struct {
	context.Context
	of context.Context
}

func (v values) Value(key any) any {
	if own := v.Context.Value(key); own != nil {
		return own
	}
	return v.of.Value(key)
}

// run is the goroutine of next.
func (x *exchange) run(u *upstream, r *http.Request) {
	defer close(x.done)
	defer x.cancel()
	if x.shared {
		// The cache is being closed: a next that only writes learns it so.
		defer context.AfterFunc(x.ctx, func() { x.giveUp(context.Cause(x.ctx)) })()
	}
	returned := false
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			u.h.log.Error("opencache: handler panicked", "method", r.Method, "url", r.URL.String(),
				"panic", p, "stack", string(debug.Stack()))
		}
		x.finish(returned, p)
	}()
	u.h.next.ServeHTTP(x, r)
	returned = true
}

// finish ends the response as next's return, panic or runtime.Goexit says.
func (x *exchange) finish(returned bool, p any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case p != nil:
		x.err = cutShort("handler panicked: %v", p)
	case !returned:
		x.err = cutShort("handler ended its goroutine")
	// A handler that stops because its context ended may look like one that
	// is through. On the client's context nobody else is misled.
	case x.shared && x.ctx.Err() != nil:
		x.err = &wire.Error{Side: wire.Us, Status: http.StatusServiceUnavailable, Err: context.Cause(x.ctx)}
	case x.length > x.written && !x.bodiless():
		x.err = cutShort("handler wrote %d bytes and announced %d", x.written, x.length)
	default:
		x.err = io.EOF
		x.addTrailers()
		x.sendLocked(true)
	}
	x.returned = true
	x.moved.Broadcast()
	if !x.out {
		close(x.ready)
	}
}

func cutShort(format string, args ...any) error {
	return &wire.Error{
		Side: wire.Upstream, Status: http.StatusBadGateway, Sent: true,
		Err: fmt.Errorf(format+": %w", append(args, io.ErrUnexpectedEOF)...),
	}
}

// Header returns the fields to be sent; see http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader fixes the head, or sends an interim one; see
// http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	// net/http panics too. A request that may switch protocols is not here.
	if status < 100 || status > 999 || status == http.StatusSwitchingProtocols {
		panic(fmt.Sprintf("opencache: WriteHeader of %d", status))
	}
	x.mu.Lock()
	interim := status < 200 && x.status == 0
	if status >= 200 {
		x.fixLocked(status)
	}
	x.mu.Unlock()
	if interim && x.interim != nil {
		var h wire.Head
		addFields(&h, x.header)
		x.interim(status, &h)
	}
}

// fixLocked fixes the head, unless it is.
func (x *exchange) fixLocked(status int) {
	if x.status != 0 || x.returned {
		return
	}
	x.status = status
	x.resp.Status, x.resp.Minor = status, 1
	addFields(&x.resp.Head, x.header)
	if lines := x.header["Content-Length"]; len(lines) == 1 {
		if n, err := strconv.ParseUint(lines[0], 10, 63); err == nil {
			x.length = int64(n)
		}
	}
	_, typed := x.header["Content-Type"]
	x.sniff = !typed && x.header.Get("Content-Encoding") == ""
	for _, list := range x.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			x.declared = append(x.declared, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
}

// bodiless reports that no content follows the head (RFC 9110, 6.4.1).
func (x *exchange) bodiless() bool { return x.head || !hasContent(x.status) }

func hasContent(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// Write gives content; see http.ResponseWriter. It waits while too much of
// what was written before is not read.
func (x *exchange) Write(p []byte) (int, error) { return write(x, p) }

// WriteString is Write.
func (x *exchange) WriteString(s string) (int, error) { return write(x, s) }

func write[T ~string | ~[]byte](x *exchange, p T) (n int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fixLocked(http.StatusOK)
	switch {
	case x.returned:
		return 0, http.ErrHandlerTimeout
	case !hasContent(x.status):
		return 0, http.ErrBodyNotAllowed
	case x.length >= 0 && int64(len(p)) > x.length-x.written:
		return 0, http.ErrContentLength
	}
	x.written += int64(len(p))
	if x.head { // what the type is guessed by is kept
		x.buf = append(x.buf, p[:min(len(p), max(sniffLen-len(x.buf), 0))]...)
		return len(p), nil
	}
	for len(p) > 0 && x.given == nil {
		room := pipeMax - (len(x.buf) - x.off)
		if room == 0 {
			x.moved.Wait()
			continue
		}
		k := min(len(p), room)
		if x.off > 0 {
			x.buf, x.off = x.buf[:copy(x.buf, x.buf[x.off:])], 0
		}
		x.buf = append(x.buf, p[:k]...)
		n, p = n+k, p[k:]
		if len(x.buf) > holdMax {
			x.sendLocked(false)
		}
		x.moved.Broadcast()
	}
	return n, x.given
}

// Flush sends the head and what was written so far; see http.Flusher.
func (x *exchange) Flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sendLocked(false)
}

// sendLocked lets the head out, unless it is. last says that no more content
// comes, so that its length is known.
func (x *exchange) sendLocked(last bool) {
	if x.out || x.returned {
		return
	}
	x.fixLocked(http.StatusOK)
	x.out = true
	switch {
	case x.status == http.StatusNoContent:
		x.length = 0
	case x.status == http.StatusNotModified:
	// As net/http counts what fits in its buffer. That a HEAD leaves
	// content unwritten says nothing of what GET would have.
	case last && x.length < 0 && len(x.declared) == 0 && (!x.head || x.written > 0 && x.written <= holdMax):
		x.length = x.written
	}
	if x.sniff && len(x.buf) > 0 {
		x.resp.Add(wire.ContentType, []byte(http.DetectContentType(x.buf)))
	}
	x.resp.Length = x.length
	close(x.ready)
}

// addTrailers takes the trailer fields from the header: those declared before
// the head, and those that http.TrailerPrefix marks.
func (x *exchange) addTrailers() {
	fields := http.Header{}
	for _, name := range x.declared {
		if values := x.header[name]; values != nil {
			fields[name] = values
		}
	}
	for name, values := range x.header {
		if bare, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			fields[http.CanonicalHeaderKey(bare)] = values
		}
	}
	addFields(&x.trailer, fields)
}

// Read gives content to the engine; see wire.Body.
func (x *exchange) Read(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.off == len(x.buf) && !x.returned && x.given == nil {
		x.moved.Wait()
	}
	switch {
	case x.given != nil:
		return 0, x.given
	case x.off == len(x.buf):
		return 0, x.err
	}
	n := copy(p, x.buf[x.off:])
	x.off += n
	x.read += int64(n)
	if x.off == len(x.buf) {
		x.buf, x.off = x.buf[:0], 0
	}
	x.moved.Broadcast()
	return n, nil
}

// Trailer returns the trailer fields; see wire.Body.
func (x *exchange) Trailer() *wire.Head {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != io.EOF || x.off < len(x.buf) || x.trailer.Len() == 0 {
		return nil
	}
	return &x.trailer
}

// Close gives up the rest and waits for next; see wire.Body. The context of a
// next that has written all it announced goes on.
func (x *exchange) Close() error {
	x.mu.Lock()
	whole := x.returned || x.length >= 0 && x.read == x.length
	x.mu.Unlock()
	x.giveUp(errUnread)
	if !whole {
		x.cancel()
	}
	<-x.done
	return nil
}

// giveUp makes next's writes and the engine's reads return err.
func (x *exchange) giveUp(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.given == nil && !x.returned {
		x.given = err
		x.moved.Broadcast()
	}
}

var errUnread = fmt.Errorf("opencache: nobody reads the answer any more: %w", context.Canceled)
