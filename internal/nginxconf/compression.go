package nginxconf

import (
	"slices"
	"strconv"
	"strings"

	"opencache/internal/config"
)

// compression is what gzip, and brotli and zstd of nginx's modules, come to in
// a location; nil: nothing is compressed.
func (s *site) compression(in *scope) object {
	var from []*Directive
	var codings, types []string
	var least *config.Size
	var o object
	for _, one := range []struct{ name, coding string }{{"zstd", "zstd"}, {"brotli", "br"}, {"gzip", "gzip"}} {
		if !in.is(one.name, "on") {
			continue
		}
		from, codings = append(from, in.one(one.name)), append(codings, one.coding)
		for _, d := range in.all(one.name + "_types") {
			types, from = append(types, d.Args...), append(from, d)
		}
		if d := in.one(one.name + "_min_length"); d != nil {
			if n, err := size(d.arg(0)); err == nil && (least == nil || n < *least) {
				least, from = &n, append(from, d)
			}
		}
	}
	if len(codings) == 0 {
		return nil
	}
	o.put("codings", codings, from...)
	if slices.Contains(types, "*") {
		s.notes.add(from[0], Changed, "not every type is compressed", "those of text; types")
	} else {
		types = append(types, "text/html")
		slices.Sort(types)
		o.put("types", lowerAll(slices.Compact(types)))
	}
	if least == nil {
		least = new(config.Size)
		*least = 20
	}
	o.put("minSize", max(int64(*least), 1))
	if d := in.one("gzip_comp_level"); d != nil && in.is("gzip", "on") {
		if level := levelOf(d.arg(0)); level != "default" {
			o.put("level", level, d)
		}
	}
	s.notes.add(from[0], Changed, "each coding is stored once, with Vary, and what tells a length above 16M is left alone", "compression.maxSize")
	return o
}

func lowerAll(list []string) []string {
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	return list
}

// levelOf is the level that is nearest to one of gzip's.
func levelOf(text string) string {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n >= 3 && n <= 6:
		return "default"
	case n < 3:
		return "fast"
	}
	return "best"
}
