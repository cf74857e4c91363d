package edge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"strconv"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/wire"
)

// A basicAuth asks for names and passwords.
type basicAuth struct {
	users     *access.Users
	challenge string
	forward   bool
}

// A signing wants signed URLs.
type signing struct {
	access.Signing
	names         access.Names
	cookie        string
	address, host bool // what is signed beside URL and time
}

// maxCredentials bounds what names and passwords are read of.
const maxCredentials = 1 << 10

// secret reads a secret; nil with a fault when it can not be read.
func (c *compiling) secret(s *site, ref config.Secret, path string) []byte {
	if ref.Env != "" {
		text := os.Getenv(ref.Env)
		if text == "" {
			c.fault(path+".env", ref.Env, "a variable of the environment that holds something")
			return nil
		}
		return []byte(text)
	}
	f := c.file(ref.File)
	if f.err != nil {
		c.fault(path+".file", ref.File, "a file that can be read")
		return nil
	}
	if s.files == nil {
		s.files = map[string][sha256.Size]byte{}
	}
	s.files[ref.File] = f.sum()
	return f.text
}

// basicAuth compiles a section; nil: nothing is asked for.
func (c *compiling) basicAuth(s *site, d *config.BasicAuth, path string) *basicAuth {
	if d == nil || d.Enabled != nil && !*d.Enabled {
		return nil
	}
	realm := d.Realm
	if realm == "" {
		realm = "restricted"
	}
	b := &basicAuth{users: &access.Users{}, challenge: `Basic realm="` + realm + `", charset="UTF-8"`, forward: d.Forward}
	if d.Users == nil {
		c.fault(path+".users", "", "where names and hashes of passwords are")
		return b
	}
	text := c.secret(s, *d.Users, path+".users")
	if text == nil {
		return b
	}
	users, err := access.ParseUsers(text)
	if !c.bad(path+".users", err) {
		b.users = users
	}
	return b
}

// signing compiles a section; nil: no signature is wanted.
func (c *compiling) signing(s *site, d *config.SignedURL, path string) *signing {
	if d == nil || d.Enabled != nil && !*d.Enabled {
		return nil
	}
	name := func(said, otherwise string) string {
		if said == "" {
			return otherwise
		}
		return said
	}
	g := &signing{cookie: d.Cookie, names: access.Names{
		Signature: name(d.Signature, "oc_sig"), Expires: name(d.Expires, "oc_exp"), Key: name(d.Key, "oc_key"), Prefix: name(d.Prefix, "oc_prefix")}}
	g.Skew = seconds(d.Skew, 0)
	for _, what := range d.Bind {
		g.address, g.host = g.address || what == "address", g.host || what == "host"
	}
	for i := range d.Keys {
		at := path + ".keys[" + strconv.Itoa(i) + "].secret"
		text := c.secret(s, d.Keys[i].Secret, at)
		key := bytes.TrimSpace(text)
		if text != nil && len(key) < 16 { // by an empty one anybody signs
			c.fault(at, "", "a secret of at least 16 bytes, not "+strconv.Itoa(len(key)))
		}
		g.Keys = append(g.Keys, access.Key{ID: d.Keys[i].ID, Secret: key})
	}
	return g
}

// unsign takes what signs a URL out of it, before anything sees it: all clients
// have one stored copy, and the origin one URL.
func (v *visit) unsign() bool {
	v.ticket = access.Ticket{}
	if !v.site.signs {
		return false
	}
	route, _, _ := v.site.at.find(v.path())
	if route < 0 || v.site.routes[route].gate == nil || v.site.routes[route].gate.signed == nil {
		return false
	}
	g := v.site.routes[route].gate.signed
	if query, ok := v.r.Query(); ok {
		v.shownQuery = append(v.shownQuery[:0], query...)
		path := len(v.r.Path())
		v.signed = append(append(v.signed[:0], v.r.Path()...), '?')
		v.signed = g.names.Cut(v.signed, v.shownQuery, &v.ticket)
		if len(v.signed) == path+1 && len(query) > 0 {
			v.signed = v.signed[:path]
		}
		v.r.SetTarget(v.signed)
	}
	v.fromCookie(g)
	return false
}

// fromCookie takes the ticket out of a cookie, where the URL has none. The
// cookie goes no further.
func (v *visit) fromCookie(g *signing) {
	if g.cookie == "" || !v.r.Has(wire.Cookie) {
		return
	}
	v.cookies = v.appendLines(v.cookies[:0], "cookie", "; ")
	rest := v.cookies[:0:0]
	var value []byte
	for pair := range bytes.SplitSeq(v.cookies, []byte{';'}) {
		pair = bytes.TrimSpace(pair)
		if name, said, ok := bytes.Cut(pair, []byte{'='}); ok && string(name) == g.cookie {
			value = said
			continue
		}
		if len(rest) > 0 {
			rest = append(rest, "; "...)
		}
		rest = append(rest, pair...)
	}
	if value == nil {
		return
	}
	if v.ticket.Signature == nil {
		v.ticket = access.Ticket{}
		v.shownQuery = append(v.shownQuery[:0], bytes.Trim(value, `"`)...)
		g.names.Cut(nil, v.shownQuery, &v.ticket)
	}
	if v.r.Del(wire.Cookie); len(rest) > 0 {
		v.r.Add(wire.Cookie, rest)
	}
}

// shows refuses who has no ticket for the URL.
func (v *visit) shows() bool {
	g := v.choice.route.gate.signed
	if g == nil {
		return false
	}
	if why := g.judge(v); why != notRefused {
		return v.deny(why)
	}
	return false
}

// judge decides on the ticket of a request.
func (g *signing) judge(v *visit) refusal {
	t := &v.ticket
	text := access.Signed{What: v.r.Target(), Expires: t.Expires}
	if t.Prefix != nil {
		prefix := unescaped(t.Prefix)
		path := v.r.Path()
		if len(prefix) == 0 || prefix[len(prefix)-1] != '/' || !bytes.HasPrefix(path, prefix) || climbs(path) {
			return badSignature
		}
		text.Prefix, text.What = true, prefix
	}
	if g.address {
		text.Address = v.client.AppendTo([]byte{})
	}
	if g.host {
		text.Host = appendLower([]byte{}, wire.TrimPort(v.r.Authority(), v.r.Secure))
	}
	return [...]refusal{access.NoTicket: noSignature, access.BadTicket: badSignature, access.UnknownKey: unknownKey,
		access.Expired: expiredSignature, access.GoodTicket: notRefused}[g.Judge(t, &text, v.start.Unix())]
}

// unescaped decodes the triplets of a parameter once; nil when it can not be.
func unescaped(text []byte) []byte {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			b = append(b, unhex(text[i+1])<<4|unhex(text[i+2]))
			i += 2
			continue
		}
		b = append(b, text[i])
	}
	return b
}

func isHex(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'f' }

// climbs reports whether a path could lead out of its folder by an origin's
// reading of it: slashes and backslashes that are hidden in it, with dots.
func climbs(path []byte) bool {
	decoded := unescaped(unescaped(path))
	if bytes.Contains(decoded, []byte("/..;")) { // its parameter hides what the segment is
		return true
	}
	if bytes.IndexByte(decoded, '\\') < 0 && bytes.Count(decoded, []byte{'/'}) == bytes.Count(path, []byte{'/'}) {
		return false
	}
	return bytes.Contains(decoded, []byte(".."))
}

// login refuses who has no name and password that are known.
func (v *visit) login() bool {
	b := v.choice.route.gate.basic
	if b == nil {
		return false
	}
	name, why := b.judge(v)
	switch why {
	case notRefused:
		v.user = append(v.user[:0], name...)
		if !b.forward {
			v.r.Del(wire.Authorization)
		}
		return false
	case busyCredentials:
		v.p.Fields = wire.AppendField(v.p.Fields, wire.RetryAfter, "1")
	default:
		v.p.Fields = wire.AppendField(v.p.Fields, wire.WWWAuthenticate, b.challenge)
	}
	return v.deny(why)
}

// judge decides on name and password of a request.
func (b *basicAuth) judge(v *visit) (name []byte, why refusal) {
	if !v.r.Has(wire.Authorization) {
		return nil, noCredentials
	}
	scheme, said, _ := bytes.Cut(v.r.Get(wire.Authorization), []byte{' '})
	said = bytes.TrimSpace(said)
	if v.r.Count(wire.Authorization) > 1 || !wire.EqualFold(scheme, "Basic") || len(said) > maxCredentials {
		return nil, wrongCredentials
	}
	text, err := base64.StdEncoding.AppendDecode(nil, said)
	name, password, ok := bytes.Cut(text, []byte{':'})
	if err != nil || !ok {
		return nil, wrongCredentials
	}
	switch v.e.verifier.Verify(b.users, name, password) {
	case access.Known:
		return name, notRefused
	case access.Busy:
		return nil, busyCredentials
	}
	return nil, wrongCredentials
}
