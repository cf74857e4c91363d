package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"opencache/test/bench/child"
)

// sweepers are the connections of a sweep.
const sweepers = 16

// sweep asks the server once for each of the first n URLs of a workload with
// each, and returns how many of them the origin did not see: those are stored.
func (b *bench) sweep(ctx context.Context, s *server, prefix string, n int, name string) (stored int, err error) {
	before, err := b.origin.count(ctx, prefix)
	if err != nil {
		return 0, err
	}
	errs := make([]error, sweepers)
	var every sync.WaitGroup
	for i := range sweepers {
		every.Go(func() { errs[i] = askEach(ctx, s.site.Port, prefix, name, i*n/sweepers, (i+1)*n/sweepers) })
	}
	every.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	after, err := b.origin.count(ctx, prefix)
	return n - (after - before), err
}

// askEach asks on one connection for PREFIX/I/NAME, one after another. It is no
// more of a client than the load generators are: a hundred thousand answers
// are to take a second or two.
func askEach(ctx context.Context, port int, prefix, name string, from, to int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", child.Addr(port))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	defer func() { _ = conn.Close() }() // all is said
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at) // the connection is open
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	var request []byte
	for i := from; i < to; i++ {
		request = fmt.Appendf(request[:0], "GET %s/%012d/%s HTTP/1.1\r\nHost: %s\r\n\r\n", prefix, i, name, child.Addr(port))
		if _, err := conn.Write(request); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if err := skipAnswer(r); err != nil {
			return fmt.Errorf("sweep: %s/%012d/%s: %w", prefix, i, name, err)
		}
	}
	return nil
}

// skipAnswer reads an answer, which must be a 200 with a Content-Length.
func skipAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, fmt.Appendf(nil, "HTTP/1.1 %d", http.StatusOK)) {
		return fmt.Errorf("got %q, want 200", status)
	}
	size := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, v, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !ok {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return fmt.Errorf("Content-Length: %w", err)
			}
		}
	}
	if size < 0 {
		return errors.New("got no Content-Length, want one")
	}
	_, err = r.Discard(size)
	return err
}
