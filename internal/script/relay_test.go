package script

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
)

// relay is a subject that proves the language: it passes each request on a
// connection of its own to the origin and its answer back, and keeps
// nothing. Its flags are the faults that a play must find.
type relay struct {
	env  Env
	ctx  context.Context
	stop context.CancelFunc
	leak chan struct{}

	mu    sync.Mutex // guards the field below
	conns map[net.Conn]bool
}

func startRelay(e Env) (Running, error) {
	for _, f := range e.Flags {
		if dir, ok := strings.CutPrefix(f, "--once="); ok {
			if err := os.Mkdir(dir+"/started", 0o700); err != nil {
				return nil, err
			}
			continue
		}
		if !slices.Contains([]string{"--leak", "--unclean", "--twice", "--swallow", "--panic"}, f) {
			return nil, fmt.Errorf("unknown flag %q", f)
		}
	}
	r := &relay{env: e, conns: map[net.Conn]bool{}, leak: make(chan struct{})}
	r.ctx, r.stop = context.WithCancel(context.Background())
	if r.has("--leak") {
		go func() { <-r.leak }()
	}
	return r, nil
}

func (r *relay) has(flag string) bool { return slices.Contains(r.env.Flags, flag) }

func (r *relay) Close() error {
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
	if r.has("--unclean") {
		return errors.New("2 pins are left")
	}
	return nil
}

func (r *relay) keep(c net.Conn) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, c)
		_ = c.Close()
	}
}

func (r *relay) ServeConn(c net.Conn) {
	defer r.keep(c)()
	br := bufio.NewReader(c)
	for {
		m, err := readHead(br)
		if err != nil {
			if errors.Is(err, errMalformed) {
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			}
			return
		}
		if err := r.exchange(c, br, m); err != nil {
			r.env.Log.Info("exchange failed", "client", c.RemoteAddr(), "err", err)
			return
		}
	}
}

// exchange passes one request on. When the answer is cut, so is the client's.
func (r *relay) exchange(c net.Conn, br *bufio.Reader, m *message) error {
	up, err := r.env.Dial(r.ctx, "tcp", "origin.test:80")
	if err != nil {
		_, err := io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return err
	}
	defer r.keep(up)()
	if r.has("--panic") {
		panic("out of luck")
	}
	if r.has("--swallow") {
		return errors.New("swallowed")
	}
	f, err := m.fields.frame(framing{})
	if err != nil {
		return err
	}
	_, _ = up.Write(m.raw)
	if err := pass(br, up, f); err != nil {
		return err
	}
	if r.has("--twice") {
		if again, err := r.env.Dial(r.ctx, "tcp", "origin.test:80"); err == nil {
			defer r.keep(again)()
			_, _ = again.Write(m.raw)
			_, _ = readHead(bufio.NewReader(again))
		}
	}
	return r.reply(c, br, bufio.NewReader(up), up, m)
}

func (r *relay) reply(c net.Conn, br, from *bufio.Reader, up net.Conn, m *message) error {
	method, _, _ := strings.Cut(m.start, " ")
	for {
		head, err := readHead(from)
		if err != nil {
			return err
		}
		_, _ = c.Write(head.raw)
		var status int
		_, _ = fmt.Sscanf(head.start, "HTTP/1.1 %d", &status)
		if status == 101 {
			return tunnel(c, br, from, up)
		}
		if status < 200 {
			continue
		}
		f, err := (&reply{message: head, status: status}).frame(method)
		if err != nil {
			return err
		}
		err = pass(from, c, f)
		if f.untilClose && err == nil {
			return io.EOF
		}
		return err
	}
}

// tunnel passes bytes both ways until both have ended.
func tunnel(c net.Conn, br, from *bufio.Reader, up net.Conn) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(up, br)
		_ = up.(halfCloser).CloseWrite()
	}()
	_, _ = io.Copy(c, from)
	_ = c.(halfCloser).CloseWrite()
	<-done
	return io.EOF
}

func pass(from *bufio.Reader, to net.Conn, f framing) error {
	piece := func(b []byte) error {
		if f.chunked {
			b = chunk(b)
		}
		_, err := to.Write(b)
		return err
	}
	trailers, err := readBody(from, f, piece)
	if err == nil && f.chunked {
		_, err = to.Write(head("0", trailers))
	}
	return err
}
