package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pemFiles writes a certificate for localhost with that serial number, and its
// key, over what was there.
func pemFiles(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// helloOrigin answers each request alike.
func helloOrigin(t *testing.T) string {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(origin.Close)
	return origin.URL
}

// tool runs a program that others wrote, for a client; it is skipped where
// there is none.
func tool(t *testing.T, stdin string, name string, args ...string) (output string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// HTTPS as clients that others wrote speak it.
func TestServeTLS(t *testing.T) {
	cert, key := pemFiles(t, t.TempDir(), 1)
	p := start(t, "--origin", helloOrigin(t), "--tls-cert", cert, "--tls-key", key)
	addr := strings.TrimPrefix(p.listen, "http://")
	_, port, _ := net.SplitHostPort(addr)

	t.Run("curl", func(t *testing.T) {
		for _, version := range []string{"--tlsv1.3", "--tls-max=1.2"} {
			version, most, _ := strings.Cut(version, "=")
			args := []string{"-sS", "-i", "--max-time", "20", "--cacert", cert, "--resolve", "localhost:" + port + ":127.0.0.1", version}
			if most != "" {
				args = append(args, most)
			}
			url := "https://localhost:" + port + "/x"
			out := tool(t, "", "curl", append(args, url, url)...) // on one connection
			if strings.Count(out, "HTTP/1.1 200") != 2 || strings.Count(out, "hello") != 2 || !strings.Contains(out, "X-Cache-Status: HIT") {
				t.Errorf("%s: got\n%s", version, out)
			}
		}
	})
	t.Run("old", func(t *testing.T) {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil {
			_ = c.Close()
			t.Error("TLS 1.1 is spoken")
		}
	})
	t.Run("openssl", func(t *testing.T) {
		request := "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
		session := filepath.Join(t.TempDir(), "session")
		for _, c := range []struct{ args, want string }{
			{"-tls1_3 -sess_out " + session, "New, TLSv1.3"},
			{"-tls1_3 -sess_in " + session, "Reused, TLSv1.3"},
			{"-tls1_2 -sess_out " + session, "New, TLSv1.2"},
			{"-tls1_2 -sess_in " + session, "Reused, TLSv1.2"},
		} {
			args := "s_client -ign_eof -servername localhost -alpn h2,http/1.1 -CAfile " + cert + " -connect " + addr + " " + c.args
			out := tool(t, request, "openssl", strings.Fields(args)...)
			for _, want := range []string{c.want, "ALPN protocol: http/1.1", "Verify return code: 0", "hello"} {
				if !strings.Contains(out, want) {
					t.Errorf("%s: no %q in\n%s", c.args, want, out)
				}
			}
		}
	})
	t.Run("plain", func(t *testing.T) {
		if got := get(p.listen + "/x"); got.err == nil && got.status == 200 {
			t.Errorf("plain HTTP is answered: %+v", got)
		}
	})
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// SIGHUP reads the certificate anew, and one that does not fit changes nothing.
func TestServeTLSReload(t *testing.T) {
	dir := t.TempDir()
	cert, key := pemFiles(t, dir, 1)
	p := start(t, "--origin", helloOrigin(t), "--tls-cert", cert, "--tls-key", key)
	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", strings.TrimPrefix(p.listen, "http://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("got certificate %d, want 1", got)
	}
	pemFiles(t, dir, 2)
	p.signal(t, syscall.SIGHUP)
	p.await(t, "msg=certificate file="+cert)
	if got := serial(); got != 2 {
		t.Errorf("after SIGHUP: got certificate %d, want 2", got)
	}
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGHUP)
	p.await(t, "the old certificate stays in use")
	if got := serial(); got != 2 {
		t.Errorf("after a SIGHUP that failed: got certificate %d, want 2", got)
	}
}

// A client that never sends anything has as long as for a head, and what ends
// it is seen in the log and in the metrics.
func TestServeSilentClient(t *testing.T) {
	p := start(t, "--origin", helloOrigin(t), "--head-timeout", "50ms", "--idle-timeout", "1h")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.listen, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes, %v, want the connection closed", n, err)
	}
	if got := get(p.admin + "/metrics"); !strings.Contains(got.body, `opencache_limited_total{limit="head_timeout"} 1`) {
		t.Errorf("metrics: got\n%s", grep(got.body, "opencache_limited"))
	}
	p.signal(t, syscall.SIGTERM)
	line := p.await(t, "limit reached")
	if want := "limit=head_timeout times=1 last=" + c.LocalAddr().String(); !strings.Contains(line, want) {
		t.Errorf("got %q, want %q in it", line, want)
	}
}

// grep returns the lines of text that begin with part.
func grep(text, part string) string {
	var found strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, part) {
			found.WriteString(line)
		}
	}
	return found.String()
}

func TestServeMaxConnsPerAddress(t *testing.T) {
	p := start(t, "--origin", helloOrigin(t), "--max-conns-per-address", "2")
	addr := strings.TrimPrefix(p.listen, "http://")
	for i := range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := c.Read(make([]byte, 1))
		if served := n == 1; served != (i < 2) {
			t.Errorf("connection %d: served %v", i+1, served)
		}
	}
	want := `opencache_limited_total{limit="connections_per_address"} 1`
	if got := get(p.admin + "/metrics"); !strings.Contains(got.body, want) {
		t.Errorf("no %s in\n%s", want, grep(got.body, "opencache_limited"))
	}
}

// Two processes share a port, with all that a socket can have.
func TestServeReusePort(t *testing.T) {
	args := []string{"--origin", helloOrigin(t), "--reuse-port", "--defer-accept", "--notsent-lowat", "128K", "--listen-backlog", "64"}
	first := start(t, args...)
	second := start(t, append(args, "--listen", strings.TrimPrefix(first.listen, "http://"))...)
	if first.listen != second.listen {
		t.Fatalf("they listen on %s and %s", first.listen, second.listen)
	}
	for _, p := range []*program{first, second} {
		if got := get(p.listen + "/x"); got.status != 200 || got.body != "hello" {
			t.Errorf("got %+v", got)
		}
		p.signal(t, syscall.SIGTERM)
		if code := p.exit(t); code != 0 {
			t.Errorf("got exit code %d", code)
		}
	}
}

// A connection is the client's alone: what one sends never answers another,
// however many come and go at once.
func TestServeManyShort(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, strings.Repeat(r.URL.Path, 100))
	}))
	defer origin.Close()
	p := start(t, "--origin", origin.URL)
	addr := strings.TrimPrefix(p.listen, "http://")
	ended := make(chan string, 8)
	for i := range cap(ended) {
		path := "/" + string(rune('a'+i))
		go func() { ended <- shortConnections(addr, path) }()
	}
	for range cap(ended) {
		if fault := <-ended; fault != "" {
			t.Error(fault)
		}
	}
}

// shortConnections asks for path on one new connection after the other.
func shortConnections(addr, path string) (fault string) {
	for range 50 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err.Error()
		}
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		got, err := io.ReadAll(c)
		_ = c.Close()
		if _, body, _ := bytes.Cut(got, []byte("\r\n\r\n")); err != nil || string(body) != strings.Repeat(path, 100) {
			return path + ": got " + string(got)
		}
	}
	return ""
}
