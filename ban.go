package opencache

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/store"
)

// A Ban names what to drop beside a single URL, by exactly one of Tags, Prefix
// and Pattern.
type Ban struct {
	// Tags drop what has one of them in its Surrogate-Key, Cache-Tag,
	// Edge-Cache-Tag, xkey or Cache-Groups, whatever the host. Case means
	// nothing in Cache-Tag. A response with more than 1,024 tags, or one of
	// more than 1,024 bytes, is not stored.
	Tags []string
	// Prefix is what URLs begin with: http[s]://host/path.
	Prefix string
	// Pattern is a regular expression, as of package regexp, on path and query:
	// up to 1 KiB.
	Pattern string
	// Soft keeps what is dropped otherwise, to be validated before it is used.
	Soft bool
}

// errBan: a Ban names nothing, or several things.
var errBan = errors.New("opencache: ban: expected exactly one of Tags, Prefix and Pattern")

// pathSlash is the slash of a key (place.appendKey) that the path begins with.
const pathSlash = 3

// ban returns what drops what b names of a place whose keys begin with prefix
// and that is a site of its own.
func (b *Ban) ban(site, prefix string) (engine.Ban, error) {
	out := engine.Ban{Site: []byte(site), Soft: b.Soft}
	switch {
	case len(b.Tags) > 0 && b.Prefix == "" && b.Pattern == "":
		out.Tags = b.Tags
	case b.Prefix != "" && len(b.Tags) == 0 && b.Pattern == "":
		u, err := url.Parse(b.Prefix)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" || strings.HasSuffix(b.Prefix, "?") {
			return out, fmt.Errorf("opencache: ban: prefix %q: expected http[s]://host/path", b.Prefix)
		}
		out.Prefix = (&place{prefix: prefix}).appendKey(nil, &http.Request{URL: u})
	case b.Pattern != "" && len(b.Tags) == 0 && b.Prefix == "":
		p, err := store.NewPattern(b.Pattern, pathSlash)
		if err != nil {
			return out, fmt.Errorf("opencache: ban: pattern %q: %w", b.Pattern, err)
		}
		out.Pattern = p
	default:
		return out, errBan
	}
	return out, nil
}

// ban drops what is stored here and b names.
func (p *place) ban(b Ban) error {
	ban, err := b.ban(p.prefix, p.prefix)
	if err != nil {
		return err
	}
	if e := p.store.enter(); e != nil {
		defer p.store.leave()
		e.Ban(&ban)
	}
	return nil
}
