package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"opencache/internal/store"
)

// volumeCmd is opencache volume: what is done to volumes that nobody uses.
type volumeCmd struct {
	Check volumeCheckCmd `cmd:"" help:"Say what the disk volume in a folder is, and whether it is sound."`
}

// volumeCheckCmd is opencache volume check.
type volumeCheckCmd struct {
	Dirs   []string `arg:"" name:"dir" help:"Folder of a volume that no process is using."`
	Quick  bool     `help:"Leave the bodies unread: superblock, directories and journal alone are checked."`
	Repair bool     `help:"Drop what is damaged, and write the journal anew. Otherwise nothing is written."`
	Output string   `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Run checks one volume after the other. The error, when one is damaged, is
// what makes the exit code 1.
func (c *volumeCheckCmd) Run() error {
	var reports []*store.VolumeReport
	var faults []error
	for _, dir := range c.Dirs {
		r, err := c.one(dir)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		reports = append(reports, r)
		if len(r.Damage) > 0 && len(r.Repaired) == 0 {
			faults = append(faults, fmt.Errorf("volume in %s is damaged; with --repair what is damaged is dropped", dir))
		}
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		faults = append(faults, out.Encode(reports))
		return errors.Join(faults...)
	}
	for _, r := range reports {
		faults = append(faults, printVolume(os.Stdout, r, time.Now()))
	}
	return errors.Join(faults...)
}

func (c *volumeCheckCmd) one(dir string) (*store.VolumeReport, error) {
	var part float64
	bar := newBar(os.Stderr, isTerminal(os.Stderr), func(int64) float64 { return part })
	bar.what = func(n int64) string { return humanBytes(uint64(n)) + " of " + dir }
	defer bar.clear()
	return store.CheckVolume(dir, store.CheckOptions{Quick: c.Quick, Repair: c.Repair, Progress: func(done, total int64) {
		part = float64(done) / float64(total)
		bar.show(done)
	}})
}

// printVolume prints what a volume is, then what was found.
func printVolume(w io.Writer, r *store.VolumeReport, now time.Time) error {
	state := "sound"
	switch {
	case len(r.Repaired) > 0:
		state = "repaired"
	case len(r.Damage) > 0:
		state = "damaged"
	}
	if _, err := fmt.Fprintf(w, "%s: %s\n", r.Dir, state); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "  %s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	bytes := func(n int64) string { return humanBytes(uint64(n)) }
	closed := "not closed in order"
	if r.Clean {
		closed = "closed in order"
	}
	line("volume", "%s, stripe %d of %d of set %.8s; objects of %s", bytes(r.Size), r.Stripe, r.Stripes, r.Set, bytes(r.MeanObject))
	line("age", "%s, opened %d times, %s", now.Sub(r.Created).Round(time.Second), r.Opens, closed)
	line("slabs", "%d of %s, %d with records", r.Slabs, bytes(int64(r.SlabSize)), r.Used)
	line("records", "%d objects and %d segments, %s; %d to be validated; %d listed that do not come back", r.Objects, r.Segments, bytes(r.Live), r.Soft, r.Dead)
	line("journal", "%s, %d entries, %s: %d markers, %d purges, %d lists", bytes(r.Journal), r.JournalEntries, r.JournalState, r.Markers, r.Bans, r.Lists)
	if r.Verified > 0 {
		line("bodies", "%s read", bytes(r.Verified))
	}
	for i, s := range r.Sites {
		if i == mostSitesShown {
			line("site", "and %d more", len(r.Sites)-i)
			break
		}
		line("site", "%s: %d records, %s", s.Name, s.Records, bytes(s.Bytes))
	}
	for _, group := range []struct {
		what  string
		lines []string
	}{{"note", r.Notes}, {"damage", r.Damage}, {"repaired", r.Repaired}} {
		for _, l := range group.lines {
			line(group.what, "%s", l)
		}
	}
	return t.Flush()
}

// mostSitesShown bounds the sites that a report in text names.
const mostSitesShown = 20
