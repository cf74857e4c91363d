package config

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const alikeSite = `{"id": "s%[1]d", "hostnames": ["s%[1]d.test"], "upstreams": [{"name": "main", "servers": [{"url": "http://10.0.0.1"}]}],
 "routes": [{"location": "/"}, {"location": "^~ /static/"}], "headers": [{"name": "X-A", "value": "a"}],
 "cache": {"zones": [{"name": "pages", "maxSize": "1G"}], "rules": [
  {"id": "a", "match": {"extensions": ["css"]}, "cache": {"validResponses": {"200": "%[2]dm", "404": "off"}}},
  {"id": "b", "cache": {"stale": {"conditions": ["error"], "maxAge": "1d"}}}]}}`

func alikeTexts(n int, minutes func(int) int) map[string][]byte {
	texts := map[string][]byte{}
	for i := range n {
		texts[fmt.Sprintf("%ss%d", sitePrefix, i)] = fmt.Appendf(nil, alikeSite, i, minutes(i))
	}
	return texts
}

// TestAlike: what sites say alike they have together, and nothing else.
func TestAlike(t *testing.T) {
	var s Set
	shot := s.Load(alikeTexts(4, func(i int) int { return 10 + i/2 })) // 0 and 1, 2 and 3
	if len(shot.Faults) > 0 {
		t.Fatal(shot.Faults)
	}
	for _, sites := range [][]*Site{shot.Sites, shot.Own} {
		if &sites[0].Cache.Rules[0] != &sites[1].Cache.Rules[0] || &sites[0].Cache.Rules[0] == &sites[2].Cache.Rules[0] {
			t.Error("rules are not those of the sites that say the same")
		}
		if &sites[0].Routes[0] != &sites[3].Routes[0] || sites[0].Cache.Rules[1].Cache.Stale != sites[3].Cache.Rules[1].Cache.Stale {
			t.Error("what all say is not one")
		}
	}
	for i, site := range shot.Sites {
		if site.ID != fmt.Sprintf("s%d", i) || site.Hostnames[0] != site.ID+".test" {
			t.Errorf("site %d: got %s %v", i, site.ID, site.Hostnames)
		}
	}
}

// TestAlikeSaysTheSame: sites read one by one are those that are read together.
func TestAlikeSaysTheSame(t *testing.T) {
	texts := alikeTexts(30, func(i int) int { return i % 7 })
	texts[sitePrefix+"s3"] = []byte(strings.Replace(string(texts[sitePrefix+"s3"]), `"1G"`, `"1G", "hosts": {"named": {"x.test": {"share": "1M"}}}`, 1))
	texts[sitePrefix+"s4"] = []byte(strings.Replace(string(texts[sitePrefix+"s4"]), `["css"]`, `[]`, 1))
	var together Set
	shot := together.Load(texts)
	for i, site := range shot.Sites {
		var alone Set
		one := alone.Load(map[string][]byte{sitePrefix + site.ID: texts[sitePrefix+site.ID]})
		if !reflect.DeepEqual(one.Sites[0], site) || !reflect.DeepEqual(one.Own[0], shot.Own[i]) {
			t.Errorf("%s: got %+v, want %+v", site.ID, site, one.Sites[0])
		}
	}
}

// TestAlikeIsNotWrittenTo: who reads a snapshot goes on while others are made.
func TestAlikeIsNotWrittenTo(t *testing.T) {
	var s Set
	shot := s.Load(alikeTexts(20, func(int) int { return 1 }))
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 2 {
		readers.Go(func() {
			for range 20 {
				for i, site := range shot.Sites {
					if !reflect.DeepEqual(site.Cache, shot.Sites[0].Cache) || !reflect.DeepEqual(shot.Own[i].Routes, shot.Own[0].Routes) {
						t.Errorf("%s says something else", site.ID)
					}
				}
			}
		})
	}
	for n := range 20 {
		s.Load(alikeTexts(20, func(i int) int { return i % (n + 1) }))
	}
}

// TestAlikeForgets: what it knows is bounded.
func TestAlikeForgets(t *testing.T) {
	var a alike
	for i := range 3 * mostAlike {
		a.share(reflect.ValueOf(&Site{ID: fmt.Sprint(i), Hostnames: []string{fmt.Sprint(i, ".test")}}).Elem(), true)
		if len(a.known) > mostAlike+1 || len(a.here) > mostAlike+1 || len(a.words) > mostAlike+2 {
			t.Fatalf("after %d sites it knows %d values and %d words", i+1, len(a.known), len(a.words))
		}
	}
}

// TestAlikeLetsGo: a long document that changes again and again does not leave
// all that it ever said.
func TestAlikeLetsGo(t *testing.T) {
	var a alike
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	for n := range 600 {
		list := make([]string, 5000)
		for i := range list {
			list[i] = fmt.Sprintf("10.%d.%d.%d/32", n, i>>8, i&255)
		}
		a.share(reflect.ValueOf(&Site{Access: &Access{Deny: &Clients{CIDRs: list}}}).Elem(), true)
		if n%50 == 49 {
			most = max(most, heap()-before)
		}
	}
	if most > 2*mostShared {
		t.Errorf("the heap grew by %d MiB, want at most %d", most>>20, 2*mostShared>>20)
	}
	runtime.KeepAlive(&a)
}
