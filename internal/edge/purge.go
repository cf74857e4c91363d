package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/store"
	"opencache/internal/wire"
)

const (
	// MaxPurgeURLs and MaxPurgeTags bound what one Purge names.
	MaxPurgeURLs = 1000
	MaxPurgeTags = 256
)

// A Purge says what to drop as operators name it: by exactly one of URLs, Tags,
// Prefix, Pattern, Site alone, or Zone. It counts as done when it is in force:
// nothing that it names is used for a request that comes later.
type Purge struct {
	// URLs are what clients ask for: http[s]://host/path?query, or
	// /path?query where one site answers for every host and none is a part of
	// its keys. All variants of each go, and what conditions, cookies and fields
	// have kept apart where the key tells. One that ends in * is a prefix.
	URLs []string
	Tags []string
	// Prefix is what URLs begin with, in the same forms.
	Prefix string
	// Pattern is a regular expression (RE2) on path and query.
	Pattern string
	// Site is a host, or http[s]://host, or a site's id: all of its hosts. Where
	// the host is no part of keys there is one site. Empty: all sites; tags need
	// one where there are several.
	Site string
	Zone string // all that is stored in zones of that name
	Soft bool   // what is hit stays, to be validated before it is used
}

// A Purged is what became of a Purge.
type Purged struct {
	Seq    store.Seq
	Kind   engine.PurgeKind
	Found  []bool // for each of the URLs, whether anything was there
	banned []engine.Banned
}

// Objects returns how many things it has hit till now and whether that is all:
// URLs, each with its variants, or stored responses.
func (p *Purged) Objects() (n int64, exact bool) {
	exact = true
	for _, found := range p.Found {
		if found {
			n++
		}
	}
	for i := range p.banned {
		hits, all := p.banned[i].Objects()
		n, exact = n+hits, exact && all
	}
	return n, exact
}

// Wait waits until Objects grows no more, or ctx ends.
func (p *Purged) Wait(ctx context.Context) {
	for i := range p.banned {
		p.banned[i].Wait(ctx)
	}
}

// A PurgeAnswer is what operators are told of a Purged, as JSON.
type PurgeAnswer struct {
	// Purged is how many URLs, or stored responses, were hit; nil: that is not
	// known, or not yet.
	Purged  *int64 `json:"purged"`
	AtLeast int64  `json:"at_least,omitempty"` // were hit, where it is not known
	By      string `json:"by"`
	Seq     uint64 `json:"sequence"` // what was fetched before is hit
}

// Tell is what operators are told.
func (p *Purged) Tell() PurgeAnswer {
	a := PurgeAnswer{By: p.Kind.String(), Seq: uint64(p.Seq)}
	if n, exact := p.Objects(); exact {
		a.Purged = &n
	} else {
		a.AtLeast = n
	}
	return a
}

// A ban is what is dropped from a volume.
type ban struct {
	engine.Ban
	on     *Volume
	choice *choice // whose keys it is of; nil: all
}

// Purge does what p says, all of it or, with an error that says what is wrong
// with it, nothing.
func (e *Edge) Purge(p *Purge) (done Purged, err error) {
	var bans []ban
	switch done.Kind, err = p.Kind(); {
	case err != nil:
	case done.Kind == engine.ByURL:
		return e.purgeURLs(p)
	case done.Kind == engine.ByPrefix:
		bans, err = e.prefixBans(p)
	default:
		bans, err = e.siteBans(p, done.Kind)
	}
	if err != nil {
		return Purged{}, err
	}
	e.ban(bans, &done)
	return done, nil
}

func (e *Edge) ban(bans []ban, done *Purged) {
	for i := range bans {
		b := bans[i].on.Engine.Ban(&bans[i].Ban)
		done.banned, done.Seq = append(done.banned, b), max(done.Seq, b.Seq)
	}
}

// Kind returns what p goes by, or what is wrong with what it names.
func (p *Purge) Kind() (k engine.PurgeKind, err error) {
	var kinds []engine.PurgeKind
	for _, named := range []struct {
		kind engine.PurgeKind
		ok   bool
	}{
		{engine.ByURL, len(p.URLs) > 0}, {engine.ByTag, len(p.Tags) > 0}, {engine.ByPrefix, p.Prefix != ""},
		{engine.ByPattern, p.Pattern != ""}, {engine.ByZone, p.Zone != ""},
	} {
		if named.ok {
			kinds = append(kinds, named.kind)
		}
	}
	switch {
	case len(kinds) > 1:
		return 0, fmt.Errorf("%s and %s: expected one of them", kinds[0], kinds[1])
	case len(kinds) == 0 && p.Site != "":
		return engine.BySite, nil
	case len(kinds) == 0:
		return 0, errors.New("nothing is named: expected URLs, tags, a prefix, a pattern, a site or a zone")
	case p.Site != "" && (kinds[0] == engine.ByURL || kinds[0] == engine.ByZone):
		return 0, fmt.Errorf("site %q beside a %s: expected one of them", p.Site, kinds[0])
	case len(p.URLs) > MaxPurgeURLs:
		return 0, fmt.Errorf("%d URLs: expected at most %d", len(p.URLs), MaxPurgeURLs)
	case len(p.Tags) > MaxPurgeTags:
		return 0, fmt.Errorf("%d tags: expected at most %d", len(p.Tags), MaxPurgeTags)
	}
	for _, tag := range p.Tags {
		if strings.Trim(tag, " \t") != tag || tag == "" || strings.ContainsAny(tag, "\x00\r\n") {
			return 0, fmt.Errorf("tag %q: expected one as the field has it, without spaces around it", tag)
		}
	}
	return kinds[0], nil
}

// purgeURLs purges each of the URLs, when all of them are some.
func (e *Edge) purgeURLs(p *Purge) (done Purged, err error) {
	keys, bans := make([][]stored, len(p.URLs)), make([][]ban, len(p.URLs))
	for i, url := range p.URLs {
		if prefix, wild := strings.CutSuffix(url, "*"); wild {
			bans[i], err = e.prefixBans(&Purge{Prefix: prefix, Soft: p.Soft})
		} else {
			keys[i], err = e.storedFor(url)
		}
		if err != nil {
			return Purged{}, err
		}
	}
	done.Kind, done.Found = engine.ByURL, make([]bool, len(p.URLs))
	for i := range p.URLs {
		for _, k := range keys[i] {
			done.Found[i] = k.purge(p.Soft, &done) || done.Found[i]
		}
		e.ban(bans[i], &done)
	}
	for i := range e.o.Volumes {
		done.Seq = max(done.Seq, e.o.Volumes[i].Engine.Seq())
	}
	return done, nil
}

// stored is where responses for a URL lie: under a key, or under all that
// begin with it.
type stored struct {
	on      *Volume
	account []byte
	key     []byte
	begins  bool
}

// purge drops what lies there and reports whether something did.
func (s *stored) purge(soft bool, done *Purged) bool {
	if !s.begins {
		return s.on.Engine.Purge(s.key, soft)
	}
	b := s.on.Engine.Ban(&engine.Ban{Site: s.account, Prefix: s.key, Soft: soft})
	done.banned = append(done.banned, b)
	return false // it is counted with the rest
}

// storedFor finds where responses for a URL may lie: that of a request for it,
// however it is spelt.
func (e *Edge) storedFor(url string) ([]stored, error) {
	v, err := e.visitTo(url)
	if err != nil {
		return nil, err
	}
	return v.stored(), nil
}

// stored finds where responses for the visit's URL may lie, whatever else the
// request that brought them said: by each rule that its route can have.
func (v *visit) stored() (list []stored) {
	route, _, _ := v.site.at.find(v.path())
	if route < 0 {
		return nil
	}
	for i := range v.site.rules {
		d := v.site.decided(v.site.choice(route, i))
		if d == nil {
			continue
		}
		ch := &choice{decision: *d}
		v.choice, v.passes = ch, ch.pass
		key, reach := ch.key.AppendURL(nil, &v.values)
		s := stored{account: []byte(ch.zone.account), key: key, begins: reach != expr.Exact}
		// Not only where the key lies: it lay elsewhere when the zone had other
		// volumes, and may lie there again.
		for _, s.on = range ch.zone.volumes {
			if !slices.ContainsFunc(list, func(o stored) bool { return o.on == s.on && bytes.Equal(o.key, key) && o.begins == s.begins }) {
				list = append(list, s)
			}
		}
	}
	return list
}

// visitTo is a visit with the site and the target that a URL names.
func (e *Edge) visitTo(url string) (*visit, error) { return e.plan.Load().visitTo(url) }

func (p *Plan) visitTo(url string) (*visit, error) {
	s := p.hosts.other
	relative := strings.HasPrefix(url, "/")
	if relative && (s == nil || s.byHost() || len(p.sites) > 1) {
		return nil, fmt.Errorf("URL %q: its host is missing, which is a part of keys here: expected http[s]://host/path", url)
	}
	v, err := visitOf(url)
	if err != nil {
		return nil, err
	}
	v.plan = p
	if v.site = s; !relative {
		host, _ := hostOf(v.r.Authority(), nil)
		v.site = p.hosts.find(host)
	}
	if v.site == nil {
		return nil, fmt.Errorf("URL %q: no site answers for this host", url)
	}
	return v, nil
}

// visitOf is a visit with the target that a URL names, of no site yet.
func visitOf(url string) (*visit, error) {
	if strings.ContainsAny(url, " \t\r\n") {
		return nil, fmt.Errorf("URL %q: whitespace in it: expected it encoded, as %%20", url)
	}
	r := new(wire.Request)
	head := []byte("PURGE " + url + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if n, err := wire.ParseRequest(r, head, wire.Limits{}); err != nil || n != len(head) {
		return nil, fmt.Errorf("URL %q: expected http[s]://host/path, as clients send it: ASCII, the rest encoded, no fragment", url)
	}
	r.SetMethod(wire.GET)
	v := &visit{}
	v.r = r
	v.cleanTarget()
	return v, nil
}

// byHost reports whether the host is a part of a site's keys.
func (s *site) byHost() bool {
	for d := range s.keyed {
		if d.key.Depends()&expr.OnHost != 0 {
			return true
		}
	}
	return false
}
