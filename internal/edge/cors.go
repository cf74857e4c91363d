package edge

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// cors is what the edge says to scripts of other origins, in place of the
// upstream (Fetch, 3.2).
type cors struct {
	uris        []*expr.Pattern // paths that it is for; nil: all
	origins     map[string]bool // nil: any
	credentials bool
	methods     string
	headers     string // "": those that a preflight asks for
	expose      string
	maxAge      string
	clear       wire.Edits // the upstream's
}

// corsFields are the fields that are the edge's alone.
var corsFields = [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
	"Access-Control-Expose-Headers", "Access-Control-Allow-Credentials", "Access-Control-Max-Age"}

// corsOf compiles a route's section, or the site's when it has none; nil: the
// upstream says what it likes.
func corsOf(site, own *config.CORS) (*cors, error) {
	d := own
	if d == nil {
		d = site
	}
	if d == nil || !d.Enabled {
		return nil, nil
	}
	c := &cors{credentials: d.AllowCredentials, methods: "GET, HEAD, OPTIONS", headers: strings.Join(d.AllowHeaders, ", "), expose: strings.Join(d.ExposeHeaders, ", ")}
	if len(d.AllowMethods) > 0 {
		c.methods = strings.Join(d.AllowMethods, ", ")
	}
	if d.MaxAge != nil {
		c.maxAge = strconv.FormatInt(int64(time.Duration(*d.MaxAge)/time.Second), 10)
	}
	for _, o := range d.AllowOrigins {
		if o == "*" {
			c.origins = nil
			break
		}
		if c.origins == nil {
			c.origins = map[string]bool{}
		}
		c.origins[strings.ToLower(o)] = true
	}
	for _, text := range d.ApplyToURIs {
		if own != nil {
			return nil, errors.New("applyToUris in a site's section only")
		}
		p, err := expr.ParsePattern(text, false)
		if err != nil {
			return nil, err
		}
		c.uris = append(c.uris, p)
	}
	for _, name := range corsFields {
		c.clear.Remove(name)
	}
	return c, nil
}

// holds reports whether the section is for the request.
func (c *cors) holds(v *visit) bool {
	if c.uris == nil {
		return true
	}
	path := v.path()
	for _, p := range c.uris {
		if p.Match(path) {
			return true
		}
	}
	return false
}

// allows reports whether scripts of an origin may read the answer.
func (c *cors) allows(origin []byte) bool {
	return len(origin) > 0 && (c.origins == nil || c.origins[string(bytes.ToLower(origin))])
}

// edit puts what the edge says in place of what the upstream did.
func (c *cors) edit(fields []byte, has wire.NameSet, v *visit) []byte {
	fields = c.clear.Apply(fields, has)
	origin := v.r.Get(wire.Origin)
	switch {
	case c.origins == nil && !c.credentials:
		fields = wire.AppendNamed(fields, "Access-Control-Allow-Origin", "*")
	default:
		// It is another answer for another origin, also when this one has none.
		if !varies(fields, has, "Origin") {
			fields = wire.AppendNamed(fields, "Vary", "Origin")
		}
		if !c.allows(origin) {
			return fields
		}
		fields = wire.AppendNamed(fields, "Access-Control-Allow-Origin", origin)
		if c.credentials {
			fields = wire.AppendNamed(fields, "Access-Control-Allow-Credentials", "true")
		}
	}
	if c.expose != "" {
		fields = wire.AppendNamed(fields, "Access-Control-Expose-Headers", c.expose)
	}
	if v.r.Method == wire.OPTIONS && c.allows(origin) {
		fields = c.appendPreflight(fields, v.r)
	}
	return fields
}

// varies reports whether the lines of Vary name a field already, or all.
func varies(fields []byte, has wire.NameSet, name string) bool {
	if !has.Has(wire.Vary) {
		return false
	}
	for id, line := range wire.Lines(fields) {
		if id != wire.Vary {
			continue
		}
		for member := range bytes.SplitSeq(line.Value, []byte{','}) {
			if member = bytes.TrimSpace(member); wire.EqualFold(member, name) || string(member) == "*" {
				return true
			}
		}
	}
	return false
}

// preflight answers what a browser asks before a script's request; false: it
// is no such question.
func (v *visit) preflight() bool {
	c := v.choice.route.cors
	if c == nil || v.r.Method != wire.OPTIONS || !c.holds(v) {
		return false
	}
	v.p.Status, v.p.Length = 204, 0
	v.begin()
	_ = v.p.End(nil)
	return true
}

// appendPreflight appends what a script may ask for.
func (c *cors) appendPreflight(fields []byte, r *wire.Request) []byte {
	fields = wire.AppendNamed(fields, "Access-Control-Allow-Methods", c.methods)
	headers := []byte(c.headers)
	if c.headers == "" || c.headers == "*" && c.credentials { // with credentials a star means no more than its name
		for value := range r.Values("Access-Control-Request-Headers") {
			if headers = append(headers[:0:0], value...); len(headers) > 0 {
				fields = wire.AppendNamed(fields, "Vary", "Access-Control-Request-Headers")
			}
			break
		}
	}
	if len(headers) > 0 {
		fields = wire.AppendNamed(fields, "Access-Control-Allow-Headers", headers)
	}
	if c.maxAge != "" {
		fields = wire.AppendNamed(fields, "Access-Control-Max-Age", c.maxAge)
	}
	return fields
}
