package engine

import (
	"slices"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// told are the fields in which each cache on the way appends a member.
var told = wire.NamesOf(wire.CacheStatus, wire.ProxyStatus)

// dropUnreadable takes from an upstream's response what caches before this one
// tell in fields that can not be read: our members behind it could not be
// either (RFC 9651, 4.2; RFC 9211 and 9209, 2).
func dropUnreadable(resp *wire.Response) {
	if !resp.Names().Overlaps(told) {
		return
	}
	for _, name := range []wire.Name{wire.CacheStatus, wire.ProxyStatus} {
		if resp.Has(name) && !rfc9111.IsList(slices.Collect(resp.Values(name.String()))) {
			resp.Del(name)
		}
	}
}
