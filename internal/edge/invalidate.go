package edge

import (
	"bytes"
	"slices"

	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// invalidate drops what an unsafe request has put out of date and the engine
// does not see: what requests for its target have stored by other rules, under
// other keys, and for other cookies and fields (RFC 9111, 4.4). Groups that the
// answer names are dropped where these rules store, in each account and volume.
func (v *visit) invalidate(resp *wire.Response) {
	get := visit{e: v.e, plan: v.plan}
	get.r, get.site, get.node, get.client, get.geo, get.where, get.visitors = v.r, v.site, v.node, v.client, v.geo, v.where, v.visitors
	get.outdate(v.key, slices.Collect(resp.Values("Cache-Group-Invalidation")))
}

// outdate drops what is stored for the visit's target by each rule that its
// route can have, but for what is under key, which the engine drops. Where a
// rule's key names cookies or fields behind the URL, it drops what that has
// for any of them; where it names them before, only what it has for those of
// this request: the rest would be other URLs as well, for each POST.
func (v *visit) outdate(key []byte, groups [][]byte) {
	route, _, _ := v.site.at.find(v.path())
	if route < 0 {
		return
	}
	var last, begins []byte
	for i := range v.site.rules {
		v.choice = v.site.take(v.site.choice(route, i))
		if v.choice == nil || v.choice.key == nil {
			continue
		}
		v.makeKey()
		if len(groups) > 0 {
			for _, on := range v.choice.zone.volumes {
				on.Engine.PurgeGroups(&v.choice.policy, v.key[:v.to.Origin], groups)
			}
		}
		if all, reach := v.choice.key.AppendURL(nil, &v.values); reach == expr.Begins && !bytes.Equal(all, begins) {
			for _, on := range v.choice.zone.volumes {
				on.Engine.Ban(&engine.Ban{Site: v.account(v.choice), Prefix: all})
			}
			begins = all
		}
		if bytes.Equal(v.key, last) || bytes.Equal(v.key, key) {
			continue
		}
		v.choice.on(v.key).Engine.Purge(v.key, false)
		last = append(last[:0], v.key...)
	}
}
