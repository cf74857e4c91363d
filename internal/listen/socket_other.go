//go:build !linux

package listen

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// control does nothing: package net sets the usual options by itself.
func (o Options) control(syscall.RawConn) error { return nil }

func (o Options) finish(l net.Listener) (net.Listener, error) {
	if o != (Options{}) {
		_ = l.Close()
		return nil, fmt.Errorf("options of the socket: %w on this system", errors.ErrUnsupported)
	}
	return l, nil
}

// passing are errors of accept(2) after which the next one may work.
var passing = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN,
	syscall.ECONNABORTED, syscall.ECONNRESET,
}
