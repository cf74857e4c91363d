package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// tagFields are names of response fields that tag what is stored, or "none" alone.
type tagFields []string

// UnmarshalText appends the names in text, one a line.
func (f *tagFields) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		name := strings.TrimSuffix(line, "\n")
		switch {
		case !isFieldName(name):
			return fmt.Errorf("%q is no field name: expected one like Surrogate-Key, or none", name)
		case len(*f) > 0 && (name == "none" || (*f)[0] == "none"):
			return errors.New("none beside others: expected it alone")
		case wire.Lookup(name) != wire.Other && !usuallyTags(name):
			return fmt.Errorf("%s says something else than tags: expected a field like Surrogate-Key, or none", name)
		}
		*f = append(*f, name)
	}
	return nil
}

func usuallyTags(name string) bool {
	return slices.ContainsFunc(engine.TagFields(), func(usual string) bool { return strings.EqualFold(name, usual) })
}

// names are the fields as the engine has them, where nil is the usual ones.
func (f tagFields) names() []string {
	if len(f) > 0 && f[0] == "none" {
		return []string{}
	}
	return f
}
