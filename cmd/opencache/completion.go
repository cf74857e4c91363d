package main

import (
	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

// completionCmd is opencache completion.
type completionCmd struct {
	Shell string `arg:"" optional:"" enum:"bash,zsh,fish," default:"" help:"bash, zsh or fish; the login shell when left out."`
}

// Help is shown by opencache completion --help.
func (c *completionCmd) Help() string {
	return "For this session:\n\n    source <(opencache completion bash)\n\n" +
		"For all sessions put that line into ~/.bashrc (zsh: ~/.zshrc). fish:\n\n    opencache completion fish | source"
}

// Run prints the shell's code.
func (c *completionCmd) Run(ctx *kong.Context) error {
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(ctx)
}
