package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// peerNames are who is tested, in the order of the table.
var peerNames = []string{"opencache", "nginx", "HAProxy", "net/http"}

// A mode is a peer as it is set up.
type mode struct {
	peer, name string
	flags      []string
	keepsHost  bool          // the origin sees the client's Host
	patience   time.Duration // for what should come
	end        time.Duration // for a connection's end behind an answer
}

// modesOf lists how a peer is tested. opencache's flags decide how a request
// travels: through the cache or past it, with the origin's Host or the client's.
func modesOf(peer string) []mode {
	if peer != "opencache" {
		return []mode{{peer: peer, name: peer, keepsHost: true, patience: 700 * time.Millisecond, end: 50 * time.Millisecond}}
	}
	const patience = 10 * time.Second
	return []mode{
		{peer, "cached", nil, false, patience, patience},
		{peer, "passthrough", []string{"--passthrough", "."}, false, patience, patience},
		{peer, "preserve-host", []string{"--preserve-host"}, true, patience, patience},
	}
}

// A place is where peers find what they need: a folder of their own and the
// opencache to test.
type place struct{ dir, binary string }

// A rig is a proxy in front of an origin. Cases run on it one after the other.
type rig struct {
	mode
	addr    string // the proxy's
	origin  *origin
	version string
	stop    func()
	child   *child // nil: in this process
	cases   int
}

// start makes a rig. The caller calls its stop.
func start(m mode, p place) (*rig, error) {
	o, err := newOrigin()
	if err != nil {
		return nil, err
	}
	r := &rig{mode: m, origin: o, stop: o.stop}
	if err := r.startProxy(p); err != nil {
		o.stop()
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	return r, nil
}

func (r *rig) startProxy(p place) error {
	switch r.peer {
	case "net/http":
		return r.startGo()
	case "nginx":
		return r.startChild(p, nginxConf, "nginx", "-p", p.dir, "-e", "stderr", "-c")
	case "HAProxy":
		return r.startChild(p, haproxyConf, "haproxy", "-db", "-f")
	}
	return r.startOwn(p)
}

// startOwn starts opencache, which says in its log where it listens.
func (r *rig) startOwn(p place) error {
	args := append([]string{"serve", "--port", "0", "--admin", "off", "--memory", "32M", "--origin", "http://" + r.origin.addr()}, r.flags...)
	c, err := run(p.binary, args...)
	if err != nil {
		return err
	}
	stop := r.stop
	r.child, r.stop = c, func() { c.stop(); stop() }
	for range 1000 {
		if _, rest, ok := strings.Cut(c.output(), "msg=serving listen="); ok {
			if addr, _, ok := strings.Cut(rest, " "); ok {
				r.addr = addr
				_, rest, _ = strings.Cut(rest, "version=")
				r.version = strings.Fields(rest + " ?")[0]
				return nil
			}
		}
		if c.ended() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.stop()
	return fmt.Errorf("%s does not serve: %s", p.binary, c.output())
}

// startChild starts another proxy from a configuration with its address and
// the origin's.
func (r *rig) startChild(p place, conf, program string, args ...string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.addr = l.Addr().String()
	_ = l.Close() // the proxy is to have it
	file := filepath.Join(p.dir, program+".conf")
	conf = strings.NewReplacer("$LISTEN", r.addr, "$ORIGIN", r.origin.addr()).Replace(conf)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return err
	}
	out, err := exec.Command(program, "-v").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s -v: %w", program, err)
	}
	r.version = versionIn(string(out))
	c, err := run(program, append(args, file)...)
	if err != nil {
		return err
	}
	stop := r.stop
	r.child, r.stop = c, func() { c.stop(); stop() }
	for range 1000 {
		if nc, err := net.Dial("tcp", r.addr); err == nil {
			return nc.Close()
		}
		if c.ended() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.stop()
	return fmt.Errorf("%s does not listen: %s", program, c.output())
}

// versionIn finds the first number with a dot in it.
func versionIn(text string) string {
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == '/' || c == '\n' || c == '\t' }) {
		if strings.Contains(word, ".") && word[0] >= '0' && word[0] <= '9' {
			return word
		}
	}
	return "?"
}

// Both as their manuals have it for a reverse proxy with kept connections; the
// client's Host goes on, or the cases on Host would show nothing.
const nginxConf = `
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream origin { server $ORIGIN; keepalive 16; }
  server {
    listen $LISTEN;
    server_name desync.test;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Connection "";
    }
  }
}
`

const haproxyConf = `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend clients
  bind $LISTEN
  default_backend origin
backend origin
  server origin $ORIGIN
`

// startGo is the standard library's reverse proxy, in this process.
func (r *rig) startGo() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.addr, r.version = l.Addr().String(), strings.TrimPrefix(runtime.Version(), "go")
	to := &url.URL{Scheme: "http", Host: r.origin.addr()}
	quiet := log.New(io.Discard, "", 0)
	transport := &http.Transport{DisableCompression: true}
	server := &http.Server{
		ErrorLog: quiet, ReadHeaderTimeout: holdTime,
		Handler: &httputil.ReverseProxy{
			Transport: transport, ErrorLog: quiet,
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host },
		},
	}
	go func() { _ = server.Serve(l) }() // ends by Close, with an error that says so
	stop := r.stop
	r.stop = func() { _ = server.Close(); transport.CloseIdleConnections(); stop() }
	return nil
}

// complaint returns what the proxy said that it must never say.
func (r *rig) complaint() string {
	if r.child == nil {
		return ""
	}
	out := r.child.output()
	for _, word := range []string{"DATA RACE", "panic"} {
		if i := strings.Index(out, word); i >= 0 {
			return out[max(0, i-200):min(len(out), i+4000)]
		}
	}
	if r.child.ended() {
		return "ended: " + out
	}
	return ""
}

// A child is a process. It ends with this one.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex // guards the field below
	out bytes.Buffer
}

func run(program string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the process ends with the thread that started it
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // how it ended shows in its output
			close(c.done)
		}
	}()
	return c, <-started
}

// outputMax bounds what is kept of a process' output.
const outputMax = 1 << 20

// Write takes the process' output.
func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.Len() < outputMax {
		c.out.Write(p)
	}
	return len(p), nil
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// stop ends the process and those that it started.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // gone already: done tells
	select {
	case <-c.done:
	case <-time.After(3 * time.Second):
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.done
	}
}
