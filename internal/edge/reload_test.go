package edge

import (
	"testing"

	"opencache/internal/config"
)

// TestReloadKeepsServers: a site that did not change keeps its servers, with
// their connections and limits, over any number of reloads.
func TestReloadKeepsServers(t *testing.T) {
	texts := customers(2)
	var set config.Set
	c := Compiler{Volumes: []Volume{newVolume(t)}}
	shot := set.Load(texts)
	first, faults := c.Compile(nil, shot.Node, shot.Sites)
	if len(faults) > 0 || len(first.servers) != 2 {
		t.Fatal(len(first.servers), faults)
	}
	last := first
	for i := range 3 {
		if last, faults = c.Compile(last, shot.Node, shot.Sites); len(faults) > 0 {
			t.Fatal(faults)
		}
		for key, s := range first.servers {
			if last.servers[key] != s {
				t.Errorf("reload %d: got %p for %v, want %p", i+1, last.servers[key], key.url, s)
			}
		}
	}
}
