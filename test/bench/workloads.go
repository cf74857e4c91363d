package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// mode is how a server is started for a workload.
type mode string

const (
	plain    mode = "plain"
	deferred mode = "deferred" // TCP_DEFER_ACCEPT
	secure   mode = "tls"
	logged   mode = "logged" // access log to a file
	told     mode = "told"   // an edge with all that it says of every request
	noted    mode = "noted"  // the same with its log
	small    mode = "small"  // 64 MiB to store in
	disked   mode = "disk"   // all that is stored lies on a disk
	tiered   mode = "tiered" // 64 MiB of memory over a disk
)

// way is how a workload is measured.
type way int

const (
	closed     way = iota // wrk: the next request when the last is answered
	open                  // bench-steady: a request at its time, come what may
	crowded               // a crowd asks once, together
	handshakes            // a TLS connection each, nothing resumed
	objects               // memory of what is stored
	idle                  // memory of connections that wait
	skewed                // by Zipf's law from many URLs, more than there is room for
	cold                  // an open loop of hits in memory, without and beside reads from disk
)

// workload is one kind of work. Its request is a GET of path with the header;
// the answer has the status, and size bytes of content.
type workload struct {
	name   string
	way    way
	mode   mode
	path   string // of workloads with each: without what makes it another one
	header http.Header
	status int
	size   int64
	conns  int     // connections of the load generator, or idle ones
	share  float64 // open: of the rate that nginx reached in a closed loop
	cached bool    // the origin must not notice it
	each   bool    // every request is for another URL, which is stored
	fresh  bool    // wants servers that have done nothing yet
}

// memory reports whether the figure is bytes rather than processor time.
func (w workload) memory() bool { return w.way == objects || w.way == idle }

const (
	rangeFrom = 1 << 20 // of the 10 MiB
	rangeSize = 64 << 10
	each      = "/each/"
)

// workloads are in the order in which they run: those of one mode together,
// and what fills the caches behind what they could disturb.
var workloads = []workload{
	{name: "hit-1k", mode: plain, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "hit-64k", mode: plain, path: "/64k", size: 64 << 10, conns: 64, cached: true},
	{name: "hit-10m", mode: plain, path: "/10m", size: 10 << 20, conns: 16, cached: true},
	{name: "range-64k", mode: plain, path: "/10m", size: rangeSize, conns: 64, cached: true, status: http.StatusPartialContent,
		header: http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", rangeFrom, rangeFrom+rangeSize-1)}}},
	{name: "cond-304", mode: plain, path: "/1k", conns: 64, cached: true, status: http.StatusNotModified,
		header: http.Header{"If-None-Match": {`"1k-1024"`}}},
	{name: "newconn", mode: plain, path: "/1k", size: 1 << 10, conns: 64, cached: true, header: closing},
	{name: "pass-1k", mode: plain, path: "/pass/1k", size: 1 << 10, conns: 64},
	{name: "pass-10m", mode: plain, path: "/pass/10m", size: 10 << 20, conns: 16},
	{name: "open-10", mode: plain, way: open, path: "/1k", size: 1 << 10, conns: 64, cached: true, share: 0.1},
	{name: "open-30", mode: plain, way: open, path: "/1k", size: 1 << 10, conns: 64, cached: true, share: 0.3},
	{name: "open-70", mode: plain, way: open, path: "/1k", size: 1 << 10, conns: 64, cached: true, share: 0.7},
	{name: "stampede", mode: plain, way: crowded, path: "/slow/", size: 1 << 20},
	{name: "miss-1k", mode: plain, path: each, size: 1 << 10, conns: 64, each: true},
	{name: "newconn-defer", mode: deferred, path: "/1k", size: 1 << 10, conns: 64, cached: true, header: closing},
	{name: "tls-1k", mode: secure, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "tls-64k", mode: secure, path: "/64k", size: 64 << 10, conns: 64, cached: true},
	{name: "tls-handshake", mode: secure, way: handshakes, path: "/1k", size: 1 << 10, conns: 16, cached: true, header: closing},
	{name: "log-1k", mode: logged, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "told-1k", mode: told, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "told-log-1k", mode: noted, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "zipf-100k", mode: small, way: skewed, path: each, size: 1 << 10, conns: 64, each: true},
	{name: "disk-1m", mode: disked, path: "/1m", size: 1 << 20, conns: 16, cached: true},
	{name: "disk-cold", mode: tiered, way: cold, path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "mem-object", mode: plain, way: objects, path: each, size: 1 << 10, conns: 32, each: true, fresh: true},
	{name: "mem-idle", mode: plain, way: idle, path: "/1k", size: 1 << 10, conns: 7500, cached: true, fresh: true},
	{name: "mem-idle-tls", mode: secure, way: idle, path: "/1k", size: 1 << 10, conns: 5000, cached: true, fresh: true},
}

var closing = http.Header{"Connection": {"close"}}

// chosen are the workloads of the names; none: all.
func chosen(names []string) ([]workload, error) {
	var list []workload
	known := map[string]bool{}
	for _, w := range workloads {
		if w.status == 0 {
			w.status = http.StatusOK
		}
		known[w.name] = true
		if len(names) == 0 || slices.Contains(names, w.name) {
			list = append(list, w)
		}
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("workload %q: expected some of %s", name, strings.Join(workloadNames(), " "))
		}
	}
	return list, nil
}

func workloadNames() []string {
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	return names
}
