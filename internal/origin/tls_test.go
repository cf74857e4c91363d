package origin

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"opencache/internal/wire"
)

// authority makes a CA and a certificate of it for "origin" and 127.0.0.1.
func authority(t testing.TB) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	issue := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = tmpl, key
		}
		// Bubbles begin in the year 2000.
		tmpl.NotBefore, tmpl.NotAfter = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
		tmpl.SerialNumber, tmpl.BasicConstraintsValid = big.NewInt(1), true
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	ca, caKey := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	leaf, key := issue(&x509.Certificate{DNSNames: []string{"origin"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, ca, caKey)
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return pool, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// secure is a script behind a TLS handshake.
func secure(config *tls.Config, script func(t *testing.T, c *tls.Conn, r *bufio.Reader)) func(p *peer) {
	return func(p *peer) {
		c := tls.Server(p.end, config)
		script(p.t, c, bufio.NewReader(c))
	}
}

// answers answers the heads that come with the next of these, and closes.
func answers(with ...string) func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
	return func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
		for _, s := range with {
			skipHead(r)
			if _, err := io.WriteString(c, s); err != nil {
				t.Errorf("answer %.20q: %v", s, err)
			}
		}
		if b, _ := io.ReadAll(r); len(b) > 0 {
			t.Errorf("the origin got %q, want the end", b)
		}
		_ = c.Close()
	}
}

func skipHead(r *bufio.Reader) {
	for {
		if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
			return
		}
	}
}

func TestTLS(t *testing.T) {
	roots, cert := authority(t)
	var names []string
	var resumed []bool
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	note := func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
		_ = c.Handshake()
		names, resumed = append(names, c.ConnectionState().ServerName), append(resumed, c.ConnectionState().DidResume)
		answers(ok2, ok2)(t, c, r)
	}
	play(t, func(t *testing.T, u *Upstream) {
		u.Scheme, u.Host, u.TLS = "https", "origin:8443", &tls.Config{RootCAs: roots}
		u.KeepAlive = time.Minute
		mustFetch(t, u, "ok")
		mustFetch(t, u, "ok")
		time.Sleep(time.Hour)
		mustFetch(t, u, "ok")
		mustFetch(t, u, "ok")
		if st := u.Stats(); st.Dials != 2 || st.Reuses != 2 || st.Stale != 0 {
			t.Errorf("got %+v, want 2 dials, 2 reuses", st)
		}
	}, secure(config, note), secure(config, note))
	if got := fmt.Sprint(names, resumed); got != "[origin origin] [false true]" {
		t.Errorf("got names and resumptions %s", got)
	}
}

// TestTLSReads: a deadline that ends a read early is no harm to TLS.
func TestTLSReads(t *testing.T) {
	roots, cert := authority(t)
	play(t, func(t *testing.T, u *Upstream) {
		u.Scheme, u.TLS, u.HeadTimeout = "https", &tls.Config{RootCAs: roots}, 10*time.Second
		mustFetch(t, u, "ok")
		time.Sleep(4 * time.Second)
		begun := time.Now()
		mustFetch(t, u, "ok")
		took(t, begun, 9*time.Second)
	}, secure(&tls.Config{Certificates: []tls.Certificate{cert}}, func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
		skipHead(r)
		_, _ = io.WriteString(c, ok2)
		skipHead(r)
		time.Sleep(9 * time.Second)
		answers()(t, c, bufio.NewReader(writeFirst(c, ok2)))
	}))
}

// writeFirst writes s before the first read.
func writeFirst(c net.Conn, s string) io.Reader {
	_, _ = io.WriteString(c, s)
	return c
}

// TestTLSStale: bytes and ends that TLS already holds are seen before reuse.
func TestTLSStale(t *testing.T) {
	roots, cert := authority(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	long := strings.Repeat("x", 40<<10)
	for _, tt := range []struct {
		name, surplus string
		close         bool
	}{
		{"surplus in the last record", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad", false},
		{"end announced", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				u.Scheme, u.TLS = "https", &tls.Config{RootCAs: roots}
				mustFetch(t, u, long)
				time.Sleep(time.Second)
				status, got, err := fetch(u, post(t, 3, content("abc").end()))
				if status != 200 || got != "ok" || err != nil || u.Stats().Stale != 1 {
					t.Errorf("got %d %q, %v, %d stale", status, got, err, u.Stats().Stale)
				}
			}, secure(config, func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
				skipHead(r)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 40960\r\n\r\n"+long+tt.surplus)
				if tt.close {
					_ = c.CloseWrite()
				}
				_, _ = io.Copy(io.Discard, r)
			}), secure(config, func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
				skipHead(r)
				_, _ = r.Discard(3)
				answers()(t, c, bufio.NewReader(writeFirst(c, ok2)))
			}))
		})
	}
}

// TestTLSEnd: content that ends with its connection is whole only when TLS
// says so (RFC 9112, 9.8).
func TestTLSEnd(t *testing.T) {
	roots, cert := authority(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprint(announced), func(t *testing.T) {
			play(t, func(t *testing.T, u *Upstream) {
				u.Scheme, u.TLS = "https", &tls.Config{RootCAs: roots}
				_, got, err := fetch(u, get(t))
				if got != "abc" || announced && err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				if !announced {
					wantError(t, err, upstream(502, true), Cut)
				}
			}, secure(config, func(t *testing.T, c *tls.Conn, r *bufio.Reader) {
				skipHead(r)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nabc")
				if announced {
					_ = c.CloseWrite()
				}
			}))
		})
	}
}

func TestTLSFails(t *testing.T) {
	roots, cert := authority(t)
	for _, tt := range []struct {
		name           string
		client, server *tls.Config
	}{
		{"unknown CA", &tls.Config{RootCAs: x509.NewCertPool()}, &tls.Config{}},
		{"other name", &tls.Config{RootCAs: roots, ServerName: "elsewhere"}, &tls.Config{}},
		{"wrong protocol", &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}, &tls.Config{NextProtos: []string{"h2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.Certificates = []tls.Certificate{cert}
			play(t, func(t *testing.T, u *Upstream) {
				u.Scheme, u.TLS = "https", tt.client
				_, _, err := fetch(u, get(t))
				wantError(t, err, upstream(502, false), TLS)
			}, secure(tt.server, func(t *testing.T, c *tls.Conn, r *bufio.Reader) { _, _ = r.ReadByte() }))
		})
	}
	t.Run("canceled", func(t *testing.T) {
		play(t, func(t *testing.T, u *Upstream) {
			u.Scheme = "https"
			ctx, cancel := context.WithCancelCause(context.Background())
			cause := errors.New("the client left")
			time.AfterFunc(time.Second, func() { cancel(cause) })
			_, err := u.Exchange(ctx, get(t))
			wantError(t, err, wire.Error{Side: wire.Client, Status: 499}, Canceled)
		}, func(p *peer) { _, _ = p.r.WriteTo(io.Discard) })
	})
}
