package edge

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"opencache/internal/config"
	"opencache/internal/origin"
)

// A link is how the servers of an upstream are reached.
type link struct {
	key linkKey
	tls *tls.Config // of https; nil: as origin has it
}

// A linkKey is what tells links apart.
type linkKey struct {
	resolve  time.Duration
	protocol origin.Protocol
	tls      [sha256.Size]byte // of all that tls is made of, contents of files included
}

// setUp has o reached by l.
func (l *link) setUp(o *origin.Upstream) {
	o.TLS, o.Resolve, o.Protocol = l.tls, l.key.resolve, l.key.protocol
}

var protocols = map[string]origin.Protocol{"h2": origin.HTTP2, "auto": origin.Auto, "h2c": origin.H2C}

// keyFor returns what of l tells servers of a scheme apart.
func (l *link) keyFor(scheme string) linkKey {
	key := l.key
	if scheme == "http" {
		key.tls = linkKey{}.tls
	}
	return key
}

// A file is what was read of a file; err is why it could not be.
type file struct {
	text []byte
	err  error
}

// maxFile bounds certificates, keys and authorities: a system's own list of
// these has a quarter of it.
const maxFile = 1 << 20

// readFile reads a file that documents name.
func readFile(path string) (f file) {
	in, err := os.Open(path)
	if err != nil {
		return file{err: err}
	}
	defer func() { _ = in.Close() }()
	f.text, f.err = io.ReadAll(io.LimitReader(in, maxFile+1))
	if f.err == nil && len(f.text) > maxFile {
		f = file{err: fmt.Errorf("open %s: larger than %d bytes", path, maxFile)}
	}
	return f
}

// sum is what tells the contents of files apart.
func (f *file) sum() [sha256.Size]byte { return sha256.Sum256(f.text) }

// file reads a file, once a compilation.
func (c *compiling) file(path string) *file {
	if c.files == nil {
		c.files = map[string]*file{}
	}
	f := c.files[path]
	if f == nil {
		read := readFile(path)
		f = &read
		c.files[path] = f
	}
	return f
}

// links compiles how the upstreams of a site are reached.
func (c *compiling) links(s *site) {
	s.links, s.files = map[string]*link{}, map[string][sha256.Size]byte{}
	for i := range s.doc.Upstreams {
		u := &s.doc.Upstreams[i]
		l := &link{key: linkKey{resolve: durationOf(u.Resolve), protocol: protocols[u.Protocol]}}
		if u.TLS != nil {
			x := tlsLink{c: c, s: s, path: fmt.Sprintf("upstreams[%d].tls.", i)}
			x.compile(l, u.TLS)
		}
		s.links[u.Name] = l
	}
}

// changed reports whether files that s was made of are others by now.
func (c *compiling) changed(s *site) bool {
	for path, sum := range s.files {
		if f := c.file(path); f.err != nil || f.sum() != sum {
			return true
		}
	}
	return false
}

// again compiles a site whose document is as it was, because a file is not. At
// fault, it goes on with what it had: a file that is being replaced is there soon.
func (c *compiling) again(had *site) *site {
	before := len(c.faults)
	s := c.site(had.doc, had)
	if faults := c.faults[before:]; len(faults) > 0 && c.Warn != nil {
		for _, f := range faults {
			c.Warn.Warn("a file that documents name can not be used: what was read before goes on", "document", f.Document, "fault", f.String())
		}
	}
	c.faults = c.faults[:before]
	return s
}

// A tlsLink is one compilation of a section tls.
type tlsLink struct {
	c    *compiling
	s    *site
	path string
	said []byte // what tells the link apart
}

func (x *tlsLink) compile(l *link, doc *config.UpstreamTLS) {
	verify := doc.Verify == nil || *doc.Verify
	x.said = fmt.Appendf(x.said, "%q %t %q", doc.ServerName, verify, doc.MinVersion)
	own := &tls.Config{ServerName: doc.ServerName, InsecureSkipVerify: !verify, MinVersion: versionOf(doc.MinVersion)}
	if ca := x.file("ca", doc.CA); ca != nil {
		own.RootCAs = x509.NewCertPool()
		if !own.RootCAs.AppendCertsFromPEM(ca) {
			x.c.fault(x.path+"ca", doc.CA, "a file in PEM with a certificate")
		}
	}
	cert, key := x.file("clientCert", doc.ClientCert), x.file("clientKey", doc.ClientKey)
	if cert != nil && key != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if own.Certificates = []tls.Certificate{pair}; err != nil {
			x.pairFault(doc, cert, err)
		}
	}
	l.tls, l.key.tls = own, sha256.Sum256(x.said)
	if !verify && x.c.Warn != nil {
		x.c.Warn.Warn("certificates of an upstream are not verified", "document", x.c.key, "path", x.path+"verify")
	}
}

// file reads a file of the section; nil when none is named, or it can not be read.
func (x *tlsLink) file(field, path string) []byte {
	if path == "" {
		return nil
	}
	f := x.c.file(path)
	if f.err != nil {
		why := f.err
		var outer *os.PathError // repeats the path
		if errors.As(why, &outer) {
			why = outer.Err
		}
		x.c.fault(x.path+field, path, "a file that can be read: "+why.Error())
		return nil
	}
	sum := f.sum()
	x.s.files[path] = sum
	x.said = append(append(x.said, field...), sum[:]...)
	return f.text
}

// pairFault notes why certificate and key are none together. Package tls tells
// nothing of a key's content.
func (x *tlsLink) pairFault(doc *config.UpstreamTLS, cert []byte, err error) {
	if !x509.NewCertPool().AppendCertsFromPEM(cert) {
		x.c.fault(x.path+"clientCert", doc.ClientCert, "a file in PEM with a certificate")
		return
	}
	x.c.fault(x.path+"clientKey", doc.ClientKey, "a file in PEM with the key of the certificate: "+err.Error())
}

// versionOf is a version of TLS by its name; the lowest that is safe without one.
func versionOf(name string) uint16 {
	switch name {
	case "TLSv1":
		return tls.VersionTLS10
	case "TLSv1.1":
		return tls.VersionTLS11
	case "TLSv1.3":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}
