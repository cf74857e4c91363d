package main

import (
	"os"

	"opencache/internal/config"
)

// schemaCmd is opencache schema.
type schemaCmd struct {
	Kind string `arg:"" optional:"" enum:"site,node," default:"site" help:"site or node (default ${default})."`
}

// Help is shown by opencache schema --help.
func (c *schemaCmd) Help() string {
	return "A JSON Schema (2020-12) for editors and programs that write documents. Point a document's \"$schema\" at it:\n\n" +
		"    opencache schema site > site.schema.json\n\nWhat fields say together, and expressions, opencache check knows."
}

// Run prints the schema.
func (c *schemaCmd) Run() error {
	kind := config.SiteKind
	if c.Kind == "node" {
		kind = config.NodeKind
	}
	_, err := os.Stdout.Write(config.Schema(kind))
	return err
}
