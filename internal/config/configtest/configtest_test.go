package configtest_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/config/configtest"
)

// TestGood: config finds no fault in what is made up, and the same seed makes
// the same.
func TestGood(t *testing.T) {
	for seed := range uint64(60) {
		m := configtest.New(seed)
		m.Origins = []string{"http://one.test", "http://two.test:8080/base"}
		texts := m.Documents("iad", 5)
		s := config.Set{POP: "iad"}
		snapshot := s.Load(texts)
		for _, f := range snapshot.Faults {
			t.Errorf("seed %d: %v", seed, f)
		}
		if len(snapshot.Sites) != 5 {
			t.Errorf("seed %d: got %d sites, want 5", seed, len(snapshot.Sites))
		}
		again := configtest.New(seed)
		again.Origins = m.Origins
		if got := again.Documents("iad", 5); !reflect.DeepEqual(got, texts) {
			t.Errorf("seed %d: got other documents the second time", seed)
		}
		if t.Failed() {
			return
		}
	}
}

// TestWhole: what is made up has every field of a site and of a policy sooner
// or later, but for those whose consumer is yet to come or that need a node's
// volumes, files or servers of their own.
func TestWhole(t *testing.T) {
	left := []string{"TLS", "Cache.TierRules", "Routes.Static", "Upstreams.TLS", "Upstreams.Protocol", "Cache.Zones.Hosts", "Routes.CORS.ApplyToURIs", "Access.BasicAuth.Users.File", "Routes.Access.BasicAuth.Users.File", "Access.SignedURL.Keys.Secret.File", "Routes.Access.SignedURL.Keys.Secret.File"} // the last is for sites only
	seen := map[string]bool{}
	for seed := range uint64(400) {
		m := configtest.New(seed)
		m.Volumes, m.Origins = []string{"nvme-0", "hdd-0"}, []string{"http://one.test", "http://two.test"}
		note(seen, "", reflect.ValueOf(m.Site("a")).Elem())
		note(seen, "Node.", reflect.ValueOf(m.Node()).Elem())
	}
	var missing []string
	fields("", reflect.TypeFor[config.Site](), func(name string) {
		if !seen[name] && !slices.ContainsFunc(left, func(l string) bool { return name == l || strings.HasPrefix(name, l+".") }) {
			missing = append(missing, name)
		}
	})
	fields("Node.CacheTierPolicy.", reflect.TypeFor[config.CacheTierPolicy](), func(name string) {
		if !seen[name] && !strings.HasPrefix(name, "Node.CacheTierPolicy.Zones.") {
			missing = append(missing, name)
		}
	})
	if len(missing) > 0 {
		t.Errorf("never made up: %s", strings.Join(missing, ", "))
	}
}

// note notes which fields of v are not zero.
func note(seen map[string]bool, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, f := prefix+v.Type().Field(i).Name, v.Field(i)
		if f.IsZero() {
			continue
		}
		seen[name] = true
		for f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		switch {
		case f.Kind() == reflect.Struct:
			note(seen, name+".", f)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for j := range f.Len() {
				note(seen, name+".", f.Index(j))
			}
		}
	}
}

// fields calls each with the fields of t and of what is in them.
func fields(prefix string, t reflect.Type, each func(string)) {
	for i := range t.NumField() {
		name, f := prefix+t.Field(i).Name, t.Field(i).Type
		each(name)
		for f.Kind() == reflect.Pointer || f.Kind() == reflect.Slice {
			f = f.Elem()
		}
		if f.Kind() == reflect.Struct && f.PkgPath() == t.PkgPath() {
			fields(name+".", f, each)
		}
	}
}

// TestTraffic: requests and answers can be sent, and are not all alike.
func TestTraffic(t *testing.T) {
	m := configtest.New(1)
	s := m.Site("a")
	requests, answers := map[string]bool{}, map[string]bool{}
	for range 500 {
		q := m.Request(s)
		if q.Host == "" || !strings.HasPrefix(q.Target, "/") || strings.ContainsAny(q.Target, " #\r\n") {
			t.Errorf("got %+v", q)
		}
		requests[fmt.Sprint(q)] = true
		answers[fmt.Sprint(m.Answer())] = true
	}
	if len(requests) < 300 || len(answers) < 100 {
		t.Errorf("got %d requests and %d answers of 500", len(requests), len(answers))
	}
}
