package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"opencache/test/bench/child"
)

// What many sites may cost.
const (
	loadTime   = 2 * time.Second
	loadMemory = 220 << 20
)

// customer is a site as a customer with a few rules has it.
const customer = `{
  // one of many
  "id": "%[1]s",
  "hostnames": ["%[1]s.example", "www.%[1]s.example"],
  "upstreams": [{"name": "main", "servers": [{"url": "http://127.0.0.1:9", "weight": 2}, {"url": "http://127.0.0.1:10", "backup": true}]}],
  "routes": [
    {"location": "/", "kind": "cache_proxy"},
    {"location": "= /version", "kind": "fixed", "fixed": {"body": "%[2]d"}},
    {"location": "^~ /static/", "kind": "cache_proxy"},
    {"location": "~ \\.php$", "kind": "proxy"},
    {"location": "= /old", "kind": "redirect", "redirect": {"to": "https://$host/new"}},
  ],
  "headers": [{"name": "X-Frame-Options", "value": "DENY"}, {"name": "X-Version", "value": "%[2]d"}],
  "cache": {
    "global": {"queryNormalization": {"enabled": true, "dropParams": ["utm_source", "utm_medium", "fbclid"], "sortParams": true}},
    "zones": [{"name": "pages", "maxSize": "64M"}],
    "rules": [
      {"id": "static", "priority": 10, "match": {"extensions": ["css", "js", "png"]}, "cache": {"validResponses": {"200": "1d", "404": "1m"}}},
      {"id": "pages", "match": {"uriPattern": "^/(en|de|fr)/"}, "cache": {"bypass": "$cookie_session", "noStoreConditions": ["$arg_preview"],
        "validResponses": {"2xx": "10m", "any": "off"}, "stale": {"conditions": ["error", "timeout", "http_500"], "maxAge": "1d"}}},
    ],
  },
}
`

// showMany starts an edge on n sites, changes one, and says what that took.
func showMany(ctx context.Context, bin, dir string, n int) error {
	conf := filepath.Join(dir, "conf")
	if err := os.Mkdir(conf, 0o700); err != nil {
		return err
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_ = admin.Close()
	documents := &edge{dir: conf, admin: admin.Addr().String()}
	if err := documents.node("{}"); err != nil {
		return err
	}
	for i := range n {
		if err := put(conf, siteKey+name(i), fmt.Sprintf(customer, name(i), 1)); err != nil {
			return err
		}
	}
	begun := time.Now()
	e, err := startEdge(ctx, bin, conf)
	if err != nil {
		return err
	}
	defer e.Stop()
	e.admin = documents.admin
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if _, _, err := fetch(client, e.listen, name(n-1), "/version"); err != nil {
		return err
	}
	loaded := time.Since(begun)
	first, err := e.status()
	if err != nil {
		return err
	}
	cpu, err := child.CPU(e.PID())
	if err != nil {
		return err
	}
	// What loading left behind is given back when it is quiet.
	var memory int64
	for range 20 {
		time.Sleep(time.Second)
		was := memory
		if memory, err = resident(e.PID()); err != nil {
			return err
		}
		if memory == was && memory < loadMemory {
			break
		}
	}
	if err := put(conf, siteKey+name(n/2), fmt.Sprintf(customer, name(n/2), 2)); err != nil {
		return err
	}
	took, err := until(ctx, 10*soon, func() (bool, error) {
		version, _, err := fetch(client, e.listen, name(n/2), "/version")
		return version == 2, err
	})
	if err != nil {
		return err
	}
	var second status
	if _, err := until(ctx, 10*soon, func() (bool, error) {
		second, err = e.status()
		return second.Reloads > first.Reloads, err
	}); err != nil {
		return err
	}
	fmt.Printf("%d sites: the first answer %.2f s after the start, %.2f s of processor time, %.2f s to read and compile; then %d MiB resident\n",
		first.Sites, loaded.Seconds(), cpu.Seconds(), first.LastReload, memory>>20)
	fmt.Printf("a change of one: in effect after %d ms, of which %.0f ms to read and compile; documents read: %d\n", took.Milliseconds(), second.LastReload*1000, second.DocumentsParsed)
	if first.Sites != n || first.Documents.Good != n+1 {
		err = errors.Join(err, fmt.Errorf("%d sites and %d good documents, want %d and %d", first.Sites, first.Documents.Good, n, n+1))
	}
	// On a machine that others use as well, time passes that is not ours.
	if min(loaded, cpu) > loadTime {
		err = errors.Join(err, fmt.Errorf("loading took longer than %s", loadTime))
	}
	if memory > loadMemory {
		err = errors.Join(err, fmt.Errorf("more than %d MiB are resident", loadMemory>>20))
	}
	if took > soon {
		err = errors.Join(err, fmt.Errorf("a change took longer than %s", soon))
	}
	if second.DocumentsParsed != 1 || second.Reloads != first.Reloads+1 {
		err = errors.Join(err, fmt.Errorf("%d documents were read in %d reloads, want 1 in 1", second.DocumentsParsed, second.Reloads-first.Reloads))
	}
	return err
}
