//go:build !linux

package h1

import (
	"errors"
	"net"
	"syscall"
)

// rawOf returns nil: only Linux has a way past nc's Write here.
func rawOf(net.Conn) syscall.RawConn { return nil }

type vector struct{}

func (g *cargo) writeTo(uintptr) bool {
	g.err = errors.ErrUnsupported
	return true
}

func (c *conn) await() error { return c.awaitConn() }

func (c *conn) readFirst(uintptr) bool {
	c.readErr = errors.ErrUnsupported
	return true
}

func (c *conn) unacked() int { return 0 }

func (c *conn) queueLess() {}

func (c *conn) acknowledge() {}
