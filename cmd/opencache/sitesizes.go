package main

import (
	"errors"
	"fmt"
	"strings"
)

// A siteSize is how much of the store a site may have.
type siteSize struct {
	site string // a host, or scheme://host; "": every site that has none of its own
	size size
}

// siteSizes are a flag's values, one for each site at most.
type siteSizes []siteSize

// smallestSite is the least that a site can be held to.
const smallestSite size = 1 << 20

// UnmarshalText appends the sizes in text, one a line: SIZE or SITE=SIZE.
func (s *siteSizes) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		site, value, named := cutLast(line, '=')
		if !named {
			value = line
		}
		one := siteSize{site: strings.ToLower(site)}
		if err := one.size.UnmarshalText([]byte(value)); err != nil {
			return err
		}
		switch {
		case named && !isSite(one.site):
			return fmt.Errorf("%q is no site: expected a host, with a port or without, or http[s]://host", site)
		case one.size != 0 && one.size < smallestSite:
			return fmt.Errorf("%q: expected at least %s, or 0 for none", value, smallestSite)
		}
		for _, other := range *s {
			if other.site == one.site {
				return fmt.Errorf("%q: expected one size for it, found two", line)
			}
		}
		*s = append(*s, one)
	}
	return nil
}

// isSite reports what can be the beginning of a key, or the authority in it.
func isSite(s string) bool {
	_, host, found := strings.Cut(s, "://")
	if !found {
		host = s
	} else if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") {
		return false
	}
	return host != "" && !strings.ContainsAny(host, "/?#@ ")
}

// others is the size of sites that have none of their own; 0: none.
func (s siteSizes) others() int64 {
	for _, one := range s {
		if one.site == "" {
			return int64(one.size)
		}
	}
	return 0
}

// named yields the sizes of sites, under the names that they can have in keys.
func (s siteSizes) named(yield func(name string, n int64) bool) {
	for _, one := range s {
		names := []string{one.site}
		if !strings.Contains(one.site, "://") {
			names = []string{"http://" + one.site, "https://" + one.site}
		}
		for _, name := range names {
			if one.site != "" && !yield(name, int64(one.size)) {
				return
			}
		}
	}
}

// checkSites refuses sizes that could never count.
func (o *serveOptions) checkSites() error {
	for _, sizes := range []siteSizes{o.SiteShare, o.SiteLimit} {
		for range sizes.named {
			if !o.PreserveHost {
				return errors.New("--site-share, --site-limit: SITE= is for --preserve-host: without it all that is stored is of one site")
			}
		}
	}
	return nil
}

// shareSites gives the sites that flags name their shares and limits.
func (s *stack) shareSites(o *serveOptions) error {
	type pair struct{ share, limit int64 }
	sites := map[string]pair{}
	of := func(name string) pair {
		if p, ok := sites[name]; ok {
			return p
		}
		return pair{o.SiteShare.others(), o.SiteLimit.others()}
	}
	for name, n := range o.SiteShare.named {
		sites[name] = pair{n, of(name).limit}
	}
	for name, n := range o.SiteLimit.named {
		sites[name] = pair{of(name).share, n}
	}
	for name, p := range sites {
		if err := s.zone.SetShare(s.zone.OpenSite([]byte(name)), p.share, p.limit); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
