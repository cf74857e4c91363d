package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const askTime = 20 * time.Second // for one answer

// A hold is connections that have asked once and then wait.
type hold struct {
	addr   string
	pid    int
	admin  string
	secure bool
	conns  int
	limit  float64 // KiB
}

func (h *hold) run(ctx context.Context) error {
	name := "plain"
	if h.secure {
		name = "TLS"
	}
	if err := h.warm(ctx); err != nil {
		return err
	}
	before, err := rest(ctx, h.pid)
	if err != nil {
		return err
	}
	w, err := newWatch(h.conns)
	if err != nil {
		return err
	}
	defer w.stop()
	conns := make([]net.Conn, h.conns)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close() // nothing is left to be written
			}
		}
	}()
	begin := time.Now()
	err = each(h.conns, func(i int) (err error) {
		conns[i], err = h.open(ctx, w, i)
		return err
	})
	if err != nil {
		return err
	}
	opened := time.Since(begin)
	after, err := rest(ctx, h.pid)
	if err != nil {
		return err
	}
	how := ""
	if h.limit > 0 && share(before, after, h.conns) > h.limit && h.admin != "" {
		how = fmt.Sprintf("; it was %.2f before a garbage collection was asked of the administration", share(before, after, h.conns))
		if err := collect(ctx, h.admin); err != nil {
			return err
		}
		if after, err = rest(ctx, h.pid); err != nil {
			return err
		}
	}
	kib := share(before, after, h.conns)
	fmt.Printf("%d idle %s connections (opened in %.1f s): %.2f KiB each, %d KiB in all above %d; at most %g KiB each%s\n",
		h.conns, name, opened.Seconds(), kib, after-before, before, h.limit, how)
	return errors.Join(h.verdict(kib), h.alive(w, conns))
}

// share is what each connection takes of the memory that came since before.
func share(before, after, conns int) float64 { return float64(after-before) / float64(conns) }

func (h *hold) verdict(kib float64) error {
	if h.limit > 0 && kib > h.limit {
		return fmt.Errorf("MISSED: %.2f KiB a connection, at most %g are expected", kib, h.limit)
	}
	return nil
}

// warm asks twice on one connection: then the answer is stored, and what the
// process needs for its first request is not charged to the connections.
func (h *hold) warm(ctx context.Context) error {
	for range 2 {
		conn, err := h.open(ctx, nil, 0)
		if err != nil {
			return err
		}
		_ = conn.Close() // has its answer
	}
	return nil
}

func (h *hold) open(ctx context.Context, w *watch, i int) (conn net.Conn, err error) {
	tcp, err := dial(ctx, h.addr, i, 0)
	if err != nil {
		return nil, err
	}
	conn = tcp
	if h.secure {
		// The certificate is one of the show's own, and the cache is what is shown.
		conn = tls.Client(tcp, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	}
	if err = ask(conn, h.addr); err == nil && w != nil {
		err = w.add(tcp, i)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("connection %d: %w", i+1, err)
	}
	return conn, nil
}

// ask makes a request for 1 KiB and reads the answer to its last byte.
func ask(conn net.Conn, host string) error {
	if err := conn.SetDeadline(time.Now().Add(askTime)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /1k HTTP/1.1\r\nHost: %s\r\n\r\n", host); err != nil {
		return err
	}
	if err := answered(conn, content(small)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// answered reads a whole answer that must be 200 with this content, and
// nothing behind it.
func answered(conn io.Reader, want []byte) error {
	r := bufio.NewReaderSize(conn, 4096)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	got, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // read to its end
	switch {
	case err != nil:
		return fmt.Errorf("content after %d bytes: %w", len(got), err)
	case response.StatusCode != http.StatusOK || !bytes.Equal(got, want) || r.Buffered() > 0:
		return fmt.Errorf("got status %d with %d bytes and %d more, want 200 with the origin's %d", response.StatusCode, len(got), r.Buffered(), len(want))
	}
	return nil
}

// alive asks again on every hundredth connection; none may be closed.
func (h *hold) alive(w *watch, conns []net.Conn) error {
	if n := w.count(); n > 0 {
		return fmt.Errorf("MISSED: %d of %d connections were closed while they were idle", n, len(conns))
	}
	for i := 0; i < len(conns); i += 100 {
		if err := ask(conns[i], h.addr); err != nil {
			return fmt.Errorf("MISSED: second request on connection %d: %w", i+1, err)
		}
	}
	return nil
}
