package origin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"opencache/internal/wire"
)

// dial makes a connection. The caller has a place for it.
func (u *Upstream) dial(ctx context.Context) (*conn, *wire.Error) { return u.dialFor(ctx, false) }

// dialFor is dial; with two for HTTP/2, if the server will.
func (u *Upstream) dialFor(ctx context.Context, two bool) (*conn, *wire.Error) {
	u.counts.dials.Add(1)
	wait := cmp.Or(u.DialTimeout, 5*time.Second)
	dialing, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	raw, address, err := u.connect(dialing)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, u.canceled(ctx)
	case late(dialing, err):
		return nil, u.blame(DialTimeout, fmt.Errorf("no connection within %v: %w", wait, err))
	default:
		return nil, u.blame(Dial, err)
	}
	c := &conn{u: u, nc: raw, raw: raw, peek: peeker(raw), address: address}
	c.abortFunc = c.abort
	switch {
	case u.Scheme == "https":
		return c, c.handshake(ctx, two)
	case two:
		return c, nil
	}
	if c.readable() {
		_ = raw.Close()
		return nil, u.blame(BadResponse, errors.New("it closed or spoke before the request"))
	}
	c.line, c.moveFunc = newLine(raw), c.move
	return c, nil
}

// late reports whether err came of a wait that was over.
func late(ctx context.Context, err error) bool {
	var timed net.Error
	return ctx.Err() != nil || errors.As(err, &timed) && timed.Timeout()
}

// handshake puts TLS between c and its messages.
func (c *conn) handshake(ctx context.Context, two bool) *wire.Error {
	u := c.u
	config := u.secureConfig()
	if two {
		config = u.two.config
	}
	wait := cmp.Or(u.TLSTimeout, 5*time.Second)
	shaking, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	c.gate = &gate{Conn: c.raw}
	t := tls.Client(c.gate, config)
	c.nc = t
	err := t.HandshakeContext(shaking)
	if err == nil {
		// No choice is HTTP/1.1 (RFC 9113, 3.2).
		may := []string{"http/1.1"}
		if two {
			may = config.NextProtos
		}
		if p := cmp.Or(t.ConnectionState().NegotiatedProtocol, "http/1.1"); !slices.Contains(may, p) {
			err = fmt.Errorf("it chose protocol %q, expected %s", p, strings.Join(may, " or "))
		}
	}
	if err == nil {
		return nil
	}
	c.abort()
	switch {
	case ctx.Err() != nil:
		return u.canceled(ctx)
	case late(shaking, err):
		e := u.blame(TLS, fmt.Errorf("no handshake within %v: %w", wait, err))
		e.Status = 504
		return e
	}
	return u.blame(TLS, err)
}

func (u *Upstream) secureConfig() *tls.Config {
	u.secure.Do(func() {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if u.TLS != nil {
			config = u.TLS.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = hostOf(cmp.Or(u.Host, u.Addr))
		}
		if config.NextProtos == nil {
			config.NextProtos = []string{"http/1.1"}
		}
		if config.ClientSessionCache == nil {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(64)
		}
		u.secure.config = config
	})
	return u.secure.config
}

// speaksTwo reports whether the handshake came to HTTP/2.
func (c *conn) speaksTwo() bool {
	t, ok := c.nc.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}

// hostOf returns authority without port and brackets.
func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}

// A gate is the connection under TLS. It can be shut, so that what TLS holds
// undelivered can be asked for without a wait; and it notes an end that TLS
// did not announce.
type gate struct {
	net.Conn
	shut   bool
	silent bool // the end came without a close_notify before it
}

func (g *gate) Read(p []byte) (int, error) {
	if g.shut {
		// crypto/tls forgets errors that are temporary, and this is one.
		return 0, os.ErrDeadlineExceeded
	}
	n, err := g.Conn.Read(p)
	if ended(err) {
		g.silent = true
	}
	return n, err
}

// holds reports whether t, the TLS above g, has bytes or an end to deliver.
func (g *gate) holds(t net.Conn) bool {
	var b [1]byte
	g.shut = true
	_, err := t.Read(b[:])
	g.shut = false
	return !errors.Is(err, os.ErrDeadlineExceeded)
}
