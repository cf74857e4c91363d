package nginxconf

import (
	"net/netip"
	"slices"
	"strings"

	"opencache/internal/config"
)

// A zone is what proxy_cache_path makes.
type zone struct {
	name  string
	users int // sites
	object
}

// A draft is a document to be written once all are known.
type draft struct {
	key, head string
	body      object
	zones     []*zone
}

// zone reads proxy_cache_path.
func (m *importing) zone(d *Directive) {
	words := map[string]string{}
	for _, w := range d.Args[min(1, len(d.Args)):] {
		key, value, _ := strings.Cut(w, "=")
		words[key] = value
	}
	keys, _, _ := strings.Cut(words["keys_zone"], ":")
	if keys == "" || d.arg(0) == "" {
		m.notes.add(d, Lost, "no folder or no keys_zone", "")
		return
	}
	taken := map[string]bool{}
	for _, z := range m.order {
		taken[z.volume] = true
	}
	z := &zoneOnDisk{zone: &zone{name: unique(keys, taken)}, from: d, volume: unique(keys, map[string]bool{})}
	z.volume = z.name
	z.path = strings.TrimSuffix(d.arg(0), "/") + "-opencache"
	var err error
	if z.size, err = size(words["max_size"]); err != nil || z.size == 0 {
		z.size = 10 << 30
		m.notes.add(d, Changed, "a volume has a size", z.size.String())
	}
	const least = 8 << 20
	if z.size < least {
		m.notes.add(d, Changed, "a volume has at least 8M", "8M")
		z.size = least
	}
	inactive := config.Duration(600e9)
	if t, err := duration(words["inactive"]); err == nil && t > 0 {
		inactive = t
	}
	for _, key := range []string{"min_free", "purger"} {
		if value := words[key]; value != "" && value != "off" {
			m.notes.add(d, Lost, key+" is not there", "size of the volume's folder")
		}
	}
	z.zone.object = object{{key: "name", value: z.name, from: []*Directive{d}}, {key: "storage", value: "disk"}, {key: "maxSize", value: z.size},
		{key: "inactive", value: inactive}, {key: "volumes", value: []string{z.volume}}}
	m.zones[keys] = z.zone
	m.order = append(m.order, z)
}

// A zoneOnDisk is a zone with the volume of its own that it lies on.
type zoneOnDisk struct {
	*zone
	from   *Directive
	volume string
	path   string
	size   config.Size
}

// zoneWithout makes a zone that proxy_cache names and no proxy_cache_path: a
// file of conf.d alone has none.
func (m *importing) zoneWithout(d *Directive) *zone {
	name := unique(d.arg(0), map[string]bool{})
	m.notes.add(d, Changed, "no proxy_cache_path makes the zone "+name, "a zone in memory")
	z := &zone{name: name, object: object{{key: "name", value: name, from: []*Directive{d}}}}
	m.zones[d.arg(0)] = z
	return z
}

// makeNode writes the sites, whose zones are shared where several have them,
// and the node.
func (m *importing) makeNode() {
	for _, z := range m.zones {
		if z.users > 1 {
			z.object.put("shared", true)
		}
	}
	for _, d := range m.drafts {
		if len(d.zones) > 0 {
			for i := range d.body {
				if d.body[i].key == "cache" {
					d.body[i].value = withZones(d.body[i].value.(object), d.zones)
				}
			}
		}
		m.documents = append(m.documents, Document{Key: d.key, Text: d.body.document(d.head)})
	}
	var node, cache object
	var volumes []object
	for _, z := range m.order {
		folder := object{{key: "path", value: z.path, say: "A folder of its own: never one that nginx keeps its cache in."}, {key: "size", value: z.size}}
		volumes = append(volumes, object{{key: "name", value: z.volume, from: []*Directive{z.from}}, {key: "dirs", value: []object{folder}}})
	}
	if len(volumes) > 0 {
		cache.put("volumes", volumes)
		node.put("cache", cache)
	}
	node.put("network", m.network())
	if log := m.log(); len(log) > 0 {
		node.put("monitoring", object{{key: "log", value: log}})
	}
	m.documents = append(m.documents, Document{Key: "opencache:nodeConfigDefaults", Text: node.document("Made by opencache import.")})
}

// withZones is a section cache with its zones as they are by now.
func withZones(cache object, zones []*zone) object {
	for i := range cache {
		if cache[i].key == "zones" {
			var list []object
			for _, z := range zones {
				list = append(list, z.object)
			}
			cache[i].value = list
		}
	}
	return cache
}

// network is how the node is reached.
func (m *importing) network() object {
	var o object
	var listeners []object
	var seen []string
	for _, v := range m.servers {
		for _, l := range v.listens {
			switch {
			case l.ssl:
				m.notes.add(l.Directive, Lost, "not yet: TLS comes later", "the other listeners, behind what ends TLS")
			case !slices.Contains(seen, l.address):
				seen = append(seen, l.address)
				one := object{{key: "address", value: l.address, from: []*Directive{l.Directive}}}
				if l.proxied {
					one.put("proxyProtocol", true)
				}
				listeners = append(listeners, one)
			}
		}
	}
	if len(listeners) > 0 {
		o.put("listeners", listeners)
	}
	if len(m.proxies) > 0 {
		o.put("trustedProxies", m.proxies, m.proxiesOf...)
	}
	for _, s := range m.scopes {
		m.times(s, &o)
	}
	return o
}

// times are a node's.
func (m *importing) times(s *scope, o *object) {
	for _, t := range [][2]string{{"client_header_timeout", "headTimeout"}, {"keepalive_timeout", "idleTimeout"}, {"client_body_timeout", "bodyTimeout"}, {"send_timeout", "writeTimeout"}} {
		for _, v := range m.servers {
			if d := v.one(t[0]); d != nil && v.around == s && !o.has(t[1]) {
				if time, err := duration(d.arg(0)); err == nil && time > 0 {
					o.put(t[1], time, d)
				}
			}
		}
	}
}

// realIP finds who is trusted to say who the client is: X-Forwarded-For and
// the PROXY protocol are believed here, and no other field. Where nginx
// believes another, clients' addresses are not what they were there.
func (m *importing) realIP(tree []Directive) {
	var from, fields []*Directive
	walk(tree, func(d *Directive) {
		switch d.Name {
		case "set_real_ip_from":
			from = append(from, d)
		case "real_ip_header":
			fields = append(fields, d)
		}
	})
	if len(from) == 0 {
		return
	}
	m.masked = from[0] // nginx's default is X-Real-IP
	for _, d := range fields {
		if name := strings.ToLower(d.arg(0)); name != "x-forwarded-for" && name != "proxy_protocol" {
			m.masked = d
			break
		}
		m.masked = nil
	}
	if m.masked != nil {
		m.notes.add(m.masked, Lost, "X-Forwarded-For, Forwarded and the PROXY protocol alone say who the client is", "network.trustedProxies of the node document, and proxies that set one of them")
		return
	}
	for _, d := range from {
		p, ok := network(d.arg(0))
		if !ok {
			m.notes.add(d, Lost, "no network", "network.trustedProxies of the node document")
			continue
		}
		m.proxiesOf = append(m.proxiesOf, d)
		if text := texts([]netip.Prefix{p})[0]; !slices.Contains(m.proxies, text) {
			m.proxies = append(m.proxies, text)
		}
	}
	if len(m.proxies) == 0 {
		m.masked = from[0]
		return
	}
	m.notes.add(from[0], Changed, "it is the node's, for all sites, and as with real_ip_recursive on", "network.trustedProxies of the node document")
}

// walk tells of all directives, those in blocks too.
func walk(block []Directive, tell func(*Directive)) {
	for i := range block {
		tell(&block[i])
		walk(block[i].Block, tell)
	}
}

// log is the access log, which is a node's: the first that somebody keeps.
func (m *importing) log() (o object) {
	for _, s := range m.scopes {
		walk(s.block.Block, func(d *Directive) {
			if d.Name != "access_log" || d.arg(0) == "off" {
				return
			}
			file := d.arg(0)
			if file == "/dev/stdout" {
				file = "-"
			}
			switch {
			case len(o) > 0 && o[0].value != file:
				m.notes.add(d, Lost, "there is one access log, of the node", "monitoring.log.path, which is "+o[0].value.(string))
				return
			case strings.Contains(file, "$") || strings.HasPrefix(file, "syslog:") || file != "-" && !strings.HasPrefix(file, "/"):
				m.notes.add(d, Lost, "the access log is a file with a whole path", "monitoring.log.path, or monitoring.loki")
				return
			}
			if slices.ContainsFunc(d.Args, func(w string) bool { return strings.HasPrefix(w, "if=") }) {
				m.notes.add(d, Lost, "all requests are logged", "monitoring.log.if of the node document")
			}
			if len(o) > 0 {
				return
			}
			o.put("path", file, d)
			if format := d.arg(1); format == "" || format == "combined" || strings.Contains(format, "=") {
				o.put("format", "combined")
			} else {
				m.notes.add(d, Changed, "lines are JSON", "monitoring.log.text of the node document")
			}
		})
	}
	return o
}
