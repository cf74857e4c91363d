package crowd

import (
	"context"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRush(t *testing.T) {
	const size = 50
	asked := make(chan struct{})
	var requests atomic.Int32
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		select {
		case <-asked: // no answer before everybody has asked
		case <-time.After(10 * time.Second):
		}
		if r.URL.Path == "/short" {
			w.Header().Set("Content-Length", "5")
		}
		_, _ = w.Write([]byte("four"))
	}))
	defer origin.Close()
	c := Crowd{Addr: strings.TrimPrefix(origin.URL, "http://"), Size: size, Asked: func() { close(asked) }}
	seen, err := c.Rush(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range seen {
		if s.Err != nil || s.Status != 200 || s.Size != 4 || s.Sum != crc32.Checksum([]byte("four"), Table()) {
			t.Errorf("client %d: got status %d, %d bytes, sum %x, error %v", i, s.Status, s.Size, s.Sum, s.Err)
		}
		if s.First.Before(s.Start) || s.Done.Before(s.First) {
			t.Errorf("client %d: got start %v, first byte %v, end %v, want them in order", i, s.Start, s.First, s.Done)
		}
	}
	if got := requests.Load(); got != size {
		t.Errorf("got %d requests, want %d", got, size)
	}
	var begun atomic.Bool
	c.Size, c.Asked, c.Begun = 1, nil, func() { begun.Store(true) }
	seen, err = c.Rush(t.Context(), "/short")
	if err != nil || seen[0].Err == nil {
		t.Errorf("answer cut short: got errors %v and %v, want one of the client's", err, seen[0].Err)
	}
	if !begun.Load() {
		t.Error("answer cut short: got no call of Begun, want one")
	}
}

func TestRushEnds(t *testing.T) {
	hang := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer origin.Close()
	defer close(hang)
	ctx, cancel := context.WithCancel(t.Context())
	seen, err := Crowd{Addr: strings.TrimPrefix(origin.URL, "http://"), Size: 3, Asked: cancel}.Rush(ctx, "/")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range seen {
		if s.Err == nil {
			t.Errorf("client %d of a rush that was called off: got no error", i)
		}
	}
}
