// Command opencache is a shared HTTP cache: it reads flags and the
// environment, builds the cache from the packages below and runs it. It holds
// no rule of caching itself; each subcommand is a file of this package, and
// stack.go is the one place where the parts are joined.
//
//	opencache demo
//	opencache serve --origin https://example.org --listen :8080 --memory 1G
//	opencache healthcheck && echo ready
//	source <(opencache completion bash)
//	opencache man | man -l -
//
// Exit codes: 0 done, 1 it did not work, 2 it was asked in the wrong way; then
// one line on standard error says what was found and what is expected.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"opencache/internal/lab"
)

// A commandLine is all that can be said on the command line; every flag can
// be said as OPENCACHE_<FLAG> in the environment as well.
type commandLine struct {
	Serve       serveCmd       `cmd:"" help:"Cache in front of one origin."`
	Edge        edgeCmd        `cmd:"" help:"Cache in front of many sites, as documents describe them, and as they change."`
	Demo        demoCmd        `cmd:"" help:"Try it: a built-in origin, the cache in front of it, and what they do, live."`
	Check       checkCmd       `cmd:"" help:"Find what is wrong in documents, all of it at once; print what is in effect."`
	Explain     explainCmd     `cmd:"" help:"Tell what would become of a request, and why."`
	Diff        diffCmd        `cmd:"" help:"Tell which requests would be treated differently by other documents, and how."`
	Schema      schemaCmd      `cmd:"" help:"Print the JSON Schema of documents."`
	Import      importCmd      `cmd:"" help:"Read nginx's configuration and write it as documents, with a list of what could not be carried over."`
	Simulate    simulateCmd    `cmd:"" help:"Play a trace of requests against caches of several sizes, and print what they hit."`
	Purge       purgeCmd       `cmd:"" help:"Have a running cache drop what is stored: URLs, tags, a prefix, a pattern, a site or all."`
	Top         topCmd         `cmd:"" help:"Watch a running cache: requests, tiers, sites, keys."`
	Volume      volumeCmd      `cmd:"" help:"Look after disk volumes that no process is using."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask a running cache whether it is ready; exit code 0 when it is."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
	Completion  completionCmd  `cmd:"" help:"Print the shell code that completes this program's commands and flags."`
	Man         manCmd         `cmd:"" help:"Print the manual page."`

	ShowVersion versionFlag `name:"version" env:"-" help:"Print the version."`
}

// Trouble is why a comparison could not be made: exit code 2, as with diff(1).
type trouble struct{ error }

func (e trouble) Unwrap() error { return e.error }

// A usageError is a fault of who started the program: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	var c commandLine
	parser := kong.Must(&c,
		kong.Name("opencache"),
		kong.Description("A shared HTTP cache: reverse proxy, answers from memory."),
		kong.DefaultEnvars("OPENCACHE"),
		kong.Vars{
			"adminDefault": adminDefault,
			"generators":   strings.Join(lab.Generators(), ", "), "policies": strings.Join(lab.Names(), ", "),
		},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
	)
	kongcompletion.Register(parser)
	ctx, err := parser.Parse(os.Args[1:])
	if err == nil {
		err = ctx.Run()
	} else if !errors.As(err, new(usageError)) {
		err = usageError{err}
	}
	os.Exit(report(err))
}

// withoutValue cuts a variable's value, which may be a secret, from the words
// that kong puts behind an error: (from envar NAME="value").
func withoutValue(line string) string {
	head, from, ok := strings.Cut(line, " (from envar ")
	if !ok {
		return line
	}
	name, _, _ := strings.Cut(from, "=")
	return head + " (from " + name + ")"
}

// report says what went wrong, in one line, and returns the exit code.
func report(err error) int {
	if err == nil {
		return 0
	}
	line := withoutValue(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(os.Stderr, "opencache: %s (see opencache --help)\n", line)
		return 2
	}
	fmt.Fprintf(os.Stderr, "opencache: %s\n", line)
	if errors.As(err, new(trouble)) {
		return 2
	}
	return 1
}
