package config

import (
	"slices"
	"strings"
)

// Compression is which answers are compressed, on their way to the store: so
// that each coding of a response is stored once.
type Compression struct {
	// Enabled false is as if nothing were said, also by the site for its routes.
	Enabled *bool `json:"enabled,omitzero" default:"true"`
	// Codings are zstd, br and gzip; of those that a client likes alike the first.
	Codings []string `json:"codings,omitzero" is:"one of zstd br gzip" default:"zstd br gzip"`
	// Types are the media types that it is for: text/html, or text/* for all of
	// a kind. Default those of text.
	Types []string `json:"types,omitzero" is:"media type" default:"text/css text/csv text/html text/javascript text/markdown text/plain text/vtt text/xml application/atom+xml application/geo+json application/javascript application/json application/ld+json application/manifest+json application/rss+xml application/vnd.api+json application/wasm application/xhtml+xml application/xml application/x-javascript font/otf font/ttf image/bmp image/svg+xml image/vnd.microsoft.icon image/x-icon"`
	// MinSize is the least content that is compressed. Default 1K.
	MinSize *Size `json:"minSize,omitzero" is:"positive" default:"1K"`
	// MaxSize is the most, where the length is told: ranges are of what is not
	// compressed. Default 16M.
	MaxSize *Size `json:"maxSize,omitzero" is:"positive" default:"16M"`
	// Level is fast, default or best.
	Level string `json:"level,omitzero" is:"one of fast default best" default:"default"`
}

// NodeCompression bounds what compressing costs a node.
type NodeCompression struct {
	// Encoders is how many contents are compressed at once, at about 4 MiB each
	// at most; more go as they are. Default 64.
	Encoders *int `json:"encoders,omitzero" is:"1..4096" default:"64"`
}

func checkCompression(r *reader, c *Compression, p *path) {
	if c == nil {
		return
	}
	r.notEmpty(c.Codings == nil || len(c.Codings) > 0, p.field("codings"), "at least one coding, or enabled: false")
	r.notEmpty(c.Types == nil || len(c.Types) > 0, p.field("types"), "at least one media type, or enabled: false")
	if c.MinSize != nil && c.MaxSize != nil && *c.MinSize > *c.MaxSize {
		r.wrong(p.field("minSize"), Fault{Expected: "not more than maxSize"})
	}
	for i, name := range c.Codings {
		if slices.Contains(c.Codings[:i], name) {
			r.warn(p.field("codings").item(i), Fault{Found: quoted(name) + " a second time", Expected: "each coding once"})
		}
	}
}

// isMediaType takes type/subtype and type/*, in lower case.
func isMediaType(s string) bool {
	group, kind, _ := strings.Cut(s, "/")
	return isToken(group) && isToken(kind) && group != "*" && s == strings.ToLower(s)
}
