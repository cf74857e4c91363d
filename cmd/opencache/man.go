package main

import (
	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
)

// manCmd is opencache man.
type manCmd struct{}

// Run prints the manual page, for man -l or for a package.
func (manCmd) Run(app *kong.Kong) error {
	return mangokong.ManFlag(true).BeforeApply(app)
}
