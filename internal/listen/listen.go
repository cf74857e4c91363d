// Package listen owns the sockets that clients connect to: it opens them,
// accepts connections, bounds their number, gives each to the protocol that it
// speaks, and stops without breaking any. It knows protocols by name only
// (ALPN: "http/1.1") and reads and writes nothing itself.
//
//	ln, err := listen.Listen("127.0.0.1:8080")
//	…
//	s := &listen.Server{Protocols: map[string]func(net.Conn){"http/1.1": h.ServeConn}}
//	go s.Serve(ln)
//	…
//	h.Drain() // the protocol ends what is idle
//	err = s.Shutdown(ctx) // no new connections; waits for the others
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// keepAlive finds clients that are gone without having said so within two
// minutes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}

// Options are what a listening socket may have beyond the system's defaults.
// The zero value has none of it. All but Backlog are for TCP alone, and where
// the system has no such thing listening fails with errors.ErrUnsupported.
type Options struct {
	// DeferAccept has the kernel hold a connection back until the client has
	// sent something, for about so long, in whole seconds; 0: not at all.
	DeferAccept time.Duration
	// ReusePort lets other sockets of this user listen on the same port; the
	// kernel spreads connections over them.
	ReusePort bool
	// NotSentLowat is how many bytes a connection's socket takes ahead of
	// what the network has taken; 0: as many as its send buffer holds.
	NotSentLowat int
	// Backlog is how many connections wait to be accepted; 0: as many as the
	// system allows, which bounds any number.
	Backlog int
}

// Listen opens a listening socket without options; see Options.Listen.
func Listen(addr string) (net.Listener, error) { return Options{}.Listen(addr) }

// Listen opens a listening socket: "host:port" for TCP (no host: all
// addresses, port 0: any free one) or "unix:/path". A Unix socket that a dead
// process has left behind is replaced. Errors are one line that names the
// address and what is wrong with it; a port that somebody else has is
// syscall.EADDRINUSE to errors.Is.
func (o Options) Listen(addr string) (net.Listener, error) {
	network, where, err := split(addr)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w", addr, err)
	}
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	if network == "tcp" {
		config.Control = func(_, _ string, c syscall.RawConn) error { return o.control(c) }
	}
	config.SetMultipathTCP(false) // it costs on every segment, and no client of a cache asks for it
	ln, err := config.Listen(context.Background(), network, where)
	if network == "unix" && errors.Is(err, syscall.EADDRINUSE) && abandoned(where) {
		if err := os.Remove(where); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listen %s: socket of a dead process: %w", addr, err)
		}
		ln, err = config.Listen(context.Background(), network, where)
	}
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, plain(err))
	}
	if ln, err = o.finish(ln); err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	return ln, nil
}

// split returns the network and address that net knows.
func split(addr string) (network, where string, err error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" {
			return "", "", errors.New("expected a path after unix:, like unix:/run/opencache.sock")
		}
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", errors.New("expected host:port or unix:/path")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("port %q: expected a number from 0 to 65535", port)
	} else if host == "" {
		return "tcp", ":" + strconv.FormatUint(n, 10), nil
	}
	return "tcp", addr, nil
}

// abandoned reports whether path is a socket that nobody listens on.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// plain says in words what the common errors of listening mean; net's own
// text names the call and repeats the address.
func plain(err error) error {
	var words string
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		words = "another process listens there already"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		words = "this user may not listen there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		words = "no address of this machine"
	case errors.As(err, &dns):
		words = "host not found"
	default:
		var op *net.OpError
		if errors.As(err, &op) {
			return op.Err
		}
		return err
	}
	return &plainError{words, err}
}

// A plainError reads as words and is its cause to errors.Is.
type plainError struct {
	words string
	cause error
}

func (e *plainError) Error() string { return e.words }
func (e *plainError) Unwrap() error { return e.cause }
