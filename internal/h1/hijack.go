package h1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"opencache/internal/wire"
)

// A tunnel is a connection that a Handler has taken over.
type tunnel struct {
	srv    *Server
	nc     net.Conn
	unread bytes.Reader // what came before it was one
	once   sync.Once
}

// A halfTunnel is a tunnel whose sending side can be ended alone.
type halfTunnel struct{ *tunnel }

// Hijack gives the connection away; see wire.Sink.
func (r *reply) Hijack() (io.ReadWriteCloser, error) {
	c := r.c
	switch {
	case r.stage != stageOpen || r.frame != frameNone || !r.switched():
		return nil, errNoSwitch
	case !c.body.whole.Load():
		return nil, errUnreadSwitch
	}
	c.watcher.retire()
	if err := r.flush(); err != nil {
		return nil, err
	}
	c.rd.resume() // clears what limit there is
	c.wr.resume()
	t := &tunnel{srv: c.srv, nc: c.nc}
	t.unread.Reset(bytes.Clone(c.in.Unread()))
	c.in.R = c.in.W
	c.srv.mu.Lock()
	closed := c.srv.closed
	if c.srv.tunnels == nil {
		c.srv.tunnels = map[*tunnel]struct{}{}
	}
	c.srv.tunnels[t] = struct{}{}
	c.srv.mu.Unlock()
	r.stage = stageAway
	if closed {
		_ = t.Close()
	}
	if _, ok := t.nc.(interface{ CloseWrite() error }); ok {
		return halfTunnel{t}, nil
	}
	return t, nil
}

// switched reports whether the reply ends HTTP on this connection: 101, or
// success of CONNECT (RFC 9110, 9.3.6).
func (r *reply) switched() bool {
	if r.c.req.Method == wire.CONNECT {
		return r.p.Status/100 == 2
	}
	return r.p.Status == 101
}

func (t *tunnel) Read(p []byte) (n int, err error) {
	if t.unread.Len() > 0 {
		return t.unread.Read(p)
	}
	n, err = t.nc.Read(p)
	t.srv.tally.ended.in.Add(uint64(n))
	return n, err
}

func (t *tunnel) Write(p []byte) (n int, err error) {
	n, err = t.nc.Write(p)
	t.srv.tally.ended.out.Add(uint64(n))
	return n, err
}

// SetDeadline limits reads and writes as net.Conn's does.
func (t *tunnel) SetDeadline(at time.Time) error { return t.nc.SetDeadline(at) }

func (t *tunnel) Close() error {
	err := net.ErrClosed
	t.once.Do(func() {
		t.srv.mu.Lock()
		delete(t.srv.tunnels, t)
		t.srv.mu.Unlock()
		err = t.nc.Close()
	})
	return err
}

// CloseWrite ends the sending side.
func (t halfTunnel) CloseWrite() error {
	return t.nc.(interface{ CloseWrite() error }).CloseWrite()
}

var (
	errNoSwitch     = errors.New("hijack: the reply does not switch protocols")
	errUnreadSwitch = errors.New("hijack: the request's content was not read")
)
