package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"opencache/internal/store"
)

// A diskSize is a folder and how much of its disk stored responses may take.
type diskSize struct {
	Dir  string
	Size size
	low  size // what stays of it when it is full and room is made; 0: nearly all
}

// diskSizes are folders that stored responses are spread over.
type diskSizes []diskSize

// UnmarshalText appends the folders in text, one a line: DIR=SIZE, where DIR
// may hold "=".
func (d *diskSizes) UnmarshalText(text []byte) error {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		dir, value, ok := cutLast(line, '=')
		if !ok || dir == "" {
			return fmt.Errorf("%q: expected DIR=SIZE, like /var/cache/opencache=100G", line)
		}
		one := diskSize{Dir: filepath.Clean(dir)}
		if err := one.Size.UnmarshalText([]byte(value)); err != nil {
			return err
		}
		for _, other := range *d {
			if other.Dir == one.Dir {
				return fmt.Errorf("%s: named twice: expected each folder once", dir)
			}
		}
		*d = append(*d, one)
	}
	return nil
}

func (d diskSizes) String() string {
	texts := make([]string, len(d))
	for i, one := range d {
		texts[i] = one.Dir + "=" + one.Size.String()
	}
	return strings.Join(texts, " ")
}

// diskOptions are what is said of stored responses on disk.
type diskOptions struct {
	Disk        diskSizes     `group:"Disk" placeholder:"DIR=SIZE" help:"Folder for stored responses, and how much of its disk they take, all of it at once; they are there after a restart. Repeatable: responses are spread over the folders, which belong together from then on; one a line in the environment."`
	DiskMean    size          `name:"disk-mean-object" default:"8K" group:"Disk" placeholder:"SIZE" help:"Mean size of stored responses on disk, for which the index of the disks is made: about 40 bytes of memory for each that fits (default ${default})."`
	DiskVerify  string        `default:"start" enum:"start,always" placeholder:"WHEN" group:"Disk" help:"When checksums of large content are compared: start is at the first read since the start, always at each, which costs a copy (default ${default})."`
	DiskTimeout time.Duration `default:"1s" group:"Disk" help:"How long an answer waits for a disk before the origin is asked instead (default ${default})."`
	DiskSweep   size          `name:"disk-sweep-rate" default:"32M" group:"Disk" placeholder:"SIZE" help:"How much of each disk is read a second to drop what was purged by tag, prefix, pattern or site; 0: as much as it gives (default ${default})."`
}

const (
	// largeSegments is the size of a folder from which its segments are of 2
	// MiB, and memory over it needs room for some of them.
	largeSegments  size = 256 << 20
	memoryOverDisk size = 16 << 20
)

// checkStore refuses sizes that cannot work.
func (o *serveOptions) checkStore() error {
	least := smallestMemory
	for _, d := range o.Disk {
		if d.Size < smallestDisk {
			return fmt.Errorf("--disk: %s=%s: expected at least %s", d.Dir, d.Size, smallestDisk)
		}
		if d.Size >= largeSegments {
			least = memoryOverDisk
		}
	}
	switch {
	case o.Memory == 0 && len(o.Disk) == 0:
		return fmt.Errorf("--memory: 0 and no --disk: expected one of them, or at least %s of memory", least)
	case o.Memory != 0 && o.Memory < least && least == memoryOverDisk:
		return fmt.Errorf("--memory: %s over a disk of %s or more: expected at least %s, or 0 for none", o.Memory, largeSegments, least)
	case o.Memory != 0 && o.Memory < least:
		return fmt.Errorf("--memory: %d bytes: expected at least %s", o.Memory, least)
	case o.DiskMean < smallestMean:
		return fmt.Errorf("--disk-mean-object: %s: expected at least %s", o.DiskMean, smallestMean)
	}
	return nil
}

// tellFound says what the disks have brought back from before the start.
func tellFound(z *store.Zone, log *slog.Logger) {
	st := z.Stats()
	for i := range st.Disks {
		d := &st.Disks[i]
		r := &d.Recovered
		l := log.With("dir", d.Dir, "objects", r.Objects, "segments", r.Segments, "bytes", r.Bytes, "damaged", r.Damaged, "took", r.Took)
		switch {
		case r.Empty != "":
			l.Warn("a disk brings nothing back", "why", r.Empty)
		case r.Soft:
			l.Warn("a disk was not closed before the machine went down: what it brings back is validated before use")
		case r.Damaged > 0:
			l.Warn("a disk brings back what is not damaged")
		default:
			l.Info("a disk is open")
		}
	}
}
