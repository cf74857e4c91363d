package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	small = 1 << 10
	large = 10 << 20
)

// content is what the origin answers of that size: bytes that differ from
// their neighbours, so that what is cut or mixed up shows.
func content(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// handler answers /1k and /10m, for all to store, and takes content by POST.
func handler() http.Handler {
	mux := http.NewServeMux()
	for path, size := range map[string]int{"/1k": small, "/10m": large} {
		b := content(size)
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=3600")
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		})
	}
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return mux
}

func serveOrigin(ctx context.Context, listen string) error {
	s := &http.Server{Addr: listen, Handler: handler(), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("origin: %w", err)
	}
	return nil
}
