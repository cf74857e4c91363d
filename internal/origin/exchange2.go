package origin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"opencache/internal/wire"
)

type exchangeKey struct{} // of an exchange2 in its request's context

// An exchange2 is one request and its response over HTTP/2.
type exchange2 struct {
	u      *Upstream
	r      *wire.Request
	ctx    context.Context // the caller's
	cancel context.CancelCauseFunc
	upload *upload // nil: no content is sent
	starts int     // how often it was given a connection

	telling sync.Mutex // held while the caller is told of an interim response
	over    bool       // it hears of none any more; guarded by telling

	mu       sync.Mutex        // guards the fields below
	cc       *http2.ClientConn // what it was given last
	timer    *time.Timer
	late     Fault // when the timer fires
	answered bool
	wrote    bool // the head was sent
	interim  int
}

// exchangeTwo is Exchange over HTTP/2. errOlder: nothing was done.
func (u *Upstream) exchangeTwo(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	u.prepare()
	x := &exchange2{u: u, r: r, ctx: ctx}
	own, cancel := context.WithCancelCause(ctx)
	x.cancel = cancel
	req, err := x.request(context.WithValue(own, exchangeKey{}, x))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp, err := u.two.transport.RoundTrip(req)
	if err != nil {
		e := x.why(own, err)
		x.end()
		if errors.Is(err, errOlder) {
			return nil, errOlder
		}
		return nil, u.report(e)
	}
	x.answer()
	out, err := x.response(own, resp)
	if err != nil {
		_ = resp.Body.Close()
		x.end()
		return nil, u.report(&wire.Error{Side: wire.Upstream, Status: 502, Sent: true, Err: fmt.Errorf("origin %s: %w: %w", u.Addr, BadResponse, err)})
	}
	return out, nil
}

// end ends the exchange: nothing of it is waited for any more, and the
// request's content is its owner's again.
func (x *exchange2) end() {
	x.pause()
	x.cancel(nil)
	if x.upload != nil {
		_ = x.upload.Close() // package http2 does so too, but when it comes to it
	}
	x.telling.Lock()
	x.over = true
	x.telling.Unlock()
	x.u.leave()
}

// start is called when the exchange has a connection.
func (x *exchange2) start(cc *http2.ClientConn) {
	x.mu.Lock()
	x.cc, x.wrote = cc, false
	x.mu.Unlock()
	if x.upload == nil {
		x.expect(HeadTimeout, x.u.headTimeout())
	} else {
		x.expect(BodyTimeout, x.u.bodyTimeout())
	}
}

// expect has the exchange fail with late when the server does nothing for so long.
func (x *exchange2) expect(late Fault, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.late = late
	if x.timer == nil {
		x.timer = time.AfterFunc(wait, func() {
			x.mu.Lock()
			late := x.late
			x.mu.Unlock()
			e := x.u.blame(late, os.ErrDeadlineExceeded)
			e.Sent = true
			x.cancel(e)
		})
		return
	}
	x.timer.Reset(wait)
}

// pause ends the wait for the server.
func (x *exchange2) pause() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.timer != nil {
		x.timer.Stop()
	}
}

// answer notes that there is a final response.
func (x *exchange2) answer() {
	x.mu.Lock()
	x.answered = true
	x.mu.Unlock()
	x.pause()
}

// hasAnswer reports whether there is one.
func (x *exchange2) hasAnswer() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.answered
}

// notSent are the fields of HTTP/1.1 that HTTP/2 says otherwise (RFC 9113, 8.2.2).
var notSent = wire.NamesOf(wire.Host, wire.Connection, wire.ContentLength, wire.TransferEncoding, wire.Upgrade, wire.Expect, wire.KeepAlive, wire.ProxyConnection)

// request returns the request as package http has it. Its fields and target are
// those that HTTP/1.1 would have.
func (x *exchange2) request(ctx context.Context) (*http.Request, error) {
	r, u := x.r, x.u
	authority := cmp.Or(u.Host, string(r.Authority()))
	line, block, _ := bytes.Cut(wire.AppendRequest(nil, r, wire.Destination{Host: u.Host, Base: u.Base}), []byte("\r\n"))
	words := strings.Split(string(line), " ")
	if len(words) != 3 {
		return nil, &wire.Error{Side: wire.Us, Status: 500, Err: u.named("a request line that is none")}
	}
	target := &url.URL{Scheme: u.Scheme, Host: authority, Opaque: words[1]}
	if words[1] != "*" {
		target.Opaque = "//" + authority + words[1] // its path then goes out as it is
	}
	req := &http.Request{Method: words[0], URL: target, Host: authority, Header: http.Header{}, ProtoMajor: 2}
	for id, f := range wire.Lines(block[:len(block)-len("\r\n")]) {
		if !notSent.Has(id) || id == wire.Other {
			name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
			req.Header[name] = append(req.Header[name], string(f.Value))
		}
	}
	if r.Continue && r.Length != 0 {
		req.Header["Expect"] = []string{"100-continue"}
	}
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = []string{""} // else one is added
	}
	if r.Length != 0 {
		x.upload = &upload{x: x, left: r.Length, quit: make(chan struct{})}
		if r.Continue {
			x.upload.go100 = make(chan struct{})
		}
		req.Body, req.ContentLength = x.upload, r.Length
		if r.Length < 0 {
			x.upload.trailer = http.Header{}
			req.Trailer = x.upload.trailer
		}
	}
	return req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: x.got1xx, WroteHeaders: x.wroteHeaders})), nil
}

func (x *exchange2) wroteHeaders() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.wrote = true
}

// got1xx passes an interim response on. It runs on the connection's goroutine.
func (x *exchange2) got1xx(status int, fields textproto.MIMEHeader) error {
	x.interim++
	switch {
	case status == 101: // RFC 9113, 8.6
		return errors.New("101 (Switching Protocols) in HTTP/2")
	case x.interim > cmp.Or(x.u.MaxInterim, 16):
		return fmt.Errorf("more than %d interim responses", x.interim-1)
	case status == 100 && x.upload != nil:
		x.upload.permit()
	}
	x.telling.Lock()
	defer x.telling.Unlock()
	if x.r.Interim == nil || x.over {
		return nil
	}
	var resp wire.Response
	if err := parseTwo(&resp, status, http.Header(fields), wire.GET, x.u.Limits); err != nil {
		return err
	}
	x.r.Interim(status, &resp.Head)
	return nil
}

// parseTwo has a head parsed as strictly as one of HTTP/1.1.
func parseTwo(resp *wire.Response, status int, fields http.Header, m wire.Method, lim wire.Limits) error {
	head := fmt.Appendf(nil, "HTTP/1.1 %03d\r\n", status)
	for _, name := range slices.Sorted(maps.Keys(fields)) { // their order is lost
		for _, value := range fields[name] {
			head = wire.AppendNamed(head, name, value)
		}
	}
	head = append(head, "\r\n"...)
	n, err := wire.ParseResponse(resp, head, m, lim)
	if err == nil && n != len(head) {
		err = errors.New("a response head that does not end")
	}
	return err
}

// response turns the response into ours.
func (x *exchange2) response(ctx context.Context, resp *http.Response) (*wire.Response, error) {
	fields := resp.Header
	if len(resp.Trailer) > 0 {
		fields["Trailer"] = []string{strings.Join(slices.Sorted(maps.Keys(resp.Trailer)), ", ")}
	}
	// What has no length ends with its stream, and there can be no doubt where.
	if fields["Content-Length"] == nil && resp.StatusCode != 304 && x.r.Method != wire.HEAD {
		if resp.ContentLength == 0 {
			fields["Content-Length"] = []string{"0"}
		} else {
			fields["Transfer-Encoding"] = []string{"chunked"}
		}
	}
	b := &bodyTwo{x: x, ctx: ctx, from: resp}
	if err := parseTwo(&b.resp, resp.StatusCode, fields, x.r.Method, x.u.Limits); err != nil {
		return nil, err
	}
	b.resp.Close = false
	if b.resp.Framing() == 0 {
		_ = resp.Body.Close()
		x.end()
		return &b.resp, nil
	}
	b.resp.Body = b
	return &b.resp, nil
}

// why tells what the exchange fails with when it ended in err.
func (x *exchange2) why(ctx context.Context, err error) *wire.Error {
	x.mu.Lock()
	sent, answered, cc := x.wrote, x.answered, x.cc
	x.mu.Unlock()
	var known *wire.Error
	switch {
	case x.upload != nil && x.upload.fault() != nil:
		return x.upload.fault()
	case errors.As(err, &known), errors.As(context.Cause(ctx), &known):
		return known
	case x.ctx.Err() != nil:
		e := x.u.canceled(x.ctx)
		e.Sent = sent
		return e
	case !sent && cc != nil && usable(cc):
		// The server has said how large heads may be, and this one is not sent:
		// that is no failure of the server's, or clients could have it left out.
		return &wire.Error{Side: wire.Client, Status: 431, Err: fmt.Errorf("origin %s: %w", x.u.Addr, err)}
	}
	fault := Closed
	if answered {
		fault = Cut
	}
	var stream http2.StreamError
	var broken http2.ConnectionError
	switch {
	case errors.As(err, &stream) && stream.Code == http2.ErrCodeRefusedStream:
		sent = false // RFC 9113, 8.7
	case errors.As(err, &stream) && isBreach(stream.Code), errors.As(err, &broken) && isBreach(http2.ErrCode(broken)):
		fault = BadResponse
	case ended(err):
		err = io.ErrUnexpectedEOF
	}
	e := x.u.blame(fault, err)
	e.Sent = sent
	return e
}

// usable reports whether nothing is wrong with a connection.
func usable(cc *http2.ClientConn) bool {
	state := cc.State()
	return !state.Closed && !state.Closing
}

// isBreach reports whether an error is one of the protocol, by either side.
func isBreach(code http2.ErrCode) bool {
	switch code {
	case http2.ErrCodeProtocol, http2.ErrCodeFlowControl, http2.ErrCodeFrameSize, http2.ErrCodeCompression, http2.ErrCodeStreamClosed:
		return true
	}
	return false
}
