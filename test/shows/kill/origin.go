package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	things   = 400
	tags     = 20
	families = 10 // of paths that begin alike
)

// An origin serves things whose versions go up.
type origin struct {
	server *httptest.Server
	url    string
	things []*thing
}

// A thing is one URL. Its path tells its family, its tag is another group.
type thing struct {
	n, size int
	path    string
	tag     int
	varies  bool // by Accept-Language

	version atomic.Int64 // that the origin has
	floor   atomic.Int64 // below it nothing may be seen: a purge has been answered
	seen    [2]atomic.Int64
	how     atomic.Value // of the last purge that was answered
}

func listen(seed uint64) (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 1))
	o := &origin{}
	for n := range things {
		t := &thing{n: n, size: sizeOf(r), path: fmt.Sprintf("/f%d/%d", n%families, n), tag: r.IntN(tags), varies: n%7 == 3}
		t.version.Store(1)
		o.things = append(o.things, t)
	}
	o.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: o, ReadHeaderTimeout: time.Minute}}
	o.server.Start()
	o.url = o.server.URL
	return o, nil
}

func (o *origin) close() { o.server.Close() }

// sizeOf is a mix: mostly pages, some images, a few large things in segments.
func sizeOf(r *rand.Rand) int {
	switch x := r.IntN(100); {
	case x < 60:
		return 200 + r.IntN(8<<10)
	case x < 88:
		return 8<<10 + r.IntN(56<<10)
	case x < 97:
		return 64<<10 + r.IntN(400<<10)
	}
	return 1<<20 + r.IntN(2<<20)
}

// ServeHTTP answers with a thing as it is now, or with a range of it.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	if err != nil || n < 0 || n >= len(o.things) {
		http.NotFound(w, r)
		return
	}
	t := o.things[n]
	v, lang := t.version.Load(), t.language(r.Header.Get("Accept-Language"))
	h := w.Header()
	h.Set("Cache-Control", "max-age=3600")
	h.Set("Surrogate-Key", fmt.Sprint("t", t.tag))
	h.Set("X-Version", fmt.Sprint(v))
	h.Set("ETag", fmt.Sprintf(`"%d.%d.%d"`, n, v, lang))
	if t.varies {
		h.Set("Vary", "Accept-Language")
	}
	http.ServeContent(w, r, ".bin", time.Time{}, bytes.NewReader(t.content(v, lang)))
}

// language is which of two a thing is served in.
func (t *thing) language(field string) int {
	if t.varies && field == "de" {
		return 1
	}
	return 0
}

// content is all bytes of a version: each block of 32 says what it is of and
// where it is.
func (t *thing) content(version int64, lang int) []byte {
	b := make([]byte, t.size+32)
	for at := 0; at < t.size; at += 32 {
		binary.LittleEndian.PutUint64(b[at:], uint64(t.n)<<1|uint64(lang))
		binary.LittleEndian.PutUint64(b[at+8:], uint64(version)*0x9e3779b97f4a7c15)
		binary.LittleEndian.PutUint64(b[at+16:], uint64(at))
		binary.LittleEndian.PutUint64(b[at+24:], uint64(at)^uint64(version)<<40)
	}
	return b[:t.size]
}
