package opencache

import (
	"errors"
	"net/http"
	"net/url"
	"sync"

	"opencache/internal/engine"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A Transport is an http.RoundTripper that answers from a store what its Base
// answered before. The zero Transport is a private cache, one user's, as a
// browser has it, of 64 MiB: a program that speaks for several users gives
// each a Transport of their own, or sets Shared. It must not be copied once it
// is in use, and may be used by any number of goroutines.
//
// GET, HEAD and QUERY go through the cache; all other methods go to Base
// untouched, as do requests that switch protocols, and when one of them is
// unsafe and succeeds, what is stored for its URL is dropped (RFC 9111, 4.4).
// Requests for the same thing at the same time are asked once. Responses are
// kept under the request's scheme, host and URL.RequestURI, which is not
// normalised, and under the fields that Vary names; what a private
// cache got with an Authorization it keeps under that too: one who asks with
// another, or with none, is not given it. What was got with none is for all,
// unless Vary says otherwise.
//
// RoundTrip returns what Base would: a response with the fields X-Cache-Status,
// X-Cache and Cache-Status (RFC 9211) beside its own, whose Body streams, or
// Base's error, unless something stale may stand in for it. A Body closed
// before its end is not stored, and the exchange behind it is given up when no
// other request reads along (Policy.FinishUnread). A context ends what its own
// request waits for. What was asked on behalf of several goes on as long as one
// of them is there, under the values, httptrace's hooks included, of the
// context of the one that came first.
//
// Response.Request is a copy of the request, with a context in which OutcomeOf
// finds what happened. Proto, Status text, TLS, TransferEncoding and
// Uncompressed are those of the exchange behind it; an answer from the store,
// or from another request's exchange, says HTTP/1.1 and has no TLS.
type Transport struct {
	// Base asks what the store can not answer. nil: http.DefaultTransport, as
	// it is at the first request; a Transport that takes its place needs it
	// here.
	Base http.RoundTripper
	// Policy says how it caches. Its Store is shared in memory, not in
	// content, with other Transports and Handlers.
	Policy Policy
	// Shared makes it a shared cache: it keeps only what every user may have,
	// as one behind a reverse proxy must.
	Shared bool

	once   sync.Once
	client *client // set by once
}

var _ http.RoundTripper = (*Transport)(nil)

// A client is what a Transport is made of at its first use. All of its
// responses are in place.
type client struct {
	place
	base    http.RoundTripper
	private bool
	visits  sync.Pool // *errand
	pieces  sync.Pool // *[]byte of pieceMax
}

// open returns what t works with.
func (t *Transport) open() *client {
	t.once.Do(func() {
		c := &client{base: t.Base, private: !t.Shared}
		c.place = t.Policy.place()
		c.policy.Rules.Private = c.private
		c.policy.PassErrors, c.policy.PassHead, c.policy.PassRange = true, true, true
		c.policy.GiveUp = !t.Policy.FinishUnread
		if c.base == nil {
			c.base = http.DefaultTransport
		}
		if c.base == http.RoundTripper(t) { // it would wait for itself
			c.base = nowhere{}
		}
		c.visits.New = func() any { return new(errand) }
		c.pieces.New = func() any { b := make([]byte, pieceMax); return &b }
		t.client = c
	})
	return t.client
}

// nowhere is the Base of a Transport that is its own.
type nowhere struct{}

// RoundTrip implements http.RoundTripper.
func (nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, errOwnBase
}

var errOwnBase = errors.New("opencache: the Transport is its own Base: set Base before it becomes http.DefaultTransport")

// RoundTrip answers r; see http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := t.open()
	if !cacheable(r) {
		return c.pass(r)
	}
	e := c.store.enter()
	if e == nil {
		return c.base.RoundTrip(r)
	}
	v := c.visits.Get().(*errand)
	v.take(r)
	v.key = c.appendKey(v.key[:0], r)
	v.route.Key, v.route.Origin, v.route.Policy = v.key, c.originOf(v.key), &c.policy
	trace := traceOf(r.Context())
	if trace != nil {
		policy := c.policy
		policy.Trace = trace.engineTrace()
		v.route.Policy = &policy
	}
	if err := r.Context().Err(); err == nil {
		if resp := v.hit(e, r); resp != nil {
			v.give()
			c.visits.Put(v)
			c.store.leave()
			trace.done(resp.Request.Context().(*fate).out)
			return resp, nil
		}
	}
	return c.exchange(e, v, r, trace)
}

// CloseIdleConnections has Base close what it keeps, as http.Client's does.
func (t *Transport) CloseIdleConnections() {
	if b, ok := t.open().base.(interface{ CloseIdleConnections() }); ok {
		b.CloseIdleConnections()
	}
}

// Purge drops what t has stored for u, with all its variants: the next request
// asks Base. It reports whether there was anything. What was asked for with a
// Request.Host that is not u.Host is kept apart and is not found.
func (t *Transport) Purge(u *url.URL) bool { return t.open().purge(u, false) }

// Expire has Base validate what t has stored for u before it is used again.
// It reports whether there was anything.
func (t *Transport) Expire(u *url.URL) bool { return t.open().purge(u, true) }

// Ban drops what t has stored and b names, as Store.Ban does.
func (t *Transport) Ban(b Ban) error { return t.open().ban(b) }

// cacheable reports whether r is for the cache. What http.Transport would
// refuse is not, so that Base does, nor what a wire.Request can not say.
func cacheable(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead:
		if r.Body != nil && r.Body != http.NoBody {
			return false
		}
	case "QUERY":
	default:
		return false
	}
	switch {
	case r.URL == nil, r.Header == nil, r.URL.Scheme != "http" && r.URL.Scheme != "https", r.URL.Host == "":
		return false
	}
	return !switches(r) && validFields(r.Header)
}

// validFields reports whether all of h can be sent (RFC 9110, 5.5).
func validFields(h http.Header) bool {
	for name, values := range h {
		if !isToken(name) {
			return false
		}
		for _, v := range values {
			for i := range len(v) {
				if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
					return false
				}
			}
		}
	}
	return true
}

// pass hands r to Base untouched, and drops what it has put out of date.
func (c *client) pass(r *http.Request) (*http.Response, error) {
	if switches(r) {
		return c.base.RoundTrip(r)
	}
	trace := traceOf(r.Context())
	out := Outcome{Status: Bypass, Forward: Reason(engine.ForMethod.String()), Why: reasonOf(engine.MethodNotCached)}
	if m := methodOf(r); m == rfc9111.Get || r.Method == http.MethodHead {
		out.Forward, out.Why = Reason(engine.ForRequest.String()), ""
		if r.Body != nil && r.Body != http.NoBody {
			out.Why = reasonOf(engine.ContentInGet)
		}
	}
	trace.fetch(out.Forward, out.Why)
	from := c.store.now()
	resp, err := c.base.RoundTrip(r)
	out.Waited, out.Err = c.store.now().Sub(from), err
	if err == nil && resp != nil {
		out.Upstream = resp.StatusCode
		if rfc9111.Invalidates(methodOf(r), resp.StatusCode) {
			c.invalidate(r, resp)
		}
		resp.Request = r.WithContext(&fate{Context: r.Context(), out: out})
	}
	trace.done(out)
	return resp, err
}

func methodOf(r *http.Request) rfc9111.Method {
	switch r.Method {
	case "", http.MethodGet:
		return rfc9111.Get
	case http.MethodHead, http.MethodOptions, http.MethodTrace:
		return rfc9111.Head
	}
	return rfc9111.Unsafe
}

// invalidate drops what is stored for the URL of r and, on the same host, for
// those that the response names (RFC 9111, 4.4), and the groups that it names
// (RFC 9875, 3).
func (c *client) invalidate(r *http.Request, resp *http.Response) {
	e := c.store.enter()
	if e == nil {
		return
	}
	defer c.store.leave()
	key := c.appendKey(nil, r)
	e.Purge(key, false)
	var groups [][]byte
	for _, line := range resp.Header["Cache-Group-Invalidation"] {
		groups = append(groups, []byte(line))
	}
	e.PurgeGroups(&c.policy, key[:c.originOf(key)], groups)
	for _, name := range []string{"Location", "Content-Location"} {
		for _, ref := range resp.Header[name] {
			if u := sameOrigin(r.URL, ref); u != nil {
				e.Purge(c.appendKey(nil, &http.Request{Host: r.Host, URL: u}), false)
			}
		}
	}
}

// An errand is one request on its way through the engine. It is pooled.
type errand struct {
	req   wire.Request
	reply wire.Reply
	key   []byte
	route engine.Route
}

// take prepares v for r.
func (v *errand) take(r *http.Request) {
	q := &v.req
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	q.SetMethodText([]byte(method))
	q.SetAuthority([]byte(hostOf(r)))
	q.SetTarget([]byte(r.URL.RequestURI()))
	q.Minor = 1
	q.Secure = r.URL.Scheme == "https"
	q.Trailers = true // Response.Trailer has them whether they were asked for or not
	addFields(&q.Head, r.Header)
}

// give empties v, which keeps its memory.
func (v *errand) give() {
	v.req.Reset()
	v.reply = wire.Reply{Fields: v.reply.Fields[:0]}
	v.route.Key, v.route.Policy = nil, nil
}

func hostOf(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}
