package config

import "strings"

// checkSite finds what is wrong between the fields of a site.
func checkSite(r *reader, id string, s *Site) {
	root := &path{}
	if s.ID != id && s.ID != "" {
		r.wrong(root.field("id"), Fault{Found: quoted(s.ID), Expected: "the id of the document's key, " + quoted(id)})
	}
	checkHostnames(r, s, root.field("hostnames"))
}

func checkHostnames(r *reader, s *Site, p *path) {
	if s.Hostnames != nil && len(s.Hostnames) == 0 {
		r.wrong(p, Fault{Found: "an empty list", Expected: "at least one host"})
	}
	seen := map[string]bool{}
	for i, host := range s.Hostnames {
		if name := strings.ToLower(host); seen[name] {
			r.warn(p.item(i), Fault{Found: quoted(host) + " a second time", Expected: "each host once"})
		} else {
			seen[name] = true
		}
	}
}
