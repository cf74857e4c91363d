package opencache

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A handler is what Handler returns.
type handler struct {
	place
	next   http.Handler
	visits sync.Pool // *visit
	pieces sync.Pool // *[]byte, for answers
}

// A visit is one request on its way through the engine. It is pooled.
type visit struct {
	req    wire.Request
	reply  wire.Reply
	answer answer
	key    []byte
	route  engine.Route
}

func (h *handler) newVisit() *visit {
	v := new(visit)
	v.answer.reply, v.answer.pieces = &v.reply, &h.pieces
	return v
}

// ServeHTTP answers r from the store or has next answer it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if switches(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	e := h.store.enter()
	if e == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	defer h.store.leave()
	v := h.visits.Get().(*visit)
	v.take(w, r)
	v.key = h.appendKey(v.key[:0], r)
	out := h.serve(e, v, r)
	traceOf(r.Context()).done(outcomeOf(&out))
	whole := v.answer.stage == ended
	v.give()
	h.visits.Put(v)
	if !whole {
		panic(http.ErrAbortHandler) // net/http cuts the connection
	}
}

// switches reports whether r may take the connection over: what follows is
// not HTTP, and nothing for a cache. An upgrade to h2c is one to HTTP.
func switches(r *http.Request) bool {
	return r.Method == http.MethodConnect ||
		len(r.Header["Upgrade"]) > 0 && hasToken(r.Header["Connection"], "upgrade") && !hasToken(r.Header["Upgrade"], "h2c")
}

// serve answers r: at once when it can, else with next, for which more is
// made.
func (h *handler) serve(e *engine.Engine, v *visit, r *http.Request) engine.Outcome {
	v.route.Key, v.route.Origin, v.route.Policy = v.key, h.originOf(v.key), &h.policy
	if trace := traceOf(r.Context()); trace == nil {
		if out, ok := e.ServeHit(&v.req, &v.reply, &v.route); ok {
			return out
		}
		v.route.Policy = &newUpstream(h, r).policy
	} else {
		u := newUpstream(h, r)
		u.policy.Trace = trace.engineTrace()
		v.route.Policy = &u.policy
	}
	return e.ServeRoute(&v.req, &v.reply, &v.route)
}

func secure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

// take prepares v for r.
func (v *visit) take(w http.ResponseWriter, r *http.Request) {
	q := &v.req
	q.SetMethodText([]byte(r.Method))
	q.SetAuthority([]byte(r.Host))
	q.SetTarget([]byte(r.URL.RequestURI()))
	q.Minor = 1
	if !r.ProtoAtLeast(1, 1) {
		q.Minor = 0
	}
	q.Secure = secure(r)
	q.Trailers = hasToken(r.Header["Te"], "trailers")
	q.Remote, _ = netip.ParseAddrPort(r.RemoteAddr) // what is not one is not known
	q.Watch = r.Context
	addFields(&q.Head, r.Header)
	v.answer.begin(w, r)
	if r.Body != nil && r.Body != http.NoBody {
		q.Body, q.Length = &content{ReadCloser: r.Body, r: r}, r.ContentLength
		// Content goes both ways at once where the connection can do that.
		_ = v.answer.control.EnableFullDuplex()
	}
}

// give empties v, which keeps its memory.
func (v *visit) give() {
	v.req.Reset()
	v.route.Key, v.route.Policy = nil, nil
	v.reply = wire.Reply{Fields: v.reply.Fields[:0]}
	v.answer = answer{reply: &v.reply, pieces: v.answer.pieces}
}

// A content is the content of a request as the engine has it.
type content struct {
	io.ReadCloser
	r       *http.Request
	trailer wire.Head
	whole   bool
}

var _ wire.Body = (*content)(nil)

func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.whole = c.whole || err == io.EOF
	return n, err
}

// Trailer returns what net/http has put into Request.Trailer.
func (c *content) Trailer() *wire.Head {
	if !c.whole || len(c.r.Trailer) == 0 {
		return nil
	}
	c.trailer.Reset()
	addFields(&c.trailer, c.r.Trailer)
	return &c.trailer
}

// An upstream is next as the engine asks it, on behalf of one request. The
// engine sees heads; what else next may want of the request, such as path
// values and what its context holds, is kept here.
type upstream struct {
	h      *handler
	r      *http.Request // a copy, without fields
	policy engine.Policy
}

func newUpstream(h *handler, r *http.Request) *upstream {
	u := &upstream{h: h, policy: h.policy}
	u.policy.Upstream = u
	// A refresh uses it when the server is through with r, and handlers further
	// out have put its URL back to what it was.
	u.r = r.WithContext(r.Context())
	u.r.Header, u.r.URL = nil, new(url.URL)
	*u.r.URL = *r.URL
	return u
}

// request makes the request for next: u.r with the head and content of r.
func (u *upstream) request(ctx context.Context, r *wire.Request) *http.Request {
	q := u.r.Clone(ctx)
	q.Method = string(r.MethodText())
	q.Header = headerOf(&r.Head)
	if r.Trailers {
		q.Header.Set("Te", "trailers")
	}
	q.Body, q.ContentLength, q.TransferEncoding, q.Trailer = http.NoBody, 0, nil, nil
	if r.Body != nil {
		q.Body, q.ContentLength = r.Body, r.Length
		if r.Length < 0 { // a QUERY's content comes with its length, however it was framed
			q.TransferEncoding = u.r.TransferEncoding
		}
		q.Trailer = u.r.Trailer // the same map: it is filled at the end of the content
	}
	return q
}
