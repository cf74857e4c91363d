package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialers    = 64  // connections being opened at a time
	perAddress = 100 // connections from one address
	dialTime   = 20 * time.Second
)

// source is the address on loopback that connection i comes from: a client is
// not many, so limits per address and the number of ports do not matter.
func source(i int) net.IP {
	n := i / perAddress
	return net.IPv4(127, 1, byte(n/250), byte(1+n%250))
}

// dial opens connection i. Its receive buffer has that many bytes; 0: as many
// as usual.
func dial(ctx context.Context, addr string, i, buffer int) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: dialTime, LocalAddr: &net.TCPAddr{IP: source(i)}}
	// The port is chosen when the other end is known: it need not be free
	// towards others.
	d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
		controlled := raw.Control(func(fd uintptr) {
			if err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err == nil && buffer > 0 {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
			}
		})
		if controlled != nil {
			return controlled
		}
		return err
	}
	conn, err := d.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, fmt.Errorf("connection %d: %w", i+1, err)
	}
	return conn.(*net.TCPConn), nil
}

// each calls f for 0 to n-1, dialers of them at a time, and returns the first
// error, after which it begins no more.
func each(n int, f func(i int) error) error {
	var all sync.WaitGroup
	var once sync.Once
	var first error
	failed := make(chan struct{})
	token := make(chan struct{}, dialers)
	for i := range n {
		select {
		case token <- struct{}{}:
		case <-failed:
			all.Wait()
			return first
		}
		all.Go(func() {
			if err := f(i); err != nil {
				once.Do(func() { first = err; close(failed) })
			}
			<-token
		})
	}
	all.Wait()
	return first
}
