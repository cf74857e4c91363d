package h1

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"opencache/internal/wire"
)

// listen serves s on a loopback socket, under TLS when config is given, until
// the test ends.
func listen(t testing.TB, s *Server, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
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
			if config != nil {
				nc = tls.Server(nc, config)
			}
			wg.Go(func() { s.ServeConn(nc) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		s.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// certificate makes a server's certificate and the pool that trusts it.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"h"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: pool, ServerName: "h"}
}

// A library serves spans of one file: /mem/off/n from memory too, /file/off/n
// from the file only, /both/off/n from memory with a file behind it.
type library struct {
	data []byte
	file *os.File
	lent sync.WaitGroup // for the spans that are not released
	seen chan struct{}  // gets one for each span lent, while there is room
}

// A loan is a span's Owner.
type loan struct {
	l        *library
	fd       int
	pressure wire.Pressure
}

func (o loan) Release()                { o.l.lent.Done() }
func (o loan) Expose() int             { return o.fd }
func (o loan) Pressure() wire.Pressure { return o.pressure }

func newLibrary(t testing.TB, size int) *library {
	t.Helper()
	l := &library{data: make([]byte, size), seen: make(chan struct{}, 1)}
	r := mrand.New(mrand.NewPCG(1, 2))
	for i := range l.data {
		l.data[i] = byte(r.Uint32())
	}
	f, err := os.CreateTemp(t.TempDir(), "spans")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(l.data); err != nil {
		t.Fatal(err)
	}
	l.file = f
	return l
}

func (l *library) Serve(r *wire.Request, p *wire.Reply) {
	part := strings.Split(string(r.Path()), "/")
	off, _ := strconv.Atoi(part[2])
	n, _ := strconv.Atoi(part[3])
	s := wire.Span{Off: int64(off), N: n}
	o := loan{l: l, fd: int(l.file.Fd())}
	switch part[1] {
	case "mem":
		s.Mem, o.fd = l.data[off:off+n], -1
	case "both":
		s.Mem = l.data[off : off+n]
	case "yieldfile":
		o.pressure = wire.Yield
	case "yieldmem":
		s.Mem, o.fd, o.pressure = l.data[off:off+n], -1, wire.Yield
	}
	s.Owner = o
	p.Status, p.Length = 200, int64(n)
	if len(part) > 4 {
		p.Length = wire.Unknown
	}
	_ = p.Start()
	l.lent.Add(1)
	select {
	case l.seen <- struct{}{}:
	default:
	}
	_ = p.Span(s)
	_ = p.End(nil)
}

// TestSpans: all ways of sending a span give its bytes, in front of and behind
// each other, and release it.
func TestSpans(t *testing.T) {
	server, client := certificate(t)
	l := newLibrary(t, 5<<20)
	for _, scheme := range []string{"http", "https"} {
		s := &Server{Handler: l}
		config := server
		tr := &http.Transport{TLSClientConfig: client, MaxConnsPerHost: 1}
		if scheme == "http" {
			config = nil
		}
		addr := listen(t, s, config)
		for _, n := range []int{1, copyMax, copyMax + 1, fileMin - 1, fileMin, 3<<20 + 7} {
			for _, kind := range []string{"mem", "file", "both", "mem/%d/%d/chunked", "both/%d/%d/chunked"} {
				const off = 4099
				path := kind + "/%d/%d"
				if strings.Contains(kind, "%") {
					path = kind
				}
				path = fmt.Sprintf(path, off, n)
				res, err := (&http.Client{Transport: tr}).Get(scheme + "://" + addr + "/" + path)
				if err != nil {
					t.Fatalf("%s %s: %v", scheme, path, err)
				}
				got, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || !bytes.Equal(got, l.data[off:off+n]) {
					t.Errorf("%s %s: got %d bytes (%v), or others, want %d", scheme, path, len(got), err, n)
				}
			}
		}
		tr.CloseIdleConnections()
		if got := s.Stats().Conns + uint64(s.Stats().Open); got != 1 {
			t.Errorf("%s: %d connections, want 1", scheme, got)
		}
	}
	l.lent.Wait()
}

// TestQuickClient: a request that is there before the server looks for it is
// as good as one that comes later.
func TestQuickClient(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	nc := connect(t, &Server{Now: clock, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		enter <- struct{}{}
		<-leave
		play(r, p)
	})}, false)
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	want := ok("a")
	buf := make([]byte, len(want))
	send := func() {
		if _, err := io.WriteString(nc, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Error(err)
		}
	}
	send()
	for i := range 4 {
		select {
		case <-enter:
		case <-time.After(10 * time.Second):
			t.Fatalf("request %d was lost", i)
		}
		if i < 3 {
			send()
		}
		leave <- struct{}{}
		if _, err := io.ReadFull(nc, buf); err != nil || string(buf) != want {
			t.Fatalf("answer %d: got %q (%v), want %q", i, buf, err, want)
		}
	}
}

// TestSpanBeyondFile: a file that is shorter than it was said to be ends the
// reply, visibly.
func TestSpanBeyondFile(t *testing.T) {
	l := newLibrary(t, 100<<10)
	addr := listen(t, &Server{Handler: l}, nil)
	for _, n := range []int{30 << 10, 200 << 10} {
		res, err := http.Get("http://" + addr + "/file/90000/" + strconv.Itoa(n))
		if err == nil {
			var got int64
			got, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if got == int64(n) {
				t.Errorf("%d bytes: got them all", n)
			}
		}
		if err == nil {
			t.Errorf("%d bytes: no error", n)
		}
	}
	l.lent.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// small limits what a connection's sockets hold, so that a client that does
// not read is noticed.
func small(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc.(*net.TCPConn)
}

// TestSlowReaderOnSocket: under pressure a reader that stands still loses its
// large span within a slice, by sendfile and by writev, and a reader that is
// merely slow gets all when there is none.
func TestSlowReaderOnSocket(t *testing.T) {
	l := newLibrary(t, 20<<20)
	s := &Server{Handler: l, WriteTimeout: 10 * time.Second}
	addr := listen(t, s, nil)
	for _, kind := range []string{"yieldfile", "yieldmem"} {
		nc := small(t, addr)
		if _, err := fmt.Fprintf(nc, "GET /%s/0/%d HTTP/1.1\r\nHost: h\r\n\r\n", kind, len(l.data)); err != nil {
			t.Fatal(err)
		}
		<-l.seen
		l.lent.Wait()
		if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset", kind, err)
		}
	}
	if got := s.Stats().Slow; got != 2 {
		t.Errorf("%d slow readers, want 2", got)
	}
	nc := small(t, addr)
	if _, err := fmt.Fprintf(nc, "GET /both/0/%d HTTP/1.1\r\nHost: h\r\n\r\n", 2<<20); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Equal(got, l.data[:2<<20]) {
		t.Errorf("got %d bytes (%v), or others, want %d", len(got), err, 2<<20)
	}
}

// TestSlowReaderTLS: a TLS write can not be continued, so a reader that stands
// still goes after WriteTimeout, and one that reads slowly gets all.
func TestSlowReaderTLS(t *testing.T) {
	server, client := certificate(t)
	l := newLibrary(t, 20<<20)
	s := &Server{Handler: l, WriteTimeout: 300 * time.Millisecond}
	addr := listen(t, s, server)
	nc := tls.Client(small(t, addr), client)
	if _, err := fmt.Fprintf(nc, "GET /mem/0/%d HTTP/1.1\r\nHost: h\r\n\r\n", len(l.data)); err != nil {
		t.Fatal(err)
	}
	<-l.seen
	l.lent.Wait()
	if got := s.Stats().Timeouts.Write; got != 1 {
		t.Errorf("%d writes timed out, want 1", got)
	}
	_ = nc.Close()
	nc = tls.Client(small(t, addr), client)
	if _, err := fmt.Fprintf(nc, "GET /mem/0/%d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1<<20); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if err != nil || !bytes.HasSuffix(got, l.data[:1<<20]) {
		t.Errorf("got %d bytes (%v), or others, want %d and a head", len(got), err, 1<<20)
	}
	_ = nc.Close()
}

// TestDrainSocket: a parked connection ends, and a reply on its way does not.
func TestDrainSocket(t *testing.T) {
	l := newLibrary(t, 4<<20)
	s := &Server{Handler: l}
	addr := listen(t, s, nil)
	parked, busy := small(t, addr), small(t, addr)
	if _, err := fmt.Fprintf(parked, "GET /mem/0/1 HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(parked), nil); err != nil {
		t.Fatal(err)
	}
	<-l.seen
	if _, err := fmt.Fprintf(busy, "GET /both/0/%d HTTP/1.1\r\nHost: h\r\n\r\n", len(l.data)); err != nil {
		t.Fatal(err)
	}
	<-l.seen
	s.Drain()
	if _, err := io.Copy(io.Discard, parked); err != nil {
		t.Errorf("parked: got %v, want the end", err)
	}
	got, err := io.ReadAll(busy)
	if err != nil || !bytes.HasSuffix(got, l.data) {
		t.Errorf("busy: got %d bytes (%v), or others, want %d and a head", len(got), err, len(l.data))
	}
}

// TestVanish: a client that resets its connection in the middle of a reply
// leaves nothing behind.
func TestVanish(t *testing.T) {
	l := newLibrary(t, 20<<20)
	s := &Server{Handler: l}
	addr := listen(t, s, nil)
	for _, kind := range []string{"mem", "file", "both"} {
		nc := small(t, addr)
		if _, err := fmt.Fprintf(nc, "GET /%s/0/%d HTTP/1.1\r\nHost: h\r\n\r\n", kind, len(l.data)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(nc, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		<-l.seen
		_ = nc.SetLinger(0)
		_ = nc.Close()
		l.lent.Wait()
	}
}

// TestLinger: a client that sends on though it was refused gets the reply, and
// not a reset.
func TestLinger(t *testing.T) {
	addr := listen(t, &Server{Handler: handlerFunc(play)}, nil)
	for _, send := range []string{
		"GET /\x01 HTTP/1.1\r\n\r\n",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n",
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, send+strings.Repeat("x", 100<<10)); err != nil {
			t.Errorf("%q: %v", send, err)
		}
		got, err := io.ReadAll(nc)
		if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 ")) || !bytes.Contains(got, []byte("Connection: close")) {
			t.Errorf("%q: got %q (%v), want a reply and the end", send, got, err)
		}
		_ = nc.Close()
	}
}

// TestTLS: what is different under TLS.
func TestTLS(t *testing.T) {
	server, client := certificate(t)
	s := &Server{HeadTimeout: 200 * time.Millisecond, Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		if !r.Secure {
			t.Error("not Secure")
		}
		play(r, p)
	})}
	addr := listen(t, s, server)
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := tls.Dial("tcp", addr, client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /unknownabort HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// Without close_notify, so that what came can not be taken for whole.
	if got, err := io.ReadAll(nc); err == nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 200 OK\r\n")) {
		t.Errorf("got %q (%v), want an answer, half an answer and an error", got, err)
	}
	_ = nc.Close()
	if _, err := io.ReadAll(silent); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	_ = silent.Close()
	if got := s.Stats().Timeouts.Handshake; got != 1 {
		t.Errorf("%d handshakes timed out, want 1", got)
	}
}
