package kvs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// An authority signs certificates that are kept in a folder.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes one, whose own certificate is NAME.pem.
func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	a.cert, a.key = a.sign(t, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign writes NAME.pem and NAME.key, of a certificate that a signs, or itself
// while a has none.
func (a *authority) sign(t *testing.T, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(t, err)
	raw, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	put(t, filepath.Join(a.dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, filepath.Join(a.dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})))
	signed, err := x509.ParseCertificate(der)
	must(t, err)
	return signed, key
}

// TestEtcdMutualTLS asks an etcd that knows its clients by certificates: with
// the right one, with none, with another authority's, and trusting another.
func TestEtcdMutualTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca := newAuthority(t, dir, "ca")
	ca.sign(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"etcd.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	ca.sign(t, "edge", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	newAuthority(t, dir, "other").sign(t, "stranger", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})

	at := freeURL(t)
	at.Scheme = "https"
	own := transport.TLSInfo{CertFile: file("server.pem"), KeyFile: file("server.key"), TrustedCAFile: file("ca.pem"), ClientCertAuth: true}
	runEtcd(t, at, func(c *embed.Config) { c.ClientTLSInfo = own })
	config, err := own.ClientConfig()
	must(t, err)
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{at.String()}, TLS: config, Logger: zap.NewNop()})
	must(t, err)
	defer c.Close()
	putKey(t, c, "p/a", "1")

	edge := "&cert=" + file("edge.pem") + "&key=" + file("edge.key")
	for _, tt := range []struct{ query, want string }{
		{"?ca=" + file("ca.pem") + edge, ""},
		{"?ca=" + file("ca.pem") + edge + "&server-name=etcd.test", ""},
		{"?ca=" + file("ca.pem") + edge + "&server-name=another.test", "not another.test"},
		{"?ca=" + file("ca.pem"), "certificate required"},
		{"?ca=" + file("ca.pem") + "&cert=" + file("stranger.pem") + "&key=" + file("stranger.key"), "certificate required"},
		{"?ca=" + file("other.pem") + edge, "unknown authority"},
		{"", "deadline exceeded"},
	} {
		s, err := Open("etcd://"+at.Host+"/p"+tt.query, Options{Timeout: 2 * time.Second})
		must(t, err)
		set, err := Read(context.Background(), s)
		if tt.want == "" && (err != nil || say(set.Documents, nil) != "a=1") {
			t.Errorf("%s: got %q, %v", tt.query, say(set.Documents, nil), err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.query, err, tt.want)
		}
	}
}
