package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
)

func TestAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = newOrigin().serve(l) }() // ends with the listener
	defer func() { _ = l.Close() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func(path string) (*http.Response, []byte) {
		t.Helper()
		response, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String() + path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return response, body
	}
	for _, tt := range []struct {
		path         string
		status, size int
	}{
		{"/1k", 200, 1 << 10},
		{"/pass/1k", 200, 1 << 10},
		{"/64k", 200, 64 << 10},
		{"/each/other/0001/32k", 200, 32 << 10},
		{"/1m", 200, 1 << 20},
		{"/10m", 200, 10 << 20},
		{"/each/tag/0001/1k", 200, 1 << 10},
		{"/each/tag/0002/1k", 200, 1 << 10},
		{"/slow/1", 200, 1 << 20},
		{"/else", 404, 0},
	} {
		response, body := get(tt.path)
		if response.StatusCode != tt.status || len(body) != tt.size {
			t.Errorf("%s: got %d with %d bytes, want %d with %d", tt.path, response.StatusCode, len(body), tt.status, tt.size)
		}
	}
	_, body := get("/__count")
	var counts map[string]int
	if err := json.Unmarshal(body, &counts); err != nil {
		t.Fatalf("/__count: %v: %s", err, body)
	}
	if counts["/1k"] != 1 || counts["/slow/1"] != 1 || counts["/each/tag"] != 2 || counts["/none"] != 0 {
		t.Errorf("/__count: got %v, want one of each path asked for", counts)
	}
}
