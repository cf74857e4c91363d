package opencache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A ground is a Transport's Base as the engine asks it, on behalf of one
// request. The engine sees heads; what else Base may want of the request is
// kept here.
type ground struct {
	c      *client
	r      *http.Request   // a snapshot
	ctx    context.Context // of who reads the answer
	policy engine.Policy
	live   atomic.Pointer[manner] // of Base's last answer
}

var _ wire.Exchanger = (*ground)(nil)

// snapshot returns a copy of r that its owner can not change: a refresh, and a
// fetch that others wait for, ask by it when r's owner has had the answer and
// uses r again, maybe for another URL. The trailer is r's, to be filled while
// the content is read.
func snapshot(r *http.Request) *http.Request {
	q := r.Clone(r.Context())
	q.Trailer = r.Trailer
	return q
}

// Exchange has Base answer r; see wire.Exchanger.
func (g *ground) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if ctx.Done() == g.ctx.Done() { // for this request alone
		ctx = g.ctx
	} else {
		ctx = values{ctx, g.ctx}
	}
	resp, err := g.ask(g.request(ctx, r))
	if err != nil {
		return nil, upstreamError(err)
	}
	g.live.Store(mannerOf(resp))
	out := &wire.Response{Status: resp.StatusCode, Minor: 1, Length: resp.ContentLength}
	addFields(&out.Head, resp.Header)
	g.guard(r, out)
	switch {
	case r.Method == wire.HEAD || !hasContent(resp.StatusCode):
		out.Length = announced(resp)
	case resp.Body == nil || resp.Body == http.NoBody:
		out.Length = 0
	default:
		if out.Length == 0 { // made by hand, mostly: http.Transport gives NoBody
			out.Length = wire.Unknown
		}
		out.Body = &flow{resp: resp, length: out.Length, ground: g}
	}
	if out.Body == nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	return out, nil
}

// ask has Base answer q. Base runs on a goroutine of the engine's, where a
// panic would end the program instead of its caller's request: it is an error.
func (g *ground) ask(q *http.Request) (resp *http.Response, err error) {
	defer g.caught(&err)
	resp, err = g.c.base.RoundTrip(q)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errNoResponse
	case resp.StatusCode == http.StatusSwitchingProtocols: // what follows is not HTTP (RFC 9110, 7.8)
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		return nil, errSwitched
	}
	return resp, nil
}

// caught, deferred, makes a panic of Base an error.
func (g *ground) caught(err *error) {
	p := recover()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		g.c.log.Error("opencache: transport panicked", "method", g.r.Method, "url", g.r.URL.Redacted(),
			"panic", p, "stack", string(debug.Stack()))
	}
	*err = fmt.Errorf("opencache: transport panicked: %v", p)
}

var (
	errNoResponse = errors.New("opencache: the transport gave neither a response nor an error")
	errSwitched   = errors.New("opencache: status 101 to a request without Upgrade")
)

// request makes the request for Base: g.r with the head and content of r.
func (g *ground) request(ctx context.Context, r *wire.Request) *http.Request {
	q := g.r.WithContext(ctx)
	q.Method = string(r.MethodText())
	q.Header = headerOf(&r.Head)
	for name, values := range g.r.Header {
		switch key := http.CanonicalHeaderKey(name); {
		case len(values) == 0: // "User-Agent": nil says that none is to be sent
			q.Header[name] = values
		case key != name && q.Header[key] != nil: // some servers want a name as the program spelt it
			q.Header[name] = q.Header[key]
			delete(q.Header, key)
		}
	}
	// Via is for intermediaries, and keeps some servers from compressing. The
	// last one is the engine's.
	if via := q.Header["Via"]; len(via) > 1 {
		q.Header["Via"] = via[:len(via)-1]
	} else {
		delete(q.Header, "Via")
	}
	if hasToken(g.r.Header["Te"], "trailers") {
		q.Header.Set("Te", "trailers")
	}
	q.Cancel = nil //nolint:staticcheck // its stream heeds it; others may wait for the same exchange
	q.Close = q.Close || hasToken(g.r.Header["Connection"], "close")
	q.Body, q.GetBody, q.ContentLength, q.TransferEncoding, q.Trailer = nil, nil, 0, nil, nil
	if r.Body != nil {
		q.Body, q.ContentLength = r.Body, r.Length
		q.GetBody = g.r.GetBody // the content is the same, and a connection may be found closed
		if r.Length < 0 {
			q.Trailer = g.r.Trailer
		}
	}
	return q
}

// guard has a private cache keep apart what was answered to credentials: such
// a cache is one user's, but programs that speak for several forget that.
func (g *ground) guard(r *wire.Request, resp *wire.Response) {
	if g.c.private && r.Has(wire.Authorization) {
		for v := range resp.Values("Vary") {
			if hasToken([]string{string(v)}, "authorization") || string(v) == "*" {
				return
			}
		}
		resp.Add(wire.Vary, []byte("Authorization"))
	}
}

// announced returns the Content-Length that resp has, Unknown without one.
func announced(resp *http.Response) int64 {
	if n, err := strconv.ParseUint(resp.Header.Get("Content-Length"), 10, 63); err == nil {
		return int64(n)
	}
	return wire.Unknown
}

// A manner is what a Response says of the exchange it came by.
type manner struct {
	status, proto       string
	major, minor        int
	codings             []string
	tls                 *tls.ConnectionState
	close, uncompressed bool
	trailer             []string // names announced
}

func mannerOf(resp *http.Response) *manner {
	m := &manner{
		status: resp.Status, proto: resp.Proto, major: resp.ProtoMajor, minor: resp.ProtoMinor,
		codings: resp.TransferEncoding, tls: resp.TLS, close: resp.Close, uncompressed: resp.Uncompressed,
	}
	for name := range resp.Trailer {
		m.trailer = append(m.trailer, name)
	}
	return m
}

// dress makes resp look as if it came by the exchange itself.
func (m *manner) dress(resp *http.Response) {
	if m.status != "" {
		resp.Status = m.status
	}
	if m.major > 0 {
		resp.Proto, resp.ProtoMajor, resp.ProtoMinor = m.proto, m.major, m.minor
	}
	resp.TransferEncoding, resp.TLS, resp.Close, resp.Uncompressed = m.codings, m.tls, m.close, m.uncompressed
	for _, name := range m.trailer { // their values are there at the end
		if resp.Trailer == nil {
			resp.Trailer = http.Header{}
		}
		resp.Trailer[name] = nil
	}
}

// upstreamError makes err one that the engine knows the side of.
func upstreamError(err error) error {
	status := http.StatusBadGateway
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		status = http.StatusGatewayTimeout
	}
	return &wire.Error{Side: wire.Upstream, Status: status, Err: err, Sent: true}
}

// bare returns the error of Base that err is made of, else err.
func bare(err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// A flow is the content of a response of Base as the engine reads it.
type flow struct {
	ground  *ground
	resp    *http.Response
	length  int64 // Unknown: until the end
	n       int64
	err     error
	trailer wire.Head
}

var _ wire.Body = (*flow)(nil)

// Read implements wire.Body. It holds Base to the length that it announced.
func (b *flow) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	b.n += int64(n)
	switch {
	case b.length >= 0 && b.n > b.length:
		n, err = 0, fmt.Errorf("opencache: content of more than %d bytes, as announced", b.length)
	case err == io.EOF && b.n < b.length:
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = upstreamError(err)
	}
	b.err = err
	return n, err
}

func (b *flow) read(p []byte) (n int, err error) {
	defer b.ground.caught(&err)
	return b.resp.Body.Read(p)
}

// Trailer implements wire.Body.
func (b *flow) Trailer() *wire.Head {
	if b.err != io.EOF || len(b.resp.Trailer) == 0 {
		return nil
	}
	b.trailer.Reset()
	addFields(&b.trailer, b.resp.Trailer)
	return &b.trailer
}

// Close implements wire.Body.
func (b *flow) Close() (err error) {
	defer b.ground.caught(&err)
	return b.resp.Body.Close()
}
