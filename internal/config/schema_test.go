package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tailscale/hujson"
)

func compiledSchema(t *testing.T, k Kind) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(k)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("the schema of a %s is none: %v", k, err)
	}
	return s
}

// validate reads a document without its comments.
func validate(s *jsonschema.Schema, text []byte) error {
	v, err := hujson.Parse(append(bytes.Clone(text), '\n'))
	if err != nil {
		return err
	}
	v.Standardize()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(v.Pack()))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchema: what Parse takes the schema takes; of what Parse refuses the
// schema refuses all that a schema can.
func TestSchema(t *testing.T) {
	site, node := compiledSchema(t, SiteKind), compiledSchema(t, NodeKind)
	explained, err := os.ReadFile("testdata/explained.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	root, err := hujson.Parse(explained)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range root.Value.(*hujson.Object).Members {
		s := node
		if strings.HasPrefix(textOf(m.Name.Value.(hujson.Literal)), sitePrefix) {
			s = site
		}
		if err := validate(s, m.Value.Pack()); err != nil {
			t.Errorf("%s: %v", m.Name.Pack(), err)
		}
	}
	for key, text := range manySites(1) {
		if err := validate(site, text); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if err := validate(site, []byte(`{"$schema": "x", "id": "a", "hostnames": ["a"], "cache": {"rules": [{"id": "r", "cache": {"lockAge": 1.5, "validResponses": {"200": "off", "2xx": "1h30m"}}}]}}`)); err != nil {
		t.Error(err)
	}
	beyond := map[string]bool{} // what only Parse knows
	for _, name := range []string{"expressions", "hostnames", "hostnames-none", "id-other", "names-twice", "regexps", "routes-no-upstream", "tls"} {
		beyond[name] = true
	}
	files, err := filepath.Glob("testdata/bad/*.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonc")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := site
		if !strings.HasPrefix(string(text), "// "+sitePrefix) {
			s = node
		}
		if err := validate(s, text); err == nil && !beyond[name] && !strings.HasPrefix(name, "key-") {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

// TestSchemaHasDescriptions walks every property.
func TestSchemaHasDescriptions(t *testing.T) {
	for _, k := range []Kind{SiteKind, NodeKind, DefaultsKind} {
		var top map[string]any
		if err := json.Unmarshal(Schema(k), &top); err != nil {
			t.Fatal(err)
		}
		count := 0
		check := func(name string, def any) {
			properties, _ := def.(map[string]any)["properties"].(map[string]any)
			for field, p := range properties {
				if d, _ := p.(map[string]any)["description"].(string); d == "" {
					t.Errorf("%s: %s.%s has no description", k, name, field)
				}
				count++
			}
		}
		check("", top)
		for name, def := range top["$defs"].(map[string]any) {
			check(name, def)
		}
		if count < 60 {
			t.Errorf("%s: got %d properties", k, count)
		}
	}
}
