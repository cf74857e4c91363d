package listen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// A KeyPair is a server's certificate with its chain, and the key to it, in
// two PEM files. Handshakes use what Load has read last.
//
//	keys := &listen.KeyPair{CertFile: "cert.pem", KeyFile: "key.pem"}
//	err := keys.Load()
//	…
//	l = listen.Secure(l, keys.Config("http/1.1"))
type KeyPair struct {
	CertFile, KeyFile string

	loaded atomic.Pointer[tls.Certificate]
}

// Load reads the files. On an error, which names the file and is one line, what
// was loaded before stays in use.
func (k *KeyPair) Load() error {
	chain, err := os.ReadFile(k.CertFile)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	key, err := os.ReadFile(k.KeyFile)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("certificate %s and key %s: %w", k.CertFile, k.KeyFile, err)
	}
	k.loaded.Store(&pair)
	return nil
}

// Leaf returns the server's own certificate; nil before the first Load.
func (k *KeyPair) Leaf() *x509.Certificate {
	if pair := k.loaded.Load(); pair != nil {
		return pair.Leaf
	}
	return nil
}

// Expired reports whether clients will refuse the certificate at that moment.
func (k *KeyPair) Expired(now time.Time) bool {
	leaf := k.Leaf()
	return leaf != nil && (now.After(leaf.NotAfter) || now.Before(leaf.NotBefore))
}

var errNoCertificate = errors.New("no certificate is loaded")

// Config returns how to speak TLS with these keys: 1.2 and 1.3, with session
// tickets whose keys change daily, for protocols by their ALPN names.
func (k *KeyPair) Config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if pair := k.loaded.Load(); pair != nil {
				return pair, nil
			}
			return nil, errNoCertificate
		},
	}
}

// Secure returns l with TLS: it accepts *tls.Conn, whose handshake is the
// protocol's to do, under its limits of time.
func Secure(l net.Listener, config *tls.Config) net.Listener { return tls.NewListener(l, config) }
