package main

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An object is what the origin has under a path. Objects begin at different
// places of one long run of random bytes: bytes of another object, of another
// place in it, or of nothing are other bytes.
type object struct {
	path   string
	n      int
	tagged bool // it has a strong validator
}

const bookSize = 32 << 20

// A book is that run.
type book []byte

func newBook() book {
	b := make(book, bookSize)
	r := rand.NewChaCha8([32]byte{5})
	_, _ = r.Read(b)
	return b
}

func (b book) content(o *object) []byte {
	h := fnv.New64a()
	_, _ = io.WriteString(h, o.path)
	at := int(h.Sum64() % uint64(len(b)-o.n))
	return b[at : at+o.n]
}

// An origin serves the objects and counts the requests.
type origin struct {
	book    book
	objects map[string]*object
	asked   atomic.Int64
	server  http.Server
	addr    string
}

func newOrigin(b book, sets ...[]*object) (*origin, error) {
	o := &origin{book: b, objects: map[string]*object{}}
	for _, set := range sets {
		for _, obj := range set {
			o.objects[obj.path] = obj
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.addr = l.Addr().String()
	o.server.Handler = o
	go func() { _ = o.server.Serve(l) }() // ends with close
	return o, nil
}

func (o *origin) close() error { return o.server.Close() }

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	obj := o.objects[r.URL.Path]
	if n, ok := strings.CutPrefix(r.URL.Path, "/fresh/"); ok {
		i, _ := strconv.Atoi(n)
		obj = fresh(i)
	}
	if obj == nil {
		http.NotFound(w, r)
		return
	}
	o.asked.Add(1)
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "max-age=86400")
	if obj.tagged {
		h.Set("ETag", strconv.Quote(strings.ReplaceAll(obj.path, "/", ".")))
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.book.content(obj)))
}

// fresh is an object that nobody has asked for before.
func fresh(i int) *object {
	return &object{path: fmt.Sprintf("/fresh/%d", i), n: 20_000 + i*7919%500_000, tagged: true}
}

// some makes n objects of size bytes, one after the other a little longer.
func some(name string, n, size int, tagged bool) (set []*object) {
	for i := range n {
		set = append(set, &object{path: fmt.Sprintf("/%s/%d", name, i), n: size + 13*i, tagged: tagged})
	}
	return set
}
