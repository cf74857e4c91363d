package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"opencache/test/bench/child"
)

// kind is a server that can be measured.
type kind struct {
	name    string
	version []string // command that prints it
	modes   []mode
	only    []string // workloads; nil: all
	cannot  []string // workloads that it has no way to do
	whole   bool     // memory for what is stored is taken at the start
	// commands are the server's processes; the first listens on the port, the
	// others are started when it does.
	commands func(options, *site) ([]child.Command, error)
}

// can reports whether the server can do the work.
func (k kind) can(w workload) bool {
	return slices.Contains(k.modes, w.mode) && !slices.Contains(k.cannot, w.name) &&
		(k.only == nil || slices.Contains(k.only, w.name))
}

var (
	inMemory = []mode{plain, deferred, secure, logged, told, noted, small}
	told1k   = []string{"told-1k", "told-log-1k"}
	onDisk   = append(inMemory[:len(inMemory):len(inMemory)], disked)
)

func kinds(o options) []kind {
	return []kind{
		{name: "opencache", version: []string{o.bin, "version"}, modes: append(opencacheModes(o.bin), told, noted), commands: opencache},
		// An edge that says nothing of a request but what the cache did.
		{name: "opencache-bare", version: []string{o.bin, "version"}, modes: []mode{told, noted}, commands: bareEdge},
		// opencache as it was: what a change costs.
		{name: "before", version: []string{o.before, "version"}, modes: opencacheModes(o.before), commands: before},
		{name: "nginx", version: []string{"nginx", "-v"}, modes: onDisk, commands: nginx},
		// The same with one setting for bodies of all sizes.
		{name: "nginx-plain", version: []string{"nginx", "-v"}, modes: inMemory, only: append([]string{"hit-1k", "newconn"}, told1k...), commands: nginx},
		// Its accept_filter is not of this platform; TLS is somebody else's; its
		// log loses lines at this rate.
		{name: "varnish", version: []string{"varnishd", "-V"}, modes: []mode{plain, small, disked}, commands: varnish},
		// Ranges are the origin's there; memory is taken whole at the start.
		{name: "haproxy", version: []string{"haproxy", "-v"}, modes: inMemory, cannot: append([]string{"range-64k", "mem-object"}, told1k...), whole: true, commands: haproxy},
		{name: "ats", version: []string{"traffic_server", "-V"}, modes: onDisk, cannot: told1k, commands: ats},
	}
}

func kindOf(o options, name string) (kind, error) {
	var names []string
	for _, k := range kinds(o) {
		if k.name == name {
			return k, nil
		}
		names = append(names, k.name)
	}
	return kind{}, fmt.Errorf("server %q: expected one of %s", name, strings.Join(names, " "))
}

// opencacheModes are those that the binary under measurement has flags for.
func opencacheModes(bin string) []mode {
	if bin == "" {
		return nil
	}
	help, _ := exec.Command(bin, "serve", "--help").CombinedOutput() // starting it tells more than an error here
	modes := []mode{plain, logged, small}
	for flag, more := range map[string][]mode{"--defer-accept": {deferred}, "--tls-cert": {secure}, "--disk": {disked, tiered}} {
		if strings.Contains(string(help), flag) {
			modes = append(modes, more...)
		}
	}
	return modes
}

func opencache(o options, at *site) ([]child.Command, error) {
	switch at.Mode {
	case told:
		return edge(o, at, edgeSays)
	case noted:
		return edge(o, at, fmt.Sprintf(edgeNotes, at.file("access.log")))
	}
	admin := "off"
	if o.profile {
		port, err := child.Port()
		if err != nil {
			return nil, err
		}
		at.Admin = port
		admin = child.Addr(port)
	}
	c := child.Command{Args: []string{o.bin, "serve", "--listen", child.Addr(at.Port), "--origin", "http://" + child.Addr(at.Origin),
		"--memory", strconv.Itoa(at.Megabytes()) + "M", "--admin", admin, "--passthrough", "^/pass/", "--idle-timeout", "600s"}}
	switch at.Mode {
	case deferred:
		c.Args = append(c.Args, "--defer-accept")
	case secure:
		c.Args = append(c.Args, "--tls-cert", at.file("cert.pem"), "--tls-key", at.file("key.pem"))
	case logged:
		c.Args = append(c.Args, "--access-log", at.file("access.log"))
	case disked, tiered:
		c.Args = append(c.Args, "--disk", at.Store+"=1G", "--cache-status-tier")
	}
	if at.Pinned {
		c.Env = []string{"GOMAXPROCS=1"} // it has one core
	}
	return []child.Command{c}, nil
}

// Documents of nodes that say of each request what they say when nobody asks
// for more or less, that log it too, and that say nothing.
const (
	edgeSays  = `{"network": {"admin": "off"}}`
	edgeNotes = `{"network": {"admin": "off"}, "monitoring": {"log": {"path": %q, "format": "json"}}}`
	edgeBare  = `{"monitoring": {"clientFields": false, "requestId": "off"}, "network": {"admin": "off", "upstreamFields": "none"}}`
	edgeSite  = `{"id": "bench", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "http://%s"}]}]}`
)

func bareEdge(o options, at *site) ([]child.Command, error) { return edge(o, at, edgeBare) }

// edge is opencache with documents.
func edge(o options, at *site, node string) ([]child.Command, error) {
	dir := at.file("documents")
	err := errors.Join(os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "opencache:nodeConfigDefaults.json"), []byte(node), 0o644),
		os.WriteFile(filepath.Join(dir, "opencache:edgeResource:bench.json"), fmt.Appendf(nil, edgeSite, child.Addr(at.Origin)), 0o644))
	c := child.Command{Args: []string{o.bin, "edge", "--config", dir, "--listen", child.Addr(at.Port), "--pop", "iad", "--server", "cache-iad-01.pfsdns.com"}}
	c.Env = []string{"MEMORY_CACHE_SIZE=" + strconv.Itoa(at.Megabytes()) + "M"}
	if at.Pinned {
		c.Env = append(c.Env, "GOMAXPROCS=1")
	}
	return []child.Command{c}, err
}

func before(o options, at *site) ([]child.Command, error) {
	if o.before == "" {
		return nil, errors.New("server before: no -before, which says what binary that is")
	}
	o.bin, o.profile = o.before, false
	return opencache(o, at)
}

func nginx(o options, at *site) ([]child.Command, error) {
	conf, err := at.fill(o, "nginx.conf")
	return []child.Command{{Args: []string{"nginx", "-p", at.Dir, "-e", "stderr", "-c", conf}}}, err
}

func haproxy(o options, at *site) ([]child.Command, error) {
	conf, err := at.fill(o, "haproxy.cfg")
	c := child.Command{Args: []string{"haproxy", "-db", "-f", conf}}
	if at.Mode == logged {
		c.Output = at.file("access.log")
	}
	return []child.Command{c}, err
}

func ats(o options, at *site) ([]child.Command, error) {
	var errs []error
	for _, name := range []string{"runroot.yaml", "records.config", "remap.config", "storage.config", "ip_allow.yaml", "logging.yaml",
		"ssl_multicert.config", "plugin.config"} {
		_, err := at.fill(o, "ats/"+name)
		errs = append(errs, err)
	}
	for _, name := range []string{"run", "log"} {
		errs = append(errs, os.MkdirAll(at.file(name), 0o755))
	}
	c := child.Command{Args: []string{"traffic_server", "--run-root=" + at.file("ats/runroot.yaml")}}
	return []child.Command{c}, errors.Join(errs...)
}

// quiet are the log records that Varnish makes in its shared memory for each
// request and nobody reads here.
const quiet = "-BackendClose,-BackendOpen,-BackendReuse,-Begin,-BereqAcct,-BereqHeader,-BereqMethod,-BereqProtocol,-BereqURL," +
	"-BereqUnset,-BerespHeader,-BerespProtocol,-BerespReason,-BerespStatus,-BerespUnset,-End,-Fetch_Body,-Filters,-Hit,-Length," +
	"-Link,-ReqAcct,-ReqHeader,-ReqMethod,-ReqProtocol,-ReqStart,-ReqURL,-ReqUnset,-RespHeader,-RespProtocol,-RespReason," +
	"-RespStatus,-RespUnset,-SessClose,-SessOpen,-Storage,-TTL,-Timestamp,-VCL_call,-VCL_return,-VCL_use"

// quietLogged leaves what varnishncsa needs.
const quietLogged = "-BackendClose,-BackendOpen,-BackendReuse,-BereqAcct,-BereqHeader,-BereqMethod,-BereqProtocol,-BereqURL," +
	"-BereqUnset,-BerespHeader,-BerespProtocol,-BerespReason,-BerespStatus,-BerespUnset,-Fetch_Body,-Filters,-Length," +
	"-ReqUnset,-RespReason,-RespUnset,-SessClose,-SessOpen,-Storage,-TTL"

func varnish(o options, at *site) ([]child.Command, error) {
	vcl, err := at.fill(o, "varnish.vcl")
	work, storage := at.file("work"), fmt.Sprintf("malloc,%dm", at.Megabytes())
	if at.Mode == disked {
		storage = "file," + filepath.Join(at.Store, "store") + ",1g"
	}
	args := []string{"varnishd", "-F", "-j", "none", "-n", work, "-a", child.Addr(at.Port),
		"-f", vcl, "-s", storage, "-T", "none"}
	pools, mask := 2, quiet // two pools are its default, whatever the machine
	if at.Pinned {
		pools = 1
	}
	if at.Mode == logged {
		mask = quietLogged
	}
	for _, p := range []string{
		"thread_pools=" + strconv.Itoa(pools),
		"thread_pool_min=1200", // a thread for each client of a stampede
		"thread_pool_max=3000",
		"listen_depth=4096",
		"timeout_idle=600",
		"http_gzip_support=off",
		"vsl_mask=" + mask,
	} {
		args = append(args, "-p", p)
	}
	list := []child.Command{{Args: args}}
	if at.Mode == logged {
		list = append(list, child.Command{Args: []string{"varnishncsa", "-n", work, "-a", "-w", at.file("access.log"), "-F", ncsa}})
	}
	return list, err
}

const ncsa = `{"time":"%{%Y-%m-%dT%H:%M:%S}t","remote":"%h","method":"%m","host":"%{Host}i","uri":"%U%q","proto":"%H",` +
	`"status":%s,"bytes":%b,"duration":%{Varnish:time_firstbyte}x,"cache":"%{Varnish:hitmiss}x","agent":"%{User-Agent}i"}`

// firstLine is the first line that a command prints; for the record only.
func firstLine(args []string) string {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func (s *site) file(name string) string { return filepath.Join(s.Dir, name) }
