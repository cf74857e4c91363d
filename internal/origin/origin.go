// Package origin talks to the servers behind the cache: an HTTP/1.1 client on
// wire's parser and a bounded pool of connections per upstream. It believes
// nothing that an upstream sends: surplus, early, short and malformed answers
// are told apart, and what can not be told apart closes the connection.
//
// A Group asks one of several. It does not keep answers or change fields: Via,
// Forwarded and what may be sent at all are its caller's. HTTP/2 is x/net's,
// over connections that are dialled here.
//
//	up, err := origin.Parse("https://example.org/base")
//	...
//	resp, err := up.Exchange(ctx, req)
//	if err != nil {
//		var fault origin.Fault // why, for logs and Cache-Status
//		errors.As(err, &fault)
//		return err // *wire.Error: side and status
//	}
//	defer resp.Body.Close() // when it is not nil
package origin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"opencache/internal/wire"
)

// An Upstream is one origin server and the connections to it. Scheme and Addr
// are needed, zero in any other field means its default. Fields are not
// changed after the first Exchange. All methods may be called at any time
// from any goroutine.
type Upstream struct {
	Scheme string // "http" or "https"
	Addr   string // host:port to dial
	// Host is what the Host field says and, without its port, what TLS asks
	// for (SNI) and verifies. Empty: Host is the request's own authority, TLS
	// asks for the host in Addr.
	Host string
	// Protocol is how it is spoken to: HTTP2 and Auto need https, H2C http.
	Protocol Protocol
	Base     string // path put before every target, without a slash at its end; empty: none
	// TLS is copied at the first dial. nil: the system's roots. Empty
	// ServerName, NextProtos and ClientSessionCache are filled in: from Host
	// or Addr, with http/1.1, with a cache of 64 sessions.
	TLS *tls.Config
	// Dial makes a connection; nil: a net.Dialer. A connection with neither
	// SyscallConn nor a method Readable() bool (bytes, an end or an error can
	// be read without waiting) is not looked at before it is used again.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Lookup returns the addresses of a name, the best first; nil: the system's
	// resolver, but with a Dial of one's own none: that gets the name.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Resolve is how long a name's addresses count, a tenth more or less; 0:
	// 30 s, below 0: each dial looks for itself.
	Resolve time.Duration

	DialTimeout time.Duration // to connect, looking up included; 0: 5 s
	TLSTimeout  time.Duration // for the TLS handshake; 0: 5 s
	// HeadTimeout is how long the head of the final response may take, counted
	// from the last byte of the request; 0: 60 s.
	HeadTimeout time.Duration
	// BodyTimeout is how long content may stand still, in either direction,
	// while the upstream is the one waited for; 0: 60 s. When sending it may
	// end up to a third early.
	BodyTimeout     time.Duration
	KeepAlive       time.Duration // how long an unused connection is kept; 0: 30 s
	QueueTimeout    time.Duration // how long to wait for one of MaxConns; 0: 10 s
	ContinueTimeout time.Duration // how long to wait for 100 (Continue) before sending content; 0: 1 s

	MaxIdle    int // unused connections kept; 0: 256, negative: none
	MaxConns   int // connections open at once, being dialled included; 0: 1024
	MaxQueue   int // exchanges waiting for a connection; 0: 4096, negative: none
	MaxInterim int // interim (1xx) responses before a final one; 0: 16

	// Circuit hears of content that broke off; nil: nobody does. What becomes
	// of a request before its content a Group notes.
	Circuit *Circuit

	Limits wire.Limits      // of response heads and chunk lines; zero fields: wire's defaults
	Now    func() time.Time // dates the unused connections; nil: time.Now

	buffers sync.Pool // of *buffer
	pieces  sync.Pool // of *piece
	secure  struct {
		sync.Once
		config *tls.Config
	}
	counts counts
	names  names
	two    two
	pool
}

var _ wire.Exchanger = (*Upstream)(nil)

// Exchange sends r and returns the response to it. r is not changed. The
// request target is Base and r's target, Host is u.Host or r's authority.
//
// The fields of a response with a Body live until that is closed, and are gone
// then; all else in it, and a response without Body, is the caller's for good.
// Content not read to its end costs the connection. When ctx ends before that,
// the connection is closed and the exchange fails with its cause; over a plain
// socket that may be noticed 40 ms late (glance).
//
// Errors are *wire.Error with a Fault inside. A request is sent a second time
// only on a new connection after a kept one failed before the first byte of an
// answer, and only when none of it was written, or it has no content and an
// idempotent method (RFC 9110, 9.2.2; RFC 9112, 9.3.1). It is one attempt for
// r.Attempts all the same.
func (u *Upstream) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if r.Attempts == nil {
		return u.exchange(ctx, r)
	}
	begun := u.now()
	resp, err := u.exchange(ctx, r)
	one := wire.Attempt{Server: u.Addr, Took: u.now().Sub(begun)}
	if err != nil {
		one.Why = wordOf(err)
	} else {
		one.Status = resp.Status
	}
	r.Attempts.Note(one)
	return resp, err
}

func (u *Upstream) exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if err := u.check(r); err != nil {
		return nil, err
	}
	if u.byTwo(r) {
		if resp, err := u.exchangeTwo(ctx, r); !errors.Is(err, errOlder) {
			return resp, err
		}
	}
	for {
		c, err := u.get(ctx)
		if err != nil {
			return nil, u.report(err)
		}
		resp, err := c.do(ctx, r)
		if err == nil {
			return resp, nil
		}
		if !c.stale {
			return u.repeat(ctx, r, c, err)
		}
		u.counts.stale.Add(1)
		u.free()
	}
}

// repeat makes the exchange that failed on c with err once more, where that
// is allowed, on a new connection.
func (u *Upstream) repeat(ctx context.Context, r *wire.Request, c *conn, err *wire.Error) (*wire.Response, error) {
	if c.again(ctx, r, err) {
		u.counts.retries.Add(1)
		sent := err.Sent
		// The failed connection's place among MaxConns is taken over.
		if c, err = u.dial(ctx); err != nil {
			u.free()
			err.Sent = sent
			return nil, u.report(err)
		}
		var resp *wire.Response
		if resp, err = c.do(ctx, r); err == nil {
			return resp, nil
		}
	}
	u.free()
	return nil, u.report(err)
}

// again reports whether the exchange that failed with err is to be repeated.
func (c *conn) again(ctx context.Context, r *wire.Request, err *wire.Error) bool {
	if !c.reused || c.answered || ctx.Err() != nil || err.Side != wire.Upstream || faultOf(err) != Closed {
		return false
	}
	return c.wrote == 0 || r.Length == 0 && r.Method.Idempotent()
}

// check refuses what this client can not send.
func (u *Upstream) check(r *wire.Request) error {
	switch {
	case r.Method == wire.CONNECT:
		return &wire.Error{Side: wire.Us, Status: 501, Err: u.named("CONNECT is not sent to an origin")}
	case r.Length != 0 && r.Body == nil:
		return &wire.Error{Side: wire.Us, Status: 500, Err: u.named("a request with a length needs a Body")}
	}
	return nil
}

// Close closes the unused connections, and those in use when their exchange
// ends. Exchanges may go on and begin; none of their connections is kept.
func (u *Upstream) Close() error {
	u.names.end()
	u.two.end(u)
	u.drain()
	return nil
}

func (u *Upstream) headTimeout() time.Duration { return cmp.Or(u.HeadTimeout, time.Minute) }
func (u *Upstream) bodyTimeout() time.Duration { return cmp.Or(u.BodyTimeout, time.Minute) }

func (u *Upstream) now() time.Time {
	if u.Now != nil {
		return u.Now()
	}
	return time.Now()
}
