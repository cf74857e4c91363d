package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newKeys writes a certificate for name and its key, and loads them.
func newKeys(t *testing.T, name string) *KeyPair {
	t.Helper()
	dir := t.TempDir()
	k := &KeyPair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writeKeys(t, k, name)
	if err := k.Load(); err != nil {
		t.Fatal(err)
	}
	return k
}

func writeKeys(t *testing.T, k *KeyPair, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		k.CertFile: {Type: "CERTIFICATE", Bytes: der}, k.KeyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Faults are one line that names the file, and what was loaded stays.
func TestKeyPairErrors(t *testing.T) {
	k, other := newKeys(t, "one.example"), newKeys(t, "two.example")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := k.CertFile, k.KeyFile
	for _, c := range []struct{ cert, key, want string }{
		{"/nowhere/cert", key, "certificate: open /nowhere/cert: no such file"},
		{cert, "/nowhere/key", "key: open /nowhere/key: no such file"},
		{empty, key, "certificate " + empty + " and key " + key + ": tls: failed to find any PEM data in certificate input"},
		{cert, empty, "tls: failed to find any PEM data in key input"},
		{key, key, "tls: failed to find certificate PEM data"},
		{cert, other.KeyFile, "tls: private key does not match public key"},
	} {
		k.CertFile, k.KeyFile = c.cert, c.key
		if err := k.Load(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s, %s: got %v, want one line with %q", c.cert, c.key, err, c.want)
		}
		if got := k.Leaf().DNSNames[0]; got != "one.example" {
			t.Errorf("%s, %s: got the certificate of %s, want the old one", c.cert, c.key, got)
		}
	}
}

func TestKeyPairReload(t *testing.T) {
	k := newKeys(t, "old.example")
	config := k.Config("http/1.1")
	for _, name := range []string{"old.example", "new.example"} {
		writeKeys(t, k, name)
		if err := k.Load(); err != nil {
			t.Fatal(err)
		}
		server, client := net.Pipe()
		go func() {
			_ = tls.Server(server, config).Handshake()
			_ = server.Close()
		}()
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := c.Handshake(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != name {
			t.Errorf("got the certificate of %s, want %s", got, name)
		}
		_ = client.Close()
	}
}

func TestKeyPairExpired(t *testing.T) {
	k := newKeys(t, "x.example")
	for when, want := range map[time.Time]bool{
		time.Unix(-1, 0): true,
		time.Unix(1, 0):  false,
		time.Date(2100, 1, 2, 0, 0, 0, 0, time.UTC):   true,
		time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC): false,
	} {
		if got := k.Expired(when); got != want {
			t.Errorf("%v: got %v, want %v", when, got, want)
		}
	}
}

// A pair that was never loaded refuses handshakes.
func TestKeyPairZero(t *testing.T) {
	var k KeyPair
	if k.Leaf() != nil || k.Expired(time.Now()) {
		t.Error("got a certificate from nowhere")
	}
	if _, err := k.Config().GetCertificate(nil); err == nil {
		t.Error("got no error")
	}
}
