package main

import (
	"errors"
	"fmt"
	"strings"

	"opencache/internal/config"
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

// config is the size of a site as documents have it, or that of others when it
// has none of its own; nil: none.
func (s siteSizes) config(site string) (found *config.Size) {
	for i := range s {
		if one := &s[i]; one.site == site || one.site == "" && found == nil {
			if found = nil; one.size > 0 {
				found = bytesOf(one.size)
			}
			if one.site == site {
				return found
			}
		}
	}
	return found
}

// checkSites refuses sizes that could never count.
func (o *serveOptions) checkSites() error {
	for _, sizes := range []siteSizes{o.SiteShare, o.SiteLimit} {
		for _, one := range sizes {
			if one.site != "" && !o.PreserveHost {
				return errors.New("--site-share, --site-limit: SITE= is for --preserve-host: without it all that is stored is of one site")
			}
		}
	}
	return nil
}
