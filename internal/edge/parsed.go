package edge

import "opencache/internal/expr"

// parsed has what expressions come to, each parsed once for all sites of one
// run: many sites say the same, and all say what the fleet's policy does. What
// is parsed is never changed, so that they can have it together. The zero
// value is ready.
type parsed struct {
	patterns   map[patternText]*expr.Pattern
	conditions map[string]*expr.Condition
	keys       map[string]*expr.Key
	texts      map[placedText]*expr.Text
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
