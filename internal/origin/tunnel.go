package origin

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"opencache/internal/wire"
)

// A tunnel is the connection behind a 101. It has no deadline: how long it may
// be silent is known to who uses it.
type tunnel struct {
	net.Conn        // for writing
	unread   []byte // what came behind the head; Read's own
	close    sync.Once
	closed   func()
}

// tunnel hands out a 101 response whose head is the next n unread bytes. The
// connection leaves the pool, its place stays taken until Close.
func (c *conn) tunnel(n int) *wire.Response {
	c.in.R += n
	resp := new(wire.Response)
	resp.CopyFrom(&c.resp)
	c.watch() // for as long as the tunnel is open
	stop, u := c.stop, c.u
	resp.Tunnel = &tunnel{
		Conn:   c.nc,
		unread: bytes.Clone(c.in.Unread()),
		closed: func() {
			if stop != nil {
				stop()
			}
			u.free()
		},
	}
	c.lose()
	_ = c.nc.SetDeadline(time.Time{})
	return resp
}

var _ io.ReadWriteCloser = (*tunnel)(nil)

func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.unread) > 0 {
		n := copy(p, t.unread)
		t.unread = t.unread[n:]
		return n, nil
	}
	return t.Conn.Read(p)
}

// CloseWrite tells the upstream that no more will come from here.
func (t *tunnel) CloseWrite() error {
	if w, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (t *tunnel) Close() error {
	err := t.Conn.Close()
	t.close.Do(t.closed)
	return err
}
