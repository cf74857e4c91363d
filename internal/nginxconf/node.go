package nginxconf

import (
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
				listeners = append(listeners, object{{key: "address", value: l.address, from: []*Directive{l.Directive}}})
			}
		}
	}
	if len(listeners) > 0 {
		o.put("listeners", listeners)
	}
	for _, s := range m.scopes {
		m.limits(s, &o)
	}
	return o
}

// limits are times and sizes, which are a node's.
func (m *importing) limits(s *scope, o *object) {
	for _, t := range [][2]string{{"client_header_timeout", "headTimeout"}, {"keepalive_timeout", "idleTimeout"}, {"client_body_timeout", "bodyTimeout"}, {"send_timeout", "writeTimeout"}} {
		for _, v := range m.servers {
			if d := v.one(t[0]); d != nil && v.around == s && !o.has(t[1]) {
				if time, err := duration(d.arg(0)); err == nil && time > 0 {
					o.put(t[1], time, d)
				}
			}
		}
	}
	if o.has("maxBody") || len(m.servers) == 0 {
		return
	}
	most, from := config.Size(1<<20), (*Directive)(nil)
	for _, d := range m.bodies {
		n, err := size(d.arg(0))
		switch {
		case err != nil:
			m.notes.add(d, Lost, err.Error(), "")
			continue
		case n == 0:
			return
		case n > most || from == nil && !m.unbounded:
			most, from = n, d
		}
	}
	for _, d := range m.bodies {
		if n, err := size(d.arg(0)); err == nil && n != most {
			m.notes.add(d, Changed, "a request's largest content is the node's", most.String())
		}
	}
	if from != nil {
		o.put("maxBody", most, from)
		return
	}
	*o = append(*o, member{key: "maxBody", value: most, say: "nginx's, where client_max_body_size says nothing"})
}
