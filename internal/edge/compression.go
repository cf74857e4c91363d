package edge

import (
	"cmp"

	"opencache/internal/coding"
	"opencache/internal/config"
)

// maxEncoders is how many contents are compressed at once where nothing is said.
const maxEncoders = 64

// encodersOf are the plan's: those of the plan before while there are to be as
// many.
func (c *compiling) encodersOf(n *config.Node) *coding.Encoders {
	most := cmp.Or(intOf(n.Compression.Encoders), maxEncoders)
	if p := c.previous; p != nil && p.encoders != nil && p.encoders.Most() == most {
		return c.previous.encoders
	}
	return coding.NewEncoders(most)
}

// Encoders returns what compresses, for its counts.
func (p *Plan) Encoders() *coding.Encoders { return p.encoders }

// codingOf compiles a route's section, or the site's when it has none; nil:
// nothing is compressed.
func (c *compiling) codingOf(site, own *config.Compression) *coding.Policy {
	d := own
	if d == nil {
		d = site
	}
	if d == nil || d.Enabled != nil && !*d.Enabled {
		return nil
	}
	p := &coding.Policy{Types: d.Types, Encoders: c.plan.encoders}
	for _, name := range d.Codings {
		one, _ := coding.Parse(name) // the document was checked
		p.Codings = append(p.Codings, one)
	}
	p.Level, _ = coding.ParseLevel(d.Level)
	if d.MinSize != nil {
		p.MinSize = int64(*d.MinSize)
	}
	if d.MaxSize != nil {
		p.MaxSize = int64(*d.MaxSize)
	}
	return p
}
