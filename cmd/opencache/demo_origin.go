package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"opencache/internal/listen"
)

const (
	demoRate  = 5 // requests per second that the demo makes itself
	imageSize = 1 << 20
	slowness  = 2 * time.Second
)

// A demoPage is something that the built-in origin answers.
type demoPage struct {
	path, about string
	serve       func(o *demoOrigin, w http.ResponseWriter, r *http.Request)
}

// demoPages are the built-in origin's pages: one for each thing worth seeing.
var demoPages = []demoPage{
	{"/", "fresh for a minute", func(o *demoOrigin, w http.ResponseWriter, _ *http.Request) {
		o.page(w, "public, max-age=60", "Ask again within a minute: the origin will not hear of it.")
	}},
	{"/short", "fresh for 5 s, then stale while it is refreshed", func(o *demoOrigin, w http.ResponseWriter, _ *http.Request) {
		o.page(w, "max-age=5, stale-while-revalidate=30", "Fresh for five seconds, then served stale while one request refreshes it.")
	}},
	{"/image", "1 MiB, fresh for an hour", (*demoOrigin).image},
	{"/etag", "fresh for 3 s, then validated: 304", (*demoOrigin).tagged},
	{"/slow", "takes 2 s the first time; ask ten times at once", (*demoOrigin).slow},
	{"/counter", "no-store: counts every request", func(o *demoOrigin, w http.ResponseWriter, _ *http.Request) {
		o.page(w, "no-store", "Never stored: every request reaches the origin.")
	}},
}

// A demoOrigin is the built-in origin.
type demoOrigin struct {
	url    string
	server *http.Server
	asked  atomic.Int64
}

// startDemoOrigin starts the built-in origin on a free port of this machine.
func startDemoOrigin() (*demoOrigin, error) {
	l, err := listen.Listen("127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo origin: %w", err)
	}
	o := &demoOrigin{url: "http://" + l.Addr().String()}
	o.server = &http.Server{Handler: o.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = o.server.Serve(l) }() // ends with Close and has nothing else to tell
	return o, nil
}

func (o *demoOrigin) handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range demoPages {
		pattern := "GET " + p.path
		if p.path == "/" {
			pattern += "{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			o.asked.Add(1)
			p.serve(o, w, r)
		})
	}
	return mux
}

// page answers with a text that shows when it was made.
func (o *demoOrigin) page(w http.ResponseWriter, cacheControl, text string) {
	w.Header().Set("Cache-Control", cacheControl)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s\nMade by the origin at %s; request %d there.\n", text, time.Now().Format(time.TimeOnly), o.asked.Load())
}

func (o *demoOrigin) image(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600, immutable")
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(imageSize))
	block := make([]byte, 32<<10)
	for i := range block {
		block[i] = byte(i * i >> 8)
	}
	for sent := 0; sent < imageSize; sent += len(block) {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func (o *demoOrigin) tagged(w http.ResponseWriter, r *http.Request) {
	const tag = `"opencache-demo"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "max-age=3")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, "The same text for ever, sent by the origin once.\n")
}

func (o *demoOrigin) slow(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(slowness):
		o.page(w, "max-age=10", "It took the origin two seconds, once for everybody who asked meanwhile.")
	case <-r.Context().Done():
	}
}

// demoRound is what the demo itself asks the built-in origin for, over and
// over: all but the slow page.
var demoRound = []string{"/", "/image", "/etag", "/", "/short", "/image", "/", "/counter"}

// demoLoad asks for paths in turn, so many per second, until ctx ends.
func demoLoad(ctx context.Context, base string, paths []string, perSecond int, log *slog.Logger) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := demoGet(ctx, client, base+paths[i%len(paths)]); err != nil && ctx.Err() == nil {
			log.Warn("demo request", "error", err)
		}
	}
}

// demoGet asks for url and takes the whole answer.
func demoGet(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}
