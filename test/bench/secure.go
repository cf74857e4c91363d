package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"opencache/test/bench/child"
)

// clientTLS is what the driver's own clients speak: version 1.3, no session
// kept, and the key exchange that all servers know.
func clientTLS() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // the certificate is our own; what is measured is the server
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
	}
}

// certify writes a P-256 key and a certificate for it into the folder:
// cert.pem, key.pem, and both in pair.pem.
func certify(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err1 := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), certPEM, 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), keyPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "pair.pem"), slices.Concat(certPEM, keyPEM), 0o600))
}

// handshakes opens connections for the duration, w.conns at a time, each for
// one request, and resumes no session. What wrk does is no measure of that: it
// resumes where it can.
func (b *bench) handshakes(ctx context.Context, s *server, w workload) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, b.duration+startTime)
	defer cancel()
	begin := time.Now()
	end := begin.Add(b.duration)
	times, errs := make([][]float64, w.conns), make([]error, w.conns)
	var every sync.WaitGroup
	for i := range w.conns {
		every.Go(func() {
			for time.Now().Before(end) && errs[i] == nil {
				start := time.Now()
				errs[i] = handshake(ctx, s.site.Port, w)
				times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/1e3)
			}
		})
	}
	every.Wait()
	if err := errors.Join(errs...); err != nil {
		return sample{}, err
	}
	list := slices.Sorted(func(yield func(float64) bool) {
		for _, part := range times {
			for _, v := range part {
				if !yield(v) {
					return
				}
			}
		}
	})
	return sample{Requests: len(list), Rate: float64(len(list)) / time.Since(begin).Seconds(),
		P50: list[len(list)/2], P99: list[len(list)*99/100]}, nil
}

func handshake(ctx context.Context, port int, w workload) error {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", child.Addr(port))
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer func() { _ = raw.Close() }() // all is said
	if at, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(at) // the connection is open
	}
	conn := tls.Client(raw, clientTLS())
	if _, err := conn.Write(requestText(port, w)); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	answer, err := io.ReadAll(conn)
	// A server that closes without close_notify has answered all the same.
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("answer after a handshake: %w", err)
	}
	status := fmt.Appendf(nil, "HTTP/1.1 %d ", w.status)
	_, content, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(answer, status) || int64(len(content)) != w.size {
		return fmt.Errorf("answer after a handshake: got %.40q with %d bytes, want %q with %d", answer, len(content), status, w.size)
	}
	return nil
}

// requestText is the workload's request as it is sent.
func requestText(port int, w workload) []byte {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "GET %s HTTP/1.1\r\nHost: %s\r\n", w.path, child.Addr(port))
	_ = w.header.Write(&text) // a Builder takes all
	text.WriteString("\r\n")
	return []byte(text.String())
}
