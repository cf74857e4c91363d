package origin

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"opencache/internal/wire"
)

func zzRequest(t *testing.T) *wire.Request {
	r := new(wire.Request)
	if _, err := wire.ParseRequest(r, []byte("GET /s HTTP/1.1\r\nHost: h\r\n\r\n"), wire.DefaultLimits); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCancelWhileContentFlows: an exchange whose context ends fails, also when
// its content never keeps it waiting.
func TestCancelWhileContentFlows(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	u := &Upstream{Scheme: "http", Addr: ln.Addr().String()}
	defer u.Close()
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := u.Exchange(ctx, zzRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	buf := make([]byte, 100)
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		if _, err := resp.Body.Read(buf); err != nil {
			t.Logf("ended after %v: %v", time.Since(began), err)
			return
		}
	}
	t.Error("content flows 2 s after the end of its context, want the cause")
}

// TestHeadTimeoutBeforeAsking: a time limit that passed before anything was
// written ends the exchange.
func TestHeadTimeoutBeforeAsking(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	u := &Upstream{Scheme: "http", Addr: ln.Addr().String(), HeadTimeout: time.Nanosecond}
	defer u.Close()
	done := make(chan error, 1)
	go func() {
		_, err := u.Exchange(t.Context(), zzRequest(t))
		done <- err
	}()
	select {
	case err := <-done:
		t.Log(err)
	case <-time.After(time.Second):
		t.Error("still asking after a second, want an error")
	}
}
