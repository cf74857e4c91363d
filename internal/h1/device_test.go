package h1

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opencache/internal/wire"
)

// A device is an Owner of a real file on something that may fail. Each of its
// loans is one span's.
type device struct {
	*os.File
	none   bool  // it has no descriptor
	absent bool  // nothing is in memory: all is read
	bad    int64 // what lies from here on can not be read; 0: all can
	most   int   // calls on the descriptor at a time

	pressure            atomic.Int32
	now, peak           atomic.Int32 // calls under way
	sent, read, refused atomic.Int64
	lent                sync.WaitGroup // for the spans that are not released
	released            atomic.Int64
}

var _ wire.Device = (*device)(nil)

func (d *device) Release()                { d.released.Add(1); d.lent.Done() }
func (d *device) Pressure() wire.Pressure { return wire.Pressure(d.pressure.Load()) }

func (d *device) Expose() int {
	if d.none {
		return -1
	}
	return int(d.Fd())
}

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	d.read.Add(1)
	if d.bad > 0 && off+int64(len(p)) > d.bad {
		return 0, errors.New("medium error")
	}
	return d.File.ReadAt(p, off)
}

func (d *device) Enter(off int64, n int) int {
	if now := d.now.Add(1); d.absent || d.most > 0 && int(now) > d.most {
		d.now.Add(-1)
		d.refused.Add(1)
		return 0
	}
	d.peak.Store(max(d.peak.Load(), d.now.Load()))
	d.sent.Add(1)
	if d.bad > 0 {
		n = int(min(int64(n), d.bad-off))
		if n <= 0 {
			d.now.Add(-1)
		}
	}
	return n
}

func (d *device) Leave() { d.now.Add(-1) }

// A stacks answers /off/n with a span of its file: by length, or (/off/n/open)
// without one. What is lost it gives from memory (mend), or the answer ends.
type stacks struct {
	t     *testing.T
	data  []byte
	owner wire.Owner
	dev   *device
	mend  bool
	began chan struct{} // gets one for each answer, while there is room
}

func (l *stacks) Serve(r *wire.Request, p *wire.Reply) {
	part := strings.Split(string(r.Path()), "/")
	off, _ := strconv.Atoi(part[1])
	n, _ := strconv.Atoi(part[2])
	p.Status, p.Length = 200, int64(n)
	if len(part) > 3 {
		p.Length = wire.Unknown
	}
	_ = p.Start()
	l.dev.lent.Add(1)
	select {
	case l.began <- struct{}{}:
	default:
	}
	err := p.Span(wire.Span{Off: int64(off), N: n, Owner: l.owner})
	switch {
	case err == nil, p.Err != nil:
	case !errors.Is(err, wire.ErrLost):
		l.t.Errorf("%s: got %v and no Err", r.Path(), err)
	case !l.mend:
		p.Abort()
		return
	default:
		_, _ = p.Write(l.data[off+int(p.Sent) : off+n])
	}
	_ = p.End(nil)
}

// newStacks makes a file of size bytes, and a Handler that lends it.
func newStacks(t *testing.T, size int) *stacks {
	lib := newLibrary(t, size)
	d := &device{File: lib.file}
	return &stacks{t: t, data: lib.data, owner: d, dev: d, began: make(chan struct{}, 1)}
}

// fetch asks for a path on a connection of its own and returns the content,
// with the error that shows that it is not whole.
func fetch(t *testing.T, dial func() net.Conn, minor int, path string) ([]byte, error) {
	t.Helper()
	nc := dial()
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := fmt.Fprintf(nc, "GET %s HTTP/1.%d\r\nHost: h\r\n\r\n", path, minor); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(res.Body)
}

// dials returns the ways to reach s.
func dials(t *testing.T, s *Server) map[string]func() net.Conn {
	server, client := certificate(t)
	plain, secure := listen(t, s, nil), listen(t, s, server)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.ServeConn(nc) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); s.Close(); wg.Wait() })
	via := func(dial func() (net.Conn, error)) func() net.Conn {
		return func() net.Conn {
			nc, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
	}
	return map[string]func() net.Conn{
		"plain": via(func() (net.Conn, error) { return net.Dial("tcp", plain) }),
		"unix":  via(func() (net.Conn, error) { return net.Dial("unix", path) }),
		"TLS":   via(func() (net.Conn, error) { return tls.Dial("tcp", secure, client) }),
	}
}

// TestDeviceSpans: what lies on a device goes out whole on every kind of
// connection, and what it does not give comes from elsewhere or shows.
func TestDeviceSpans(t *testing.T) {
	type state struct {
		name string
		set  func(l *stacks)
		bad  bool // not all can be read
	}
	states := []state{
		{"in memory", func(*stacks) {}, false},
		{"not in memory", func(l *stacks) { l.dev.absent = true }, false},
		{"no descriptor", func(l *stacks) { l.dev.none = true }, false},
		{"bad", func(l *stacks) { l.dev.bad = 300_000 }, true},
		{"bad, mended", func(l *stacks) { l.dev.bad, l.mend = 300_000, true }, true},
		{"bad from the start, mended", func(l *stacks) { l.dev.bad, l.mend, l.dev.absent = 1, true, true }, true},
		{"no device, short", func(l *stacks) { l.owner = struct{ wire.Owner }{l.dev}; _ = l.dev.Truncate(300_000) }, true},
		{"short, mended", func(l *stacks) { l.mend = true; _ = l.dev.Truncate(300_000) }, true},
	}
	for _, st := range states {
		l := newStacks(t, 2<<20)
		st.set(l)
		s := &Server{Handler: l}
		spans := 0
		for name, dial := range dials(t, s) {
			for _, n := range []int{1, copyMax + 1, fileMin - 1, 1<<20 + 7} {
				for _, off := range []int{4096, 70_001} {
					for _, form := range []string{"1", "1/open", "0/open"} {
						if st.bad && name == "unix" && form == "0/open" {
							continue // a Unix socket has no reset: the end of the connection is all it can show
						}
						spans++
						got, err := fetch(t, dial, int(form[0]-'0'), fmt.Sprintf("/%d/%d%s", off, n, form[1:]))
						whole := !st.bad || l.mend || l.dev.bad != 1 && off+n <= 300_000
						if !bytes.HasPrefix(l.data[off:off+n], got) || whole != (len(got) == n) || whole != (err == nil) {
							t.Errorf("%s, %s, HTTP/%s, %d bytes at %d: got %d (%v), or others, want all: %t", st.name, name, form, n, off, len(got), err, whole)
						}
					}
				}
			}
		}
		l.dev.lent.Wait()
		if got := l.dev.released.Load(); got != int64(spans) || l.dev.now.Load() != 0 {
			t.Errorf("%s: %d spans released, %d calls under way, want %d, 0", st.name, got, l.dev.now.Load(), spans)
		}
	}
}

// TestDeviceSlow: a small span is no longer on loan while its client takes
// it, however slowly, nor is the rest of a large one when the owner asks.
func TestDeviceSlow(t *testing.T) {
	for _, tt := range []struct {
		name     string
		n        int
		pressure wire.Pressure
		whole    bool
	}{
		{"small", 30_000, wire.Yield, true},
		{"rest", 6 << 20, wire.Leave, true},
		{"yield", 6 << 20, wire.Yield, false},
	} {
		l := newStacks(t, 6<<20)
		s := &Server{Handler: l, MinRate: -1}
		addr := listen(t, s, nil)
		nc := small(t, addr)
		if _, err := fmt.Fprintf(nc, "GET /0/%d HTTP/1.1\r\nHost: h\r\n\r\n", tt.n); err != nil {
			t.Fatal(err)
		}
		<-l.began
		l.dev.pressure.Store(int32(tt.pressure))
		if tt.name != "rest" {
			l.dev.lent.Wait()
		}
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(res.Body)
		}
		if whole := err == nil && bytes.Equal(got, l.data[:tt.n]); whole != tt.whole {
			t.Errorf("%s: got %d bytes (%v), want all: %t", tt.name, len(got), err, tt.whole)
		}
		l.dev.lent.Wait()
		if got := l.dev.released.Load(); got != 1 {
			t.Errorf("%s: released %d times, want 1", tt.name, got)
		}
	}
}

// TestDeviceCrowd: no more calls are made on a device's descriptor than it
// gives leave for, and who gets none gets the content all the same.
func TestDeviceCrowd(t *testing.T) {
	l := newStacks(t, 1<<20)
	l.dev.most = 2
	s := &Server{Handler: l}
	addr := listen(t, s, nil)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			off := i * 1001
			res, err := http.Get(fmt.Sprintf("http://%s/%d/%d", addr, off, 900_000))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, l.data[off:off+900_000]) {
				t.Errorf("from %d: got %d bytes (%v), or others", off, len(got), err)
			}
		})
	}
	wg.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if got := l.dev.peak.Load(); got > 2 || l.dev.sent.Load() == 0 {
		t.Errorf("%d calls at a time, %d in all, want at most 2 and some", got, l.dev.sent.Load())
	}
}

// TestCutUnderUs: a file that is made shorter while it is sent ends the answer
// visibly, or has the rest come from elsewhere; never other bytes.
func TestCutUnderUs(t *testing.T) {
	for _, mend := range []bool{false, true} {
		l := newStacks(t, 6<<20)
		l.mend = mend
		addr := listen(t, &Server{Handler: l}, nil)
		nc := small(t, addr)
		_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
		if _, err := fmt.Fprintf(nc, "GET /5/%d HTTP/1.1\r\nHost: h\r\n\r\n", len(l.data)-5); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.dev.Truncate(5 << 20); err != nil { // the kernel has no such buffer
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if !bytes.HasPrefix(l.data[5:], got) {
			t.Errorf("mend %t: other bytes", mend)
		}
		if whole := len(got) == len(l.data)-5; whole != mend || (err == nil) != mend {
			t.Errorf("mend %t: got %d bytes (%v)", mend, len(got), err)
		}
		l.dev.lent.Wait()
	}
}
