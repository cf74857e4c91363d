package listen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binaryHeader is a header of version 2.
func binaryHeader(command, family byte, rest string) string {
	return signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	from4 = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x12\x67\x01\xbb"
	from6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x67\x01\xbb"
)

// TestReadHeader: whom a header is of, and that nothing behind it is read.
func TestReadHeader(t *testing.T) {
	for _, tt := range []struct{ header, want string }{ // want: empty is refused, none is nobody
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n", "192.0.2.7:4711"},
		{"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "1.1.1.1:1"},
		{"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "[2001:db8::7]:4711"},
		{"PROXY TCP6 :: :: 1 1\r\n", "[::]:1"},
		{"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 1\r\n", "192.0.2.7:1"},
		{"PROXY UNKNOWN\r\n", "none"},
		{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none"},
		{"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "none"},
		{"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", ""},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\n", ""},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n          ", ""},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443 1\r\n", ""},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n", ""},
		{"PROXY TCP4 192.0.2.7 10.0.0.1 04711 443\r\n", ""},
		{"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n", ""},
		{"PROXY TCP6 192.0.2.7 10.0.0.1 4711 443\r\n", ""},
		{"PROXY TCP6 fe80::1%eth0 ::1 4711 443\r\n", ""},
		{"PROXY TCP4 192.0.2.7 h 4711 443\r\n          ", ""},
		{"PROXY UDP4 192.0.2.7 10.0.0.1 4711 443\r\n", ""},
		{"PROXY UNKNOWNx\r\n", ""},
		{"GET / HTTP/1.1\r\nHost: h\r\n\r\n", ""},
		{"PROXY ", ""},
		{"", ""},
		{binaryHeader(0x21, 0x11, from4), "192.0.2.7:4711"},
		{binaryHeader(0x21, 0x11, from4+"\x03\x00\x04crc!"), "192.0.2.7:4711"},
		{binaryHeader(0x21, 0x21, from6), "[2001:db8::7]:4711"},
		{binaryHeader(0x20, 0x11, from4), "none"},
		{binaryHeader(0x20, 0x00, ""), "none"},
		{binaryHeader(0x21, 0x00, ""), "none"},
		{binaryHeader(0x21, 0x31, strings.Repeat("x", 216)), "none"},
		{binaryHeader(0x21, 0x11, from4+strings.Repeat("x", maxBinary-12)), "192.0.2.7:4711"},
		{binaryHeader(0x21, 0x11, from4+strings.Repeat("x", maxBinary-11)), ""},
		{binaryHeader(0x21, 0x11, from4[:11]), ""},
		{binaryHeader(0x21, 0x21, from6[:35]), ""},
		{binaryHeader(0x11, 0x11, from4), ""},
		{binaryHeader(0x22, 0x11, from4), ""},
		{binaryHeader(0x21, 0x11, from4)[:20], ""},
	} {
		r := bytes.NewReader([]byte(tt.header + "GET /"))
		if tt.header == "" || strings.HasSuffix(tt.header, "PROXY ") || len(tt.header) == 20 {
			r = bytes.NewReader([]byte(tt.header))
		}
		got, err := readHeader(r)
		switch {
		case tt.want == "":
			if err == nil {
				t.Errorf("%q: got %s, want an error", tt.header, got)
			}
			continue
		case err != nil:
			t.Errorf("%q: %v", tt.header, err)
		case tt.want == "none" && got.IsValid(), tt.want != "none" && got.String() != tt.want:
			t.Errorf("%q: got %s, want %s", tt.header, got, tt.want)
		}
		if rest, _ := io.ReadAll(r); string(rest) != "GET /" {
			t.Errorf("%q: got %q behind it, want all that followed", tt.header, rest)
		}
	}
}

// FuzzReadHeader: whatever comes is refused or an address, and of what stands
// behind a good header nothing is read.
func FuzzReadHeader(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n", "PROXY TCP6 ::1 ::1 1 1\r\n", "PROXY UNKNOWN\r\n", "PROXY TCP4 0.0.0.0 00 1000 000\r\n", binaryHeader(0x21, 0x11, from4), binaryHeader(0x21, 0x21, from6), binaryHeader(0x20, 0, ""), "GET / HTTP/1.1\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		a, err := readHeader(r)
		if err != nil {
			if a.IsValid() {
				t.Errorf("%q: got %s and %v", b, a, err)
			}
			return
		}
		read := b[:len(b)-r.Len()]
		if len(read) > len(signature)+4+maxBinary || a.IsValid() && (a.Addr().Zone() != "" || a.Addr().Is4In6()) {
			t.Errorf("%q: got %s by %q", b, a, read)
		}
		if !strings.HasPrefix(string(read), signature) && (!bytes.HasSuffix(read, []byte("\r\n")) || bytes.Count(read, []byte("\n")) != 1) {
			t.Errorf("%q: read %q, want a line", b, read)
		}
	})
}

// TestGreeted: who is trusted says whom a connection is for, before anything
// else and within a time; others are heard as they are.
func TestGreeted(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, tt := range []struct {
			name, send, want string // want: empty is closed
			trusted          bool
			limited          string
		}{
			{"a header", "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\nhello", "192.0.2.7:4711 hello", true, ""},
			{"version 2", binaryHeader(0x21, 0x11, from4) + "hello", "192.0.2.7:4711 hello", true, ""},
			{"on its own behalf", binaryHeader(0x20, 0, "") + "hello", "invalid AddrPort hello", true, ""},
			{"no header", "hello, this is no header", "", true, LimitGreetings},
			{"too late", "PROXY TCP4", "", true, LimitGreetings},
			{"not trusted", "PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\nhello", "invalid AddrPort PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\nhello", false, ""},
		} {
			if network == "unix" && !tt.trusted {
				continue // who may open it is
			}
			t.Run(network+" "+tt.name, func(t *testing.T) { greetedOnce(t, network, tt.send, tt.want, tt.trusted, tt.limited) })
		}
	}
}

func greetedOnce(t *testing.T, network, send, want string, trusted bool, limited string) {
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = "unix:" + filepath.Join(t.TempDir(), "s")
	}
	ln, err := Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	limits := make(chan string, 1)
	timeout := 10 * time.Second
	if want == "" && strings.HasPrefix(send, "PROXY") {
		timeout = 50 * time.Millisecond
	}
	s := &Server{
		Protocols: map[string]func(net.Conn){"http/1.1": func(c net.Conn) {
			defer func() { _ = c.Close() }()
			b, _ := io.ReadAll(c)
			client := c.(interface{ ClientAddrPort() netip.AddrPort }).ClientAddrPort()
			_, _ = io.WriteString(c, client.String()+" "+string(b))
		}},
		Trusts:  func(a netip.Addr) bool { return trusted && a.IsLoopback() },
		Limited: func(limit string, _ netip.AddrPort) { limits <- limit }, GreetTimeout: timeout,
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(Greeted(ln)) }()
	defer func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	}()
	c, err := net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	if want != "" || timeout > time.Second {
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil && !errors.Is(err, os.ErrClosed) && want != "" {
			t.Fatal(err)
		}
	}
	got, _ := io.ReadAll(c) // a reset is an end, too
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if limited != "" {
		if got := <-limits; got != limited || s.Stats().Greetings != 1 {
			t.Errorf("got limit %q, %d, want %q", got, s.Stats().Greetings, limited)
		}
	}
}

// TestGreetedPerAddress: connections count for whom they are.
func TestGreetedPerAddress(t *testing.T) {
	s := &Server{MaxPerAddress: 1, Limited: func(string, netip.AddrPort) {}, Trusts: func(netip.Addr) bool { return true }}
	greeted := func(header string) (*job, bool) {
		near, far := net.Pipe()
		t.Cleanup(func() { _, _ = near.Close(), far.Close() })
		go func() { _, _ = io.WriteString(far, header) }()
		j := &job{conn: &greetedPipe{near, greeting{pending: true}}}
		return j, s.greet(j)
	}
	first, ok := greeted("PROXY TCP4 192.0.2.7 10.0.0.1 1 1\r\n")
	if !ok || first.from != addressIn(netip.MustParseAddr("192.0.2.7")) {
		t.Errorf("first: got %t for %v", ok, first.from)
	}
	if _, ok := greeted("PROXY TCP4 192.0.2.8 10.0.0.1 1 1\r\n"); !ok {
		t.Error("another client: got refused")
	}
	if _, ok := greeted("PROXY TCP4 192.0.2.7 10.0.0.1 2 1\r\n"); ok || s.Stats().PerAddress != 1 {
		t.Errorf("second: got %t, %d refused", ok, s.Stats().PerAddress)
	}
	s.peers.leave(first.from)
	if _, ok := greeted("PROXY TCP4 192.0.2.7 10.0.0.1 3 1\r\n"); !ok {
		t.Error("after the first: got refused")
	}
}

// A greetedPipe is a connection in memory with a greeting.
type greetedPipe struct {
	net.Conn
	greeting
}
