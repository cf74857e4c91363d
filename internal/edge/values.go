package edge

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/geo"
	"opencache/internal/wire"
)

// values are a request's for expressions: what its variables stand for. What
// is not known where it is evaluated is empty.
type values struct {
	r       *wire.Request
	site    *site
	node    *nodeValues
	id      []byte     // what X-Request-ID says
	client  netip.Addr // who the client is, without IPv4 in IPv6; see findClient
	start   time.Time
	geo     Locator         // nil: nobody knows where anybody is
	where   *geo.Place      // nil: not asked yet; see place
	passes  *engine.Passing // for keys: the fields that the origin sees
	rule    string
	server  *server // of what goes upstream
	status  int     // of an answer
	outcome engine.Outcome
	fields  []byte // of an answer
	subject []byte // what the route's regular expression matched
	groups  []int  // where its groups are, begin and end of each; nil: none

	visitors *visitors // who tells clients apart; nil: nobody
	visited  []byte    // what visitor has made; empty: nothing yet

	text    []byte // lines being written
	cookies []byte // the lines of Cookie, joined
	scratch expr.Scratch
	within  expr.Scratch // for values that are normalised while a condition holds scratch
}

var _ expr.Values = (*values)(nil)

// nodeValues are the same for all requests of a node.
type nodeValues struct {
	pop, host string
	server    string // host as clients see it
	build     string
}

// AppendValue implements expr.Values.
func (v *values) AppendValue(dst []byte, x *expr.Var) []byte {
	switch x.ID {
	case expr.Scheme:
		if v.r.Secure {
			return append(dst, "https"...)
		}
		return append(dst, "http"...)
	case expr.HTTPS:
		if v.r.Secure {
			return append(dst, "on"...)
		}
		return dst
	case expr.Host:
		if x.InKey {
			return appendLower(dst, wire.TrimPort(v.r.Authority(), v.r.Secure))
		}
		return expr.AppendHost(dst, v.r.Authority())
	case expr.RequestMethod:
		if x.InKey { // what is stored answers a GET; the engine keeps QUERYs apart
			return append(dst, "GET"...)
		}
		return append(dst, v.r.MethodText()...)
	case expr.RequestURI, expr.NormalizedURI, expr.URI, expr.Args, expr.NormalizedArgs, expr.IsArgs, expr.Arg_:
		return v.appendTarget(dst, x)
	case expr.HTTP_, expr.Cookie_, expr.ContentType, expr.ContentLength, expr.ForwardedFor:
		return v.appendField(dst, x)
	case expr.ServerProtocol, expr.ServerPort, expr.RemoteAddr, expr.RemotePort, expr.PeerAddr, expr.PeerPort,
		expr.SSLProtocol, expr.SSLCipher, expr.SSLServerName, expr.SSLCurve:
		return v.appendConnection(dst, x)
	case expr.UpstreamHost, expr.CacheStatus, expr.CacheRule, expr.Status, expr.UpstreamStatus, expr.SentHTTP_, expr.UpstreamHTTP_:
		return v.appendOutcome(dst, x)
	}
	return v.appendOwn(dst, x)
}

// appendTarget appends what path and query say.
func (v *values) appendTarget(dst []byte, x *expr.Var) []byte {
	query, has := v.r.Query()
	switch x.ID {
	case expr.RequestURI:
		return append(dst, v.r.Target()...)
	case expr.NormalizedURI:
		dst = append(dst, v.r.Path()...)
		if !has {
			return dst
		}
		mark := len(dst)
		dst = append(dst, '?')
		if dst = v.site.appendArgs(dst, query, &v.within); len(dst) == mark+1 && len(query) > 0 {
			dst = dst[:mark] // all of it was dropped; an empty query came so and stays
		}
		return dst
	case expr.URI:
		if x.InKey {
			return expr.AppendKeyPath(dst, v.r.Path())
		}
		return expr.AppendPath(dst, v.r.Path())
	case expr.Args:
		return append(dst, query...)
	case expr.NormalizedArgs:
		return v.site.appendArgs(dst, query, &v.within)
	case expr.IsArgs:
		if len(query) > 0 {
			dst = append(dst, '?')
		}
		return dst
	}
	if x.InKey {
		return expr.AppendKeyArg(dst, query, x.Name)
	}
	value, _ := expr.Arg(query, x.Name)
	return append(dst, value...)
}

// appendField appends what a field of the request says.
func (v *values) appendField(dst []byte, x *expr.Var) []byte {
	switch x.ID {
	case expr.ContentType:
		return append(dst, v.r.Get(wire.ContentType)...)
	case expr.ContentLength:
		if v.r.Length > 0 {
			dst = strconv.AppendInt(dst, v.r.Length, 10)
		}
		return dst
	case expr.ForwardedFor:
		if dst = v.appendLines(dst, "x-forwarded-for", ", "); len(v.r.Get(wire.XForwardedFor)) > 0 {
			dst = append(dst, ", "...)
		}
		return v.client.AppendTo(dst)
	case expr.Cookie_:
		if x.InKey && !v.passes.Passes("Cookie") {
			return dst
		}
		if v.r.Count(wire.Cookie) > 1 || x.InKey {
			v.cookies = v.appendLines(v.cookies[:0], "cookie", "; ")
			if x.InKey {
				return expr.AppendKeyCookie(dst, v.cookies, x.Name)
			}
			value, _ := expr.Cookie(v.cookies, x.Name)
			return append(dst, value...)
		}
		value, _ := expr.Cookie(v.r.Get(wire.Cookie), x.Name)
		return append(dst, value...)
	}
	if x.Name == "host" {
		return append(dst, v.r.Authority()...)
	}
	if x.InKey && !v.passes.Passes(x.Name) {
		return dst
	}
	return v.appendLines(dst, x.Name, ", ")
}

// appendLines appends the lines of a field, joined.
func (v *values) appendLines(dst []byte, name, by string) []byte {
	first := true
	for value := range v.r.Values(name) {
		if !first {
			dst = append(dst, by...)
		}
		dst, first = append(dst, value...), false
	}
	return dst
}

// appendConnection appends what is known of how the request came.
func (v *values) appendConnection(dst []byte, x *expr.Var) []byte {
	switch x.ID {
	case expr.ServerProtocol:
		if v.r.Minor == 0 {
			return append(dst, "HTTP/1.0"...)
		}
		return append(dst, "HTTP/1.1"...)
	case expr.ServerPort:
		if v.r.Port != 0 { // what Host says is the client's to choose
			return strconv.AppendUint(dst, uint64(v.r.Port), 10)
		}
		if v.r.Secure {
			return append(dst, "443"...)
		}
		return append(dst, "80"...)
	case expr.SSLProtocol, expr.SSLCipher, expr.SSLServerName, expr.SSLCurve:
		return v.appendChannel(dst, x)
	case expr.RemotePort:
		if port := v.r.Client.Port(); port != 0 {
			return strconv.AppendUint(dst, uint64(port), 10)
		}
		return dst
	case expr.PeerPort:
		return strconv.AppendUint(dst, uint64(v.r.Remote.Port()), 10)
	case expr.PeerAddr:
		return v.r.Remote.Addr().Unmap().AppendTo(dst)
	}
	return v.client.AppendTo(dst)
}

// appendChannel appends what is known of the TLS connection.
func (v *values) appendChannel(dst []byte, x *expr.Var) []byte {
	c := v.r.TLS
	if c == nil {
		return dst
	}
	switch x.ID {
	case expr.SSLProtocol:
		return append(dst, c.Version...)
	case expr.SSLCipher:
		return append(dst, c.Cipher...)
	case expr.SSLServerName:
		return append(dst, c.ServerName...)
	}
	return append(dst, c.Group...)
}

// appendOutcome appends what became of the request, so far.
func (v *values) appendOutcome(dst []byte, x *expr.Var) []byte {
	switch x.ID {
	case expr.UpstreamHost:
		if v.server == nil {
			return dst
		}
		return append(dst, v.server.Host...)
	case expr.CacheStatus:
		return append(dst, v.outcome.Status.String()...)
	case expr.CacheRule:
		return append(dst, v.rule...)
	case expr.Status:
		return strconv.AppendInt(dst, int64(v.status), 10)
	case expr.UpstreamStatus:
		if v.outcome.Upstream == 0 {
			return dst
		}
		return strconv.AppendInt(dst, int64(v.outcome.Upstream), 10)
	}
	first := true
	for _, line := range wire.Lines(v.fields) {
		if !wire.EqualFold(line.Name, x.Name) {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		dst, first = append(dst, line.Value...), false
	}
	return dst
}

// appendOwn appends what the edge itself knows.
func (v *values) appendOwn(dst []byte, x *expr.Var) []byte {
	switch x.ID {
	case expr.Visitor:
		return append(dst, v.visitor()...)
	case expr.RequestID:
		if len(v.id) == 0 {
			return hex.AppendEncode(dst, v.r.ID[:])
		}
		return append(dst, v.id...)
	case expr.Msec:
		ms := v.start.UnixMilli()
		dst = strconv.AppendInt(dst, ms/1000, 10)
		return append(dst, '.', byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
	case expr.TimeISO:
		return v.start.UTC().AppendFormat(dst, "2006-01-02T15:04:05-07:00")
	case expr.ResourceID:
		return append(dst, v.site.doc.ID...)
	case expr.Capture:
		if at := 2 * x.Group; at+1 < len(v.groups) && v.groups[at] >= 0 {
			dst = append(dst, v.subject[v.groups[at]:v.groups[at+1]]...)
		}
		return dst
	case expr.PopID, expr.Server, expr.Hostname, expr.BuildID:
		return v.appendNode(dst, x)
	}
	return v.appendPlace(dst, x)
}

// appendNode appends what is the same for all requests of a node.
func (v *values) appendNode(dst []byte, x *expr.Var) []byte {
	if v.node == nil {
		return dst
	}
	switch x.ID {
	case expr.PopID:
		return append(dst, v.node.pop...)
	case expr.Server:
		return append(dst, v.node.server...)
	case expr.Hostname:
		return append(dst, v.node.host...)
	}
	return append(dst, v.node.build...)
}
