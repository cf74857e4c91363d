package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/script"
)

// TestFields: every field of the documents does something. A field is proved by
// a play of testdata/plays/edge that says it, and is no longer performed as
// written when the field is taken out of its documents; by a test of this
// package, where no play sees what it does; or by being refused as not yet.
func TestFields(t *testing.T) {
	plays, err := script.Plays(os.DirFS("../../testdata"), "plays/edge/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]script.Play{} // which plays say a field
	for _, s := range plays {
		for field := range fieldsOf(t, s) {
			said[field] = append(said[field], s)
		}
	}
	fields := append(pathsOf("site", reflect.TypeFor[config.Site]()), pathsOf("node", reflect.TypeFor[config.Node]())...)
	var seen, must, tested, refused atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, field := range fields {
			t.Run(field, func(t *testing.T) {
				t.Parallel()
				if isRefused(field) {
					refused.Add(1)
					return
				}
				if test, ok := elsewhere[field]; ok {
					tested.Add(1)
					if !exists(t, test) {
						t.Errorf("no such test: %s", test)
					}
					return
				}
				switch prove(t, field, said[field]) {
				case noticed:
					seen.Add(1)
				case needed:
					must.Add(1)
				default:
					t.Errorf("no play notices when it is taken out of its documents: %d plays say it", len(said[field]))
				}
			})
		}
	})
	for field := range elsewhere {
		if !slices.Contains(fields, field) {
			t.Errorf("%s: no such field", field)
		}
	}
	t.Logf("%d fields: without %d of them a play goes otherwise, without %d documents are refused; %d are other tests', %d refused as not yet", len(fields), seen.Load(), must.Load(), tested.Load(), refused.Load())
}

// notObeyed are documents that say what nothing obeys, by the path at which they
// are refused.
var notObeyed = map[string]string{
	"site.tls":                       `{"id": "a", "hostnames": ["a"], "tls": {"redirectHttp": true}}`,
	"site.cache.tierRules":           `{"id": "a", "hostnames": ["a"], "cache": {"tierRules": []}}`,
	"node.acme":                      `{"acme": {"email": "admin@example.com"}}`,
	"site.routes[].cors.applyToUris": `{"id": "a", "hostnames": ["a"], "upstreams": [{"name": "o", "servers": [{"url": "http://o"}]}], "routes": [{"location": "/", "cors": {"enabled": true, "applyToUris": ["^/"]}}]}`,
}

// elsewhere are tests of fields that say what no client sees.
var elsewhere = map[string]string{
	"node.cache.meanObject":            "cmd/opencache TestVolumesOfDocuments",
	"node.cache.volumes[].meanObject":  "cmd/opencache TestVolumesOfDocuments",
	"node.cache.volumes[].dirs[].low":  "cmd/opencache TestVolumesOfDocuments",
	"node.cache.volumes[].verify":      "cmd/opencache TestVolumesOfDocuments",
	"node.cache.volumes[].timeout":     "cmd/opencache TestVolumesOfDocuments",
	"node.cache.volumes[].sweepRate":   "cmd/opencache TestVolumesOfDocuments",
	"node.network.listeners[].address": "cmd/opencache TestEdgeNode",
	"node.network.admin":               "cmd/opencache TestEdgeNode",
	"node.network.adminToken.file":     "cmd/opencache TestEdgeNode",
	"node.network.adminToken.env":      "cmd/opencache TestEdgeNode",
	"node.compression.encoders":        "internal/edge TestEncoders",
	"site.compression.level":           "internal/edge TestCompressionLevel",
	"site.routes[].compression.level":  "internal/edge TestCompressionLevel",
	"node.network.visitorKey.env":      "cmd/opencache TestVisitorKey",
	"node.availability.drain":          "cmd/opencache TestEdgeNode",
	"site.upstreams[].resolve":         "internal/edge TestUpstreamResolve",
	"node.availability.ejectRatio":     "cmd/opencache TestReady",
	"site.upstreams[].protocol":        "internal/edge TestUpstreamProtocol",
	"site.upstreams[].tls.ca":          "internal/edge TestUpstreamTLS",
	"site.upstreams[].tls.serverName":  "internal/edge TestUpstreamTLS",
	"site.upstreams[].tls.verify":      "internal/edge TestUpstreamTLS",
	"site.upstreams[].tls.clientCert":  "internal/edge TestUpstreamTLS",
	"site.upstreams[].tls.clientKey":   "internal/edge TestUpstreamTLS",
	"site.upstreams[].tls.minVersion":  "internal/edge TestUpstreamTLS",
	"node.network.maxConnsPerAddress":  "cmd/opencache TestServeMaxConnsPerAddress", // a flag of the same document

	"node.network.listeners[].proxyProtocol": "cmd/opencache TestEdgeProxyProtocol",

	"site.access.allow.countries":          "internal/edge TestGate",
	"site.access.allow.asns":               "internal/edge TestGate",
	"site.access.deny.countries":           "internal/edge TestGate",
	"site.access.deny.asns":                "internal/edge TestGate",
	"site.routes[].access.allow.countries": "internal/edge TestGate",
	"site.routes[].access.allow.asns":      "internal/edge TestGate",
	"site.routes[].access.deny.countries":  "internal/edge TestGate",
	"site.routes[].access.deny.asns":       "internal/edge TestGate",

	// What is told of requests, and where to.
	"node.monitoring.tracing.endpoint":                 "cmd/opencache TestTracingOfDocuments",
	"node.monitoring.tracing.sample":                   "cmd/opencache TestTracingOfDocuments",
	"node.monitoring.tracing.queue":                    "cmd/opencache TestTracingOfDocuments",
	"node.monitoring.tracing.wait":                     "cmd/opencache TestTracingOfDocuments",
	"node.monitoring.tracing.gzip":                     "cmd/opencache TestTracingOfDocuments",
	"node.monitoring.metricsSites":                     "cmd/opencache TestMetricsBySite",
	"node.monitoring.loki.url":                         "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.user":                        "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.password.file":               "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.password.env":                "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.tenant":                      "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.batch":                       "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.wait":                        "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.queue":                       "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.gzip":                        "cmd/opencache TestLokiOfDocuments",
	"node.monitoring.loki.streams":                     "cmd/opencache TestLokiOfDocuments",
	"site.access.basicAuth.users.env":                  "internal/edge TestSecretsOfAccess",
	"site.routes[].access.basicAuth.users.env":         "internal/edge TestSecretsOfAccess",
	"site.access.signedUrl.keys[].secret.env":          "internal/edge TestSecretsOfAccess",
	"site.routes[].access.signedUrl.keys[].secret.env": "internal/edge TestSecretsOfAccess",
	"site.rateLimits[].clients":                        "internal/access TestRatesAreBounded",
}

// isRefused reports whether a field is part of what documents may not say.
func isRefused(field string) bool {
	for path := range notObeyed {
		if rest, ok := strings.CutPrefix(field, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// TestFieldsRefused: what nothing obeys is refused with its path.
func TestFieldsRefused(t *testing.T) {
	for path, text := range notObeyed {
		t.Run(path, func(t *testing.T) {
			root, want, _ := strings.Cut(path, ".")
			key := map[string]string{"site": siteKeys + "a", "node": nodeKey}[root]
			var set config.Set
			shot := set.Load(map[string][]byte{key: []byte(text)})
			var c edge.Compiler
			_, faults := c.Compile(nil, shot.Node, shot.Sites)
			for _, f := range append(shot.Faults, faults...) {
				if bare := numbers.ReplaceAllString(f.Path, "[]"); bare == want {
					return
				}
			}
			t.Errorf("got %v, want a fault at %s", append(shot.Faults, faults...), want)
		})
	}
}

var numbers = regexp.MustCompile(`\[[^]]*\]`)

// exists reports whether a test, with its folder before it, is in the sources.
func exists(t *testing.T, proof string) bool {
	t.Helper()
	dir, name, _ := strings.Cut(proof, " ")
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("\nfunc "+name+"(")) {
			return true
		}
	}
	return false
}

// A proof is what taking a field out of a play's documents does.
type proof int

const (
	unnoticed proof = iota
	needed          // documents without it are refused
	noticed         // what clients or the origin see is another
)

// prove performs the plays that say a field without it, until one is no longer
// as written.
func prove(t *testing.T, field string, plays []script.Play) (found proof) {
	slices.SortFunc(plays, func(a, b script.Play) int { return sizeOfAll(a) - sizeOfAll(b) })
	for _, p := range plays {
		faults := p.Perform(t, without(t, p, field), startDocuments)
		switch {
		case len(faults) == 0:
		case errors.As(faults[0], new(refusedError)):
			found = needed
		default:
			t.Logf("%s: %v", p.Name(), faults[0])
			return noticed
		}
	}
	return found
}

func sizeOfAll(s script.Play) (n int) {
	for _, text := range s.Documents() {
		n += len(text)
	}
	return n
}

// rootOf is whose fields a document's are: site or node.
func rootOf(file string) string {
	if strings.Contains(path.Base(file), "nodeConfig") {
		return "node"
	}
	return "site"
}

// fieldsOf are the fields that a play's documents say.
func fieldsOf(t *testing.T, s script.Play) map[string]bool {
	all := map[string]bool{}
	for file, text := range s.Documents() {
		walk(rootOf(file), parsed(t, text), func(field string, _ map[string]any, _ string) { all[field] = true })
	}
	return all
}

// without are a play's documents without a field.
func without(t *testing.T, s script.Play, field string) map[string]string {
	texts := map[string]string{}
	for file, text := range s.Documents() {
		doc := parsed(t, text)
		walk(rootOf(file), doc, func(found string, in map[string]any, name string) {
			if found == field {
				delete(in, name)
			}
		})
		if b, err := json.Marshal(doc); err != nil {
			t.Fatal(err)
		} else if doc != nil {
			texts[file] = string(b)
		}
	}
	return texts
}

// parsed is a document of a play; nil where there is none that could be read:
// it is empty, or wrong on purpose.
func parsed(t *testing.T, text string) any {
	t.Helper()
	var doc any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil
	}
	return doc
}

// maps of documents, whose keys are no fields.
var named = map[string]bool{"validResponses": true, "zoneOverrides": true, "named": true}

// walk calls visit for each member of a document's objects.
func walk(at string, value any, visit func(field string, in map[string]any, name string)) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			walk(at+"[]", one, visit)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			child := v[name]
			visit(at+"."+name, v, name)
			if members, ok := child.(map[string]any); ok && named[name] {
				for _, one := range members {
					walk(at+"."+name+".*", one, visit)
				}
				continue
			}
			walk(at+"."+name, child, visit)
		}
	}
}

// pathsOf are the fields of a struct and of what it holds, as documents write
// them; those that hold others are told by these.
func pathsOf(at string, t reflect.Type) (paths []string) {
	switch t.Kind() {
	case reflect.Pointer:
		return pathsOf(at, t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return pathsOf(at+"[]", t.Elem())
		}
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct && t.Elem() != reflect.TypeFor[config.TTL]() {
			return pathsOf(at+".*", t.Elem())
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous {
				paths = append(paths, pathsOf(at, f.Type)...)
			} else {
				paths = append(paths, pathsOf(at+"."+name, f.Type)...)
			}
		}
		return paths
	}
	return []string{at}
}
