package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// mirrorOptions are the flags of casserole, a cache of large objects, as it
// spelt them: where one is used, what is not said is as it was there.
// --passthrough is one of serve's own.
type mirrorOptions struct {
	MirrorURL        originURL `name:"mirror-url" env:"OPENCACHE_MIRROR_URL,CASSEROLE_MIRRORURL" group:"As casserole had it" placeholder:"URL" help:"--origin (with one of these flags, default http://localhost:9000)."`
	Address          string    `env:"OPENCACHE_ADDRESS,CASSEROLE_ADDRESS" group:"As casserole had it" placeholder:"ADDR" help:"--listen (default localhost:8080)."`
	MaxMemoryUsage   size      `env:"OPENCACHE_MAX_MEMORY_USAGE,CASSEROLE_MAXMEMORYUSAGE" group:"As casserole had it" placeholder:"SIZE" help:"--memory (default 100M)."`
	MaxDiskUsage     size      `env:"OPENCACHE_MAX_DISK_USAGE,CASSEROLE_MAXDISKUSAGE" group:"As casserole had it" placeholder:"SIZE" help:"Size of the volume on disk, all of it at once (default 1G)."`
	CleanedDiskUsage size      `env:"OPENCACHE_CLEANED_DISK_USAGE,CASSEROLE_CLEANEDDISKUSAGE" group:"As casserole had it" placeholder:"SIZE" help:"How much of a full volume stays in use when room is made (default 800M)."`
	DiskCacheDir     string    `env:"OPENCACHE_DISK_CACHE_DIR,CASSEROLE_DISKCACHEDIR" group:"As casserole had it" placeholder:"DIR" help:"Folder of the volume, which is there (default ./data)."`
	DiskCacheEnabled *bool     `env:"OPENCACHE_DISK_CACHE_ENABLED,CASSEROLE_DISKCACHEENABLED" group:"As casserole had it" help:"Whether there is one (default true; =false is none)."`
	Etcd             []string  `hidden:"" env:"OPENCACHE_ETCD,CASSEROLE_ETCD" help:"Not yet."`
	PeeringAddress   string    `hidden:"" env:"OPENCACHE_PEERING_ADDRESS,CASSEROLE_PEERINGADDRESS" help:"Not yet."`
}

// used reports whether one of the flags was said.
func (m *mirrorOptions) used() bool {
	return m.MirrorURL != "" || m.Address != "" || m.MaxMemoryUsage != 0 || m.ofDisk()
}

// ofDisk reports whether one was that is about the disk.
func (m *mirrorOptions) ofDisk() bool {
	return m.MaxDiskUsage != 0 || m.CleanedDiskUsage != 0 || m.DiskCacheDir != "" || m.DiskCacheEnabled != nil
}

// apply says in c's own flags what m says. It is an error when both say it.
func (m *mirrorOptions) apply(c *serveCmd) error {
	o := &c.Options
	memory := usualMemory
	for _, both := range []struct {
		ours, theirs string
		said         bool
	}{
		{"--origin", "--mirror-url", o.Origin != "" && m.MirrorURL != ""},
		{"--listen", "--address", c.Listen != "" && m.Address != ""},
		{"--port", "--address", c.Port != nil && m.Address != ""},
		{"--memory", "--max-memory-usage", o.Memory != memory && m.MaxMemoryUsage != 0},
		{"--disk", "--disk-cache-dir and its kin", len(o.Disk) > 0 && m.ofDisk()},
	} {
		if both.said {
			return fmt.Errorf("%s and %s: they say the same: expected one of them", both.ours, both.theirs)
		}
	}
	switch {
	case len(m.Etcd) > 0:
		return errors.New("--etcd: caches that share what they have are not there yet: expected none")
	case m.PeeringAddress != "":
		return errors.New("--peering-address: caches that share what they have are not there yet: expected none")
	case !m.used():
		return nil
	}
	if o.Origin == "" {
		o.Origin = either(m.MirrorURL, "http://localhost:9000")
	}
	if c.Listen == "" && c.Port == nil {
		c.Listen = either(m.Address, "localhost:8080")
	}
	if o.Memory == memory {
		o.Memory = either(m.MaxMemoryUsage, 100<<20)
	}
	if len(o.Disk) > 0 {
		return nil
	}
	return m.disk(o)
}

// usualMemory is what --memory is when it is not said.
const usualMemory size = 256 << 20

func either[T comparable](said, usual T) T {
	var zero T
	if said == zero {
		return usual
	}
	return said
}

// disk makes the volume that m describes o's.
func (m *mirrorOptions) disk(o *serveOptions) error {
	if m.DiskCacheEnabled != nil && !*m.DiskCacheEnabled {
		if m.MaxDiskUsage != 0 || m.CleanedDiskUsage != 0 || m.DiskCacheDir != "" {
			return errors.New("--disk-cache-enabled: false, and a disk is described: expected true, or no more of it")
		}
		return nil
	}
	most, low, dir := either(m.MaxDiskUsage, 1<<30), m.CleanedDiskUsage, filepath.Clean(either(m.DiskCacheDir, "./data"))
	if low == 0 { // of its usual size, or as much of another one
		low = most / 1024 * 800
	}
	if low >= most || low < most/2 {
		return fmt.Errorf("--cleaned-disk-usage: %s of --max-disk-usage %s: expected less than that, and half of it at least", low, most)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--disk-cache-dir: %s: expected a folder that is there", dir)
	}
	o.Disk = diskSizes{{Dir: dir, Size: most, low: low}}
	return nil
}
