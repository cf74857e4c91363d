package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"opencache/test/bench/crowd"
)

const (
	piece = 64 << 10
	// settle is how long the origin waits after the last client has written
	// its request, so that the cache has read them all: nobody can tell it so.
	settle = time.Second
	// holdTime is how long the origin waits for something at most.
	holdTime = 20 * time.Second
)

// origin plays the part of the origin, as the act under way says.
type origin struct {
	mu sync.Mutex // guards the field below

	act *act
}

// act is one scene of a case: what the origin answers, and what it saw. The
// channels are closed by whoever makes their words true.
type act struct {
	answer func(a *act, w http.ResponseWriter, nth int)
	asked  chan struct{} // every client has written its request
	begun  chan struct{} // every client has its first byte
	over   chan struct{} // every client has its answer

	mu sync.Mutex // guards the fields below

	requests int            // that reached the origin
	early    int            // of them, before the first was answered
	running  int            // being answered
	peak     int            // most of them at a time
	answered bool           // the first is being answered
	last     time.Time      // when the last byte of the last answer was written
	sums     map[uint32]int // CRC-32C of the contents sent, and how often
}

func newAct(answer func(*act, http.ResponseWriter, int)) *act {
	return &act{answer: answer, asked: make(chan struct{}), begun: make(chan struct{}), over: make(chan struct{}), sums: map[uint32]int{}}
}

func newOrigin() *origin { return &origin{} }

// serve serves until the function that it returns is called.
func (o *origin) serve(l net.Listener) func() {
	server := &http.Server{Handler: o, ReadHeaderTimeout: holdTime}
	go func() { _ = server.Serve(l) }() // ends by Close, with an error that says so
	return func() { _ = server.Close() }
}

func (o *origin) play(a *act) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.act = a
}

func (o *origin) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	a := o.act
	o.mu.Unlock()
	// With a connection for each answer a request that is repeated because a
	// kept connection had ended cannot be mistaken for a second one.
	w.Header().Set("Connection", "close")
	a.mu.Lock()
	a.requests++
	nth := a.requests
	if !a.answered {
		a.early++
	}
	a.running++
	a.peak = max(a.peak, a.running)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.running--
	}()
	a.answer(a, w, nth)
}

// hold waits for a channel, but not for ever.
func hold(c <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), holdTime)
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
	}
}

// gather waits until all clients have asked and the cache has had time to
// read it, then notes that the first answer begins.
func (a *act) gather() {
	hold(a.asked)
	time.Sleep(settle)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered = true
}

// send writes content with its length, calling before(i) before piece i.
func (a *act) send(w http.ResponseWriter, content []byte, before func(i int)) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	for i := 0; i*piece < len(content); i++ {
		if before != nil {
			before(i)
		}
		if (i+1)*piece >= len(content) {
			a.mu.Lock()
			a.last = time.Now()
			a.sums[crc32.Checksum(content, crowd.Table())]++
			a.mu.Unlock()
		}
		if _, err := w.Write(content[i*piece : min(len(content), (i+1)*piece)]); err != nil {
			log.Printf("origin: content: %v", err)
			return
		}
		_ = http.NewResponseController(w).Flush() // a connection that is gone shows at the next write
	}
}

// own is content that nobody else gets: a word of 16 bytes again and again.
func own(nth, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "content %7d\n", nth), size/16)
}
