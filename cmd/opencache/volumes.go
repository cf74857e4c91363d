package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/engine"
	"opencache/internal/store"
)

// nodeMemory is what a node has in memory: what its document says, else the
// environment, else 256 MiB.
func nodeMemory(n *config.Node) (config.Size, error) {
	if n.Cache.Memory != nil {
		return *n.Cache.Memory, nil
	}
	text := os.Getenv("MEMORY_CACHE_SIZE")
	if text == "" {
		return 256 << 20, nil
	}
	s, err := config.ParseSize(text)
	if err != nil {
		return 0, fmt.Errorf("MEMORY_CACHE_SIZE: %q: %w", text, err)
	}
	return s, nil
}

// zoneOptions say what the node's volumes are made of: that in memory first,
// when there is one.
func zoneOptions(n *config.Node, o *stackOptions, log *slog.Logger) ([]store.ZoneOptions, error) {
	memory, err := nodeMemory(n)
	if err != nil {
		return nil, err
	}
	var list []store.ZoneOptions
	if memory > 0 || len(n.Cache.Volumes) == 0 {
		list = append(list, store.ZoneOptions{Name: zoneName, Memory: int64(memory), MeanObject: sizeIn(n.Cache.MeanObject), Heap: o.heap})
	}
	for i := range n.Cache.Volumes {
		v := &n.Cache.Volumes[i]
		z := store.ZoneOptions{Name: v.Name, Memory: sizeIn(v.Memory), MeanObject: sizeIn(n.Cache.MeanObject), Heap: o.heap}
		for _, d := range v.Dirs {
			z.Disks = append(z.Disks, store.DiskOptions{
				Dir: d.Path, Size: int64(d.Size), Low: sizeIn(d.Low), MeanObject: sizeIn(v.MeanObject), VerifyAlways: v.Verify == "always", ReadTimeout: timeIn(v.Timeout),
				Boot: o.boot, SweepRate: sweepRate(v.SweepRate),
				Ejected: func(dir string, err error) {
					log.Error("a disk is out of use until the next start: what is there is fetched again", "dir", dir, "err", err)
				},
			})
		}
		list = append(list, z)
	}
	return list, nil
}

// sweepRate is the store's word for that of a document.
func sweepRate(s *config.Size) int64 {
	if s != nil && *s == 0 {
		return -1
	}
	return sizeIn(s)
}

func sizeIn(s *config.Size) int64 {
	if s == nil {
		return 0
	}
	return int64(*s)
}

func timeIn(d *config.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func numberIn(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// openVolumes opens the node's volumes, each with its engine.
func (s *stack) openVolumes(n *config.Node, o *stackOptions, log *slog.Logger) error {
	list, err := zoneOptions(n, o, log)
	if err != nil {
		return usageError{err}
	}
	for i := range list {
		z, err := store.Open(list[i])
		var de *store.DiskError
		switch {
		case errors.As(err, &de):
			return usageError{fmt.Errorf("--disk: %w", err)}
		case err != nil:
			return fmt.Errorf("--memory %s: %w", size(list[i].Memory), err)
		}
		tellFound(z, log)
		// Fetches together take a quarter of the memory at most.
		e := engine.New(engine.Options{Store: z, Staging: stagingOf(list[i].Memory), Name: n.Network.Via, CDNID: cmp.Or(n.Network.CDNID, s.cdnID), MaxHops: numberIn(n.Network.MaxHops), Log: log, Now: o.now})
		s.volumes = append(s.volumes, edge.Volume{Name: list[i].Name, Store: z, Engine: e, Disk: len(list[i].Disks) > 0, Memory: list[i].Memory > 0})
	}
	return nil
}

// memoryOf is what volumes have in memory together, and what they need beside.
func memoryOf(list []store.ZoneOptions) (memory, beside size) {
	for i := range list {
		memory += size(list[i].Memory)
		beside += size(list[i].Overhead())
	}
	return memory, beside
}
