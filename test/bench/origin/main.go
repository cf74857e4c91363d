// Origin is the server behind the caches that are measured: answers of fixed
// sizes, chosen by the last element of the path, from memory, so cheap that
// not the origin is measured. It reads GET requests without content only.
//
//	origin -listen 127.0.0.1:9000
//	curl http://127.0.0.1:9000/1k           1 KiB; also /4k /16k /32k /64k /1m /10m
//	curl http://127.0.0.1:9000/any/1k       the same under another key
//	curl http://127.0.0.1:9000/each/T/N/1k  the same, counted as /each/T whatever N is
//	curl http://127.0.0.1:9000/slow/ID      1 MiB in 16 pieces, 30 ms apart
//	curl http://127.0.0.1:9000/__count      JSON: how often each path was fetched
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	slowSize   = 1 << 20
	slowPieces = 16
	slowPause  = 30 * time.Millisecond
	headMax    = 16 << 10 // bytes of a request's head
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatalf("origin: %v", err)
	}
	log.Fatalf("origin: %v", newOrigin().serve(l))
}

type origin struct {
	answers map[string][]byte // by the last element of the path: head and content
	slow    []byte            // content of /slow/ID

	mu sync.Mutex // guards the field below

	fetched map[string]int // by path
}

func newOrigin() *origin {
	o := &origin{answers: map[string][]byte{}, fetched: map[string]int{}, slow: content(slowSize)}
	for name, size := range map[string]int{"1k": 1 << 10, "4k": 4 << 10, "16k": 16 << 10, "32k": 32 << 10, "64k": 64 << 10, "1m": 1 << 20, "10m": 10 << 20} {
		o.answers[name] = append(head(name, size), content(size)...)
	}
	return o
}

func (o *origin) serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go func() {
			defer func() { _ = conn.Close() }() // both sides are done with it
			if err := o.talk(conn); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				log.Printf("origin: %s: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// talk answers the requests of one connection, in order.
func (o *origin) talk(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, headMax)
	for {
		path, err := readPath(r)
		if err != nil {
			return err
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		answer, ok := o.answers[name]
		if path != "/__count" {
			o.count(path)
		}
		switch {
		case path == "/__count":
			_, err = conn.Write(o.counts())
		case strings.HasPrefix(path, "/slow/"):
			err = o.trickle(conn, name)
		case ok:
			_, err = conn.Write(answer)
		default:
			_, err = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}
		if err != nil {
			return fmt.Errorf("answer to %s: %w", path, err)
		}
	}
}

func (o *origin) count(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fetched[counted(path)]++
}

// counted is the name that a path is counted by.
func counted(path string) string {
	if rest, ok := strings.CutPrefix(path, "/each/"); ok {
		if tag, _, ok := strings.Cut(rest, "/"); ok {
			return "/each/" + tag
		}
	}
	return path
}

func (o *origin) counts() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, _ := json.Marshal(o.fetched) // a map of numbers always can be
	return append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n", len(b)), b...)
}

func (o *origin) trickle(w io.Writer, name string) error {
	if _, err := w.Write(head(name, len(o.slow))); err != nil {
		return err
	}
	for i, size := 0, len(o.slow)/slowPieces; i < slowPieces; i++ {
		if i > 0 {
			time.Sleep(slowPause)
		}
		if _, err := w.Write(o.slow[i*size : (i+1)*size]); err != nil {
			return err
		}
	}
	return nil
}

// readPath reads the head of a request and returns its path.
func readPath(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	f := bytes.Fields(line)
	if len(f) != 3 || string(f[0]) != "GET" {
		return "", fmt.Errorf("request line %q: not a GET", line)
	}
	path := string(f[1])
	for len(bytes.TrimRight(line, "\r\n")) > 0 {
		if line, err = r.ReadSlice('\n'); err != nil {
			return "", err
		}
	}
	return path, nil
}

func head(name string, size int) []byte {
	now := time.Now().UTC()
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: %s\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: %d\r\nLast-Modified: %s\r\nETag: \"%s-%d\"\r\nCache-Control: max-age=3600\r\n\r\n",
		now.Format(httpTime), size, now.Add(-24*time.Hour).Format(httpTime), name, size)
}

const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// content returns bytes whose order shows: no two blocks of 64 KiB are equal.
func content(size int) []byte {
	b := make([]byte, size)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
