package edge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/config"
	"opencache/internal/origin"
	"opencache/internal/wire"
)

// A mint makes certificates of one authority.
type mint struct {
	t   testing.TB
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

func newMint(t testing.TB, name string) *mint {
	m := &mint{t: t, dir: t.TempDir()}
	cert, key := m.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	m.ca, m.key = cert, key
	return m
}

func (m *mint) issue(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	parent, signer := m.ca, m.key
	if parent == nil {
		parent, signer = c, key
	}
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		m.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return cert, key
}

// pair returns a certificate for a name and an address.
func (m *mint) pair(name string) tls.Certificate {
	cert, key := m.issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (m *mint) write(name, kind string, der []byte) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// files writes the authority, a certificate and its key.
func (m *mint) files(name string) (ca, cert, key string) {
	pair := m.pair(name)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.write("ca.pem", "CERTIFICATE", m.ca.Raw), m.write("cert.pem", "CERTIFICATE", pair.Certificate[0]), m.write("key.pem", "PRIVATE KEY", der)
}

// linkPlan compiles one site with such a section, after previous.
func linkPlan(t testing.TB, c *Compiler, previous *Plan, set *config.Set, url, section string) (*Plan, []config.Fault) {
	t.Helper()
	shot := set.Load(map[string][]byte{siteKey + "a": fmt.Appendf(nil,
		`{"id": "a", "hostnames": ["a.test"], "upstreams": [{"name": "o", "servers": [{"url": %q}], %s}]}`, url, section)})
	if len(shot.Faults) > 0 {
		return nil, shot.Faults
	}
	return c.Compile(previous, shot.Node, shot.Sites)
}

// askPlan asks the one server of a plan's site.
func askPlan(t testing.TB, p *Plan) (string, error) {
	t.Helper()
	var r wire.Request
	if _, err := wire.ParseRequest(&r, []byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), wire.Limits{}); err != nil {
		t.Fatal(err)
	}
	resp, err := p.sites["a"].pools[0].Exchange(context.Background(), &r)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return string(text), err
}

// TestUpstreamTLS: each field of the section decides with whom is spoken.
func TestUpstreamTLS(t *testing.T) {
	m := newMint(t, "ours")
	ca, cert, key := m.files("origin.test")
	clients := x509.NewCertPool()
	clients.AddCert(m.ca)
	var told, shown string
	serve := func(conf *tls.Config) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			told, shown = r.TLS.ServerName, ""
			if len(r.TLS.PeerCertificates) > 0 {
				shown = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			_, _ = io.WriteString(w, "ok")
		}))
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		conf.Certificates = []tls.Certificate{m.pair("origin.test")}
		s.TLS = conf
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL // by address
	}
	open := serve(&tls.Config{})
	mutual := serve(&tls.Config{ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})
	old := serve(&tls.Config{MaxVersion: tls.VersionTLS12})
	for _, tt := range []struct {
		name, url, section string
		told, shown        string
		ok                 bool
	}{
		{"the system's authorities", open, `"connectTimeout": "5s"`, "", "", false},
		{"an own authority, by address", open, fmt.Sprintf(`"tls": {"ca": %q}`, ca), "", "", true},
		{"by the name", open, fmt.Sprintf(`"tls": {"ca": %q, "serverName": "origin.test"}`, ca), "origin.test", "", true},
		{"by another name", open, fmt.Sprintf(`"tls": {"ca": %q, "serverName": "other.test"}`, ca), "", "", false},
		{"by a fixed Host", open, fmt.Sprintf(`"hostHeader": "origin.test", "tls": {"ca": %q}`, ca), "origin.test", "", true},
		{"by another address", open, fmt.Sprintf(`"tls": {"ca": %q, "serverName": "192.0.2.1"}`, ca), "", "", false},
		{"not verified", open, `"tls": {"verify": false}`, "", "", true},
		{"no certificate shown", mutual, fmt.Sprintf(`"tls": {"ca": %q}`, ca), "", "", false},
		{"a certificate shown", mutual, fmt.Sprintf(`"tls": {"ca": %q, "clientCert": %q, "clientKey": %q}`, ca, cert, key), "", "origin.test", true},
		{"TLS 1.2 will do", old, fmt.Sprintf(`"tls": {"ca": %q}`, ca), "", "", true},
		{"TLS 1.3 at least", old, fmt.Sprintf(`"tls": {"ca": %q, "minVersion": "TLSv1.3"}`, ca), "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told, shown = "", ""
			var log bytes.Buffer
			c := Compiler{Volumes: []Volume{newVolume(t)}, Warn: slog.New(slog.NewTextHandler(&log, nil))}
			p, faults := linkPlan(t, &c, nil, new(config.Set), tt.url, tt.section)
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			defer p.Close()
			got, err := askPlan(t, p)
			if (err == nil) != tt.ok || tt.ok && (got != "ok" || told != tt.told || shown != tt.shown) {
				t.Errorf("got %q, %v, told %q, shown %q; want ok %t, %q, %q", got, err, told, shown, tt.ok, tt.told, tt.shown)
			}
			if !tt.ok && !errors.Is(err, origin.TLS) && !errors.Is(err, origin.Closed) { // a server may refuse behind the handshake
				t.Errorf("got %v, want a fault of TLS", err)
			}
			if got := strings.Contains(log.String(), "not verified"); got != strings.Contains(tt.section, "false") {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

// TestUpstreamTLSFaults: what is wrong is told with its path, and no secret.
func TestUpstreamTLSFaults(t *testing.T) {
	m, other := newMint(t, "ours"), newMint(t, "another")
	ca, cert, key := m.files("origin.test")
	_, _, foreign := other.files("origin.test")
	junk := filepath.Join(m.dir, "junk.pem")
	large := filepath.Join(m.dir, "large.pem")
	if err := errors.Join(os.WriteFile(junk, []byte("hunter2"), 0o600), os.WriteFile(large, make([]byte, maxFile+1), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, url, section, path string }{
		{"no such file", "https://o", `"tls": {"ca": "/nowhere/ca.pem"}`, "upstreams[0].tls.ca"},
		{"a folder", "https://o", fmt.Sprintf(`"tls": {"ca": %q}`, m.dir), "upstreams[0].tls.ca"},
		{"no PEM", "https://o", fmt.Sprintf(`"tls": {"ca": %q}`, junk), "upstreams[0].tls.ca"},
		{"too large", "https://o", fmt.Sprintf(`"tls": {"ca": %q}`, large), "upstreams[0].tls.ca"},
		{"no key", "https://o", fmt.Sprintf(`"tls": {"clientCert": %q}`, cert), "upstreams[0].tls"},
		{"no such key", "https://o", fmt.Sprintf(`"tls": {"clientCert": %q, "clientKey": "/nowhere/key.pem"}`, cert), "upstreams[0].tls.clientKey"},
		{"a key in place of the certificate", "https://o", fmt.Sprintf(`"tls": {"clientCert": %q, "clientKey": %q}`, key, key), "upstreams[0].tls.clientCert"},
		{"another's key", "https://o", fmt.Sprintf(`"tls": {"clientCert": %q, "clientKey": %q}`, cert, foreign), "upstreams[0].tls.clientKey"},
		{"no key in it", "https://o", fmt.Sprintf(`"tls": {"clientCert": %q, "clientKey": %q}`, cert, junk), "upstreams[0].tls.clientKey"},
		{"no https", "http://o", fmt.Sprintf(`"tls": {"ca": %q}`, ca), "upstreams[0].tls"},
		{"authorities of nobody", "https://o", fmt.Sprintf(`"tls": {"ca": %q, "verify": false}`, ca), "upstreams[0].tls.ca"},
		{"a wildcard", "https://o", `"tls": {"serverName": "*.test"}`, "upstreams[0].tls.serverName"},
		{"an expression", "https://o", `"tls": {"serverName": "$host"}`, "upstreams[0].tls.serverName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Compiler{Volumes: []Volume{newVolume(t)}}
			_, faults := linkPlan(t, &c, nil, new(config.Set), tt.url, tt.section)
			if len(faults) != 1 || faults[0].Path != tt.path || strings.Contains(faults[0].String(), "hunter2") {
				t.Errorf("got %v, want a fault at %s", faults, tt.path)
			}
		})
	}
}

// TestUpstreamTLSReload: documents that are looked at again take files that are
// others by now, though their own text is as it was; a file at fault changes nothing.
func TestUpstreamTLSReload(t *testing.T) {
	m := newMint(t, "ours")
	ca, cert, key := m.files("one.test")
	section := fmt.Sprintf(`"tls": {"ca": %q, "clientCert": %q, "clientKey": %q}`, ca, cert, key)
	var log bytes.Buffer
	c := Compiler{Volumes: []Volume{newVolume(t)}, Warn: slog.New(slog.NewTextHandler(&log, nil))}
	set := new(config.Set)
	load := func(p *Plan) *Plan {
		t.Helper()
		next, faults := linkPlan(t, &c, p, set, "https://127.0.0.1:1", section)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		return next
	}
	server := func(p *Plan) *server { return p.sites["a"].pools[0].servers[0] }
	first := load(nil)
	same := load(first)
	if server(same) != server(first) {
		t.Error("nothing has changed, and there is another server")
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	broken := load(same)
	if server(broken) != server(first) || !strings.Contains(log.String(), "clientKey") {
		t.Errorf("a key is gone: another server %t, logged %q", server(broken) != server(first), log.String())
	}
	m.files("two.test")
	next := load(broken)
	if server(next) == server(first) {
		t.Error("there is another certificate, and the same server")
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// TestUpstreamResolve: names are looked up as often as documents say, and what
// is known of them outlives a reload.
func TestUpstreamResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lookups atomic.Int64
		c := Compiler{Volumes: []Volume{newVolume(t)},
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				lookups.Add(1)
				return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
			},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() { // ends with the connection
					defer func() { _ = theirs.Close() }()
					b := make([]byte, 4<<10)
					for {
						if _, err := theirs.Read(b); err != nil {
							return
						}
						_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					}
				}()
				return ours, nil
			}}
		set := new(config.Set)
		p, faults := linkPlan(t, &c, nil, set, "http://o.test", `"resolve": "7s"`)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		for range 20 {
			if _, err := askPlan(t, p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if p, faults = linkPlan(t, &c, p, set, "http://o.test", `"resolve": "7s"`); len(faults) > 0 {
				t.Fatal(faults)
			}
		}
		if n := lookups.Load(); n < 3 || n > 4 {
			t.Errorf("got %d lookups in 20 s, want one every 7 s", n)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestUpstreamProtocol: documents say by which protocol is asked, and where that
// can not be.
func TestUpstreamProtocol(t *testing.T) {
	m := newMint(t, "ours")
	ca, _, _ := m.files("origin.test")
	told := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }
	secure := httptest.NewUnstartedServer(http.HandlerFunc(told))
	secure.EnableHTTP2, secure.TLS = true, &tls.Config{Certificates: []tls.Certificate{m.pair("origin.test")}}
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewUnstartedServer(http.HandlerFunc(told))
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Config.Protocols.SetHTTP1(true)
	plain.Start()
	defer plain.Close()
	for _, tt := range []struct{ url, protocol, want string }{
		{secure.URL, "http/1.1", "HTTP/1.1"}, {secure.URL, "auto", "HTTP/2.0"}, {secure.URL, "h2", "HTTP/2.0"}, {secure.URL, "h2c", ""},
		{plain.URL, "http/1.1", "HTTP/1.1"}, {plain.URL, "h2c", "HTTP/2.0"}, {plain.URL, "h2", ""}, {plain.URL, "auto", ""},
	} {
		c := Compiler{Volumes: []Volume{newVolume(t)}}
		section := fmt.Sprintf(`"protocol": %q`, tt.protocol)
		if strings.HasPrefix(tt.url, "https") {
			section += fmt.Sprintf(`, "tls": {"ca": %q}`, ca)
		}
		p, faults := linkPlan(t, &c, nil, new(config.Set), tt.url, section)
		if tt.want == "" {
			if len(faults) != 1 || faults[0].Path != "upstreams[0].protocol" {
				t.Errorf("%s by %s: got %v, want a fault", tt.url, tt.protocol, faults)
			}
			continue
		}
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got, err := askPlan(t, p); err != nil || got != tt.want {
			t.Errorf("%s by %s: got %q, %v; want %q", tt.url, tt.protocol, got, err, tt.want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
