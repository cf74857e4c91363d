package nginxconf

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"opencache/internal/config"
)

// Import makes documents of a configuration.
func Import(tree []Directive) *Result {
	root := &Directive{Block: tree}
	m := &importing{taken: map[string]bool{}, ids: map[string]bool{}, upstreams: map[string]*Directive{}, zones: map[string]*zone{}, limits: map[string]*Directive{}}
	m.notes.tell(tree)
	m.realIP(tree)
	top := (&scope{block: root, maps: map[string]*Directive{}, vars: map[string]variable{}})
	for _, h := range top.own("http") {
		m.http(top.within(h))
	}
	if len(top.own("http")) == 0 { // a file of conf.d alone
		m.http(top)
	}
	m.makeSites()
	m.makeNode()
	for _, d := range m.documents {
		_, faults := config.Parse(d.Key, d.Text, config.Limits{})
		for _, f := range faults { // of what nginx takes and documents do not
			at := &Directive{Name: f.Path, File: d.Key + ".jsonc", Line: f.Line, Column: f.Column}
			m.notes.add(at, Lost, "found "+f.Found+", expected "+f.Expected, "a change to the document, which is refused as it is")
		}
	}
	r := &Result{Documents: m.documents, Notes: m.notes.sorted()}
	slices.SortFunc(r.Documents, func(a, b Document) int { return cmp.Compare(a.Key, b.Key) })
	return r
}

// importing is one run of Import.
type importing struct {
	notes     notes
	servers   []*server
	upstreams map[string]*Directive // by name
	zones     map[string]*zone      // by name
	order     []*zoneOnDisk
	taken     map[string]bool       // hostnames
	ids       map[string]bool       // of sites
	limits    map[string]*Directive // limit_req_zone by name
	masked    *Directive            // why clients' addresses cannot be told; nil: they can
	proxies   []string              // networks of those that tell them
	proxiesOf []*Directive
	documents []Document
	drafts    []draft
	scopes    []*scope
}

// A server is a server block.
type server struct {
	*scope
	names   []string // as hostnames of ours
	listens []listen
	ssl     bool
	plain   bool
	standin bool // it answers for hosts that no other one names
	forward bool // it only sends clients to https
	merged  []*server
}

// A listen is an address with its words.
type listen struct {
	*Directive
	address string // of ours
	ssl     bool
	first   bool // default_server
	proxied bool // proxy_protocol
}

func (m *importing) http(s *scope) {
	m.scopes = append(m.scopes, s)
	for _, d := range s.own("map") {
		if len(d.Args) == 2 {
			s.maps[strings.TrimPrefix(d.arg(1), "$")] = d
		}
	}
	for _, d := range s.own("upstream") {
		m.upstreams[d.arg(0)] = d
	}
	for _, d := range s.own("proxy_cache_path") {
		m.zone(d)
	}
	for _, d := range s.own("limit_req_zone") {
		m.limits[wordsOf(d)["zone"]] = d
	}
	for _, d := range s.own("server") {
		if d.Braces {
			m.servers = append(m.servers, m.server(s.within(d)))
		}
	}
	m.standIn()
}

// server reads who a server block is.
func (m *importing) server(s *scope) *server {
	v := &server{scope: s}
	for _, d := range s.own("server_name") {
		for _, name := range d.Args {
			m.hostname(v, d, name)
		}
	}
	if len(v.names) > 0 {
		s.name = v.names[0]
	}
	for _, d := range s.own("listen") {
		l := m.listen(d)
		v.listens = append(v.listens, l)
		v.ssl, v.plain = v.ssl || l.ssl, v.plain || !l.ssl
	}
	if len(v.listens) == 0 {
		v.plain = true
		v.listens = []listen{{Directive: s.block, address: ":80"}}
	}
	s.run()
	v.forward = v.plain && !v.ssl && forwards(s)
	return v
}

// hostname adds what a word of server_name stands for.
func (m *importing) hostname(v *server, d *Directive, name string) {
	name = strings.ToLower(name)
	switch {
	case name == "", name == "_": // the address's stand-in answers, whatever they are called
	case strings.HasPrefix(name, "~"):
		m.notes.add(d, Lost, "names are not regular expressions", "hostnames with *.")
	case strings.HasPrefix(name, "$"):
		m.notes.add(d, Lost, "the machine's name is not known here", "its name in hostnames")
	case strings.HasPrefix(name, "."):
		v.names = append(v.names, name[1:], "*"+name)
	case strings.HasSuffix(name, ".*"), strings.Contains(strings.TrimPrefix(name, "*."), "*"):
		m.notes.add(d, Lost, "a * stands for what is in front alone", "each name by itself")
	case strings.IndexFunc(name, func(c rune) bool { return c >= 0x80 || !nameByte(byte(c)) && !strings.ContainsRune(".-*[]:", c) }) >= 0:
		m.notes.add(d, Lost, name+" is no name of a host", "its xn-- form, if it has one")
	default:
		v.names = append(v.names, name)
	}
}

// listen reads an address.
func (m *importing) listen(d *Directive) listen {
	l := listen{Directive: d, address: d.arg(0)}
	for _, w := range d.Args[min(1, len(d.Args)):] {
		switch w {
		case "ssl":
			l.ssl = true
		case "default_server", "default":
			l.first = true
		case "proxy_protocol":
			if l.proxied = len(m.proxies) > 0; !l.proxied {
				m.notes.add(d, Lost, "nobody is trusted to say who the client is", "proxyProtocol of the listener, and network.trustedProxies")
			}
		case "quic":
			m.notes.add(d, Lost, w+" is not there", "")
			l.ssl = true
		}
	}
	switch a := l.address; {
	case strings.HasPrefix(a, "unix:"):
	case strings.Trim(a, "0123456789") == "":
		l.address = ":" + a
	default:
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			host, port = strings.Trim(a, "[]"), "80"
		}
		if host == "*" || host == "0.0.0.0" || host == "::" {
			host = "" // on both kinds of addresses
		}
		l.address = net.JoinHostPort(host, port)
	}
	return l
}

// standIn finds the server that answers for hosts that none names: of each
// address the one that says so, or the first. Documents know one for all.
func (m *importing) standIn() {
	byAddress := map[string]*server{}
	var addresses []string
	for _, v := range m.servers {
		for _, l := range v.listens {
			if byAddress[l.address] == nil {
				addresses = append(addresses, l.address)
				byAddress[l.address] = v
			}
		}
	}
	for _, v := range m.servers {
		for _, l := range v.listens {
			if l.first {
				byAddress[l.address] = v
			}
		}
	}
	if len(addresses) == 0 {
		return
	}
	at := addresses[0]
	if byAddress[":80"] != nil {
		at = ":80"
	}
	byAddress[at].standin = true
	for _, a := range addresses {
		v := byAddress[a]
		if v.standin || slices.ContainsFunc(v.listens, func(l listen) bool { return l.address == at }) {
			continue
		}
		for _, l := range v.listens {
			if l.address == a && l.first {
				m.notes.add(l.Directive, Changed, "hosts that no site names have one site on all addresses", "that of "+at)
			}
		}
	}
}

// forwards reports whether a server does nothing but send clients to https.
func forwards(s *scope) bool {
	to := func(d *Directive) bool {
		return d.Name == "return" && strings.HasPrefix(d.arg(1), "https://") && strings.HasPrefix(d.arg(0), "3") ||
			d.Name == "return" && strings.HasPrefix(d.arg(0), "https://") ||
			d.Name == "rewrite" && strings.HasPrefix(d.arg(1), "https://") && wholePattern(d.arg(0))
	}
	found := false
	for i := range s.block.Block {
		d := &s.block.Block[i]
		switch {
		case to(d):
			found = true
		case d.Name == "if" && len(d.Block) == 1 && to(&d.Block[0]) && strings.Contains(strings.Join(d.Args, " "), "$host"): // as certbot writes it
			found = true
		case d.Name == "location" && d.arg(len(d.Args)-1) == "/" && len(d.Block) == 1 && to(&d.Block[0]):
			found = true
		case d.Name == "location" && !strings.Contains(strings.Join(d.Args, ""), ".well-known"), d.Name == "proxy_pass", d.Name == "root":
			return false
		}
	}
	return found
}

// makeSites writes a site for each server block, or for those that share names.
func (m *importing) makeSites() {
	for _, v := range m.servers {
		v.mergeInto(m)
	}
	for _, v := range m.servers {
		m.makeSite(v)
	}
}

// mergeInto leaves the names that servers with TLS have to those.
func (v *server) mergeInto(m *importing) {
	if v.ssl {
		return
	}
	for _, o := range m.servers {
		if !o.ssl || o == v {
			continue
		}
		var kept []string
		shared := false
		for _, name := range v.names {
			if slices.Contains(o.names, name) {
				shared = true
				continue
			}
			kept = append(kept, name)
		}
		if len(v.names)+len(o.names) == 0 && v.standin {
			shared, v.standin, o.standin = true, false, true
		}
		if !shared {
			continue
		}
		v.names, o.merged = kept, append(o.merged, v)
		switch {
		case v.forward:
			m.notes.add(v.block, Changed, "not yet: until there is TLS the site is answered by http", "redirectHttp in the section tls, which stands in the document as a comment")
		case !sameBlock(v.block.Block, o.block.Block):
			m.notes.add(v.block, Lost, "a site answers alike by http and https", "what the server block with TLS says, at "+o.block.place())
		}
	}
}

// sameBlock reports whether two servers answer alike.
func sameBlock(a, b []Directive) bool {
	text := func(block []Directive) string {
		var t strings.Builder
		var walk func([]Directive)
		walk = func(block []Directive) {
			for i := range block {
				if d := &block[i]; d.Name != "listen" && !strings.HasPrefix(d.Name, "ssl_") && d.Name != "http2" {
					fmt.Fprintf(&t, "%q%q{", d.Name, d.Args)
					walk(d.Block)
					t.WriteString("}")
				}
			}
		}
		walk(block)
		return t.String()
	}
	return text(a) == text(b)
}

// idFor is a resource id that no other site has.
func (m *importing) idFor(v *server) string {
	name := "default"
	if len(v.names) > 0 {
		name = v.names[0]
	}
	return unique(strings.ReplaceAll(name, "*", "any"), m.ids)
}

// unique makes a name of a text, one that is not taken.
func unique(s string, taken map[string]bool) string {
	s = strings.Trim(strings.Map(func(c rune) rune {
		if c < 0x80 && (nameByte(byte(c)) || c == '.' || c == '-') {
			return c
		}
		return '-'
	}, s), "-.")
	s = cmp.Or(s, "unnamed")
	s = s[:min(len(s), 56)]
	name := s
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", s, n)
	}
	taken[name] = true
	return name
}
