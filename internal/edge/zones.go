package edge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/store"
)

// A Volume is a place of a node where responses are stored, in memory or on
// disk, with the engine that serves from it. Volumes are there before a plan
// and outlive it.
type Volume struct {
	Name   string
	Store  *store.Zone
	Engine *engine.Engine
	Disk   bool // it is on disk
	Memory bool // it is in memory, or has memory over its disks
}

// A zone is what a document calls one, on this node: an account in each of its
// volumes. Zones come, go and change their size with the documents; volumes
// stay.
type zone struct {
	doc     *config.CacheZone
	account string // in the stores; "": each host of a URL has its own
	volumes []*Volume
}

// on returns the volume that a key belongs to: always the same of the same
// volumes.
func (z *zone) on(key []byte) *Volume {
	if len(z.volumes) == 1 {
		return z.volumes[0]
	}
	// Rendezvous hashing by the volumes' names: when one comes or goes, keys move
	// to it or from it alone, and none when they are said in another order.
	// FNV-1a, finished as in SplitMix64.
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	var best *Volume
	most := uint64(0)
	for _, v := range z.volumes {
		x := h
		for i := range len(v.Name) {
			x = (x ^ uint64(v.Name[i])) * 1099511628211
		}
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		if x ^= x >> 31; best == nil || x > most {
			best, most = v, x
		}
	}
	return best
}

// accountOf is the account that a site's zone has. Sites share the account of
// a zone that is shared, and by that its size.
func accountOf(doc *config.CacheZone, site string) string {
	switch {
	case doc.Hosts != nil:
		return ""
	case doc.Shared:
		return doc.Name
	}
	return doc.Name + "/" + site
}

// owner is what tells the site's tags from those of others in a zone that they
// share; nil where they do not.
func (s *site) owner(z *zone) []byte {
	if !z.doc.Shared || z.doc.Hosts != nil {
		return nil
	}
	return []byte(s.doc.ID)
}

// override is doc as this node has it.
func override(doc config.CacheZone, node *config.Node) *config.CacheZone {
	o := node.Cache.ZoneOverrides[doc.Name]
	if o.Storage != "" {
		doc.Storage = o.Storage
	}
	if o.MaxSize != nil {
		doc.MaxSize = o.MaxSize
	}
	if o.Inactive != nil {
		doc.Inactive = o.Inactive
	}
	if o.Volumes != nil {
		doc.Volumes = o.Volumes
	}
	return &doc
}

// volumesFor finds the volumes of a zone: those that it names, or all, of the kind
// that its storage says. A node that has none of that kind stores in what it
// has: it is better to keep a response in another place than not at all.
func volumesFor(doc *config.CacheZone, all []Volume) (on []*Volume) {
	take := func(fits func(*Volume) bool) {
		for i := range all {
			named := len(doc.Volumes) == 0 || slices.Contains(doc.Volumes, all[i].Name)
			if len(on) < len(all) && named && fits(&all[i]) {
				on = append(on, &all[i])
			}
		}
	}
	disk := doc.Storage == "disk" || doc.Storage == "both"
	take(func(v *Volume) bool { return v.Disk == disk && (!disk || v.Memory == (doc.Storage == "both")) })
	if on == nil {
		take(func(v *Volume) bool { return v.Disk == disk })
	}
	if on == nil && len(all) > 0 {
		on = []*Volume{&all[0]}
	}
	return on
}

// zonesOf compiles a site's zones, in their order.
func (c *Compiler) zonesOf(doc *config.Site, node *config.Node) []*zone {
	docs := doc.Cache.Zones
	if len(docs) == 0 {
		docs = []config.CacheZone{{Name: "default"}}
	}
	zones := make([]*zone, len(docs))
	for i := range docs {
		z := &zone{doc: override(docs[i], node), account: accountOf(&docs[i], doc.ID)}
		z.volumes = volumesFor(z.doc, c.Volumes)
		zones[i] = z
	}
	return zones
}

// named returns the zone of that name; the first when there is none.
func named(zones []*zone, name string) *zone {
	for _, z := range zones {
		if z.doc.Name == name {
			return z
		}
	}
	return zones[0]
}

// others is what hosts have of each volume of the zone that are not named;
// false: hosts have no accounts in it.
func (z *zone) others() (s share, ok bool) {
	if z.doc.Hosts == nil {
		return s, false
	}
	n := int64(len(z.volumes))
	limit := z.doc.Hosts.Limit
	if limit == nil {
		limit = z.doc.MaxSize
	}
	return share{zone: z.doc.Name, share: sizeOf(z.doc.Hosts.Share) / n, limit: sizeOf(limit) / n}, true
}

// An account is what a plan has in a volume.
type account struct {
	volume *Volume
	name   string
}

// A share is what an account may take.
type share struct {
	zone  string
	share int64 // above it nothing is kept longer than the rest
	limit int64 // 0: none
	// inactive is how long what nobody asks for is kept; 0: any time.
	inactive time.Duration
	host     bool // the account is a host's in a zone, not the zone's
}

// shares are the accounts of a zone, each with what it may take of its volume.
func (z *zone) shares(yield func(account, share) bool) {
	n := int64(len(z.volumes))
	for _, v := range z.volumes {
		s := share{zone: z.doc.Name, inactive: durationOf(z.doc.Inactive)}
		if z.doc.MaxSize != nil {
			s.limit = max(int64(*z.doc.MaxSize)/n, 1)
		}
		if z.account != "" && !yield(account{v, z.account}, s) {
			return
		}
	}
}

// shareHosts gives the hosts that documents name their accounts, in the zones
// where each host has its own: named as keys begin.
func (c *compiling) shareHosts(s *site) {
	for d := range s.keyed {
		if d.zone.doc.Hosts == nil {
			continue
		}
		ch := &choice{decision: *d}
		if !ch.rooted {
			c.fault("cache", ch.key.String(), "a key of scheme, host and path with query, since each host has an account in zone "+ch.zone.doc.Name)
			return
		}
		for name, h := range ch.zone.doc.Hosts.Named {
			for _, url := range urlsOf(name) {
				origin, err := s.originOf(ch, url)
				if c.bad("cache.zones."+ch.zone.doc.Name+".hosts.named", err) {
					return
				}
				for _, vol := range ch.zone.volumes {
					n := int64(len(ch.zone.volumes))
					s.hostShares[account{vol, string(origin)}] = share{zone: ch.zone.doc.Name, share: sizeOf(h.Share) / n, limit: sizeOf(h.Limit) / n, host: true}
				}
			}
		}
	}
}

// originOf is what the key of a URL begins with, by which its host has its account.
func (s *site) originOf(ch *choice, url string) ([]byte, error) {
	v, err := visitOf(url)
	if err != nil {
		return nil, err
	}
	v.site, v.choice = s, ch
	v.makeKey()
	return v.key[:v.to.Origin], nil
}

// urlsOf are the URLs whose origin a name means: http://host, or host for both
// schemes.
func urlsOf(name string) []string {
	if strings.Contains(name, "://") {
		return []string{name + "/"}
	}
	return []string{"http://" + name + "/", "https://" + name + "/"}
}

func sizeOf(s *config.Size) int64 {
	if s == nil {
		return 0
	}
	return int64(*s)
}

// apply makes the volumes' accounts those of p, where they are others than in
// was or could not be made then. It keeps short those that can not.
func (p *Plan) apply(was *Plan, short map[account]bool) (faults []error) {
	maps.DeleteFunc(short, func(a account, _ bool) bool { _, ok := p.accounts[a]; return !ok })
	for v, s := range p.others {
		if was == nil || was.others[v] != s {
			v.Store.ShareOthers(s.share, s.limit)
			was = nil // all named ones were overwritten
		}
	}
	for a, s := range p.accounts {
		if was != nil && was.accounts[a] == s && !short[a] {
			continue
		}
		site := a.volume.Store.OpenSite([]byte(a.name))
		if err := a.volume.Store.SetShare(site, s.share, s.limit); err != nil {
			faults = append(faults, fmt.Errorf("zone %s: account %s: %w", s.zone, a.name, err))
			short[a] = true
		} else {
			delete(short, a)
			_ = a.volume.Store.SetInactive(site, s.inactive) // it has its account: nothing to be short of
		}
	}
	return faults
}

// dropGone drops what is stored for accounts that only was has.
func (p *Plan) dropGone(was *Plan) {
	for a, s := range was.accounts {
		if _, ok := p.accounts[a]; ok {
			continue
		}
		others := p.others[a.volume]
		if !s.host { // a host is in its zone still, when it is no longer named
			a.volume.Engine.Ban(&engine.Ban{Site: []byte(a.name)})
			others = share{}
		}
		_ = a.volume.Store.SetShare(a.volume.Store.Site([]byte(a.name)), others.share, others.limit) // it has its account: nothing to be short of
	}
	for id, s := range was.sites {
		if now := p.sites[id]; now != s {
			s.dropHosts(now, p, was)
		}
	}
}

// dropHosts drops what is stored for hosts in the site's zones where each has
// its own account, of those zones that now, nil when it is gone, no longer has.
// Hosts that nobody names are not known: their volume is emptied where nothing
// else is in it.
func (s *site) dropHosts(now *site, p, was *Plan) {
	for d := range s.keyed {
		z := d.zone
		if z.doc.Hosts == nil || now != nil && slices.ContainsFunc(now.zones, func(n *zone) bool { return n.doc.Name == z.doc.Name && n.doc.Hosts != nil }) {
			continue
		}
		ch := &choice{decision: *d}
		for _, host := range s.doc.Hostnames {
			for _, url := range urlsOf(host) {
				if host == anyHost || strings.HasPrefix(host, "*.") {
					continue
				}
				origin, err := s.originOf(ch, url)
				if err != nil || !ch.rooted {
					continue // no such request was ever stored there
				}
				for _, v := range z.volumes {
					v.Engine.Ban(&engine.Ban{Site: origin})
				}
			}
		}
		if slices.ContainsFunc(s.doc.Hostnames, func(h string) bool { return h == anyHost || strings.HasPrefix(h, "*.") }) {
			for _, v := range z.volumes {
				if !p.uses(v, was) {
					v.Engine.Ban(&engine.Ban{})
				}
			}
		}
	}
}

// uses reports whether anything that was stored by the plan before may be in a
// volume still.
func (p *Plan) uses(v *Volume, was *Plan) bool {
	if _, ok := p.others[v]; ok {
		return true
	}
	for a := range p.accounts {
		if _, ok := was.accounts[a]; ok && a.volume == v {
			return true
		}
	}
	return false
}
