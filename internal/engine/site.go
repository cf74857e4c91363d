package engine

// siteOf is the store's number for the site that a response belongs to: the
// Policy's or, where that names none, the origin that its key begins with.
// Shares, limits and purges of a site go by it.
func (e *Engine) siteOf(p *Policy, origin []byte) uint64 {
	if len(p.Site) > 0 {
		origin = p.Site
	}
	return e.store.Site(origin)
}

// ownerOf is what tells an owner's tags from those of others that have the same
// account.
func (e *Engine) ownerOf(site uint64, owner []byte) uint64 {
	if len(owner) == 0 {
		return site
	}
	return e.store.Tag(site, owner)
}

// siteOf is Engine.siteOf for what c asks for.
func (c *call) siteOf() uint64 { return c.e.siteOf(c.pol, c.key[:c.origin]) }

// siteOf is Engine.siteOf for what f brings.
func (f *fetch) siteOf() uint64 { return f.e.siteOf(f.pol, f.key[:f.origin]) }

// account is siteOf for what is going to be stored: the site gets an account.
func (f *fetch) account() uint64 {
	name := f.pol.Site
	if len(name) == 0 {
		name = f.key[:f.origin]
	}
	return f.e.store.OpenSite(name)
}
