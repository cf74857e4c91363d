// Watch shows what an edge tells of itself: Prometheus scrapes the running
// program, promtool checks its metrics, and a fake Loki gets the log and then
// stops, hangs and fails, which costs no request.
//
//	watch -bin bin/opencache
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var bin = flag.String("bin", "bin/opencache", "the program")

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, strings.Repeat("content ", 128))
	}))
	defer origin.Close()
	loki := newLoki()
	defer loki.Close()
	e, err := startEdge(dir, origin.URL, loki.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(e.cmd)) }()
	if err := showLoki(e, loki); err != nil {
		return err
	}
	if err := showLint(e); err != nil {
		return err
	}
	return showPrometheus(dir, e)
}

// An edge is the program as it runs.
type edge struct {
	cmd *exec.Cmd
	url string
}

// startEdge starts the program on documents of its own.
func startEdge(dir, origin, loki string) (*edge, error) {
	dir = filepath.Join(dir, "documents")
	port, err := freePort()
	if err = errors.Join(err, os.Mkdir(dir, 0o700)); err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + port
	for name, text := range map[string]string{
		"opencache:nodeConfigDefaults.jsonc": `{"network": {"listeners": [{"address": "` + address + `"}], "admin": "off"}, "cache": {"memory": "64M"},
			"monitoring": {"loki": {"url": "` + loki + `/loki/api/v1/push", "wait": "100ms", "batch": "128K", "queue": "256K", "gzip": true}}}`,
		"opencache:edgeResource:shop.jsonc": `{"id": "shop", "hostnames": ["_"], "upstreams": [{"name": "o", "servers": [{"url": "` + origin + `"}]}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	e := &edge{cmd: exec.Command(*bin, "edge", "--config", dir, "--pop", "here", "--log-level", "error"), url: "http://" + address}
	e.cmd.Stderr = os.Stderr
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	return e, until("the edge answers", func() bool { _, err := get(e.url + "/oc-cgi/health"); return err == nil })
}

// load asks without a pause for so long, and returns how often, how many
// requests failed, and within what time 99 of 100 were answered.
func (e *edge) load(d time.Duration) (n, failed int, slow time.Duration) {
	var took []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		begun := time.Now()
		if _, err := get(fmt.Sprintf("%s/page/%d", e.url, n%50)); err != nil {
			failed++
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return n, failed, took[n*99/100]
}

// showLoki has Loki be well, stop, hang and fail in turn.
func showLoki(e *edge, loki *fakeLoki) error {
	failed := 0
	for _, state := range []string{well, stopped, hanging, failing, well} {
		loki.state.Store(state)
		before := loki.lines.Load()
		n, bad, slow := e.load(2 * time.Second)
		failed += bad
		if state == well {
			if err := until("Loki gets lines", func() bool { return loki.lines.Load() > before }); err != nil {
				return err
			}
		}
		fmt.Printf("Loki is %-8s %5d requests, %d failed, 99 of 100 within %s\n", state+":", n, bad, slow.Round(10*time.Microsecond))
	}
	text, err := get(e.url + "/oc-cgi/metrics")
	if err != nil {
		return err
	}
	fmt.Printf("lines sent %s, dropped for want of room %s; Loki took %d in %d streams\n",
		sample(text, `opencache_loki_entries_total{outcome="sent"}`), sample(text, `opencache_loki_entries_total{outcome="queue_full"}`), loki.lines.Load(), loki.streams())
	switch {
	case failed > 0:
		return fmt.Errorf("%d requests failed", failed)
	case loki.lines.Load() == 0:
		return errors.New("loki got nothing")
	case !loki.has("service", "opencache") || !loki.has("pop", "here"):
		return errors.New("loki's streams have not the labels service and pop")
	}
	return nil
}

// showLint has promtool look at the metrics.
func showLint(e *edge) error {
	text, err := get(e.url + "/oc-cgi/metrics")
	if err != nil {
		return err
	}
	c := exec.Command("promtool", "check", "metrics")
	c.Stdin = strings.NewReader(text)
	out, err := c.CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		return fmt.Errorf("promtool check metrics: %w\n%s", err, out)
	}
	fmt.Printf("promtool check metrics: clean, %d metrics, %d samples\n", strings.Count(text, "# TYPE "), strings.Count(text, "\n")-2*strings.Count(text, "# TYPE "))
	return nil
}

// showPrometheus has Prometheus scrape the edge, and asks it.
func showPrometheus(dir string, e *edge) (err error) {
	port, err := freePort()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "prometheus.yml")
	conf := "global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: opencache\n  metrics_path: /oc-cgi/metrics\n  static_configs:\n  - targets: ['" + strings.TrimPrefix(e.url, "http://") + "']\n"
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return err
	}
	c := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:"+port, "--log.level=error")
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(c)) }()
	ask := func(query string) string {
		text, _ := get("http://127.0.0.1:" + port + "/api/v1/query?query=" + url.QueryEscape(query))
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if json.Unmarshal([]byte(text), &answer) != nil || len(answer.Data.Result) == 0 {
			return ""
		}
		return fmt.Sprint(answer.Data.Result[0].Value[1])
	}
	if err := until("Prometheus has scraped", func() bool { return ask("up") == "1" && ask(`sum(opencache_site_requests_total{site="shop"})`) != "" }); err != nil {
		return err
	}
	fmt.Printf("Prometheus: up %s, requests of site shop %s, hit ratio %s, scrape %s s\n", ask("up"), ask(`sum(opencache_site_requests_total{site="shop"})`),
		ask(`sum(opencache_http_requests_total{cache_status="HIT"}) / sum(opencache_http_requests_total{cache_status=~"HIT|MISS"})`), ask("scrape_duration_seconds"))
	return nil
}

// sample is the value of a line of metrics.
func sample(text, name string) string {
	_, rest, _ := strings.Cut(text, "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", url, resp.StatusCode)
	}
	return string(text), err
}

// until waits until what is expected is so, for 20 s at most.
func until(what string, so func() bool) error {
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(50 * time.Millisecond) {
		if so() {
			return nil
		}
	}
	return errors.New("not in 20 s: " + what)
}

// end stops a program and waits for it.
func end(c *exec.Cmd) error {
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	kill := time.AfterFunc(15*time.Second, func() { _ = c.Process.Kill() })
	defer kill.Stop()
	return c.Wait()
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
