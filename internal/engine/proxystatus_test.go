package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// blamed is err as an upstream gives it.
func blamed(status int, fault origin.Fault, err error) error {
	return &wire.Error{Side: wire.Upstream, Status: status, Err: fmt.Errorf("origin 192.0.2.1:80: %w: %w", fault, err)}
}

func dialed(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

// Each fault of an upstream has the type that RFC 9209, 2.3 has for it.
func TestProxyErrorOf(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}
	write := &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	for _, tt := range []struct {
		name string
		err  error
		want ProxyError
	}{
		{"no such name", blamed(502, origin.Dial, dialed(&net.DNSError{Err: "no such host", IsNotFound: true})), DNSError},
		{"resolver silent", blamed(504, origin.DialTimeout, dialed(&net.DNSError{Err: "i/o timeout", IsTimeout: true})), DNSTimeout},
		{"resolver cut off", blamed(504, origin.DialTimeout, dialed(&net.DNSError{Err: "operation was canceled"})), DNSTimeout},
		{"refused", blamed(502, origin.Dial, dialed(refused)), ConnectionRefused},
		{"no route to the host", blamed(502, origin.Dial, dialed(os.NewSyscallError("connect", syscall.EHOSTUNREACH))), DestinationIPUnroutable},
		{"no route to the net", blamed(502, origin.Dial, dialed(os.NewSyscallError("connect", syscall.ENETUNREACH))), DestinationIPUnroutable},
		{"reset while connecting", blamed(502, origin.Dial, dialed(os.NewSyscallError("connect", syscall.ECONNRESET))), ConnectionTerminated},
		{"no port left", blamed(502, origin.Dial, dialed(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL))), DestinationUnavailable},
		{"dial silent", blamed(504, origin.DialTimeout, dialed(os.ErrDeadlineExceeded)), ConnectionTimeout},
		{"handshake silent", blamed(504, origin.TLS, context.DeadlineExceeded), ConnectionTimeout},
		{"certificate", blamed(502, origin.TLS, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), TLSCertificateError},
		{"alert", blamed(502, origin.TLS, alert), TLSAlertReceived},
		{"no TLS", blamed(502, origin.TLS, tls.RecordHeaderError{Msg: "no TLS"}), TLSProtocolError},
		{"broken handshake", blamed(502, origin.TLS, io.EOF), TLSProtocolError},
		{"head late", blamed(504, origin.HeadTimeout, os.ErrDeadlineExceeded), HTTPResponseTimeout},
		{"content stood still", blamed(504, origin.BodyTimeout, os.ErrDeadlineExceeded), ConnectionReadTimeout},
		{"not taken", blamed(504, origin.BodyTimeout, write), ConnectionWriteTimeout},
		{"closed", blamed(502, origin.Closed, io.ErrUnexpectedEOF), ConnectionTerminated},
		{"reset", blamed(502, origin.Closed, syscall.ECONNRESET), ConnectionTerminated},
		{"cut", blamed(502, origin.Cut, io.ErrUnexpectedEOF), HTTPResponseIncomplete},
		{"alert behind the handshake", blamed(502, origin.Cut, alert), TLSAlertReceived},
		{"no TLS record", blamed(502, origin.Cut, tls.RecordHeaderError{Msg: "junk"}), TLSProtocolError},
		{"junk", blamed(502, origin.BadResponse, errors.New("no status line")), HTTPProtocolError},
		{"head too large", blamed(502, origin.BadResponse, fmt.Errorf("byte 9: %w", wire.ErrTooLarge)), HTTPResponseHeadSize},
		{"bad chunk", blamed(502, origin.BadResponse, fmt.Errorf("byte 9: %w", wire.ErrCoding)), HTTPResponseTransferCoding},
		{"queue full", &wire.Error{Side: wire.Us, Status: 503, Err: origin.QueueFull}, ConnectionLimitReached},
		{"queue too long", &wire.Error{Side: wire.Us, Status: 503, Err: origin.QueueTimeout}, ConnectionLimitReached},
		{"client's content", &wire.Error{Side: wire.Client, Status: 400, Err: origin.Content}, HTTPRequestError},
		{"content too large", &wire.Error{Side: wire.Client, Status: 413, Err: io.ErrShortBuffer}, HTTPRequestError},
		{"ours", &wire.Error{Side: wire.Us, Status: 500, Err: io.ErrShortWrite}, ProxyInternalError},
		{"of no side", io.ErrShortWrite, ProxyInternalError},
		{"another exchanger's 504", &wire.Error{Side: wire.Upstream, Status: 504, Err: io.EOF}, HTTPResponseTimeout},
		{"another exchanger's 502", &wire.Error{Side: wire.Upstream, Status: 502, Err: io.EOF}, DestinationUnavailable},
	} {
		if got := proxyErrorOf(tt.err); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// No fault is left to the types for what is not known.
func TestEveryFaultHasProxyError(t *testing.T) {
	for f := origin.Dial; int(f) < origin.NumFaults; f++ {
		got := proxyErrorOf(blamed(502, f, errors.New("x")))
		if got == ProxyInternalError || got == DestinationUnavailable && f != origin.Dial && f != origin.Canceled {
			t.Errorf("%s: got %s, want a type of its own", f, got)
		}
	}
}

func TestProxyStatus(t *testing.T) {
	refused := blamed(502, origin.Dial, dialed(syscall.ECONNREFUSED))
	for _, tt := range []struct {
		out  Outcome
		hop  string
		want string
	}{
		{Outcome{Status: Miss, Why: OriginUnreachable, Err: refused}, "", `here; error=connection_refused; details="dial"`},
		{Outcome{Status: Stale, Why: OriginUnreachable, Err: refused}, `"[::1]:80"`, `here; error=connection_refused; next-hop="[::1]:80"; details="dial"`},
		{Outcome{Status: Miss, Why: OriginStatus, Upstream: 503}, "", `here; received-status=503; details="origin-status"`},
		{Outcome{Status: Bypass, Why: MethodNotCached, Upstream: 500}, "", `here; received-status=500`},
		{Outcome{Status: Miss, Why: LoopDetected}, "", `here; error=proxy_loop_detected; details="loop"`},
		{Outcome{Status: Miss, Why: Reason(rfc9111.WhyOnlyIfCached)}, "", `here; error=proxy_internal_response; details="only-if-cached"`},
		{Outcome{Status: Hit, TTL: 3}, "", ``},
		{Outcome{Status: Miss, Upstream: 404}, "", ``},
	} {
		if got := tt.out.troubled(); got != (tt.want != "") {
			t.Errorf("%+v: troubled: got %t, want %t", tt.out, got, !got)
		}
		if tt.want == "" {
			continue
		}
		if got, want := string(tt.out.appendProxyStatus(nil, "here", tt.hop)), "Proxy-Status: "+tt.want+"\r\n"; got != want {
			t.Errorf("%+v: got %q, want %q", tt.out, got, want)
		}
	}
}

func TestItem(t *testing.T) {
	for _, tt := range []struct{ name, item, pseudonym string }{
		{"opencache", "opencache", "opencache"},
		{"cache-3.example:80/x", "cache-3.example:80/x", "cache-3.example-80-x"},
		{"CDN Company Here", `"CDN Company Here"`, "CDN-Company-Here"},
		{"3rd", `"3rd"`, "3rd"},
		{`a"b\`, `"a\"b\\"`, "a-b-"},
		{"é\n", `"%C3%A9%0A"`, "---"},
		{"", `""`, ""},
	} {
		if got := itemOf(tt.name); got != tt.item {
			t.Errorf("item of %q: got %q, want %q", tt.name, got, tt.item)
		}
		if got := pseudonymOf(tt.name); got != tt.pseudonym {
			t.Errorf("pseudonym of %q: got %q, want %q", tt.name, got, tt.pseudonym)
		}
	}
}

// Answers of a failing upstream tell of it, and only where that is asked for.
func TestProxyStatusOfAnswers(t *testing.T) {
	for _, on := range []bool{true, false} {
		play(t, func(t *testing.T) {
			g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
				if strings.HasPrefix(string(r.Target()), "/503") {
					return respond("503 Busy\r\nProxy-Status: inner; error=connection_timeout", "no"), nil
				}
				return nil, blamed(502, origin.Dial, dialed(syscall.ECONNREFUSED))
			})
			defer g.close()
			g.pol.ProxyStatus = on
			want := map[bool]string{true: `opencache; error=connection_refused; details="dial"`}[on]
			if got := g.get("/a").field("Proxy-Status"); got != want {
				t.Errorf("told %t: got %q, want %q", on, got, want)
			}
			lines := strings.Count(g.get("/503").fields, "Proxy-Status: ")
			if want := map[bool]int{true: 2, false: 1}[on]; lines != want {
				t.Errorf("told %t: got %d field lines, want %d", on, lines, want)
			}
		})
	}
}
