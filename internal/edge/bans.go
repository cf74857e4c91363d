package edge

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// prefixBans are what drops the URLs that begin with p.Prefix.
func (e *Edge) prefixBans(p *Purge) (bans []ban, err error) {
	if strings.HasPrefix(p.Prefix, "/") {
		visits, err := e.visitsOf(p.Site)
		if err == nil && len(visits) == 0 {
			err = fmt.Errorf("prefix %q: its host is missing, which is a part of keys here: expected http[s]://host/path, or a site", p.Prefix)
		}
		if err == nil {
			err = validPrefix(p.Prefix, p.Prefix)
		}
		for _, v := range visits {
			if err == nil {
				bans, err = v.prefixBans(bans, p.Prefix, p.Soft)
			}
		}
		return bans, err
	}
	if p.Site != "" {
		return nil, fmt.Errorf("prefix %q with site %q: expected a path, as /img/, or no site", p.Prefix, p.Site)
	}
	_, rest, _ := strings.Cut(p.Prefix, "://")
	at := strings.IndexByte(rest, '/')
	if at < 0 {
		return nil, fmt.Errorf("prefix %q: expected http[s]://host/ and how paths begin, or /path", p.Prefix)
	}
	path := rest[at:]
	v, err := e.visitTo(strings.TrimSuffix(p.Prefix, path) + "/")
	if err != nil {
		return nil, err
	}
	if err := validPrefix(p.Prefix, path); err != nil {
		return nil, err
	}
	return v.prefixBans(nil, path, p.Soft)
}

// prefixBans appends what drops the URLs of the visit's host and scheme that
// begin with path, by each key that the site's rules make.
func (v *visit) prefixBans(bans []ban, path string, soft bool) ([]ban, error) {
	v.r.SetTarget([]byte(path))
	begun := len(bans)
	for d := range v.site.keyed {
		ch := &choice{decision: *d}
		v.passes = ch.pass
		prefix, ok := ch.key.AppendPrefix(nil, &v.values)
		if !ok {
			return nil, fmt.Errorf("prefix %q: key %s of site %s does not begin as URLs do: expected a purge of URLs, tags or the site", path, ch.key, v.site.doc.ID)
		}
		for _, on := range ch.zone.volumes {
			if !slices.ContainsFunc(bans[begun:], func(b ban) bool { return b.on == on && bytes.Equal(b.Prefix, prefix) }) {
				bans = append(bans, ban{engine.Ban{Site: v.account(ch), Prefix: prefix, Soft: soft}, on, ch})
			}
		}
	}
	return bans, nil
}

// account is what the store has the responses under that the visit's request
// would bring by a choice.
func (v *visit) account(ch *choice) []byte {
	if ch.zone.account != "" {
		return []byte(ch.zone.account)
	}
	w := visit{choice: ch}
	w.r, w.site = v.r, v.site
	w.makeKey()
	return bytes.Clone(w.key[:w.to.Origin])
}

// validPrefix refuses what no key begins with: then a purge would be said to
// be done that does nothing.
func validPrefix(whole, path string) error {
	text, _, _ := strings.Cut(path, "?")
	switch {
	case wire.HasDots([]byte(text[:strings.LastIndexByte(text, '/')+1])): // a whole segment; "/a/." may go on
		return fmt.Errorf("prefix %q: a segment of dots, which no stored URL has", whole)
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }):
		return fmt.Errorf("prefix %q: expected ASCII, the rest encoded, no fragment", whole)
	}
	return nil
}

// siteBans are what drops tags, a pattern, a site or a zone.
func (e *Edge) siteBans(p *Purge, kind engine.PurgeKind) ([]ban, error) {
	if kind == engine.ByZone {
		return e.zoneBans(p)
	}
	visits, err := e.visitsOf(p.Site)
	if err != nil {
		return nil, err
	}
	if len(visits) == 0 && kind == engine.ByTag {
		return nil, errors.New("tags: each host has its own here: expected a site")
	}
	if len(visits) == 0 {
		if visits, err = e.everySite(); err != nil {
			return nil, err
		}
	}
	var bans []ban
	for _, v := range visits {
		if bans, err = v.siteBans(bans, p, kind); err != nil {
			return nil, err
		}
	}
	return bans, nil
}

// mostSites bounds the sites that a purge of all sites is made of.
const mostSites = 256

// everySite is a visit to each site of the plan; of sites whose hosts have
// accounts of their own, one for all of them.
func (e *Edge) everySite() (visits []*visit, err error) {
	p := e.plan.Load()
	if len(p.sites) > mostSites {
		return nil, fmt.Errorf("%d sites: expected a site", len(p.sites))
	}
	for _, s := range p.sites {
		v, err := visitOf("http://localhost/")
		if err != nil {
			return nil, err
		}
		v.plan, v.site, v.everyHost = p, s, true
		visits = append(visits, v)
	}
	return visits, nil
}

// siteBans appends what drops p's tags or pattern of the visit's site, or all
// of it.
func (v *visit) siteBans(bans []ban, p *Purge, kind engine.PurgeKind) ([]ban, error) {
	if kind == engine.BySite && v.hostOnly {
		if all, err := v.prefixBans(bans, "/", p.Soft); err == nil {
			return all, nil
		} // its keys do not tell hosts apart: all of the site goes
	}
	begun := len(bans)
	for d := range v.site.keyed {
		ch := &choice{decision: *d}
		b := engine.Ban{Tags: p.Tags, Soft: p.Soft}
		if !v.everyHost || ch.zone.account != "" {
			b.Site = v.account(ch)
		}
		switch owner := v.site.owner(ch.zone); {
		case owner == nil:
		case kind == engine.BySite: // all that is the account's would be the other sites', too
			b.Prefix = ch.key.AppendOwn(nil)
		case kind == engine.ByTag:
			b.Owner = owner
		}
		if kind == engine.ByPattern {
			var err error
			if b.Pattern, err = v.pattern(ch, p.Pattern); err != nil {
				return nil, err
			}
		}
		for _, on := range ch.zone.volumes {
			if !slices.ContainsFunc(bans[begun:], func(o ban) bool {
				return o.on == on && bytes.Equal(o.Site, b.Site) && bytes.Equal(o.Prefix, b.Prefix) && (kind != engine.ByPattern || o.choice.key.String() == ch.key.String())
			}) {
				bans = append(bans, ban{b, on, ch})
			}
		}
	}
	return bans, nil
}

// zoneBans are what drops all that is stored in zones of a name.
func (e *Edge) zoneBans(p *Purge) (bans []ban, err error) {
	plan := e.plan.Load()
	seen := map[account]bool{}
	known := false
	for _, s := range plan.sites {
		for _, z := range s.zones {
			if z.doc.Name != p.Zone {
				continue
			}
			known = true
			for _, on := range z.volumes {
				a := account{on, z.account}
				if !seen[a] {
					bans = append(bans, ban{engine.Ban{Site: []byte(z.account), Soft: p.Soft}, on, nil})
				}
				seen[a] = true
			}
		}
	}
	if !known {
		return nil, fmt.Errorf("zone %q: expected one that a site has: %s", p.Zone, strings.Join(plan.zoneNames(), ", "))
	}
	return bans, nil
}

// zoneNames are the names of zones, some of them where there are many.
func (p *Plan) zoneNames() (names []string) {
	for _, s := range p.sites {
		for _, z := range s.zones {
			if !slices.Contains(names, z.doc.Name) && len(names) < 20 {
				names = append(names, z.doc.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// pattern compiles an expression on path and query of the keys of a choice.
func (v *visit) pattern(ch *choice, text string) (*store.Pattern, error) {
	if rest := strings.TrimPrefix(text, "^"); strings.HasPrefix(rest, "http://") || strings.HasPrefix(rest, "https://") || strings.HasPrefix(rest, "https?://") {
		return nil, fmt.Errorf("pattern %q: it is matched against path and query alone: expected one without scheme and host, and the host as site", text)
	}
	if !ch.rooted {
		return nil, fmt.Errorf("pattern %q: key %s of site %s does not end as URLs do: expected a purge of URLs, tags or the site", text, ch.key, v.site.doc.ID)
	}
	w := visit{choice: ch}
	w.r, w.site = v.r, v.site
	w.makeKey()
	p, err := store.NewPattern(text, bytes.Count(w.key[:w.to.Origin], []byte{'/'})+1)
	var fault *store.PatternError
	if errors.As(err, &fault) {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return p, err
}

// visitsOf are visits to the site that a name means, one for each scheme that
// it leaves open; none where the name is empty and there are several sites.
func (e *Edge) visitsOf(name string) ([]*visit, error) {
	p := e.plan.Load()
	if only := p.only(); only != nil && !only.byHost() {
		if name == "" || name == only.doc.ID || only.answersTo(name) {
			v, err := visitOf("http://localhost/")
			if err != nil {
				return nil, err
			}
			v.plan, v.site = p, only
			return []*visit{v}, nil
		}
		return nil, fmt.Errorf("site %q: this cache has one: expected %s, or none", name, only.origin())
	}
	if name == "" {
		return nil, nil
	}
	if s := p.sites[name]; s != nil && !s.perHost() {
		v, err := visitOf("http://localhost/")
		if err == nil {
			v.plan, v.site = p, s
		}
		return []*visit{v}, err
	}
	urls := []string{name}
	if !strings.Contains(name, "://") {
		urls = []string{"http://" + name, "https://" + name}
	}
	var visits []*visit
	for _, url := range urls {
		_, host, _ := strings.Cut(url, "://")
		v, err := p.visitTo(url)
		if err != nil || host == "" || strings.ContainsAny(host, "/?#") {
			return nil, fmt.Errorf("site %q: expected host[:port], or http[s]://host[:port], or the id of a site", name)
		}
		v.hostOnly = true
		visits = append(visits, v)
	}
	return visits, nil
}

// only is the plan's site when there is just one; else nil.
func (p *Plan) only() *site {
	if len(p.sites) != 1 {
		return nil
	}
	for _, s := range p.sites {
		return s
	}
	return nil
}

// perHost reports whether the hosts of the site have accounts of their own.
func (s *site) perHost() bool {
	return slices.ContainsFunc(s.zones, func(z *zone) bool { return z.account == "" })
}

// origin is the authority that the site's content comes from.
func (s *site) origin() string {
	if len(s.pools) == 0 {
		return s.doc.ID
	}
	return s.pools[0].servers[0].Host
}

// answersTo reports whether a name is one of the site's origin.
func (s *site) answersTo(name string) bool {
	if len(s.pools) == 0 {
		return false
	}
	o := s.pools[0].servers[0]
	return strings.EqualFold(name, o.Host) || strings.EqualFold(name, o.Scheme+"://"+o.Host+o.Base)
}
