package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// version is the program's semantic version, said here alone; CHANGELOG.md
// tells what is in it.
const version = "0.1.0"

// imageTag is the tag of the image that the program is built for, by
// -ldflags "-X main.imageTag=v1.4.2"; the variable IMAGE_TAG goes before it.
var imageTag string

// buildID is what tells this build from others: the tag without its v, or the
// version with -dev where there is none.
func buildID() string { return buildIDOf(imageTag) }

func buildIDOf(linked string) string {
	tag := cmp.Or(os.Getenv("IMAGE_TAG"), linked)
	if tag == "" {
		return version + "-dev"
	}
	if rest, ok := strings.CutPrefix(tag, "v"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		return rest
	}
	return tag
}

// buildInfo is what is known of the program that runs.
type buildInfo struct {
	Version  string `json:"version"`
	Build    string `json:"build"`              // the tag of the image, or the version with -dev
	Revision string `json:"revision,omitempty"` // of the sources, "+changes" when they differed from it
	Time     string `json:"time,omitempty"`     // of the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// build returns what the compiler noted of the sources.
func build() buildInfo {
	b := buildInfo{Version: version, Build: buildID(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	changed := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			changed = s.Value == "true"
		}
	}
	if changed && b.Revision != "" {
		b.Revision += "+changes"
	}
	return b
}

func (b buildInfo) String() string {
	s := "opencache " + b.Version + " build " + b.Build
	if b.Revision != "" {
		s += " (" + b.Revision + ", " + b.Time + ")"
	}
	return s + " " + b.Go + " " + b.Platform
}

// versionCmd is opencache version.
type versionCmd struct {
	Output string `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Run prints the version.
func (c *versionCmd) Run() error {
	if c.Output == "json" {
		return json.NewEncoder(os.Stdout).Encode(build())
	}
	_, err := fmt.Println(build())
	return err
}

// A versionFlag is --version.
type versionFlag bool

// BeforeReset prints the version and ends the program.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	_, err := fmt.Fprintln(app.Stdout, build())
	app.Exit(0)
	return err
}
