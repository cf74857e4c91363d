package engine

import (
	"bytes"
	"iter"
	"slices"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// Tags name what stored responses have in common, for purges. The origin gives
// them in fields of the response; a site's tags are its own. A tag is a tag
// whichever field it came by, but for case: what ignores it is hashed in lower
// case, apart from the others, and a purge by tag looks for both.
//
// The lowest bit of a tag's hash tells groups (Cache-Groups) from tags: an
// unsafe request drops what shares a group with what it changes, and a group is
// one origin's. Operators purge groups like tags, so they are both.
const groupBit = 1

const (
	// maxTag is the longest tag, in bytes.
	maxTag = 1024
	// foldMark goes before a tag in lower case when it is hashed. No field's
	// value holds it.
	foldMark = 0
)

// TagFields returns the fields that tag responses unless a Policy says otherwise.
func TagFields() []string {
	return []string{"Surrogate-Key", "Cache-Tag", "Edge-Cache-Tag", "xkey"}
}

// A tagSyntax is how a field writes its tags.
type tagSyntax struct {
	separators string // beside the whitespace around a tag, which is none of it
	fold       bool   // case means nothing
}

// tagSyntaxOf is the syntax of the field with that name as its inventor has
// it: Fastly separates by spaces, Cloudflare and Akamai by commas, Varnish by
// both, and so are fields that nobody else knows. Case means nothing to
// Cloudflare alone.
func tagSyntaxOf(field string) tagSyntax {
	switch wire.Lookup(field) {
	case wire.SurrogateKey:
		return tagSyntax{separators: " \t"}
	case wire.CacheTag:
		return tagSyntax{separators: ",", fold: true}
	case wire.EdgeCacheTag:
		return tagSyntax{separators: ","}
	}
	return tagSyntax{separators: " \t,"}
}

// TagsIn yields the tags in a line of a field with that name. Members that are
// empty are none.
func TagsIn(field string, line []byte) iter.Seq[[]byte] {
	separators := tagSyntaxOf(field).separators
	return func(yield func([]byte) bool) {
		for len(line) > 0 {
			tag, rest := line, []byte(nil)
			if i := bytes.IndexAny(line, separators); i >= 0 {
				tag, rest = line[:i], line[i+1:]
			}
			line = rest
			if tag = bytes.Trim(tag, " \t"); len(tag) > 0 && !yield(tag) {
				return
			}
		}
	}
}

// A tagging is what a response's fields say of its tags.
type tagging struct {
	tags []uint64 // sorted, each once
	// over: there are more, or longer ones, than are kept. Such a response is
	// not stored: a purge by a tag that was lost would miss it.
	over bool
}

// takeTags reads the tags of a response of the origin that keys begin with,
// and takes their fields away unless p leaves them.
func (e *Engine) takeTags(p *Policy, origin []byte, resp *wire.Response) (t tagging) {
	site := e.ownerOf(e.siteOf(p, origin), p.Owner)
	fields := p.TagFields
	if fields == nil {
		if !resp.Names().Overlaps(usualTags) {
			return t
		}
		fields = usualTagFields
	}
	for _, field := range fields {
		fold, found := tagSyntaxOf(field).fold, false
		for line := range resp.Values(field) {
			found = true
			for tag := range TagsIn(field, line) {
				t.add(e.tag(site, tag, fold), len(tag))
			}
		}
		if found && !p.PassTags {
			resp.DelNamed(field)
		}
	}
	if resp.Has(wire.CacheGroups) {
		lines := slices.Collect(resp.Values("Cache-Groups"))
		for _, group := range rfc9111.Groups(lines) {
			t.add(e.tag(site, []byte(group), false), 0)
		}
		for _, group := range e.groups(p, origin, lines) {
			t.add(group, 0)
		}
	}
	t.tags = merged(t.tags, nil)
	return t
}

// usualTagFields is TagFields, and usualTags what there is to look for then.
var (
	usualTagFields = TagFields()
	usualTags      = wire.NamesOf(wire.SurrogateKey, wire.CacheTag, wire.EdgeCacheTag, wire.XKey, wire.CacheGroups)
)

func (t *tagging) add(tag uint64, length int) {
	if length > maxTag || len(t.tags) >= store.TagsMax {
		t.over = true
		return
	}
	t.tags = append(t.tags, tag)
}

// tag is the hash of a site's tag.
func (e *Engine) tag(site uint64, text []byte, fold bool) uint64 {
	if !fold {
		return e.store.Tag(site, text) &^ groupBit
	}
	var short [64]byte
	return e.store.Tag(site, append(append(short[:0], foldMark), bytes.ToLower(text)...)) &^ groupBit
}

// groupsIn keeps those of the tags that are groups.
func groupsIn(tags []uint64) []uint64 {
	return slices.DeleteFunc(tags, func(t uint64) bool { return t&groupBit == 0 })
}

// within reports whether a response with t may freshen what is stored with
// tags: a tag that is not among them would be lost. One that it has no more
// stays, and a purge drops more than it need.
func (t *tagging) within(tags []uint64) bool {
	return !t.over && !slices.ContainsFunc(t.tags, func(tag uint64) bool { return !slices.Contains(tags, tag) })
}

// merged returns the tags of both, sorted, each once. It may change a.
func merged(a, b []uint64) []uint64 {
	all := append(a, b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// noteTags has o know the tags of what it is of: a part that completes it has
// them, too.
func (c *call) noteTags(o *old) {
	o.tags = c.e.store.AppendTags(nil, o.hash, o.key)
	var now store.Entry
	c.e.store.Lookup(o.hash, o.key, c.now.UnixMilli(), &now)
	o.untold = now.Kind != store.Object || now.Version != o.version // replaced or dropped since it was looked up
	now.Release()
}

// joinTags gives f the tags of the part that it completes. It reports false
// when they are not known.
func (f *fetch) joinTags() bool {
	f.tagged.tags = merged(f.tagged.tags, f.old.tags)
	return !f.tagged.over && !f.old.untold
}
