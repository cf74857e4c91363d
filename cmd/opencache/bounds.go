package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/geo"
	"opencache/internal/wire"
)

// A boundSet is what bounds every buffer, queue and wait of a node, and how
// much memory what is bounded takes at most.
type boundSet struct {
	Bounds []bound `json:"bounds"`
	// Sum is the memory of all of them; Machine is what there is, 0: not known.
	Sum     int64 `json:"sum"`
	Machine int64 `json:"machine,omitempty"`
}

// A bound is one of them.
type bound struct {
	Name   string `json:"name"`
	Most   string `json:"most"`
	By     string `json:"by"`               // the document's path that sets it, or "fixed"
	Memory int64  `json:"memory,omitempty"` // bytes at most; 0: none worth telling
}

// What is not configured, and what of memory it takes.
const (
	fixedBound   = "fixed"
	deskMemory   = 16 << 10 // of a client's connection while it has a request: buffers, request, answer
	copyMemory   = 64 << 10 // for a long head, content of a request or a copied answer
	idleMemory   = 1 << 10  // of one that waits
	originMemory = 16 << 10 // of a connection to an upstream
	memoMemory   = 4096 * 600
	usesMemory   = 4 << 20 // counts of uses, where a rule has minUses
	logMemory    = 1 << 20
	placeMemory  = 512 // of a place, as they are; at most 12 texts of 256 bytes
)

// boundsOf finds the bounds that hold on a node.
func boundsOf(shot *config.Snapshot) (*boundSet, error) {
	s := &boundSet{Machine: memoryHere(os.ReadFile)}
	if err := s.stores(shot); err != nil {
		return nil, usageError{err}
	}
	n := &shot.Node.Network
	head := wire.DefaultLimits
	conns := int64(numberIn(n.MaxConns))
	s.add("clients' connections", fmt.Sprint(conns), "network.maxConns", conns*(idleMemory+deskMemory+copyMemory))
	s.add("clients' connections from one address", orAny(int64(numberIn(n.MaxConnsPerAddress))), "network.maxConnsPerAddress", 0)
	s.add("head of a request or answer", fmt.Sprintf("%s in %d lines, the first %s", size(head.Head), head.Fields, size(head.Line)), fixedBound, 0)
	s.add("content of a request", orAny(sizeIn(n.MaxBody)), "network.maxBody", 0)
	s.upstreams(shot.Sites)
	s.access(shot.Sites)
	s.add("routes remembered", "4096", fixedBound, memoMemory)
	s.databases(shot.Node)
	if shot.Node.Monitoring.Log.Path != "" {
		s.add("access log not yet written", size(logMemory).String(), fixedBound, logMemory)
	}
	s.add("sites with metrics of their own", strconv.Itoa(numberIn(shot.Node.Monitoring.MetricsSites)), "monitoring.metricsSites", 0)
	if t := shot.Node.Monitoring.Tracing; t != nil && t.Endpoint != "" {
		s.add("spans that wait for the collector", size(sizeIn(t.Queue)).String(), "monitoring.tracing.queue", sizeIn(t.Queue))
	}
	if l := shot.Node.Monitoring.Loki; l != nil {
		queue, batch := sizeIn(l.Queue), sizeIn(l.Batch)
		s.add("lines that wait for Loki", size(queue).String(), "monitoring.loki.queue", queue+3*batch)
		s.add("a push to Loki", size(batch).String(), "monitoring.loki.batch", 0)
		s.add("streams of Loki", strconv.Itoa(numberIn(l.Streams)+1), "monitoring.loki.streams", 0)
	}
	for _, w := range []struct {
		name, by string
		d        *config.Duration
	}{
		{"wait for a request's head", "network.headTimeout", n.HeadTimeout},
		{"wait for the next request", "network.idleTimeout", n.IdleTimeout},
		{"wait for more of a request's content", "network.bodyTimeout", n.BodyTimeout},
		{"wait for a client to take some of an answer", "network.writeTimeout", n.WriteTimeout},
		{"wait for answers under way when stopping", "availability.drain", shot.Node.Availability.Drain},
	} {
		s.add(w.name, timeIn(w.d).String(), w.by, 0)
	}
	s.add("slowest client", size(sizeIn(n.MinRate)).String()+" a second", "network.minRate", 0)
	s.locks(shot.Sites)
	l := config.Limits{}.Filled()
	s.add("a document", fmt.Sprintf("%s, %d deep, lists of %d, %d faults told", size(l.MaxDocument), l.MaxDepth, l.MaxList, l.MaxFaults), fixedBound, 0)
	return s, nil
}

func (s *boundSet) add(name, most, by string, memory int64) {
	s.Bounds = append(s.Bounds, bound{name, most, by, memory})
	s.Sum += memory
}

// stores are what volumes take, and fetches on their way there.
func (s *boundSet) stores(shot *config.Snapshot) error {
	list, err := zoneOptions(shot.Node, &stackOptions{}, nil)
	if err != nil {
		return err
	}
	uses := false
	for _, site := range shot.Sites {
		for i := range site.Cache.Rules {
			uses = uses || numberIn(site.Cache.Rules[i].Cache.MinUses) > 1
		}
	}
	for i := range list {
		z := &list[i]
		by, path := "cache.memory", "cache.volumes."+z.Name
		if len(z.Disks) > 0 {
			by = path + ".memory"
			var disk int64
			for _, d := range z.Disks {
				disk += d.Size
			}
			s.add("volume "+z.Name+": stored on disk", size(disk).String(), path+".dirs", 0)
			s.add("volume "+z.Name+": wait for a read", z.Disks[0].ReadTimeout.String(), path+".timeout", 0)
		}
		s.add("volume "+z.Name+": stored in memory", size(z.Memory).String(), by, z.Memory)
		beside := z.Overhead()
		s.add("volume "+z.Name+": index and buffers", size(beside>>10<<10).String(), "cache.meanObject", beside)
		staging := stagingOf(z.Memory)
		s.add("volume "+z.Name+": fetches under way", size(staging).String(), by, staging)
		if uses {
			s.add("volume "+z.Name+": counts of uses", size(usesMemory).String(), fixedBound, usesMemory)
		}
	}
	return nil
}

// databases are what those of GeoIP take: one is in use while the next is read.
func (s *boundSet) databases(n *config.Node) {
	files := int64(0)
	for _, path := range []string{n.Geo.City, n.Geo.ASN} {
		if path != "" {
			files++
		}
	}
	if files > 0 {
		s.add("GeoIP databases", fmt.Sprintf("%d of %s", files, size(sizeIn(n.Geo.MaxSize))), "geo.maxSize", (files+1)*sizeIn(n.Geo.MaxSize))
		s.add("places remembered", fmt.Sprint(geo.Remembered), fixedBound, geo.Remembered*placeMemory)
	}
}

// access are the bounds of what sections access ask.
func (s *boundSet) access(sites []*config.Site) {
	var limits, clients int64
	for _, site := range sites {
		for i := range site.RateLimits {
			limits, clients = limits+1, clients+int64(numberIn(site.RateLimits[i].Clients))
		}
	}
	if limits > 0 {
		s.add("clients that rate limits tell apart", strconv.FormatInt(clients, 10), "rateLimits.clients", clients*access.RateMemory)
	}
	s.add("passwords compared at once", fmt.Sprintf("%d, %d more wait %s", access.VerifyAtOnce, access.VerifyQueue, access.VerifyWait), fixedBound, 0)
}

// stagingOf is what the fetches of a volume may take together.
func stagingOf(memory int64) int64 {
	if memory/4 > 0 {
		return memory / 4
	}
	return 64 << 20 // the engine's own
}

// upstreams are the bounds of what servers are asked, the widest of each kind:
// a node has thousands of sites. Servers that are the same to a plan have their
// connections together; here each upstream counts by itself.
func (s *boundSet) upstreams(sites []*config.Site) {
	var conns, queue, idle int64
	var waits [4]time.Duration
	for _, site := range sites {
		for i := range site.Upstreams {
			u := &site.Upstreams[i]
			conns += int64(numberIn(u.MaxConns)) * int64(len(u.Servers))
			queue += int64(numberIn(u.MaxQueue)) * int64(len(u.Servers))
			idle += int64(numberIn(u.Keepalive)) * int64(len(u.Servers))
			for n, d := range []*config.Duration{u.ConnectTimeout, u.HeadTimeout, u.BodyTimeout, u.QueueTimeout} {
				waits[n] = max(waits[n], timeIn(d))
			}
		}
	}
	s.add("connections to servers of all sites", strconv.FormatInt(conns, 10), "upstreams[].maxConns", conns*originMemory)
	s.add("requests that wait for one", strconv.FormatInt(queue, 10), "upstreams[].maxQueue", 0)
	s.add("unused connections that are kept, of them", strconv.FormatInt(idle, 10), "upstreams[].keepalive", 0)
	s.add("checks of servers at once", strconv.Itoa(edge.MostChecks), fixedBound, 0)
	s.add("servers in status and metrics, one by one", strconv.Itoa(shownServers), fixedBound, 0)
	for n, name := range []string{"connect", "head", "body", "queue"} {
		s.add("wait for a server: "+name, "up to "+waits[n].String(), "upstreams[]."+name+"Timeout", 0)
	}
}

// locks are the longest waits of a site's rules for another request's fetch.
func (s *boundSet) locks(sites []*config.Site) {
	wait, age := 15*time.Second, 5*time.Second // the engine's, of rules that say none
	for _, site := range sites {
		for i := range site.Cache.Rules {
			c := &site.Cache.Rules[i].Cache
			wait, age = max(wait, timeIn(c.LockTimeout)), max(age, timeIn(c.LockAge))
		}
	}
	s.add("wait for another request's fetch", "up to "+wait.String(), "cache.rules[].cache.lockTimeout", 0)
	s.add("until a fetch that stands still is replaced", "up to "+age.String(), "cache.rules[].cache.lockAge", 0)
}

// orAny is a number of which 0 means that there is no bound.
func orAny(n int64) string {
	if n == 0 {
		return "any"
	}
	return strconv.FormatInt(n, 10)
}

// print writes the bounds for people.
func (s *boundSet) print(w io.Writer) {
	_, _ = fmt.Fprintln(w, "// bounds")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, b := range s.Bounds {
		memory := ""
		if b.Memory > 0 {
			memory = humanBytes(uint64(b.Memory))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", b.Name, b.Most, memory, b.By)
	}
	_ = t.Flush()
	_, _ = fmt.Fprintf(w, "memory at most, all of them full at once: %s", humanBytes(uint64(s.Sum)))
	if s.Machine > 0 {
		_, _ = fmt.Fprintf(w, "; this machine or container has %s", humanBytes(uint64(s.Machine)))
	}
	_, _ = fmt.Fprintln(w)
}
