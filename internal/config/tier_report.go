package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"opencache/internal/expr"
)

// A TierReport tells an operator what the tier policy does to the sites of a
// node: the first place to look when a tier rule does not do what was meant.
type TierReport struct {
	// Applied and OptedOut are ids of sites.
	Applied, OptedOut []string
	// Oversubscribed is by how much the zones in memory together are larger
	// than the memory; 0 when they fit, or when nobody said how large it is.
	Oversubscribed Size

	policy CacheTierPolicy
	zones  []string // a line for each site
	memory []string
	groups []tierGroup
	faults []string
}

// A tierGroup is the tier rules whose patterns begin with the same literal
// text; empty for those without.
type tierGroup struct {
	prefix string
	rules  []string
}

// Report tells what the policy does to sites, as their documents say them, on
// a node. Memory is what all zones in memory may take; 0: not said.
func (p *CacheTierPolicy) Report(own []*Site, n *Node, memory Size) TierReport {
	var r TierReport
	if p != nil {
		r.policy = *p
	}
	own = slices.SortedFunc(slices.Values(own), func(a, b *Site) int { return cmp.Compare(a.ID, b.ID) })
	sum := memorySum{overrides: n.Cache.ZoneOverrides, lines: map[string]*memoryLine{}}
	for _, s := range own {
		r.tellSite(s)
		effective := p.Apply(s)
		r.tellReferences(effective)
		sum.add(effective)
	}
	for name := range n.Cache.ZoneOverrides {
		if !sum.seen[name] {
			r.faults = append(r.faults, fmt.Sprintf("node: cache.zoneOverrides.%s: no site has a zone %q", name, name))
		}
	}
	slices.Sort(r.faults)
	r.memory, r.Oversubscribed = sum.tell(memory)
	r.groups = r.policy.groups()
	return r
}

// Conflicts are the policy's zones that are not added to sites, as their
// documents say them, because they have one of that name: SITE: ZONE.
func (p *CacheTierPolicy) Conflicts(own []*Site) (list []string) {
	for _, s := range own {
		if optedOut(s) {
			continue
		}
		for _, z := range p.Zones {
			if hasZone(s.Cache.Zones, z.Name) {
				list = append(list, s.ID+": "+z.Name)
			}
		}
	}
	return list
}

// tellSite notes what becomes of one site.
func (r *TierReport) tellSite(s *Site) {
	if optedOut(s) {
		r.OptedOut = append(r.OptedOut, s.ID)
		return
	}
	r.Applied = append(r.Applied, s.ID)
	var added, skipped []string
	for _, z := range r.policy.Zones {
		if hasZone(s.Cache.Zones, z.Name) {
			skipped = append(skipped, z.Name)
		} else {
			added = append(added, z.Name)
		}
	}
	if len(r.policy.Zones) > 0 {
		r.zones = append(r.zones, fmt.Sprintf("%s: added %s; skipped, the site has its own: %s", s.ID, listOf(added), listOf(skipped)))
	}
}

// tellReferences notes names of zones that the site has not, and where what
// was meant for them is stored.
func (r *TierReport) tellReferences(s *Site) {
	c := &s.Cache
	fallback := defaultZone
	if len(c.Zones) > 0 {
		fallback = c.Zones[0].Name
	}
	check := func(name, where string) {
		if name != "" && !hasZone(c.Zones, name) {
			r.faults = append(r.faults, fmt.Sprintf("%s: %s: there is no zone %q; %q stands in", s.ID, where, name, fallback))
		}
	}
	check(c.Global.Zone, "cache.global.zone")
	if hasZone(c.Zones, c.Global.Zone) {
		fallback = c.Global.Zone
	}
	for _, rule := range c.Rules {
		check(rule.Cache.Zone, "rule "+rule.ID)
	}
	for _, rule := range c.TierRules {
		check(rule.Zone, "tier rule "+rule.ID)
	}
	if known := c.Global.KnownStaticFiles; known != nil {
		check(known.Zone, "knownStaticFiles")
	}
	if len(c.Zones) == 0 {
		r.faults = append(r.faults, fmt.Sprintf("%s: has no zone; %q stands in", s.ID, defaultZone))
	}
}

// groups are the rules by their patterns' literal prefixes, those without last.
func (p *CacheTierPolicy) groups() []tierGroup {
	by := map[string][]string{}
	for _, rule := range p.Rules {
		prefix := ""
		if re, err := expr.ParsePattern(rule.Match.URIPattern, false); err == nil {
			prefix = rule.Match.Prefix(re)
		}
		by[prefix] = append(by[prefix], rule.ID)
	}
	var groups []tierGroup
	for _, prefix := range slices.Sorted(maps.Keys(by)) {
		groups = append(groups, tierGroup{prefix, by[prefix]})
	}
	if len(groups) > 0 && groups[0].prefix == "" {
		groups = append(groups[1:], groups[0])
	}
	return groups
}

// A memorySum adds up zones in memory, as the node changes them. A zone counts
// once for each site that has it, or once for all when it is shared; those of
// storage both lie on disk.
type memorySum struct {
	overrides map[string]ZoneOverride
	lines     map[string]*memoryLine
	seen      map[string]bool // all names of zones
}

// mostMemory is where adding up ends.
const mostMemory Size = 1 << 62

type memoryLine struct {
	size   Size // of one
	count  int  // sites that have it
	shared bool
}

func (m *memorySum) add(s *Site) {
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	zones := s.Cache.Zones
	if len(zones) == 0 {
		zones = []CacheZone{{Name: defaultZone}}
	}
	for _, z := range zones {
		m.seen[z.Name] = true
		o := m.overrides[z.Name]
		inherit(&o.Storage, z.Storage)
		inherit(&o.MaxSize, z.MaxSize)
		if cmp.Or(o.Storage, "memory") != "memory" {
			continue
		}
		var size Size
		if o.MaxSize != nil {
			size = *o.MaxSize
		}
		key := fmt.Sprintf("%s %d %t", z.Name, size, z.Shared)
		line := m.lines[key]
		if line == nil {
			line = &memoryLine{size: size, shared: z.Shared}
			m.lines[key] = line
		}
		line.count++
	}
}

// tell returns a line for each zone, the sum and the verdict.
func (m *memorySum) tell(memory Size) (lines []string, over Size) {
	var sum Size
	unlimited := 0
	for _, key := range slices.Sorted(maps.Keys(m.lines)) {
		l := m.lines[key]
		name, _, _ := strings.Cut(key, " ")
		times := l.count
		how := fmt.Sprintf("for each of %d", l.count)
		if l.shared {
			times, how = 1, fmt.Sprintf("for %d together", l.count)
		}
		if l.size == 0 {
			unlimited++
			lines = append(lines, fmt.Sprintf("%s: %s: no maxSize", name, how))
			continue
		}
		if l.size > (mostMemory-sum)/Size(times) {
			sum = mostMemory
		} else {
			sum += l.size * Size(times)
		}
		lines = append(lines, fmt.Sprintf("%s: %s %s", name, how, l.size))
	}
	total := fmt.Sprintf("sum of maxSize: %s", sum)
	if unlimited > 0 {
		total += ", and zones without one"
	}
	switch over = sum - memory; {
	case memory == 0:
		return append(lines, total+"; MEMORY_CACHE_SIZE: not said"), 0
	case over > 0:
		return append(lines, fmt.Sprintf("%s; MEMORY_CACHE_SIZE: %s; OVERSUBSCRIBED by %s", total, memory, over)), over
	}
	return append(lines, fmt.Sprintf("%s; MEMORY_CACHE_SIZE: %s; it fits", total, memory)), 0
}

// String is the report as text, the same for the same documents.
func (r TierReport) String() string {
	var b strings.Builder
	part := func(n int, title string, lines []string, none string) {
		fmt.Fprintf(&b, "%d. %s\n", n, title)
		if len(lines) == 0 {
			lines = []string{none}
		}
		for _, l := range lines {
			b.WriteString("   " + l + "\n")
		}
		b.WriteString("\n")
	}
	b.WriteString("Cache tier policy\n\n")
	part(1, "Sites", []string{
		fmt.Sprintf("applied (%d): %s", len(r.Applied), listOf(r.Applied)),
		fmt.Sprintf("opted out by zonesAutoManaged false (%d): %s", len(r.OptedOut), listOf(r.OptedOut)),
	}, "")
	part(2, "Zones added and skipped", r.zones, "the policy has no zones")
	part(3, "Rules added", r.rules(), "the policy has no rules")
	part(4, "Memory of zones, by sites that have them", r.memory, "no zone is in memory")
	part(5, "Rules by the prefix of their pattern", r.prefixes(), "the policy has no rules")
	part(6, "Zones that are named and not there", r.faults, "none: every name of a zone has one")
	return b.String()
}

// rules has a line for each thing that is added to sites beside zones.
func (r *TierReport) rules() (lines []string) {
	for _, t := range r.policy.Rules {
		methods := "all methods"
		if len(t.Match.Methods) > 0 {
			methods = strings.Join(t.Match.Methods, " ")
		}
		lines = append(lines, fmt.Sprintf("%s: priority %d, %s of %s, in zone %s for %s", t.ID, t.Priority, methods, t.Match.URIPattern, t.Zone, t.TTL))
	}
	if known := r.policy.KnownStaticFilesDefaults; known != nil {
		lines = append(lines, fmt.Sprintf("known static files, for sites that say nothing of them: %s", listOf(known.Extensions)))
	}
	if q := r.policy.QueryNormalization; q != nil {
		lines = append(lines, fmt.Sprintf("query normalisation, for sites that say nothing of it: drop %s", listOf(q.DropParams)))
	}
	return lines
}

func (r *TierReport) prefixes() (lines []string) {
	for _, g := range r.groups {
		if g.prefix == "" {
			lines = append(lines, "alone, behind the site's regular expressions: "+listOf(g.rules))
			continue
		}
		lines = append(lines, fmt.Sprintf("^~ %s, before the site's regular expressions: %s", g.prefix, listOf(g.rules)))
	}
	return lines
}

func listOf(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
