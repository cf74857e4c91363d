package kvs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
)

// An etcdAddress is where an etcd is and who one is there.
type etcdAddress struct {
	hosts    []string // host:port
	name     string   // of the user; empty: none
	password Secret
	secure   bool
	ca       string // files in PEM; empty: the system's, none
	cert     string
	key      string
	server   string // the name in its certificate; empty: the host's
}

const etcdPort = "2379"

// parseEtcd reads etcd://[USER@]HOST[:PORT][,HOST[:PORT]…]/PREFIX[?…]. The prefix
// comes back without slashes at its end.
func parseEtcd(name string) (a etcdAddress, prefix string, err error) {
	const want = "expected etcd://HOST[:PORT][,HOST…]/PREFIX"
	// net/url takes one host only: the list is cut out before.
	rest, query, _ := strings.Cut(strings.TrimPrefix(name, "etcd://"), "?")
	authority, prefix, _ := strings.Cut(rest, "/")
	if user, list, ok := cutLast(authority, "@"); ok {
		if strings.Contains(user, ":") {
			return a, "", errors.New("etcd://…: a password in the name: expected USER@ and password-file or password-env behind the ?")
		}
		a.name, authority = user, list
	}
	for host := range strings.SplitSeq(authority, ",") {
		h, port, err := net.SplitHostPort(host)
		if err != nil {
			h = strings.Trim(host, "[]")
		}
		if h == "" {
			return a, "", errors.New("no host: " + want)
		}
		a.hosts = append(a.hosts, net.JoinHostPort(h, cmp.Or(port, etcdPort)))
	}
	prefix = strings.TrimRight(prefix, "/")
	if prefix == "" {
		return a, "", errors.New(want)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return a, "", fmt.Errorf("etcd://…?: %w", err)
	}
	return a, prefix, a.take(values)
}

// take reads what stands behind the question mark.
func (a *etcdAddress) take(values url.Values) error {
	fields := map[string]*string{
		"user": &a.name, "password-file": &a.password.File, "password-env": &a.password.Env,
		"ca": &a.ca, "cert": &a.cert, "key": &a.key, "server-name": &a.server,
	}
	for name, list := range values {
		value := list[len(list)-1]
		switch {
		case name == "tls":
			a.secure = value == "" || value == "true" || value == "1"
		case fields[name] != nil:
			*fields[name] = value
		default:
			known := []string{"ca", "cert", "key", "password-env", "password-file", "server-name", "tls", "user"}
			return fmt.Errorf("etcd://…?%s: expected one of %s", name, strings.Join(known, ", "))
		}
	}
	a.secure = a.secure || a.ca != "" || a.cert != "" || a.server != ""
	switch secret := a.password != (Secret{}); {
	case (a.cert == "") != (a.key == ""):
		return errors.New("etcd://…: cert or key alone: expected both")
	case secret != (a.name != ""):
		return errors.New("etcd://…: user or password alone: expected both")
	}
	return nil
}

// user is the part of a name before the hosts.
func (a *etcdAddress) user() string {
	if a.name == "" {
		return ""
	}
	return a.name + "@"
}

// tls returns how the connection is secured; nil: not at all. Files are read
// each time, so that new ones count.
func (a *etcdAddress) tls() (*tls.Config, error) {
	if !a.secure {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.server}
	if a.ca != "" {
		text, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, fmt.Errorf("etcd: ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("etcd: ca: %s: no certificate in PEM", a.ca)
		}
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			return nil, fmt.Errorf("etcd: %w", err)
		}
		c.Certificates = slices.Clip([]tls.Certificate{pair})
	}
	return c, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
