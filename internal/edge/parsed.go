package edge

import (
	"strconv"
	"strings"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
)

// parsed has what parts of documents come to, each compiled once for all sites
// of one run: many sites say the same, and all say what the fleet's policy
// does. What is compiled is never changed, so that they can have it together,
// and a processor's caches hold it though each request is another site's. The
// zero value is ready.
type parsed struct {
	patterns   map[patternText]*expr.Pattern
	conditions map[string]*expr.Condition
	keys       map[string]*expr.Key
	texts      map[placedText]*expr.Text
	places     map[string]*locations
	edits      map[string]*headerEdit
	extensions map[string]*map[string]bool
	passing    map[string]*engine.Passing
	forms      map[string]*form
}

// A patternText is what a pattern is parsed from.
type patternText struct {
	text string
	fold bool
}

// A placedText is what a text is parsed from.
type placedText struct {
	text  string
	place expr.Place
}

func (p *parsed) parsePattern(text string, fold bool) (*expr.Pattern, error) {
	return once(&p.patterns, patternText{text, fold}, func() (*expr.Pattern, error) { return expr.ParsePattern(text, fold) })
}

func (p *parsed) parseCondition(text string) (*expr.Condition, error) {
	return once(&p.conditions, text, func() (*expr.Condition, error) { return expr.ParseCondition(text) })
}

func (p *parsed) parseText(text string, place expr.Place) (*expr.Text, error) {
	return once(&p.texts, placedText{text, place}, func() (*expr.Text, error) { return expr.ParseText(text, place) })
}

func (p *parsed) parseKey(text string, o expr.KeyOptions) (*expr.Key, error) {
	key, err := once(&p.keys, text, func() (*expr.Key, error) { return expr.ParseKey(text, expr.KeyOptions{}) })
	if err != nil {
		return nil, err
	}
	return key.With(o), nil
}

// once returns what is known of a text, or parses it.
func once[K comparable, V any](known *map[K]*V, text K, parse func() (*V, error)) (*V, error) {
	if v := (*known)[text]; v != nil {
		return v, nil
	}
	v, err := parse()
	if err != nil {
		return nil, err
	}
	if *known == nil {
		*known = map[K]*V{}
	}
	(*known)[text] = v
	return v, nil
}

// joined is a list as a text that no other list has.
func joined(list ...string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(' ')
		b.WriteString(s)
	}
	return b.String()
}

// extensionsOf is the set of a list of extensions, nil of an empty one.
func (p *parsed) extensionsOf(list []string) map[string]bool {
	if len(list) == 0 {
		return nil
	}
	set, _ := once(&p.extensions, joined(list...), func() (*map[string]bool, error) {
		set := setOf(list, strings.ToLower)
		return &set, nil
	})
	return *set
}

// passingOf is which fields pass that a list names.
func (p *parsed) passingOf(list []string) *engine.Passing {
	if p.passing == nil {
		p.passing = map[string]*engine.Passing{}
	}
	key := joined(list...)
	one, ok := p.passing[key] // nil: all do
	if !ok {
		one = engine.NewPassing(list)
		p.passing[key] = one
	}
	return one
}

// locationsOf is what routes' locations come to: l, or what is equal.
func (p *parsed) locationsOf(l *locations, routes []config.Route) *locations {
	list := make([]string, len(routes))
	for i := range routes {
		list[i] = routes[i].Location
	}
	l, _ = once(&p.places, joined(list...), func() (*locations, error) { return l, nil })
	return l
}

// headersOf compiles lists of changes, the weaker ones first.
func (p *parsed) headersOf(lists ...[]config.Header) (*headerEdit, error) {
	var all []string
	for _, list := range lists {
		for _, h := range list {
			all = append(all, h.Name, h.Value, h.Action)
		}
		all = append(all, "", "", "")
	}
	return once(&p.edits, joined(all...), func() (*headerEdit, error) { return p.editOf(lists...) })
}
