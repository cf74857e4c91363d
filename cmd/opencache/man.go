package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"

	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
)

// manCmd is opencache man.
type manCmd struct{}

// Run prints the manual page, for man -l or for a package.
func (manCmd) Run(app *kong.Kong) error {
	var page bytes.Buffer
	out, exit := app.Stdout, app.Exit
	app.Stdout, app.Exit = &page, func(int) {}
	err := mangokong.ManFlag(true).BeforeApply(app)
	app.Stdout, app.Exit = out, exit
	if err != nil {
		return fmt.Errorf("manual page: %w", err)
	}
	_, err = io.WriteString(out, mend(page.String())+manSections)
	return err
}

// What mango's pages lack: a line's end between a command's name and its
// details, and the tag of the first flag of a group.
var (
	runOn    = regexp.MustCompile(`(?m)^(\\fB[^\n]*\\fP)([A-Z][^\n]+)$`)
	untagged = regexp.MustCompile(`(?m)^\.RS 4\n(\\fB-)`)
)

func mend(page string) string {
	page = runOn.ReplaceAllString(page, "$1\n$2")
	return untagged.ReplaceAllString(page, ".RS 4\n.TP\n$1")
}

const manSections = `.SH ENVIRONMENT
Every flag is a variable too: \fB--default-ttl\fP is \fBOPENCACHE_DEFAULT_TTL\fP. The flag is stronger. A flag that repeats is one value a line.
.SH EXIT STATUS
0 when it was asked to stop or is done, 1 when it did not work, 2 when it was asked in the wrong way.
.SH SIGNALS
SIGTERM, SIGINT and SIGQUIT drain; a second one stops at once. SIGUSR1 opens the access log anew.
`
