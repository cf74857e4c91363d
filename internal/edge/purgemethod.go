package edge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// purge answers PURGE, as the users of other caches send it: for the target
// with all its variants; with * at its end for all that begins so (nginx's
// cache_purge); with tags in a field that tags responses for these, whatever
// the target (Fastly, Varnish's xkey); with "X-Purge-Method: regex" for what
// path and query match (Varnish's plugins). In any case it is about the site
// that the request is for.
func (v *visit) purge() bool {
	if v.r.Method != wire.PURGE {
		return false
	}
	if !v.trusted() {
		return v.answer(403, plain, notTrusted)
	}
	how, ok := v.purgeMethod()
	if !ok {
		return v.answer(400, plain, "X-Purge-Method: expected soft, regex, exact or default\n")
	}
	tags, tagged := v.purgeTags()
	p := Purge{Tags: tags, Soft: how.soft}
	var bans []ban
	var err error
	switch path := v.r.Path(); {
	case tagged && (len(tags) == 0 || len(tags) > MaxPurgeTags):
		return v.answer(400, plain, fmt.Sprintf("%d tags: expected 1 to %d\n", len(tags), MaxPurgeTags))
	case tagged:
		bans, err = v.siteBans(nil, &p, engine.ByTag)
	case how.regex:
		p.Pattern = string(v.r.Target())
		bans, err = v.siteBans(nil, &p, engine.ByPattern)
	case bytes.HasSuffix(v.r.Target(), []byte{'*'}) && path[0] == '/':
		bans, err = v.prefixBans(nil, string(bytes.TrimSuffix(v.r.Target(), []byte{'*'})), how.soft)
	default:
		var done Purged
		found := false
		v.r.SetMethod(wire.GET)
		for _, k := range v.stored() {
			found = k.purge(how.soft, &done) || found
		}
		v.choice = nil
		if !found && done.banned == nil {
			return v.answer(404, asJSON, "{\"purged\":0}\n")
		}
		return v.answer(200, asJSON, "{\"purged\":1}\n")
	}
	v.choice = nil
	if err != nil {
		return v.answer(400, plain, err.Error()+"\n")
	}
	var done Purged
	if len(bans) > 0 {
		done.Kind = bans[0].Kind()
	}
	v.e.ban(bans, &done)
	text, err := json.Marshal(done.Tell()) // how many it hits is found out behind it
	if err != nil {
		return v.answer(500, plain, err.Error()+"\n")
	}
	return v.answer(200, asJSON, string(text)+"\n")
}

// A purgeMethod is how a PURGE is meant.
type purgeMethod struct{ soft, regex bool }

// purgeMethod reads how the PURGE is meant; false: in a way that is not known.
func (v *visit) purgeMethod() (m purgeMethod, ok bool) {
	for _, name := range []string{"Soft-Purge", "Fastly-Soft-Purge"} {
		for value := range v.r.Values(name) {
			m.soft = m.soft || string(value) == "1"
		}
	}
	for value := range v.r.Values("X-Purge-Method") {
		switch strings.ToLower(string(value)) {
		case "soft":
			m.soft = true
		case "regex":
			m.regex = true
		case "exact", "default":
		default:
			return m, false
		}
	}
	return m, true
}

// purgeTags are the tags in the fields that tag responses, and whether there
// is such a field.
func (v *visit) purgeTags() (tags []string, tagged bool) {
	fields := v.site.doc.Cache.Global.Semantics.TagFields
	if fields == nil {
		fields = engine.TagFields()
	}
	for _, field := range fields {
		for line := range v.r.Values(field) {
			tagged = true
			for tag := range engine.TagsIn(field, line) {
				tags = append(tags, string(tag))
			}
		}
	}
	return tags, tagged
}
