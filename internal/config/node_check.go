package config

import (
	"strings"
)

// checkNode finds what is wrong between the fields of a node's document. What
// depends on both documents is checked when they are merged: see Set.
func checkNode(r *reader, n *Node) {
	root := &path{}
	checkVolumes(r, &n.Cache, root.field("cache"))
	network := root.field("network")
	r.notEmpty(n.Network.Listeners == nil || len(n.Network.Listeners) > 0, network.field("listeners"), "at least one listener")
	addresses := names{}
	for i, l := range n.Network.Listeners {
		r.unique(addresses, l.Address, i, network.field("listeners").item(i).field("address"))
	}
	checkSecret(r, n.Network.AdminToken, network.field("adminToken"))
	checkSecret(r, n.Network.VisitorKey, network.field("visitorKey"))
	if l := n.Monitoring.Loki; l != nil {
		at := root.field("monitoring").field("loki")
		checkSecret(r, l.Password, at.field("password"))
		if l.Password != nil && l.User == "" {
			r.wrong(at.field("user"), Fault{Expected: "a user, since there is a password"})
		}
	}
	checkNext(r, &n.Retries.ProxySettings, root.field("retries"))
	if p := n.CacheTierPolicy; p != nil {
		checkPolicy(r, p, root.field("cacheTierPolicy"))
	}
}

func checkVolumes(r *reader, c *NodeCache, p *path) {
	volumes, folders := names{}, names{}
	for i, v := range c.Volumes {
		at := p.field("volumes").item(i)
		r.unique(volumes, v.Name, i, at.field("name"))
		r.notEmpty(v.Dirs == nil || len(v.Dirs) > 0, at.field("dirs"), "at least one folder")
		for j, dir := range v.Dirs {
			r.unique(folders, dir.Path, i, at.field("dirs").item(j).field("path"))
		}
	}
	for name, o := range c.ZoneOverrides {
		if o.Storage == "memory" && len(o.Volumes) > 0 {
			r.wrong(p.field("zoneOverrides").field(name).field("volumes"), Fault{Found: "a list", Expected: "none, since the zone is in memory"})
		}
	}
}

// checkSecret wants one place to read a secret.
func checkSecret(r *reader, s *Secret, p *path) {
	if s != nil && (s.File == "") == (s.Env == "") {
		r.wrong(p, Fault{Expected: "file or env, one of them"})
	}
}

func checkPolicy(r *reader, c *CacheTierPolicy, p *path) {
	zones, ids := names{}, names{}
	for i := range c.Zones {
		r.unique(zones, c.Zones[i].Name, i, p.field("zones").item(i).field("name"))
		checkZone(r, &c.Zones[i], p.field("zones").item(i))
	}
	for i := range c.Rules {
		rule, at := &c.Rules[i], p.field("rules").item(i)
		r.unique(ids, rule.ID, i, at.field("id"))
		pattern := strings.ToLower(strings.TrimPrefix(rule.Match.URIPattern, "^"))
		if strings.HasPrefix(pattern, reserved) {
			r.wrong(at.field("match").field("uriPattern"), Fault{Found: quoted(rule.Match.URIPattern), Expected: "paths that are not below " + reserved + ", which is the edge's own"})
		}
		r.notEmpty(rule.Match.Methods == nil || len(rule.Match.Methods) > 0, at.field("match").field("methods"), "at least one method")
		checkStale(r, rule.Stale, at.field("stale"))
	}
	checkNormalization(r, c.QueryNormalization, p.field("queryNormalization"))
}
