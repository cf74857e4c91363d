package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"opencache/internal/config"
	"opencache/internal/kvs"
	"opencache/internal/listen"
)

// edgeCmd is opencache edge.
type edgeCmd struct {
	Config    string        `placeholder:"SOURCE" help:"Where documents are: a folder, etcd://HOST[,HOST…]/PREFIX, or https://HOST of a Directus (default https:// and the variable BAAS_HOST)."`
	POP       string        `name:"pop" env:"OPENCACHE_POP,OPENCACHE_POP_ID,POP_ID" placeholder:"ID" help:"This node's PoP: its document is merged over the defaults of all nodes."`
	Server    string        `name:"server" env:"OPENCACHE_SERVER,SERVER_NAME" placeholder:"NAME" help:"This node's name: clients see it, without the suffixes that its document names (default the machine's)."`
	State     string        `placeholder:"DIR" help:"Folder for what has to survive a restart: the documents in use, for a start without their source; the key of visitors' ids; and the report on the tier policy (default none)."`
	Listen    []string      `placeholder:"ADDR" help:"Address for clients in place of those of the node's document: host:port or unix:/path. Repeatable, or with commas."`
	Poll      time.Duration `default:"60s" help:"How often a Directus is asked, a tenth more or less (default ${default})."`
	TokenFile string        `env:"OPENCACHE_TOKEN_FILE,BAAS_TOKEN_FILE" placeholder:"FILE" help:"File with the token that a Directus is shown (default the variable BAAS_TOKEN)."`
	LogLevel  string        `default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least level to log: debug, info, warn, error (default ${default})."`
	LogFormat string        `default:"text" enum:"text,json" placeholder:"FORM" help:"Form of the log on standard error: text, json (default ${default})."`
}

// loadGC is GOGC while the first documents are loaded.
const loadGC = 400

// keyPrefix is what keys of documents begin with.
const keyPrefix = "opencache:"

// Run serves what documents say until a signal stops it.
func (c *edgeCmd) Run() error {
	log := newLog(&serveOptions{LogLevel: c.LogLevel, LogFormat: c.LogFormat})
	source, err := c.source()
	if err != nil {
		return usageError{fmt.Errorf("--config: %w", err)}
	}
	keep := kvs.Keep{}
	if c.State != "" {
		keep.Dir = filepath.Join(c.State, "documents")
	}
	l := newLive(source, keep, c.POP, log)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	// Loading makes much that stays and little that does not: collecting as
	// often as later would be half of the work.
	often := debug.SetGCPercent(loadGC)
	news := make(chan sourceNews)
	running.Go(func() { l.watch(ctx, news) })

	waiting, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	shot, set, err := l.first(waiting, news)
	asked := waiting.Err() != nil
	stop()
	switch {
	case asked:
		return nil
	case err != nil:
		return err
	}
	p, err := c.start(l, shot, log)
	if err != nil {
		return err
	}
	shelf := newShelf(&l.keep, c.State, log)
	running.Go(func() { shelf.run(ctx) })
	l.used = shelf.put
	l.take(set) // all of it this time: what was compiled before has no last good version yet
	debug.SetGCPercent(often)
	running.Go(debug.FreeOSMemory) // what loading left behind
	running.Go(func() { l.run(ctx, news) })
	err = p.run(context.Background())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// source opens what --config names. A folder that is not there is a slip,
// unless something was kept.
func (c *edgeCmd) source() (kvs.Source, error) {
	name := c.Config
	if host := os.Getenv("BAAS_HOST"); name == "" && host != "" {
		name = "https://" + host
	}
	token := kvs.Secret{File: c.TokenFile}
	if _, ok := os.LookupEnv("BAAS_TOKEN"); ok && token.File == "" {
		token.Env = "BAAS_TOKEN"
	}
	source, err := kvs.Open(name, kvs.Options{Prefix: keyPrefix, Poll: c.Poll, Token: token})
	if err == nil && c.State == "" && source.String() == filepath.Clean(name) {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return source, err
}

// start makes the process that serves what a snapshot says, and has l compile
// what comes later for it.
func (c *edgeCmd) start(l *liveConfig, shot *config.Snapshot, log *slog.Logger) (*process, error) {
	so := &stackOptions{shot: *shot, pop: c.POP, name: c.Server, live: l}
	var err error
	if so.name == "" {
		if so.name, err = os.Hostname(); err != nil {
			return nil, usageError{fmt.Errorf("--server: the machine has no name: %w", err)}
		}
	}
	if so.token, err = adminToken(shot.Node); err != nil {
		return nil, usageError{err}
	}
	if so.visitorKey, err = visitorKey(shot.Node.Network.VisitorKey, c.State, log); err != nil {
		return nil, usageError{err}
	}
	sockets, err := c.sockets(&shot.Node.Network)
	if err != nil {
		return nil, usageError{err}
	}
	p, err := startProcess(so, sockets, log)
	if err != nil {
		closeAll(sockets)
		return nil, err
	}
	p.again = l.look
	first := shot.Node
	l.compile = func(shot *config.Snapshot) (func() error, []config.Fault) {
		l.restart = needsRestart(first, shot.Node)
		return p.stack.compile(shot)
	}
	var names []string
	for _, s := range sockets {
		names = append(names, s.Addr().String())
	}
	started := []any{"listen", strings.Join(names, ","), "documents", l.source.String(), "pop", c.POP, "sites", len(shot.Sites), "version", version}
	if p.admin != nil {
		started = append(started, "admin", p.admin.Addr().String())
	}
	log.Info("serving", started...)
	return p, nil
}

// sockets opens the addresses for clients.
func (c *edgeCmd) sockets(n *config.Network) (sockets []net.Listener, err error) {
	listeners := n.Listeners
	if len(c.Listen) > 0 {
		listeners = nil
		for _, a := range c.Listen {
			listeners = append(listeners, config.Listener{Address: a})
		}
	}
	for i, l := range listeners {
		if l.ProxyProtocol && len(n.TrustedProxies) == 0 && !strings.HasPrefix(l.Address, "unix:") {
			closeAll(sockets)
			return nil, fmt.Errorf("network.listeners[%d].proxyProtocol: expected network.trustedProxies, which may speak it", i)
		}
		socket, err := listen.Listen(l.Address)
		if err != nil {
			closeAll(sockets)
			return nil, err
		}
		if l.ProxyProtocol {
			socket = listen.Greeted(socket)
		}
		sockets = append(sockets, socket)
	}
	return sockets, nil
}

func closeAll(sockets []net.Listener) {
	for _, s := range sockets {
		_ = s.Close()
	}
}

// adminToken reads the token that a node's document refers to.
func adminToken(n *config.Node) (string, error) {
	if a := n.Network.Admin; n.Network.AdminToken == nil && a != "" && a != "off" && !loopbackAddr(a) {
		return "", errors.New("network.admin: other machines reach " + a + ": expected an address of this machine alone, or network.adminToken")
	}
	if n.Network.AdminToken == nil {
		return "", nil
	}
	token, err := kvs.Secret{File: n.Network.AdminToken.File, Env: n.Network.AdminToken.Env}.Read()
	switch {
	case err != nil:
		return "", fmt.Errorf("network.adminToken: %w", err)
	case len(token) < 16:
		return "", fmt.Errorf("network.adminToken: a token of %d bytes: expected at least 16", len(token))
	}
	return token, nil
}

// needsRestart names what of a node's document counts at the start alone, and
// is not as it was then.
func needsRestart(was, is *config.Node) (paths []string) {
	for _, f := range []struct {
		path    string
		was, is any
	}{
		{"network", atStart(was.Network), atStart(is.Network)},
		{"cache.memory", was.Cache.Memory, is.Cache.Memory},
		{"cache.meanObject", was.Cache.MeanObject, is.Cache.MeanObject},
		{"cache.volumes", was.Cache.Volumes, is.Cache.Volumes},
		{"monitoring.log.path", was.Monitoring.Log.Path, is.Monitoring.Log.Path},
		{"monitoring.log.format", was.Monitoring.Log.Format, is.Monitoring.Log.Format},
		{"monitoring.log.text", was.Monitoring.Log.Text, is.Monitoring.Log.Text},
		{"monitoring.metricsSites", was.Monitoring.MetricsSites, is.Monitoring.MetricsSites},
		{"monitoring.tracing", was.Monitoring.Tracing, is.Monitoring.Tracing},
		{"monitoring.loki", was.Monitoring.Loki, is.Monitoring.Loki},
		{"availability.drain", was.Availability.Drain, is.Availability.Drain},
	} {
		if !reflect.DeepEqual(f.was, f.is) {
			paths = append(paths, f.path)
		}
	}
	return paths
}

// atStart is a network's document without what counts at once.
func atStart(n config.Network) config.Network {
	n.TrustedProxies, n.UpstreamFields, n.Forwarded = nil, "", false
	return n
}

// compile makes ready what other documents say.
func (s *stack) compile(shot *config.Snapshot) (use func() error, faults []config.Fault) {
	plan, faults := s.compiler.Compile(s.edge.Plan(), shot.Node, shot.Sites)
	return func() error {
		s.watch(shot.Node)
		s.geo.Use(databasesOf(shot.Node))
		return s.edge.Use(plan)
	}, faults
}
