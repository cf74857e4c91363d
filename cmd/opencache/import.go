package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"opencache/internal/nginxconf"
)

// importCmd is opencache import.
type importCmd struct {
	File   string `arg:"" help:"nginx's configuration: nginx.conf, or a file of conf.d. What it includes is read as well."`
	Out    string `placeholder:"DIR" help:"Folder to write the documents to, which is made (default: they are printed)."`
	Force  bool   `help:"Write over documents that are there."`
	Output string `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Help is shown by opencache import --help.
func (c *importCmd) Help() string {
	return "A site document comes of each server block, or of those that share names, and one document of the node; each line of them " +
		"tells in a comment where it comes from. What could not be carried over is listed with file, line and column, the reason " +
		"and what comes nearest: lost, or changed where it is carried over and does not do quite the same. Where leaving " +
		"something out would open what was closed, or mix up what is stored, the route is closed, or not cached.\n\n" +
		"Exit code 0: all of it was carried over, though perhaps changed; 1: something was lost, or nothing could be read; 2: asked in the wrong way."
}

// An importReport is what import did, as JSON.
type importReport struct {
	Documents map[string]string `json:"documents"` // by key, as text with comments
	Written   []string          `json:"written,omitempty"`
	Lost      int               `json:"lost"`
	Changed   int               `json:"changed"`
	Notes     []nginxconf.Note  `json:"notes"`
}

// Run imports. The error, when something was lost, makes the exit code 1.
func (c *importCmd) Run() error {
	tree, err := nginxconf.Read(c.File, nginxconf.Files{})
	if err != nil {
		return err
	}
	result := nginxconf.Import(tree)
	report := importReport{Documents: map[string]string{}, Lost: result.Lost(), Notes: result.Notes}
	for _, n := range result.Notes {
		if n.Fate == nginxconf.Changed {
			report.Changed++
		}
	}
	for _, d := range result.Documents {
		report.Documents[d.Key] = string(d.Text)
	}
	if c.Out != "" {
		if report.Written, err = c.write(result.Documents); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(report)
	} else {
		err = c.print(os.Stdout, os.Stderr, result, report.Written)
	}
	if report.Lost > 0 {
		err = errors.Join(err, fmt.Errorf("%s: %d directives were not carried over", c.File, report.Lost))
	}
	return err
}

// print prints documents, or where they were written, and what became of the
// rest to other, so that documents can be redirected.
func (c *importCmd) print(w, other io.Writer, r *nginxconf.Result, written []string) error {
	for _, n := range r.Notes {
		if n.Fate == nginxconf.Moot {
			continue // in JSON
		}
		if _, err := fmt.Fprintln(other, n); err != nil {
			return err
		}
	}
	for _, name := range written {
		if _, err := fmt.Fprintln(w, name); err != nil {
			return err
		}
	}
	if c.Out != "" {
		return nil
	}
	for _, d := range r.Documents {
		if _, err := fmt.Fprintf(w, "// -- %s.jsonc --\n%s", d.Key, d.Text); err != nil {
			return err
		}
	}
	return nil
}

// write writes the documents, all of them or none where one is there.
func (c *importCmd) write(documents []nginxconf.Document) (written []string, err error) {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return nil, err
	}
	for _, d := range documents {
		name := filepath.Join(c.Out, d.Key+".jsonc")
		if _, err := os.Lstat(name); !c.Force && !errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{fmt.Errorf("--out: %s is there: expected a folder without it, or --force", name)}
		}
		written = append(written, name)
	}
	for i, d := range documents {
		if err := os.WriteFile(written[i], d.Text, 0o644); err != nil {
			return nil, err
		}
	}
	return written, nil
}
