package h1

import (
	"crypto/tls"
	"time"

	"opencache/internal/wire"
)

// channelOf is what requests say of the TLS connection that they come through,
// in the words of OpenSSL, which other servers' logs are in.
func channelOf(s tls.ConnectionState, took time.Duration) *wire.Channel {
	c := &wire.Channel{Cipher: tls.CipherSuiteName(s.CipherSuite), ServerName: s.ServerName, Handshake: max(took, 1)}
	switch s.Version {
	case tls.VersionTLS10:
		c.Version = "TLSv1"
	case tls.VersionTLS11:
		c.Version = "TLSv1.1"
	case tls.VersionTLS12:
		c.Version = "TLSv1.2"
	case tls.VersionTLS13:
		c.Version = "TLSv1.3"
	}
	switch s.CurveID {
	case 0: // RSA without a curve
	case tls.CurveP256:
		c.Group = "prime256v1"
	case tls.CurveP384:
		c.Group = "secp384r1"
	case tls.CurveP521:
		c.Group = "secp521r1"
	default:
		c.Group = s.CurveID.String()
	}
	return c
}
