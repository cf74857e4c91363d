package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"opencache/internal/engine"
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
	// /path?query where the host is no part of keys. All variants of each go.
	// One that ends in * is a prefix.
	URLs []string
	Tags []string
	// Prefix is what URLs begin with, in the same forms.
	Prefix string
	// Pattern is a regular expression (RE2) on path and query.
	Pattern string
	// Site is a host, or http[s]://host: which of both schemes is meant when
	// it is left out. Where the host is no part of keys there is one site, the
	// origin. Empty: all sites; tags need one where there are several.
	Site string
	Zone bool // everything
	Soft bool // what is hit stays, to be validated before it is used
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

// Purge does what p says, all of it or, with an error that says what is wrong
// with it, nothing.
func (e *Edge) Purge(p *Purge) (done Purged, err error) {
	var bans []engine.Ban
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

func (e *Edge) ban(bans []engine.Ban, done *Purged) {
	for i := range bans {
		b := e.o.Engine.Ban(&bans[i])
		done.banned, done.Seq = append(done.banned, b), b.Seq
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
		{engine.ByPattern, p.Pattern != ""}, {engine.ByZone, p.Zone},
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
	keys, bans := make([][]byte, len(p.URLs)), make([][]engine.Ban, len(p.URLs))
	for i, url := range p.URLs {
		if prefix, wild := strings.CutSuffix(url, "*"); wild {
			bans[i], err = e.prefixBans(&Purge{Prefix: prefix, Soft: p.Soft})
		} else {
			keys[i], err = e.keyNamed(url)
		}
		if err != nil {
			return Purged{}, err
		}
	}
	done.Kind, done.Found = engine.ByURL, make([]bool, len(p.URLs))
	for i, key := range keys {
		if key != nil {
			done.Found[i] = e.o.Engine.Purge(key, p.Soft)
		}
		e.ban(bans[i], &done)
	}
	done.Seq = e.o.Engine.Seq()
	return done, nil
}

// keyNamed is the key of a URL: that of a request for it, however it is spelt.
func (e *Edge) keyNamed(url string) ([]byte, error) {
	v, err := e.visitTo(url)
	if err != nil {
		return nil, err
	}
	v.cleanTarget()
	return v.cacheKey(), nil
}

// visitTo is a visit with the target that a URL names.
func (e *Edge) visitTo(url string) (*visit, error) {
	relative := strings.HasPrefix(url, "/")
	switch {
	case strings.ContainsAny(url, " \t\r\n"):
		return nil, fmt.Errorf("URL %q: whitespace in it: expected it encoded, as %%20", url)
	case relative && e.o.PreserveHost:
		return nil, fmt.Errorf("URL %q: its host is missing, which is a part of keys here: expected http[s]://host/path", url)
	}
	r := new(wire.Request)
	head := []byte("PURGE " + url + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if n, err := wire.ParseRequest(r, head, wire.Limits{}); err != nil || n != len(head) {
		return nil, fmt.Errorf("URL %q: expected http[s]://host/path, as clients send it: ASCII, the rest encoded, no fragment", url)
	}
	return &visit{e: e, r: r}, nil
}

// prefixBans are what drops the URLs that begin with p.Prefix.
func (e *Edge) prefixBans(p *Purge) ([]engine.Ban, error) {
	if strings.HasPrefix(p.Prefix, "/") {
		sites, err := e.sites(p.Site)
		if err == nil && len(sites) == 0 {
			err = fmt.Errorf("prefix %q: its host is missing, which is a part of keys here: expected http[s]://host/path, or a site", p.Prefix)
		}
		if err == nil {
			err = validPrefix(p.Prefix, p.Prefix)
		}
		bans := make([]engine.Ban, len(sites))
		for i, site := range sites {
			bans[i] = engine.Ban{Site: site, Prefix: append(bytes.Clone(site), p.Prefix...), Soft: p.Soft}
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
	site := v.beginKey()
	return []engine.Ban{{Site: site, Prefix: append(bytes.Clone(site), path...), Soft: p.Soft}}, nil
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

// siteBans are what drops tags, a pattern, a site or everything.
func (e *Edge) siteBans(p *Purge, kind engine.PurgeKind) ([]engine.Ban, error) {
	ban := engine.Ban{Tags: p.Tags, Soft: p.Soft}
	if kind == engine.ByZone {
		return []engine.Ban{ban}, nil
	}
	sites, err := e.sites(p.Site)
	if err != nil {
		return nil, err
	}
	if kind == engine.ByPattern {
		if ban.Pattern, err = e.pattern(p.Pattern); err != nil {
			return nil, err
		}
		if len(sites) == 0 {
			return []engine.Ban{ban}, nil
		}
	}
	if len(sites) == 0 {
		return nil, errors.New("tags: each host has its own here: expected a site")
	}
	bans := make([]engine.Ban, len(sites))
	for i, site := range sites {
		bans[i] = ban
		bans[i].Site = site
	}
	return bans, nil
}

// pattern compiles an expression on path and query.
func (e *Edge) pattern(expr string) (*store.Pattern, error) {
	if rest := strings.TrimPrefix(expr, "^"); strings.HasPrefix(rest, "http://") || strings.HasPrefix(rest, "https://") || strings.HasPrefix(rest, "https?://") {
		return nil, fmt.Errorf("pattern %q: it is matched against path and query alone: expected one without scheme and host, and the host as site", expr)
	}
	slash := 3 // of http://host/
	if !e.o.PreserveHost {
		slash = strings.Count(e.o.Origin, "/") + 1
	}
	p, err := store.NewPattern(expr, slash)
	var fault *store.PatternError
	if errors.As(err, &fault) {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	return p, err
}

// sites are what the keys of the sites begin with that a name means; none
// where the name is empty and there are several.
func (e *Edge) sites(name string) ([][]byte, error) {
	if !e.o.PreserveHost {
		host := string(e.origin.authority)
		if name == "" || strings.EqualFold(name, e.o.Origin) || strings.EqualFold(name, host) {
			return [][]byte{[]byte(e.o.Origin)}, nil
		}
		return nil, fmt.Errorf("site %q: this cache has one: expected %s, or none", name, host)
	}
	if name == "" {
		return nil, nil
	}
	if strings.Contains(name, "://") {
		site, err := e.site(name, name)
		return [][]byte{site}, err
	}
	var sites [][]byte
	for _, scheme := range []string{"http://", "https://"} {
		site, err := e.site(name, scheme+name)
		if err != nil {
			return nil, err
		}
		sites = append(sites, site)
	}
	return sites, nil
}

// site is what keys of a host begin with.
func (e *Edge) site(name, url string) ([]byte, error) {
	_, host, _ := strings.Cut(url, "://")
	v, err := e.visitTo(url)
	if err != nil || host == "" || strings.ContainsAny(host, "/?#") {
		return nil, fmt.Errorf("site %q: expected host[:port], or http[s]://host[:port]", name)
	}
	return v.beginKey(), nil
}
