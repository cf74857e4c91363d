package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"opencache/test/bench/child"
)

const startTime = 30 * time.Second // Varnish calls a C compiler first

// server is one of the servers under measurement, running.
type server struct {
	name     string
	site     site
	children []*child.Child
	read     int   // cold: how many of the objects on disk were asked for
	empty    int64 // skewed: bytes that it held when nothing was stored
}

// site is what a server's settings are made from: the templates name its fields.
type site struct {
	Port   int
	Origin int
	Admin  int    // opencache's administration; 0: none
	Dir    string // the server's own
	Store  string // folder for what is stored; on a disk where the mode says so
	Mode   mode
	Even   bool // nginx: one setting for bodies of all sizes
	Told   int  // MiB of memory to store in; 0: the mode's
	Pinned bool // to one core
}

// Megabytes are those of memory that the server may store in.
func (s *site) Megabytes() int {
	switch s.Mode {
	case small:
		return cmp.Or(s.Told, smallMemory)
	case tiered:
		return smallMemory
	case disked:
		return 0
	default:
		return 512
	}
}

// smallMemory is that of the workloads that want more than fits, in MiB.
const smallMemory = 64

func (s *server) url(path string) string {
	if s.site.Mode == secure {
		return "https://" + child.Addr(s.site.Port) + path
	}
	return "http://" + child.Addr(s.site.Port) + path
}

// start starts the server with a folder of its own, and waits until it listens.
func start(ctx context.Context, o options, k kind, as site) (*server, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	as.Port, as.Pinned, as.Even = port, o.pinned, k.name == "nginx-plain"
	as.Dir = filepath.Join(o.scratch, k.name)
	as.Store = filepath.Join(as.Dir, "cache")
	if as.Mode == disked || as.Mode == tiered {
		as.Store = filepath.Join(o.disk, k.name)
	}
	s := &server{name: k.name, site: as}
	if err := errors.Join(os.MkdirAll(as.Dir, 0o755), os.MkdirAll(as.Store, 0o755)); err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	if err := certify(as.Dir); err != nil {
		return nil, err
	}
	commands, err := k.commands(o, &s.site)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for _, c := range commands {
		c.Core = o.core(serverCore)
		started, err := child.Start(c)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.children = append(s.children, started)
		if err := s.children[0].Listening(ctx, port); err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// stop ends the server and removes its files.
func (s *server) stop() {
	for _, c := range s.children {
		c.Stop()
	}
	_ = os.RemoveAll(s.site.Dir) // lies in a folder that is removed in the end
	_ = os.RemoveAll(s.site.Store)
}

// cpu is the processor time that all processes of the server have used.
func (s *server) cpu() (time.Duration, error) {
	return total(s, child.CPU)
}

// peak is the most memory that was resident since resetPeak.
func (s *server) peak() (int64, error) { return total(s, child.Peak) }

func (s *server) resetPeak() error {
	var errs []error
	for _, c := range s.children {
		errs = append(errs, child.ResetPeak(c.PID()))
	}
	return errors.Join(errs...)
}

// resident is the memory in use now. A cache of files counts: they lie on a
// tmpfs.
func (s *server) resident() (int64, error) {
	sum, err := total(s, child.Resident)
	if err != nil {
		return 0, err
	}
	files, err := blocks(s.site.Store)
	return sum + files, err
}

func total[T int64 | time.Duration](s *server, f func(pid int) (T, error)) (T, error) {
	var sum T
	for _, c := range s.children {
		n, err := f(c.PID())
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
		sum += n
	}
	return sum, nil
}

// fill writes the settings of the template name.in into the server's folder.
func (s *site) fill(o options, name string) (string, error) {
	t, err := template.ParseFiles(filepath.Join(o.conf, name+".in"))
	if err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, s); err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	path := s.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	return path, os.WriteFile(path, text.Bytes(), 0o644)
}

// answer is what get got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get fetches a URL whole: nothing here is above 10 MiB.
func get(ctx context.Context, url string, header http.Header) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, TLSClientConfig: clientTLS()}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end or failed
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return answer{response.StatusCode, response.Header, body}, err
}
