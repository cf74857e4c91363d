// Package wire is the project's one idea of an HTTP message: a head is one
// buffer and offsets into it, names are interned, nothing is kept in maps. It
// parses HTTP/1.0 and HTTP/1.1 (RFC 9112) strictly and in place, writes them,
// and reads content off a connection.
//
// It decides syntax only. What a field means to a cache is rfc9111's, what a
// connection does next is h1's (towards clients) and origin's (towards
// upstreams). The package holds no state and starts no goroutine.
//
//	var req wire.Request
//	n, err := wire.ParseRequest(&req, buf, wire.DefaultLimits)
//	switch {
//	case err != nil:        // *wire.Error says the status to refuse it with
//	case n == 0:            // the head is not complete yet: read more
//	default:
//		host := req.Authority()
//		etag := req.Get(wire.IfNoneMatch)
//		rest := buf[n:]     // content, or the next request
//	}
package wire

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Unknown is the Length of content whose size is only known at its end:
// chunked, or until the connection closes.
const Unknown = -1

// Handler answers requests: everything above the cache is one.
type Handler interface {
	// Serve answers r through p. Both are the caller's and are used again
	// after Serve returns; what must outlive it is copied.
	Serve(r *Request, p *Reply)
}

// Exchanger sends a request and returns the response to it: everything below
// the cache is one (an upstream pool, a peer, a tier).
type Exchanger interface {
	// Exchange returns the final response as soon as its head is there; its
	// content is still to be read. The caller closes Response.Body (when it
	// is not nil). r and r.Body are used until Exchange has returned an error
	// or Response.Body has been closed, whichever it is. An error is a *Error
	// wherever its side is known.
	Exchange(ctx context.Context, r *Request) (*Response, error)
}

// Body is the content of a message on its way.
type Body interface {
	// Read fills p with content. It returns io.EOF only behind the last byte
	// of complete content; content cut short ends in another error, always.
	io.Reader
	// Trailer returns the trailer fields; nil before Read has returned
	// io.EOF and when there were none.
	Trailer() *Head
	// Close gives up the rest. It may be called while Read runs on another
	// goroutine and makes that Read return; calling it twice is allowed.
	io.Closer
}

// Ready reports whether reading b would not have to wait: content, or its end,
// is here already. A Body says so by a method Ready; without one it is false.
func Ready(b Body) bool {
	r, ok := b.(interface{ Ready() bool })
	return ok && r.Ready()
}

// A Side says who is to blame for an error; that chooses between 4xx, 5xx,
// another try and a stale response.
type Side uint8

const (
	Us       Side = iota // this process: a bound reached, a fault of ours
	Client               // who sent the request
	Upstream             // who was to answer it
)

func (s Side) String() string { return [...]string{"us", "client", "upstream"}[s] }

// An Error is an error with its side and the status that tells a client of it.
type Error struct {
	Side   Side
	Status int   // the status code for the client: 400, 431, 502, 504 …
	Err    error // what was found, where, and what was expected
	// Sent reports whether the upstream may have seen some of the request:
	// only a request that is idempotent may then be tried again.
	Sent bool
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Side, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// A Request is a request head and what is known of who sent it. The zero
// value is ready for ParseRequest or for building with Set… and Add.
type Request struct {
	Head

	Method   Method
	Minor    uint8 // 0 for HTTP/1.0, else 1
	Close    bool  // the sender wants the connection closed after the response
	Upgrade  bool  // Connection: upgrade with an Upgrade field
	Continue bool  // Expect: 100-continue
	Trailers bool  // TE: trailers
	Secure   bool  // scheme is https

	// Length is the size of the content in bytes: 0 for none, Unknown for
	// chunked content.
	Length int64
	// Body is the content, nil when there is none.
	Body Body

	// Remote is who sent it, the zero AddrPort when that is not known.
	Remote netip.AddrPort
	// Client is whom Remote sent it for, where that is known to be somebody
	// else; zero: nobody said. From the edge's stage client on it is always who
	// the client is.
	Client netip.AddrPort
	// TLS is what is known of the channel that it came through; nil: of none.
	// It is the connection's: who keeps the Request copies what it needs.
	TLS *Channel
	// Port is the one that it came to, 0 when that is not known.
	Port uint16
	// ID identifies it in logs and towards upstreams; zero: it was given none.
	ID [16]byte
	// Interim receives interim (1xx) responses while Exchange waits for the
	// final one; nil drops them. 101 is a final response.
	Interim func(status int, h *Head)
	// Trace is the trace that it belongs to; nil: none is passed on.
	Trace *Trace
	// Attempts is where an Exchanger notes which servers it has asked; nil:
	// nobody wants to know.
	Attempts *Attempts
	// Watch returns a context that ends when the sender goes away; nil: it
	// never does. Use Context.
	Watch func() context.Context

	method, target, authority, path, query ref
	hasQuery                               bool
}

// A Channel is what is known of a TLS connection.
type Channel struct {
	Version    string // TLSv1.3
	Cipher     string // TLS_AES_128_GCM_SHA256
	Group      string // of the key exchange: X25519
	ServerName string // that the client asked for
	// Handshake is how long that took, as long as the connection's first
	// request is at hand; then 0.
	Handshake time.Duration
}

// Context ends when the client has gone away. Watching costs a goroutine:
// call it only where a wait depends on it.
func (r *Request) Context() context.Context {
	if r.Watch == nil {
		return context.Background()
	}
	return r.Watch()
}

// A Response is a final response head and its content.
type Response struct {
	Head

	Status int
	Minor  uint8
	Close  bool // the sender closes the connection behind it

	// Length is the size of the content in bytes, Unknown when only its end
	// tells. For a response to HEAD, and 304, it is what Content-Length said
	// (Unknown without one) while Body is nil.
	Length int64
	// Body is the content, nil when there can be none.
	Body Body
	// Tunnel is the connection behind a 101: both sides speak another
	// protocol from here on. nil otherwise.
	Tunnel io.ReadWriteCloser

	framing Framing
}

// A Reply is the way out of a Handler's answer. The Handler sets Status and
// Length, appends field lines to Fields and calls Start; then it gives the
// content by Write and Span, and ends with End or Abort. It belongs to the
// connection, which lends its buffers: a hit allocates nothing.
type Reply struct {
	Status int
	// Fields are the field lines in wire form ("Name: value\r\n" each),
	// without framing (Content-Length, Transfer-Encoding) and connection
	// fields: those are the Sink's. Append to it.
	Fields []byte
	// Length is the size of the content, Unknown when only End tells. For a
	// response to HEAD, and 304, it is the Content-Length to be announced
	// (Unknown: none) though no content follows.
	Length int64
	// Sent counts content bytes given to the transport so far.
	Sent int64
	// Err is the first error of the Sink: the client is gone.
	Err error

	Sink
}

// A Sink is a connection seen from a Handler. After an error all calls return
// an error (but see Span), so that a Handler may check once.
type Sink interface {
	// Interim sends an interim (1xx) response at once; HTTP/1.0 clients get none.
	Interim(status int, fields []byte) error
	// Start fixes the head from the Reply's Status, Fields and Length.
	Start() error
	// Write gives content; p is not kept. Content beyond Length is an error.
	Write(p []byte) (int, error)
	// Span gives content and releases it, also on error. After an error that
	// is an ErrLost the Sink goes on: Sent says how many of the bytes went out,
	// and the Handler gives the rest from elsewhere or aborts.
	Span(s Span) error
	// Flush sends what is buffered: the content so far is to be seen. Before
	// Start that is what replies to earlier requests hold back, if anything.
	Flush() error
	// End completes the message; trailer may be nil.
	End(trailer *Head) error
	// Abort leaves the message visibly incomplete: the client can not take
	// it for whole. Before Start it closes the connection without an answer.
	Abort()
	// Hijack gives the connection away: after Start with status 101 both
	// sides speak another protocol. The Handler closes it. Legal only when
	// the request had Upgrade (or CONNECT).
	Hijack() (io.ReadWriteCloser, error)
}
