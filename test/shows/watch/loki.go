package main

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
)

// How a fakeLoki is.
const (
	well    = "well"
	stopped = "stopped" // closes connections
	hanging = "hanging" // answers nothing
	failing = "failing" // answers 500
)

// A fakeLoki takes pushes as Loki does.
type fakeLoki struct {
	*httptest.Server
	state atomic.Value // string
	lines atomic.Int64
	ended chan struct{}

	mu     sync.Mutex // guards the field below
	labels map[string]map[string]string
}

func newLoki() *fakeLoki {
	l := &fakeLoki{labels: map[string]map[string]string{}, ended: make(chan struct{})}
	l.state.Store(well)
	l.Server = httptest.NewServer(l)
	return l
}

// Close ends it, and whoever it lets wait.
func (l *fakeLoki) Close() {
	close(l.ended)
	l.Server.Close()
}

// ServeHTTP implements http.Handler.
func (l *fakeLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch l.state.Load() {
	case stopped:
		panic(http.ErrAbortHandler)
	case hanging:
		select {
		case <-r.Context().Done():
		case <-l.ended:
		}
		return
	case failing:
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var push struct {
		Streams []struct {
			Stream map[string]string `json:"stream"`
			Values [][3]any          `json:"values"`
		} `json:"streams"`
	}
	if json.NewDecoder(z).Decode(&push) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range push.Streams {
		name, _ := json.Marshal(s.Stream) // a map of texts can be
		l.labels[string(name)] = s.Stream
		l.lines.Add(int64(len(s.Values)))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *fakeLoki) streams() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.labels)
}

// has reports whether all streams have a label.
func (l *fakeLoki) has(name, value string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, labels := range l.labels {
		if labels[name] != value {
			return false
		}
	}
	return len(l.labels) > 0
}
