package config

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tailscale/hujson"
)

// A Set reads all documents of a node again and again. It keeps what it read
// of each, so that a text is parsed only when it changed, and its last good
// version, so that a document that is broken goes on as it was. The zero value
// is ready. One goroutine at a time.
type Set struct {
	// POP names the PoP whose document is merged over the defaults. When it is
	// empty those of all PoPs are read for their faults, and none is merged.
	POP    string
	Limits Limits

	documents map[string]*held
	alike     alike
	node      *Node
	nodeFrom  [2]*Document // what node was made of: the defaults, the PoP's
	basis     *Node        // what sites were completed from: node, or an older one that says the same of them
}

// A held document is what a Set knows of one key.
type held struct {
	text   []byte
	faults []Fault // of text
	good   *Document
	// goodText is what good was read from: text, or an older one.
	goodText []byte
	// used is the version in effect: good, unless that clashes with other documents.
	used     *Document
	usedText []byte
	// filled is filledFrom, the tier policy and the defaults of filledFor.
	filled     *Site
	filledFrom *Document
	filledFor  *Node
	warnings   []Fault // of what the site and the node say together
}

// A Snapshot is what all documents say together. Nothing of it is ever
// written to again, by anybody.
type Snapshot struct {
	// Node is the node's, merged, with the defaults.
	Node *Node
	// Sites are by id, the tier policy applied and the defaults filled in. A
	// site of which nothing changed is the same pointer as in the Snapshot before.
	Sites []*Site
	// Own are the same sites as their documents say them.
	Own []*Site
	// Faults and Warnings are of all documents, by key and place.
	Faults, Warnings []Fault
	// Good are the texts in effect, by key. Loaded first, they bring back the
	// last good versions in another Set.
	Good map[string][]byte
	// Standing are the keys of documents whose older version goes on; Out are
	// those of which there is no good version.
	Standing, Out []string
	// Parsed is how many documents Load parsed.
	Parsed int
}

// Load takes all documents there are, by key. A document that is missing is
// gone. The texts are kept, and never written to by anybody from here on.
func (s *Set) Load(texts map[string][]byte) Snapshot {
	if s.documents == nil {
		s.documents = map[string]*held{}
	}
	maps.DeleteFunc(s.documents, func(key string, _ *held) bool { _, ok := texts[key]; return !ok })
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(texts)), s.others)
	shot := Snapshot{Good: make(map[string][]byte, len(keys)), Parsed: s.parse(keys, texts)}
	var sites []string
	for _, key := range keys {
		h := s.documents[key]
		shot.Faults = append(shot.Faults, h.faults...)
		if strings.HasPrefix(key, sitePrefix) {
			sites = append(sites, key)
			continue
		}
		h.used, h.usedText = h.good, h.goodText
		h.tell(key, &shot)
	}
	s.loadNode(&shot)
	s.loadSites(sites, &shot)
	sortByDocument(shot.Faults)
	sortByDocument(shot.Warnings)
	return shot
}

// others says that a document is another PoP's.
func (s *Set) others(key string) bool {
	pop, ok := strings.CutPrefix(key, nodePrefix)
	return ok && s.POP != "" && pop != s.POP
}

// parse parses the texts that changed, as many at once as there are
// processors, and returns how many these were.
func (s *Set) parse(keys []string, texts map[string][]byte) int {
	var changed []string
	for _, key := range keys {
		h := s.documents[key]
		if h == nil {
			h = &held{}
			s.documents[key] = h
		}
		switch text := texts[key]; {
		case h.text != nil && bytes.Equal(h.text, text):
		case h.good != nil && bytes.Equal(h.goodText, text):
			// It is as it was before it was broken.
			h.text, h.faults = h.goodText, nil
		default:
			changed = append(changed, key)
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(changed), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			var own desk
			for i := next.Add(1) - 1; i < int64(len(changed)); i = next.Add(1) - 1 {
				key := changed[i]
				s.documents[key].parse(&own, key, texts[key], s.Limits)
			}
		})
	}
	workers.Wait()
	for _, key := range changed {
		if h := s.documents[key]; len(h.faults) == 0 && h.good.Site != nil {
			s.alike.share(reflect.ValueOf(h.good.Site).Elem(), true)
		}
	}
	return len(changed)
}

func (h *held) parse(k *desk, key string, text []byte, l Limits) {
	d, faults := k.parse(key, text, l)
	h.text, h.faults = text, faults
	if len(faults) == 0 {
		h.good, h.goodText = &d, h.text
	}
}

// tell notes which version of a document is in effect.
func (h *held) tell(key string, shot *Snapshot) {
	if h.used == nil {
		shot.Out = append(shot.Out, key)
		return
	}
	shot.Good[key] = h.usedText
	shot.Warnings = append(shot.Warnings, h.used.Warnings...)
	if !bytes.Equal(h.usedText, h.text) {
		shot.Standing = append(shot.Standing, key)
	}
}

// loadNode merges the documents of the node, when one of them changed.
func (s *Set) loadNode(shot *Snapshot) {
	var from [2]*Document
	var texts [2][]byte
	for i, key := range []string{defaultsKey, nodePrefix + s.POP} {
		if h := s.documents[key]; h != nil && h.good != nil {
			from[i], texts[i] = h.good, h.goodText
		}
	}
	if s.node == nil || from != s.nodeFrom {
		n := mergedNode(texts[0], texts[1])
		fillNode(n)
		s.node, s.nodeFrom = n, from
		if s.basis == nil || !sameForSites(n, s.basis) {
			s.basis = n
		}
	}
	shot.Node = s.node
}

// sameForSites says that no site looks otherwise under b.
func sameForSites(a, b *Node) bool {
	return slices.EqualFunc(a.Cache.Volumes, b.Cache.Volumes, func(v, w Volume) bool { return v.Name == w.Name }) && reflect.DeepEqual(a.CacheTierPolicy, b.CacheTierPolicy) && reflect.DeepEqual(a.Retries, b.Retries)
}

// mergedNode is what the PoP's document says over the defaults: objects are
// merged deeply, lists replaced. Both are good, or nil.
func mergedNode(defaults, pop []byte) *Node {
	n := new(Node)
	var values []hujson.Value
	for _, text := range [][]byte{defaults, pop} {
		if text != nil {
			values = append(values, reread("", text).root)
		}
	}
	if len(values) == 0 {
		return n
	}
	root := values[0]
	if len(values) == 2 {
		root = merged(values[0], values[1])
	}
	r := &reader{limits: Limits{MaxList: math.MaxInt}.Filled(), root: root}
	r.read(&r.root, reflect.ValueOf(n).Elem(), nil, &path{})
	return n
}

func merged(under, over hujson.Value) hujson.Value {
	a, aOK := under.Value.(*hujson.Object)
	b, bOK := over.Value.(*hujson.Object)
	if !aOK || !bOK {
		return over
	}
	members, at := slices.Clone(a.Members), make(map[string]int, len(a.Members))
	for i := range members {
		at[textOf(members[i].Name.Value.(hujson.Literal))] = i
	}
	for _, m := range b.Members {
		if i, ok := at[textOf(m.Name.Value.(hujson.Literal))]; ok {
			members[i].Value = merged(members[i].Value, m.Value)
		} else {
			members = append(members, m)
		}
	}
	return hujson.Value{Value: &hujson.Object{Members: members}}
}

// loadSites decides which version of which site answers for which hosts. A
// host belongs to the document that has it already, before one that changed;
// of several that changed, to the first by key. The other is at fault: a change
// of one document never takes another's hosts.
func (s *Set) loadSites(keys []string, shot *Snapshot) {
	taken := map[string]string{}
	for _, changed := range []bool{false, true} {
		for _, key := range keys {
			if h := s.documents[key]; h.good != nil && (h.good != h.used) == changed {
				shot.Faults = append(shot.Faults, h.choose(taken)...)
			}
		}
	}
	for _, key := range keys {
		h := s.documents[key]
		h.tell(key, shot)
		if h.used == nil {
			continue
		}
		if h.filledFrom != h.used || h.filledFor != s.basis {
			h.complete(s.basis, &s.alike)
		}
		shot.Warnings = append(shot.Warnings, h.warnings...)
		shot.Sites = append(shot.Sites, h.filled)
		shot.Own = append(shot.Own, h.used.Site)
	}
}

// complete makes of the version in effect the site that is served.
func (h *held) complete(n *Node, a *alike) {
	own := h.used.Site
	h.filled, h.filledFrom, h.filledFor = filledSite(n.CacheTierPolicy.Apply(own), n), h.used, n
	a.share(reflect.ValueOf(h.filled).Elem(), false)
	h.warnings = missing(h.used.Key, h.usedText, own, n)
}

// choose takes the hosts of the newest version that clashes with no other
// document, and returns how the newest does.
func (h *held) choose(taken map[string]string) (faults []Fault) {
	faults = clashes(h.good, h.goodText, taken)
	if len(faults) == 0 {
		h.used, h.usedText = h.good, h.goodText
	} else if h.used == h.good || h.used != nil && len(clashes(h.used, h.usedText, taken)) > 0 {
		h.used, h.usedText = nil, nil
	}
	if h.used != nil {
		for _, host := range h.used.Site.Hostnames {
			taken[strings.ToLower(host)] = h.used.Key
		}
	}
	return faults
}

// clashes are the hosts of a site that other documents have already.
func clashes(d *Document, text []byte, taken map[string]string) (faults []Fault) {
	l := &later{key: d.Key, text: text}
	for i, host := range d.Site.Hostnames {
		if other, ok := taken[strings.ToLower(host)]; ok {
			l.note((&path{}).field("hostnames").item(i), Fault{Found: quoted(host) + ", which " + other + " has", Expected: "a host that no other document names"})
		}
	}
	return l.faults
}

// missing warns of zones that neither a site nor the tier policy has, and of
// volumes that the node lacks. The site's default zone and all volumes stand in.
func missing(key string, text []byte, own *Site, n *Node) []Fault {
	l := &later{key: key, text: text}
	var zones, volumes []string
	for _, z := range own.Cache.Zones {
		zones = append(zones, z.Name)
	}
	if p := n.CacheTierPolicy; p != nil && (own.ZonesAutoManaged == nil || *own.ZonesAutoManaged) {
		for _, z := range p.Zones {
			zones = append(zones, z.Name)
		}
	}
	for _, v := range n.Cache.Volumes {
		volumes = append(volumes, v.Name)
	}
	cache := (&path{}).field("cache")
	check := func(name string, known []string, what string, p *path) {
		if name != "" && !slices.Contains(known, name) {
			l.note(p, Fault{Found: quoted(name), Expected: what, Nearest: nearest(name, known)})
		}
	}
	const aZone = "a zone of the site or of the tier policy; the default zone stands in"
	g, global := &own.Cache.Global, cache.field("global")
	check(g.Zone, zones, aZone, global.field("zone"))
	if g.KnownStaticFiles != nil {
		check(g.KnownStaticFiles.Zone, zones, aZone, global.field("knownStaticFiles").field("zone"))
	}
	for i := range own.Cache.Rules {
		check(own.Cache.Rules[i].Cache.Zone, zones, aZone, cache.field("rules").item(i).field("cache").field("zone"))
	}
	for i, z := range own.Cache.Zones {
		for j, v := range z.Volumes {
			check(v, volumes, "a volume of this node", cache.field("zones").item(i).field("volumes").item(j))
		}
	}
	return l.faults
}

// later collects faults of a document that was read before. Where they stand
// is looked up only when there are any.
type later struct {
	key    string
	text   []byte
	r      *reader
	faults []Fault
}

func (l *later) note(p *path, f Fault) {
	if l.r == nil {
		l.r = reread(l.key, l.text)
	}
	l.faults = append(l.faults, l.r.placed(l.r.offset(p), p, f))
}

func sortByDocument(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Document, b.Document) })
}
