package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// A kind is a way to be slow. Its play runs once for each client, until it has
// its answer, the other end has closed (writes fail, or closed is done), or
// ctx ends.
type kind struct {
	name   string
	secure bool          // goes to where TLS is spoken
	buffer int           // receive buffer; 0: as usual
	honest bool          // must be answered; others must be closed
	bound  time.Duration // within which
	play   func(ctx context.Context, conn *net.TCPConn, host string) error
}

// kinds returns all kinds with what is expected of the cache.
func (s *slow) kinds() []kind {
	const narrow = 4096
	all := []kind{
		{name: "slowloris: a head, a byte a second", bound: s.timeout, play: slowloris},
		{name: "silent: connected, no head at all", bound: s.timeout, play: silent},
		{name: "slow content: 1 MiB, a byte a second", bound: s.grace, play: slowContent},
		{name: "honest: a request in bytes, 1 ms apart", honest: true, bound: s.timeout, play: honest},
		{name: "half-closed after the request", honest: true, bound: s.timeout, play: halfClosed},
		{name: "never reading: asks for 10 MiB", bound: s.timeout, buffer: narrow, play: neverReading},
		{name: "slow reading: 10 MiB at 100 bytes/s", bound: s.grace, buffer: narrow, play: slowReading},
	}
	if s.secure != "" {
		all = append(all, kind{name: "silent towards TLS: no handshake", secure: true, bound: s.timeout, play: silent})
	}
	return all
}

func get(path, host string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
}

// drip writes text in single bytes, one each time.
func drip(ctx context.Context, conn net.Conn, text string, each time.Duration) error {
	tick := time.NewTicker(each)
	defer tick.Stop()
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// forever drips x until it fails.
func forever(ctx context.Context, conn net.Conn) error {
	for {
		if err := drip(ctx, conn, "xxxxxxxx", time.Second); err != nil {
			return err
		}
	}
}

func slowloris(ctx context.Context, conn *net.TCPConn, host string) error {
	if err := drip(ctx, conn, fmt.Sprintf("GET /1k HTTP/1.1\r\nHost: %s\r\nX-Slow: ", host), time.Second); err != nil {
		return err
	}
	return forever(ctx, conn)
}

func silent(ctx context.Context, _ *net.TCPConn, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func slowContent(ctx context.Context, conn *net.TCPConn, host string) error {
	if _, err := fmt.Fprintf(conn, "POST /take HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", host, 1<<20); err != nil {
		return err
	}
	return forever(ctx, conn)
}

func honest(ctx context.Context, conn *net.TCPConn, host string) error {
	if err := drip(ctx, conn, get("/1k", host), time.Millisecond); err != nil {
		return err
	}
	return answered(conn, content(small))
}

func halfClosed(_ context.Context, conn *net.TCPConn, host string) error {
	if _, err := io.WriteString(conn, get("/1k", host)); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	return answered(conn, content(small))
}

func neverReading(ctx context.Context, conn *net.TCPConn, host string) error {
	if _, err := io.WriteString(conn, get("/10m", host)); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func slowReading(ctx context.Context, conn *net.TCPConn, host string) error {
	if _, err := io.WriteString(conn, get("/10m", host)); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var b [100]byte
	for {
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
