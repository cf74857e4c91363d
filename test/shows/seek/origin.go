package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An origin has one object at every path, and knows ranges of it: one in a
// request, under If-Range.
type origin struct {
	size   int64
	url    string
	server *http.Server

	requests, asked, sent atomic.Int64
}

// counts are those of an origin.
type counts struct{ requests, asked, sent int64 }

const tag = `"film"`

func newOrigin(size int64) (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{size: size, url: "http://" + l.Addr().String()}
	o.server = &http.Server{Handler: o, ReadHeaderTimeout: time.Minute}
	go func() { _ = o.server.Serve(l) }() // ends with close
	return o, nil
}

func (o *origin) close() { _ = o.server.Close() }

func (o *origin) counts() counts {
	return counts{o.requests.Load(), o.asked.Load(), o.sent.Load()}
}

func (o *origin) since(c counts) counts {
	now := o.counts()
	return counts{now.requests - c.requests, now.asked - c.asked, now.sent - c.sent}
}

// settled returns what was sent since c when no more comes for a while.
func (o *origin) settled(c counts) int64 {
	for last := int64(-1); ; {
		time.Sleep(300 * time.Millisecond)
		n := o.since(c).sent
		if n == last {
			return n
		}
		last = n
	}
}

// ServeHTTP answers as RFC 9110, 14 says.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.requests.Add(1)
	p, status := part{0, o.size - 1}, http.StatusOK
	if value := r.Header.Get("Range"); value != "" && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == tag) {
		var ok bool
		if p, ok = o.parse(value); !ok {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", o.size))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", p.first, p.last, o.size))
	}
	o.asked.Add(p.last - p.first + 1)
	h := w.Header()
	h.Set("Content-Length", strconv.FormatInt(p.last-p.first+1, 10))
	h.Set("Content-Type", "video/mp4")
	h.Set("Cache-Control", "max-age=3600")
	h.Set("ETag", tag)
	w.WriteHeader(status)
	buf := make([]byte, 256<<10)
	for at := p.first; at <= p.last; {
		b := buf[:min(int64(len(buf)), p.last-at+1)]
		content(b, at)
		n, err := w.Write(b)
		o.sent.Add(int64(n))
		if err != nil {
			return
		}
		at += int64(n)
	}
}

func (o *origin) parse(value string) (p part, ok bool) {
	first, last, ok := strings.Cut(strings.TrimPrefix(value, "bytes="), "-")
	if !ok || strings.Contains(last, ",") {
		return p, false
	}
	a, errA := strconv.ParseInt(first, 10, 64)
	b, errB := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errB == nil:
		return part{max(0, o.size-b), o.size - 1}, b > 0
	case errA != nil || a >= o.size:
		return p, false
	case last == "":
		return part{a, o.size - 1}, true
	}
	return part{a, min(b, o.size-1)}, errB == nil && a <= b
}

// content fills b with the bytes of the object from the one at off on.
func content(b []byte, off int64) {
	var word [8]byte
	for len(b) > 0 {
		x := uint64(off>>3) * 0x9E3779B97F4A7C15
		x ^= x >> 29
		if skip := off & 7; skip > 0 || len(b) < 8 {
			binary.LittleEndian.PutUint64(word[:], x)
			n := copy(b, word[skip:])
			b, off = b[n:], off+int64(n)
			continue
		}
		binary.LittleEndian.PutUint64(b, x)
		b, off = b[8:], off+8
	}
}
