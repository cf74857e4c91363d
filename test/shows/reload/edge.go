package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"opencache/test/bench/child"
)

const (
	siteKey = "opencache:edgeResource:"
	nodeKey = "opencache:nodeConfigDefaults"
)

// An edge is opencache edge on a folder of documents.
type edge struct {
	*child.Child
	dir           string // of the documents
	listen, admin string
}

// startEdge starts it once the documents are there.
func startEdge(ctx context.Context, bin, dir string) (*edge, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	e := &edge{dir: dir, listen: child.Addr(port)}
	e.Child, err = child.Start(child.Command{Core: -1, Args: []string{bin, "edge", "--config", dir, "--state", dir + ".state", "--listen", e.listen, "--log-level", "warn"}})
	if err != nil {
		return nil, err
	}
	return e, e.Listening(ctx, port)
}

// node is the node's document: no more memory than is needed, administration
// on a port of its own.
func (e *edge) node(policy string) error {
	return put(e.dir, nodeKey, fmt.Sprintf(`{"network": {"admin": %q}, "cache": {"memory": "64M"}, "cacheTierPolicy": %s}`, e.admin, policy))
}

// put has a document be text, as a whole; an empty text takes it away.
func put(dir, key, text string) error {
	path := filepath.Join(dir, key+".jsonc")
	if text == "" {
		return os.Remove(path)
	}
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// A holding is what a process holds.
type holding struct {
	goroutines, files, clients, upstreams int64
	heap                                  int64 // live, after a collection
}

// held counts what the edge holds.
func (e *edge) held() (h holding, err error) {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.PID()))
	if err != nil {
		return h, err
	}
	h.files = int64(len(files))
	heap, err := e.get("/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return h, err
	}
	if h.heap, err = number(heap, `# HeapAlloc = (\d+)`); err != nil {
		return h, err
	}
	routines, err := e.get("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return h, err
	}
	if h.goroutines, err = number(routines, `goroutine profile: total (\d+)`); err != nil {
		return h, err
	}
	metrics, err := e.get("/metrics")
	if err != nil {
		return h, err
	}
	h.clients, err = number(metrics, `(?m)^opencache_connections (\d+)`)
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "opencache_upstream_connections{") {
			_, value, _ := strings.Cut(line, "} ")
			n, e := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if e != nil {
				return h, e
			}
			h.upstreams += n
		}
	}
	return h, err
}

func number(text, pattern string) (int64, error) {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("nothing matches %s", pattern)
	}
	return strconv.ParseInt(found[1], 10, 64)
}

// get asks the administration, on a connection that is closed behind it.
func (e *edge) get(path string) (string, error) {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + e.admin + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, r.StatusCode)
	}
	return string(text), err
}

// A status is what is read of /oc-cgi/status.
type status struct {
	Reloads         int     `json:"reloads"`
	DocumentsParsed int     `json:"documentsParsed"`
	Sites           int     `json:"sites"`
	LastReload      float64 `json:"lastReloadSeconds"`
	Documents       struct {
		Good, Stale, Bad int
	} `json:"documents"`
}

func (e *edge) status() (s status, err error) {
	text, err := e.get("/oc-cgi/status")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// until waits until done says so, for so long at most.
func until(ctx context.Context, most time.Duration, done func() (bool, error)) (took time.Duration, err error) {
	begun := time.Now()
	for ctx.Err() == nil {
		ok, err := done()
		took = time.Since(begun)
		switch {
		case ok:
			return took, nil
		case took > most && err == nil:
			return took, fmt.Errorf("not within %s", most)
		case took > most:
			return took, fmt.Errorf("not within %s: %w", most, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return took, ctx.Err()
}

// resident is what a process has of memory that is its own: without what is
// stored, which lies in a shared mapping.
func resident(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if value, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no RssAnon of %d on %s", pid, runtime.GOOS)
}
