package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// A crowd is who asks the edge, and what came of it.
type crowd struct {
	url        string
	pause      time.Duration
	storedOnly atomic.Bool // only what is stored is asked for

	requests, heads, failed, cut, wrong, stale atomic.Int64

	first atomic.Value // what went wrong first, as text
}

// items is how many things are stored; as many are never.
const items = 40

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// warm asks for all that is stored once.
func (c *crowd) warm() error {
	for n := range items {
		c.one(http.MethodGet, fmt.Sprintf("/item/%d", n))
	}
	if c.failed.Load()+c.cut.Load()+c.wrong.Load() > 0 {
		return fmt.Errorf("before anything was ill: %v", c.first.Load())
	}
	return nil
}

// ask asks for one thing after the other until ctx ends.
func (c *crowd) ask(ctx context.Context, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		method, path := http.MethodGet, fmt.Sprintf("/item/%d", r.IntN(items))
		if r.IntN(4) == 0 {
			method = http.MethodHead
			c.heads.Add(1)
		}
		if r.IntN(3) == 0 && !c.storedOnly.Load() {
			path = fmt.Sprintf("/pass/%d", r.IntN(items))
		}
		c.one(method, path)
		time.Sleep(c.pause)
	}
}

// one makes a request and judges its answer.
func (c *crowd) one(method, path string) {
	c.requests.Add(1)
	note := func(count *atomic.Int64, what string, err error) {
		count.Add(1)
		c.first.CompareAndSwap(nil, fmt.Sprintf("%s %s: %s: %v", method, path, what, err))
	}
	q, err := http.NewRequest(method, c.url+path, nil)
	if err != nil {
		note(&c.failed, "request", err)
		return
	}
	p, err := client.Do(q)
	if err != nil {
		note(&c.failed, "no answer", err)
		return
	}
	defer func() { _ = p.Body.Close() }()
	got, err := io.ReadAll(p.Body)
	want := contentOf(path)
	switch {
	case p.StatusCode != http.StatusOK:
		note(&c.failed, p.Status, fmt.Errorf("%s", p.Header.Get("Cache-Status")))
	case err != nil:
		note(&c.cut, fmt.Sprintf("%d of %d bytes", len(got), len(want)), err)
	case method == http.MethodGet && !bytes.Equal(got, want), method == http.MethodHead && p.ContentLength != int64(len(want)):
		note(&c.wrong, fmt.Sprintf("%d bytes", max(int64(len(got)), p.ContentLength)), errWrong)
	}
	if p.Header.Get("X-Cache-Status") == "STALE" {
		c.stale.Add(1)
	}
}
