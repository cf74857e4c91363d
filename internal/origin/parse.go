package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"opencache/internal/wire"
)

// Parse returns the Upstream that rawURL names: http[s]://host[:port][/base].
// Its Host is the URL's host, with the port unless that is the scheme's own.
func Parse(rawURL string) (*Upstream, error) {
	const want = "expected http[s]://host[:port][/path]"
	shown := rawURL
	if strings.Contains(rawURL, "@") {
		shown = "with user information" // it may hold a password
	}
	if strings.ContainsFunc(rawURL, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return nil, fmt.Errorf("origin %q: white space or a control character; %s", shown, want)
	}
	p, err := url.Parse(rawURL)
	if err != nil {
		var outer *url.Error // repeats the URL
		switch {
		case shown != rawURL:
			err = errors.New("not a URL")
		case errors.As(err, &outer):
			err = outer.Err
		}
		return nil, fmt.Errorf("origin %q: %w; %s", shown, err, want)
	}
	port, fault := portOf(p)
	switch {
	case fault != "":
	case p.User != nil:
		fault = "user information"
	case p.RawQuery != "" || p.ForceQuery:
		fault = fmt.Sprintf("query %q", p.RawQuery)
	case p.Fragment != "" || strings.Contains(rawURL, "#"):
		fault = fmt.Sprintf("fragment %q", p.Fragment)
	case wire.HasDots([]byte(p.EscapedPath())):
		fault = fmt.Sprintf("dot segments in the path %q", p.EscapedPath())
	case p.Hostname() == "":
		fault = "no host"
	case !validHost(p.Hostname()):
		fault = fmt.Sprintf("host %q is neither a name in ASCII nor an IP address", p.Hostname())
	}
	if fault != "" {
		return nil, fmt.Errorf("origin %q: %s; %s", shown, fault, want)
	}
	u := &Upstream{
		Scheme: p.Scheme,
		Addr:   net.JoinHostPort(p.Hostname(), port),
		Base:   strings.TrimRight(p.EscapedPath(), "/"),
	}
	u.Host = u.Addr
	if port == defaultPort(p.Scheme) {
		u.Host = strings.TrimSuffix(u.Addr, ":"+port)
	}
	return u, nil
}

// portOf returns the port that a URL means, or what is wrong with scheme or port.
func portOf(p *url.URL) (port, fault string) {
	if defaultPort(p.Scheme) == "" {
		if p.Scheme == "" {
			return "", "no scheme"
		}
		return "", fmt.Sprintf("scheme %q", p.Scheme)
	}
	port = p.Port()
	if port == "" {
		if strings.HasSuffix(p.Host, ":") {
			return "", "an empty port"
		}
		return defaultPort(p.Scheme), ""
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Sprintf("port %q is not in 1 to 65535", port)
	}
	return port, ""
}

// validHost takes names of letters, digits and "-._", and addresses without a
// zone, which has no meaning in a Host field.
func validHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == ""
	}
	return !strings.ContainsFunc(host, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._", c)
	})
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}
