package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
)

// The garbage collector's limit leaves room for what it does not see.
const (
	smallestHeap = 64 << 20
	headroom     = 10 // percent of the machine: sockets' buffers, stacks, page tables
)

// limitHeap tells the garbage collector how much memory is left for the heap
// beside a store of so many bytes and what that needs to find and move them
// (indexes, and of disks the buffers), so that it works harder before the
// kernel ends the process: the machine's or the container's memory, less both
// (which are mapped outside the heap), less a tenth. GOMEMLIMIT, when set, has
// the last word. It is an error when the store alone does not fit.
func limitHeap(store, beside size, log *slog.Logger) error {
	total := memoryHere(os.ReadFile)
	if total == 0 {
		return nil // not known on this system
	}
	left := total - int64(store) - int64(beside) - total/headroom
	switch {
	case int64(store) < total && int64(store+beside) >= total:
		return fmt.Errorf("--disk, --disk-mean-object: indexes and buffers of %dM beside --memory %s: expected less than the %dM that this machine or container has; larger means and smaller disks need less",
			beside>>20, store, total>>20)
	case int64(store) >= total:
		return fmt.Errorf("--memory: %s: expected less than the %dM that this machine or container has", store, total>>20)
	}
	if left < smallestHeap {
		log.Warn("the store leaves little memory for anything else", "memory", store.String(), "machine_mib", total>>20)
		left = smallestHeap
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(left)
	}
	log.Debug("memory", "machine_mib", total>>20, "store_mib", int64(store)>>20, "beside_mib", int64(beside)>>20, "heap_limit_mib", debug.SetMemoryLimit(-1)>>20)
	return nil
}

// heapFloor returns memory that is never touched, and so takes none: while it
// is held the collector lets at least as much garbage gather again before it
// runs, however little else is on the heap (stored responses are not).
func heapFloor(store size) []byte {
	const least, most = 8 << 20, 64 << 20
	return make([]byte, min(max(int64(store)/4, least), most))
}

// memoryHere returns the bytes of memory that this process can have: the
// machine's, or its control group's when that is less. 0: not known.
func memoryHere(read func(name string) ([]byte, error)) (total int64) {
	if text, err := read("/proc/meminfo"); err == nil {
		if _, rest, ok := bytes.Cut(text, []byte("MemTotal:")); ok {
			line, _, _ := bytes.Cut(rest, []byte("kB"))
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
			total = n << 10
		}
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := read(name)
		if err != nil {
			continue
		}
		// "max" (version 2) is no number, and version 1's "no limit" is a huge one.
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil && n > 0 && (total == 0 || n < total) {
			total = n
		}
	}
	return total
}
