package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// pass hands the request to the upstream and its response to this client
// alone. It runs on the client's context.
func (c *call) pass(fwd Forward, why Reason) {
	e := c.e
	e.Stats.Passes.Add(1)
	c.pol.Trace.fetch(fwd, why)
	c.out.Status, c.out.Forward, c.out.Why = Bypass, fwd, why
	if why == WasHitForMiss || why == LockTimedOut || fwd == ForURIMiss || fwd == ForVaryMiss || fwd == ForPartial || fwd == ForStale {
		c.out.Status = Miss // the cache was asked
	}
	c.out.Collapsed, c.out.Stored, c.out.Upstream = false, false, 0
	c.send.CopyFrom(c.r)
	c.send.Body, c.send.Upgrade = c.r.Body, c.r.Upgrade && why == TunnelAsked
	c.send.Interim = c.interim
	c.outfit(&c.send)
	switch {
	case c.query.err != nil && c.query.err != io.EOF:
		c.out.Why = reasonOf(c.query.err)
		c.fail(c.query.err)
		return
	case c.query.asked:
		c.anew(&c.send)
	case len(c.query.content) > 0:
		c.send.Body, c.send.Continue = c.query.body(c.r.Body), false // it was promised already
	case c.r.Body != nil && wire.Ready(c.r.Body):
		buf := e.buffers.Get().(*[]byte)
		defer e.buffers.Put(buf)
		n, err := c.r.Body.Read(*buf)
		if err != nil && err != io.EOF {
			c.out.Why = reasonOf(err)
			c.fail(err)
			return
		}
		c.send.Body = &begun{Body: c.r.Body, head: (*buf)[:n], err: err}
	}
	resp, err := c.exchange()
	if c.standIn(resp, err) {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	if c.r.Method == wire.POST && !c.noStore && c.settlePosted(resp) {
		return
	}
	c.afterUnsafe(resp)
	if fwd != ForBypass && !c.noStore {
		c.afterHead(resp)
		c.afterNotModified(resp)
	}
	c.relay(resp)
}

// standIn answers with what is stored and stale, if anything, where the
// upstream failed this request alone and the rules allow it.
func (c *call) standIn(resp *wire.Response, err error) bool {
	if c.spare == nil || err == nil && !c.pol.Rules.HeedsStatus(resp.Status) {
		return false
	}
	why := c.out.Why
	if err == nil {
		c.out.Why = OriginStatus
	}
	if !c.serveStale(c.spare) {
		c.out.Why = why
		return false
	}
	if err == nil {
		closeBody(resp)
	}
	return true
}

// exchange sends c.send on the client's context and notes in c.out what came
// of it.
func (c *call) exchange() (*wire.Response, error) {
	c.asked, c.seq = c.e.now(), c.e.store.Seq()
	_ = c.p.Flush()             // what earlier requests' replies hold back; a client that is gone shows at Start
	tried := new(wire.Attempts) // it outlives the call, with the Outcome
	c.send.Attempts, c.out.Attempts = tried, tried
	resp, err := c.pol.Upstream.Exchange(c.patron.of(c.r), &c.send)
	c.send.Attempts = nil
	c.now = c.e.now()
	c.out.Waited = c.now.Sub(c.asked)
	if err != nil {
		c.out.Why, c.out.Err = reasonOf(err), err
		return nil, err
	}
	c.out.Upstream = resp.Status
	dropUnreadable(resp)
	c.mayResume(resp, c.asked)
	c.tagged = c.e.takeTags(c.pol, c.key[:c.origin], resp)
	return resp, nil
}

// begun is content whose beginning was read already: what came with the head
// is looked at before the upstream hears of the request, so that one that is
// plainly malformed never gets there.
type begun struct {
	wire.Body
	head []byte
	err  error // what came behind head
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.Body.Read(p)
}

// passInterim passes an interim response on; 100 is for one connection only,
// and h1 answers Expect itself.
func (c *call) passInterim(status int, h *wire.Head) {
	if status != 100 {
		_ = c.p.Interim(status, h.AppendFields(nil, wire.NameSet{})) // a client that is gone shows at Start
	}
}

// relay gives a response to this client and closes it.
func (c *call) relay(resp *wire.Response) {
	defer closeBody(resp)
	p := c.p
	p.Status, p.Length = resp.Status, resp.Length
	drop := notPassed
	if c.pol.Hidden {
		drop = wire.NameSet{}
	}
	p.Fields = resp.AppendFields(p.Fields, drop)
	c.names = resp.Names()
	c.own = !c.tells(resp)
	if resp.Status == 101 {
		c.tunnel(resp)
		return
	}
	if resp.Status == 426 && resp.Protocol() != nil { // it says by which protocol to ask (RFC 9110, 15.5.22)
		p.Fields = wire.AppendField(p.Fields, wire.Upgrade, resp.Protocol())
		p.Fields = wire.AppendField(p.Fields, wire.Connection, "Upgrade")
	}
	c.tellRelayed()
	c.begin()
	if resp.Body == nil || c.r.Method == wire.HEAD {
		c.end(nil)
		return
	}
	if !wire.Ready(resp.Body) {
		_ = c.p.Flush() // the head is to be seen while the content is waited for
	}
	c.copyBody(resp.Body, resp.Length)
}

// hasAlready reports whether resp is what the client has, by the conditions
// that f did not pass on because its answer might have been for everybody (RFC
// 9110, 13.2.2).
func (c *call) hasAlready(f *fetch, resp *wire.Response) bool {
	return resp.Status == 200 && c.ask.Conditional() &&
		rfc9111.Select(&f.head.facts, &c.ask, resp.Length).Status == 304
}

// relayNotModified tells the client that it has what resp brings.
func (c *call) relayNotModified(resp *wire.Response) {
	defer closeBody(resp)
	c.p.Status, c.p.Length = 304, wire.Unknown
	c.p.Fields = resp.AppendFields(c.p.Fields, notPassed.Union(notIn304))
	c.names = resp.Names()
	c.own = !c.tells(resp)
	c.tellRelayed()
	c.begin()
	c.end(nil)
}

// tellRelayed settles what became of a request whose answer is its own.
func (c *call) tellRelayed() {
	c.out.Stored = false
	if c.out.Status == NoStatus {
		c.out.Status = c.out.missed(c.out.Forward == ForStale)
	}
}

// copyBody copies what comes next of the content, left bytes or (Unknown) to
// its end, to the client and ends the answer with the trailer.
func (c *call) copyBody(body wire.Body, left int64) {
	defer c.tellResumed(body)
	if c.copyContent(body, body, left) {
		c.end(body.Trailer())
	}
}

// mayResume has the content of resp, which answers c.send, resumed where the
// upstream cuts it short.
func (c *call) mayResume(resp *wire.Response, asked time.Time) {
	b := &c.content
	b.e, b.ctx, b.pol, b.req = c.e, &c.patron, c.pol, &c.send
	b.over(resp, asked, c.now)
}

// tellResumed notes how often content was, for the log.
func (c *call) tellResumed(content wire.Body) {
	b, ok := content.(*resumed)
	if !ok {
		return
	}
	n := int(b.times.Load())
	c.out.Resumed = max(c.out.Resumed, n)
	if n > 0 && c.out.Why == 0 {
		c.out.Why = ContentResumed
	}
}

// copyContent copies what comes next of the content, left bytes or (Unknown)
// to its end, to the client. Content cut short is left cut short: false. body
// is from where that is a whole one.
func (c *call) copyContent(from io.Reader, body wire.Body, left int64) bool {
	buf := c.e.buffers.Get().(*[]byte)
	defer c.e.buffers.Put(buf)
	known := left >= 0
	var pipe *wire.Pipe
	if left >= spliceMin && body != nil && wire.Splices(c.p.Sink) {
		if pipe = c.e.pipes.get(); pipe != nil {
			defer func() { c.e.pipes.put(pipe, c.p.Err == nil) }()
		}
	}
	for c.p.Err == nil {
		n, err := c.copyPiece(from, pipe, *buf)
		if n > 0 {
			left -= int64(n)
			if left != 0 && err == nil {
				_ = c.p.Flush()
			}
		}
		if known && left == 0 || err == io.EOF && !known {
			break
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			c.abort(reasonOf(err), err)
			return false
		}
	}
	return true
}

// copyPiece hands a piece of content on: through the pipe where there is one
// and both sides can, else through buf.
func (c *call) copyPiece(from io.Reader, pipe *wire.Pipe, buf []byte) (n int, err error) {
	if pipe != nil {
		if n, err = wire.SpliceTo(from.(wire.Body), pipe); n > 0 {
			_ = c.p.Span(wire.Span{N: n, Owner: pipe}) // the Reply keeps the error
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	if n, err = from.Read(buf); n > 0 {
		_, _ = c.p.Write(buf[:n])
	}
	return n, err
}

// resume asks the upstream for the content [from, to] that an answer under
// way still needs, under the strong validator of what was sent before. Without
// one, or when other content comes, the answer is cut short: false.
func (c *call) resume(tag []byte, from, to int64) bool {
	resp, err := c.askRange(tag, from, to)
	if err != nil {
		c.abort(SegmentGone, err)
		return false
	}
	defer closeBody(resp)
	defer c.tellResumed(resp.Body)
	return c.copyContent(io.LimitReader(resp.Body, to-from+1), nil, to-from+1)
}

func (c *call) askRange(tag []byte, from, to int64) (*wire.Response, error) {
	if len(tag) == 0 || to < from {
		return nil, errors.New("segment evicted, and no strong validator to ask for it again")
	}
	c.send.CopyFrom(c.r)
	c.anew(&c.send)
	for _, name := range conditions {
		c.send.Del(name)
	}
	c.send.Add(wire.Range, fmt.Appendf(nil, "bytes=%d-%d", from, to))
	c.send.Add(wire.IfRange, tag)
	c.outfit(&c.send)
	c.e.Stats.Passes.Add(1)
	asked := c.e.now()
	resp, err := c.pol.Upstream.Exchange(c.patron.of(c.r), &c.send)
	if err != nil {
		return nil, err
	}
	want := fmt.Sprintf("bytes %d-%d/", from, to)
	p, length, ok := rfc9111.ParseContentRange(resp.Get(wire.ContentRange))
	ok = ok && p == rfc9111.Part{First: from, Last: to} && (length == c.size || c.size < 0) // under a validator alone another length could hide behind "*"
	got, gotTag := string(resp.Get(wire.ContentRange)), string(resp.Get(wire.ETag))
	if tag[0] != '"' {
		gotTag = string(resp.Get(wire.LastModified))
	}
	if resp.Status != 206 || resp.Body == nil || gotTag != string(tag) || !ok {
		closeBody(resp)
		return nil, fmt.Errorf("asked for %s* of %s: status %d, Content-Range %q, validator %q", want, tag, resp.Status, got, gotTag)
	}
	c.mayResume(resp, asked)
	return resp, nil
}

// tunnel joins client and upstream after a 101 until both sides are done.
func (c *call) tunnel(resp *wire.Response) {
	up := resp.Tunnel
	defer func() { _ = up.Close() }()
	c.p.Fields = wire.AppendField(c.p.Fields, wire.Upgrade, resp.Protocol())
	c.begin()
	down, err := c.p.Hijack()
	if err != nil {
		c.out.Err = err
		return
	}
	defer func() { _ = down.Close() }()
	ctx, stop := context.WithCancel(c.e.ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = up.Close(); _ = down.Close() })()
	sent := make(chan struct{})
	go func() { // ends with its connection, which this function closes
		defer close(sent)
		c.e.copyHalf(up, down)
	}()
	c.p.Sent += c.e.copyHalf(down, up)
	<-sent
}

// copyHalf copies one direction of a tunnel and passes its end on.
func (e *Engine) copyHalf(dst io.WriteCloser, src io.Reader) int64 {
	buf := e.buffers.Get().(*[]byte)
	defer e.buffers.Put(buf)
	n, _ := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, *buf)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	} else {
		_ = dst.Close()
	}
	return n
}

// statusClientGone is what an upstream's error carries when the exchange was
// given up for a client that had left.
const statusClientGone = 499

// fail answers with the error of an upstream. It always answers.
func (c *call) fail(err error) bool {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = &wire.Error{Side: wire.Us, Status: 500, Err: err}
	}
	c.out.Err = err
	if c.pol.PassErrors || e.Status == statusClientGone || errors.Is(err, context.Canceled) {
		c.p.Abort()
		return true
	}
	return c.failStatus(e.Status)
}

// failStatus answers with a status and a short body that says why.
func (c *call) failStatus(status int) bool {
	if c.out.Status == NoStatus {
		c.out.Status = c.out.missed(false)
	}
	c.refuseWith(status)
	return true
}

// refuse answers 504 to a request that wanted only what is stored (RFC 9111,
// 5.2.1.7).
func (c *call) refuse(why Reason) {
	c.out.Status, c.out.Forward, c.out.Why = Miss, NotForwarded, why
	c.refuseWith(504)
}

func (c *call) refuseWith(status int) {
	p := c.p
	p.Status = status
	body := strconv.AppendInt(c.scratch[:0], int64(status), 10)
	body = append(body, ' ')
	body = append(body, c.out.Why.String()...)
	body = append(body, '\n')
	c.scratch = body
	p.Length = int64(len(body))
	p.Fields = append(p.Fields, "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"...)
	c.names, c.own = wire.NamesOf(wire.ContentType, wire.CacheControl), true
	c.begin()
	if c.r.Method != wire.HEAD {
		_, _ = p.Write(body)
	}
	c.end(nil)
}
