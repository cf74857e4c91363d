package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"opencache/test/bench/child"
)

const startTime = 30 * time.Second // Varnish calls a C compiler first

// server is one of the servers under measurement.
type server struct {
	name    string
	version string
	port    int
	child   *child.Child
}

func (s *server) url(path string) string { return "http://" + child.Addr(s.port) + path }

// site is what a server's settings are made from.
type site struct {
	port   int
	origin int
	dir    string
}

// start starts the server with a folder of its own, and waits until it listens.
func start(ctx context.Context, o options, name string, origin int) (*server, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	at := site{port, origin, filepath.Join(o.scratch, name)}
	if err := os.MkdirAll(at.dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var c child.Command
	s := &server{name: name, port: port}
	switch name {
	case "opencache":
		c, s.version = opencache(o, at), firstLine(o.bin, "version")
	case "nginx":
		c, err = nginx(o, at)
		s.version = firstLine("nginx", "-v")
	case "varnish":
		c, err = varnish(o, at)
		s.version = firstLine("varnishd", "-V")
	default:
		err = fmt.Errorf("server %q: expected opencache, nginx or varnish", name)
	}
	if err != nil {
		return nil, err
	}
	c.Core = serverCore
	if s.child, err = child.Start(c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := s.child.Listening(ctx, port); err != nil {
		s.child.Stop()
		return nil, err
	}
	return s, nil
}

func opencache(o options, at site) child.Command {
	return child.Command{
		Args: []string{o.bin, "serve", "--listen", child.Addr(at.port), "--origin", "http://" + child.Addr(at.origin),
			"--memory", "512M", "--admin", "off", "--passthrough", "^/pass/"},
		Env: []string{"GOMAXPROCS=1"}, // it has one core
	}
}

func nginx(o options, at site) (child.Command, error) {
	conf, err := fill(o, "nginx.conf", at)
	return child.Command{Args: []string{"nginx", "-p", at.dir, "-e", "stderr", "-c", conf}}, err
}

// quiet are the log records that Varnish makes in its shared memory for each
// request and nobody reads here.
const quiet = "-BackendClose,-BackendOpen,-BackendReuse,-Begin,-BereqAcct,-BereqHeader,-BereqMethod,-BereqProtocol,-BereqURL," +
	"-BereqUnset,-BerespHeader,-BerespProtocol,-BerespReason,-BerespStatus,-BerespUnset,-End,-Fetch_Body,-Filters,-Hit,-Length," +
	"-Link,-ReqAcct,-ReqHeader,-ReqMethod,-ReqProtocol,-ReqStart,-ReqURL,-ReqUnset,-RespHeader,-RespProtocol,-RespReason," +
	"-RespStatus,-RespUnset,-SessClose,-SessOpen,-Storage,-TTL,-Timestamp,-VCL_call,-VCL_return,-VCL_use"

func varnish(o options, at site) (child.Command, error) {
	vcl, err := fill(o, "varnish.vcl", at)
	args := []string{"varnishd", "-F", "-j", "none", "-n", filepath.Join(at.dir, "work"), "-a", child.Addr(at.port),
		"-f", vcl, "-s", "malloc,512m", "-T", "none"}
	for _, p := range []string{
		"thread_pools=1",       // one core
		"thread_pool_min=1200", // a thread for each client of a stampede
		"thread_pool_max=3000",
		"listen_depth=4096",
		"timeout_idle=600",
		"http_gzip_support=off",
		"vsl_mask=" + quiet,
	} {
		args = append(args, "-p", p)
	}
	return child.Command{Args: args}, err
}

// fill writes the settings of the template name.in into the server's folder.
func fill(o options, name string, at site) (string, error) {
	text, err := os.ReadFile(filepath.Join(o.conf, name+".in"))
	if err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	filled := strings.NewReplacer("@PORT@", strconv.Itoa(at.port), "@ORIGIN@", strconv.Itoa(at.origin), "@DIR@", at.dir).
		Replace(string(text))
	path := filepath.Join(at.dir, name)
	if err := os.WriteFile(path, []byte(filled), 0o644); err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	return path, nil
}

// firstLine is the first line that a command prints; for the record only.
func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// backend is the origin behind all servers.
type backend struct {
	port  int
	child *child.Child
}

func startOrigin(ctx context.Context, o options) (*backend, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	c, err := child.Start(child.Command{Args: []string{o.origin, "-listen", child.Addr(port)}, Core: loadCore,
		Env: []string{"GOMAXPROCS=1"}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.Listening(ctx, port); err != nil {
		c.Stop()
		return nil, err
	}
	return &backend{port, c}, nil
}

// count tells how often the path was fetched from the origin.
func (b *backend) count(ctx context.Context, path string) (int, error) {
	got, err := get(ctx, "http://"+child.Addr(b.port)+"/__count")
	if err != nil {
		return 0, fmt.Errorf("origin's count: %w", err)
	}
	var counts map[string]int
	if err := json.Unmarshal(got.body, &counts); err != nil {
		return 0, fmt.Errorf("origin's count: %w", err)
	}
	return counts[path], nil
}

// answer is what get got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get fetches a URL whole: nothing here is above 10 MiB.
func get(ctx context.Context, url string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end or failed
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return answer{response.StatusCode, response.Header, body}, err
}
