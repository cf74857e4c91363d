package nginxconf

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"opencache/internal/expr"
)

// pool returns the name of the pool that proxy_pass asks; why says that it can
// not be one.
func (s *site) pool(in *scope, d *Directive, path string) (name, why string) {
	target, err := in.fill(d.arg(0), 0)
	if err != nil {
		return "", "an upstream that depends on the request: " + err.Error()
	}
	for _, tail := range []string{"$request_uri", "$uri$is_args$args"} {
		target = strings.TrimSuffix(target, tail)
	}
	scheme, rest, ok := strings.Cut(target, "://")
	scheme = strings.ToLower(scheme)
	if !ok || strings.Contains(target, "$") {
		return "", "an upstream that depends on the request"
	}
	if strings.HasPrefix(rest, "unix:") || scheme != "http" && scheme != "https" {
		return "", "upstreams are asked by http or https, not by " + target[:min(len(target), 64)]
	}
	host, uri, replaces := strings.Cut(rest, "/")
	base := ""
	if replaces {
		uri = "/" + uri
		if base, ok = strings.CutSuffix(uri, path); !ok || path == "" || strings.ContainsAny(uri, "?#") {
			return "", "the path " + path + " is not replaced by " + uri
		}
	}
	o := object{{key: "name", value: ""}}
	members, why := s.members(d, scheme, host, base)
	if why != "" {
		return "", why
	}
	o.put("servers", members)
	s.poolWords(in, s.upstreams[host], &o)
	s.hostHeader(in, scheme, host, &o)
	if scheme == "https" {
		s.upstreamTLS(in, d, &o)
	}
	for _, t := range []struct {
		name string
		keys []string
	}{{"proxy_connect_timeout", []string{"connectTimeout"}}, {"proxy_read_timeout", []string{"headTimeout", "bodyTimeout"}}} {
		x := in.one(t.name)
		if x == nil {
			continue
		}
		if time, err := duration(x.arg(0)); err == nil && time > 0 {
			for _, key := range t.keys {
				o.put(key, time, x)
			}
		}
	}
	return s.pooled(o, host), ""
}

// pooled returns the name of a pool, which is there once.
func (s *site) pooled(o object, host string) string {
	as := o.same()
	if name, ok := s.poolNames[as]; ok {
		return name
	}
	name := unique(host, s.names)
	s.poolNames[as] = name
	o[0].value = name
	s.pools = append(s.pools, o)
	return name
}

// members are the servers of an upstream, or of the one address that it is.
func (s *site) members(d *Directive, scheme, host, base string) (list []object, why string) {
	up := s.upstreams[host]
	if up == nil {
		return []object{{{key: "url", value: scheme + "://" + host + base, from: []*Directive{d}}}}, ""
	}
	seen := map[string]bool{}
	for i := range up.Block {
		v := &up.Block[i]
		if v.Name != "server" {
			continue
		}
		if slices.Contains(v.Args, "down") {
			s.notes.add(v, Moot, "it is down", "")
			continue
		}
		address := v.arg(0)
		if strings.HasPrefix(address, "unix:") {
			s.notes.add(v, Lost, "servers are asked by TCP", "")
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil && scheme == "https" {
			address += ":80" // what nginx takes for an upstream without a port
		}
		url := scheme + "://" + address + base
		if seen[url] {
			s.notes.add(v, Changed, "a server is there once", "weight")
			continue
		}
		seen[url] = true
		one := object{{key: "url", value: url, from: []*Directive{v}}}
		s.memberWords(v, &one)
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, "an upstream without a server that can be asked"
	}
	return list, ""
}

// memberWords are what stands behind a server's address.
func (s *site) memberWords(v *Directive, one *object) {
	for _, w := range v.Args[min(1, len(v.Args)):] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "weight":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				if n > 1000 {
					s.notes.add(v, Changed, "a weight is at most 1000", "1000")
					n = 1000
				}
				one.put("weight", n)
			}
		case "backup":
			one.put("backup", true)
		case "max_fails":
			if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= 1e6 {
				one.put("maxFails", n)
			}
		case "fail_timeout", "slow_start":
			if t, err := duration(value); err == nil && t > 0 {
				one.put(map[string]string{"fail_timeout": "failTimeout", "slow_start": "slowStart"}[key], t)
			}
		case "max_conns":
			s.notes.add(v, Lost, "a limit of connections is the pool's", "upstreams[].maxConns")
		default:
			s.notes.add(v, Lost, w+" is not there", "")
		}
	}
}

// upstreamTLS adds how servers are reached by https. What nobody has switched
// off is verified, as nginx does only when it is told to.
func (s *site) upstreamTLS(in *scope, d *Directive, o *object) {
	var section object
	off := in.is("proxy_ssl_verify", "off")
	switch {
	case off:
		section.put("verify", false, in.one("proxy_ssl_verify"))
	case !in.is("proxy_ssl_verify", "on"):
		s.notes.add(d, Changed, "the certificate of the server is verified", "a certificate that is valid for the server's name, or upstreams[].tls.verify: false")
	}
	for _, f := range []struct{ name, key string }{
		{"proxy_ssl_trusted_certificate", "ca"}, {"proxy_ssl_name", "serverName"}, {"proxy_ssl_certificate", "clientCert"}, {"proxy_ssl_certificate_key", "clientKey"},
	} {
		x := in.one(f.name)
		switch {
		case x == nil || f.key == "ca" && off:
		case strings.ContainsAny(x.arg(0), "$:"): // an engine's key, or a store's, has a colon
			s.notes.add(x, Lost, "it is a fixed text or file", "")
		default:
			section.put(f.key, x.arg(0), x)
		}
	}
	if x := in.one("proxy_ssl_protocols"); x != nil {
		for _, version := range []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"} {
			if slices.Contains(x.Args, version) {
				section.put("minVersion", version, x)
				break
			}
		}
	}
	if len(section) > 0 {
		o.put("tls", section)
	}
}

// poolKeys are what an upstream's directives come to.
var poolKeys = map[string]string{
	"least_conn": "balance", "random": "balance", "hash": "balance", "ip_hash": "balance", "keepalive": "keepalive", "keepalive_timeout": "keepaliveTimeout",
}

// poolWords are what an upstream says beside its servers.
func (s *site) poolWords(in *scope, up *Directive, o *object) {
	if up == nil {
		return
	}
	for i := range up.Block {
		d := &up.Block[i]
		if key := poolKeys[d.Name]; key != "" && o.has(key) {
			s.notes.add(d, Lost, "it stands behind another one", "")
			continue
		}
		switch d.Name {
		case "least_conn":
			o.put("balance", "least_conn", d)
		case "random":
			o.put("balance", "random_two", d)
			if d.arg(0) != "two" {
				s.notes.add(d, Changed, "of two servers by chance who has fewer requests is asked, not just any", "")
			}
		case "hash", "ip_hash":
			key := "$remote_addr"
			if d.Name == "hash" {
				text, err := in.text(d.arg(0), expr.InUpstream)
				if err != nil || text == "" {
					s.notes.add(d, Lost, "what requests are spread by: "+errText(err), "balance: hash, with another hashKey")
					continue
				}
				key = text
			}
			o.put("balance", "hash", d)
			o.put("hashKey", key)
			s.notes.add(d, Changed, "keys are spread by rendezvous hashing, so over other servers than nginx's", "")
		case "keepalive":
			if n, err := strconv.Atoi(d.arg(0)); err == nil && n >= 0 && n <= 1e6 {
				o.put("keepalive", n, d)
			}
		case "keepalive_timeout":
			if t, err := duration(d.arg(0)); err == nil && t > 0 {
				o.put("keepaliveTimeout", t, d)
			}
		}
	}
}

// hostHeader adds the Host that servers see: nginx's is the name in proxy_pass.
func (s *site) hostHeader(in *scope, scheme, host string, o *object) {
	for _, h := range in.all("proxy_set_header") {
		if !strings.EqualFold(h.arg(0), "host") {
			continue
		}
		value := strings.NewReplacer("${proxy_host}", host, "$proxy_host", host, "$host:$server_port", "$http_host", "$host:$proxy_port", "$host").Replace(h.arg(1))
		text, err := in.text(value, expr.InUpstream)
		if err != nil || text == "" {
			s.notes.add(h, Lost, "the Host of requests: "+errText(err), "$host")
			return
		}
		o.put("hostHeader", text, h)
		return
	}
	if name, port, err := net.SplitHostPort(host); err == nil && (scheme == "http" && port == "80" || scheme == "https" && port == "443") {
		host = name
	}
	*o = append(*o, member{key: "hostHeader", value: host, say: "nginx's Host, where proxy_set_header says none"})
}

// requestFields notes what proxy_set_header sets beside Host.
func (s *site) requestFields(in *scope) {
	for _, h := range in.all("proxy_set_header") {
		name, value := strings.ToLower(h.arg(0)), h.arg(1)
		switch {
		case name == "host", value == "$http_"+strings.ReplaceAll(name, "-", "_"):
		case name == "connection" && (value == "" || value == "close" || value == "keep-alive"):
			s.notes.add(h, Moot, "connections to upstreams are kept", "")
		case name == "upgrade" || name == "connection":
			s.notes.add(h, Lost, "connections are not upgraded: no WebSocket", "")
		case value == "":
			s.notes.add(h, Lost, "fields that are not wanted are not taken out of requests", "cache.global.passThroughRequest, with the names of those that are")
		default:
			s.notes.add(h, Lost, "fields are not set in requests to upstreams", "the client's own "+h.arg(0)+" passes, if there is one")
		}
	}
}
