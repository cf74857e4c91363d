package edge

import (
	"testing"

	"opencache/internal/coding"
	"opencache/internal/config"
)

// TestEncoders: a node's bound is its plans', and they have the encoders of
// those before while it stays.
func TestEncoders(t *testing.T) {
	c := Compiler{Volumes: []Volume{{Name: "m"}}}
	node := func(n int) *config.Node { return &config.Node{Compression: config.NodeCompression{Encoders: &n}} }
	unsaid, _ := c.Compile(nil, nil, nil)
	three, _ := c.Compile(unsaid, node(3), nil)
	again, _ := c.Compile(three, node(3), nil)
	four, _ := c.Compile(again, node(4), nil)
	for i, want := range []int{maxEncoders, 3, 3, 4} {
		if got := []*Plan{unsaid, three, again, four}[i].encoders.Most(); got != want {
			t.Errorf("plan %d: %d encoders, want %d", i, got, want)
		}
	}
	if three.encoders != again.encoders {
		t.Error("the same bound has brought other encoders")
	}
}

// TestCompressionLevel: levels of documents are those of encoders.
func TestCompressionLevel(t *testing.T) {
	run := &compiling{Compiler: &Compiler{}, plan: &Plan{encoders: coding.NewEncoders(1)}}
	for text, want := range map[string]coding.Level{"": coding.Default, "fast": coding.Fast, "default": coding.Default, "best": coding.Best} {
		of := &config.Compression{Level: text}
		if p := run.codingOf(of, nil); p.Level != want {
			t.Errorf("a site's %q: got %v, want %v", text, p.Level, want)
		}
		if p := run.codingOf(&config.Compression{Level: "best"}, of); p.Level != want {
			t.Errorf("a route's %q: got %v, want %v", text, p.Level, want)
		}
	}
}
