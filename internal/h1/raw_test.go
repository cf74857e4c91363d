package h1

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestPipelineSpans: stored content of up to 16 KiB is copied behind its head,
// and pipelined hits are one write as long as MaxPipeline allows.
func TestPipelineSpans(t *testing.T) {
	for _, tt := range []struct{ size, requests, writes int }{
		{1 << 10, 1, 1},
		{1 << 10, 10, 1},
		{16 << 10, 1, 1},
		{16 << 10, 3, 1},
		{1 << 10, 100, 3}, // 48 KiB each, so that one more of 16 KiB has room
	} {
		synctest.Test(t, func(t *testing.T) {
			h := &constant{span: wire.Span{Mem: make([]byte, tt.size), N: tt.size, Owner: &shelf{-1}}, length: int64(tt.size)}
			p := dial(t, &Server{Handler: h, Now: clock})
			p.send(strings.Repeat(getA, tt.requests))
			synctest.Wait()
			if got := p.in.writeCount(); got != tt.writes {
				t.Errorf("%d requests for %d bytes: %d writes, want %d", tt.requests, tt.size, got, tt.writes)
			}
			p.finish()
		})
	}
}

// TestUnixSocket: Unix sockets are written to as TCP's are, sendfile included,
// and have no address.
func TestUnixSocket(t *testing.T) {
	l := newLibrary(t, 1<<20)
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if rawOf(far) == nil {
		t.Error("no system calls on a Unix socket")
	}
	s := &Server{Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		if r.Remote != (netip.AddrPort{}) {
			t.Errorf("Remote: got %s, want none", r.Remote)
		}
		l.Serve(r, p)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(far)
	}()
	_ = near.SetDeadline(time.Now().Add(20 * time.Second))
	for _, n := range []int{100, 40 << 10, 300 << 10} {
		for _, kind := range []string{"mem", "both", "file"} {
			const off = 4000
			if _, err := fmt.Fprintf(near, "GET /%s/%d/%d HTTP/1.1\r\nHost: h\r\n\r\n", kind, off, n); err != nil {
				t.Fatal(err)
			}
			if got := content(t, near, n); !bytes.Equal(got, l.data[off:off+n]) {
				t.Errorf("/%s/%d/%d: got other bytes", kind, off, n)
			}
		}
	}
	_ = near.Close()
	<-done
}

// content reads an answer byte by byte up to the end of its head, and then n
// bytes.
func content(t *testing.T, nc net.Conn, n int) []byte {
	t.Helper()
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatal(err)
		}
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRemote: where the client's address comes from.
func TestRemote(t *testing.T) {
	want := netip.MustParseAddrPort("192.0.2.9:80")
	for name, tt := range map[string]struct {
		nc   net.Conn
		want netip.AddrPort
	}{
		"as it says":          {addressed{remote: want}, want},
		"of TCP":              {&memConn{}, netip.MustParseAddrPort("192.0.2.7:4711")},
		"not of Unix sockets": {&net.UnixConn{}, netip.AddrPort{}},
	} {
		if got := remoteOf(tt.nc); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// An addressed is a connection that knows its client's address as a value.
type addressed struct {
	net.Conn
	remote netip.AddrPort
}

func (a addressed) RemoteAddrPort() netip.AddrPort { return a.remote }

// TestLateLimit: the limit of an earlier wait that has passed while the
// Handler worked does not end the next one.
func TestLateLimit(t *testing.T) {
	const limit = 500 * time.Millisecond
	nc := connect(t, &Server{Now: clock, IdleTimeout: limit, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		if string(r.Path()) == "/late" {
			<-time.After(limit + 50*time.Millisecond)
		}
		play(r, p)
	})}, false)
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	for _, name := range []string{"a", "late", "b"} {
		if _, err := fmt.Fprintf(nc, "GET /%s HTTP/1.1\r\nHost: h\r\n\r\n", name); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(ok(name)))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != ok(name) {
			t.Fatalf("/%s: got %q (%v), want %q", name, got, err, ok(name))
		}
	}
}
