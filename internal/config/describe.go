package config

import (
	_ "embed"
	"strings"
)

// descriptionsText holds a line for each field of the documents: its struct
// and name, a tab, its comment. A test writes it from the sources, since a
// program does not have its own comments.
//
//go:embed descriptions.txt
var descriptionsText string

// descriptions are the comments of fields, by struct and name: Site.ID.
func descriptions() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(descriptionsText) {
		if name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			all[name] = text
		}
	}
	return all
}
