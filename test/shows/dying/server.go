package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A way is how a server is.
type way int32

const (
	well      way = iota
	killed        // nobody listens, and all connections are gone
	refusing      // connections are reset as soon as they are taken
	hanging       // requests are never answered
	resetting     // answers break off in mid-body
	failing       // every answer is a 503
	numWays   int = iota
)

func (w way) String() string {
	return [numWays]string{"well", "killed", "refusing", "hanging", "resetting in mid-body", "failing with 503"}[w]
}

// A server is one of those that the edge asks.
type server struct {
	addr  string
	asked atomic.Int64 // requests but checks, whatever became of them

	way   atomic.Int32
	mu    sync.Mutex // guards the fields below
	http  *http.Server
	ended chan struct{} // closed when hanging ends
}

// newServer starts a server.
func newServer() (*server, error) {
	s := &server{addr: "127.0.0.1:0", ended: make(chan struct{})}
	return s, s.listen()
}

// listen takes connections, from now on at the same address.
func (s *server) listen() error {
	var ln net.Listener
	var err error
	for range 50 { // the kernel may hold the port for a moment
		if ln, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	s.addr = ln.Addr().String()
	s.mu.Lock()
	s.http = &http.Server{Handler: s}
	go func(h *http.Server) { _ = h.Serve(&door{ln, s}) }(s.http)
	s.mu.Unlock()
	return nil
}

// become has the server be so.
func (s *server) become(w way) error {
	was := way(s.way.Swap(int32(w)))
	s.mu.Lock()
	if was == hanging {
		close(s.ended)
		s.ended = make(chan struct{})
	}
	h := s.http
	s.mu.Unlock()
	if w == killed || w == refusing {
		_ = h.Close()
	}
	if was == killed || w == refusing {
		if w == killed {
			return nil
		}
		return s.listen()
	}
	return nil
}

// A door is a listener that resets connections while the server is refusing.
type door struct {
	net.Listener
	s *server
}

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil || way(d.s.way.Load()) != refusing {
			return c, err
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// ServeHTTP answers with content that its name tells, under a validator.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := way(s.way.Load())
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if now == hanging {
		select {
		case <-ended:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
	if r.URL.Path == "/well" {
		if now == failing {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	s.asked.Add(1)
	if now == failing {
		http.Error(w, "failing", http.StatusServiceUnavailable)
		return
	}
	content := contentOf(r.URL.Path)
	if strings.HasPrefix(r.URL.Path, "/pass/") {
		w.Header().Set("Cache-Control", "no-store")
	} else {
		w.Header().Set("Cache-Control", "max-age=1")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf("%q", r.URL.Path))
	var from io.ReadSeeker = bytes.NewReader(content)
	if now == resetting {
		from = &breaking{ReadSeeker: from, left: len(content) / 2}
	}
	http.ServeContent(w, r, "", time.Time{}, from)
}

// breaking is content that breaks off.
type breaking struct {
	io.ReadSeeker
	left int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		panic(http.ErrAbortHandler)
	}
	n, err := b.ReadSeeker.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// WriteTo keeps http from going around Read.
func (b *breaking) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}

// contentOf is the content of a path: every fourth one is large.
func contentOf(path string) []byte {
	_, number, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	n, _ := strconv.Atoi(number)
	size := 2 << 10
	if n%4 == 0 {
		size = 300 << 10
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*7) ^ byte(n)
	}
	return b
}

var errWrong = errors.New("wrong bytes")
