package expr

// Quick reports whether p is matched without regexp.
func (p *Pattern) Quick() bool { return p.quick != nil }

// Slow is Match by regexp.
func (p *Pattern) Slow(b []byte) bool { return p.re.Match(b) }
