package config

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

const explainedHead = `// Every field of opencache's documents: what it means, its default, and a value.
// Made by go test ./internal/config -update, from the comments of the structs
// and internal/config/testdata/explained.jsonc.
//
// Each member here is one document; its name is the key. In a folder it is a
// file of that name with .json or .jsonc behind it. Comments, and commas at the
// end, are welcome. Names that are not known are refused.
//
// Durations are written 30s, 15m, 12h, 7d, or as a number of seconds; sizes
// 512K, 64M, 10G, 1T (powers of 1024), or as a number of bytes. What expressions
// can say is in docs/expressions.md.
`

// TestExplained makes docs/config-explained.jsonc, in which no field is missing,
// and reads the documents in it.
func TestExplained(t *testing.T) {
	text, err := os.ReadFile("testdata/explained.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	root, err := hujson.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{t: t, texts: descriptions(), done: map[string]bool{}}
	e.b.WriteString(explainedHead + "{\n")
	for _, m := range root.Value.(*hujson.Object).Members {
		key := textOf(m.Name.Value.(hujson.Literal))
		typ := reflect.TypeFor[Node]()
		if strings.HasPrefix(key, sitePrefix) {
			typ = reflect.TypeFor[Site]()
		}
		e.b.WriteString("  " + inJSON(key) + ": ")
		e.object(m.Value.Value.(*hujson.Object), typ, "  ")
		e.b.WriteString(",\n")
	}
	e.b.WriteString("}\n")
	for typ, s := range shapes {
		for _, f := range s.fields {
			if !e.done[f.owner+"."+f.member] {
				t.Errorf("%s.%s (%s) is missing in testdata/explained.jsonc", typ.Name(), f.member, f.name)
			}
		}
	}
	sameFile(t, "../../docs/config-explained.jsonc", e.b.Bytes())

	for key, text := range explainedDocuments(t) {
		d, faults := Parse(key, text, Limits{})
		for _, f := range append(faults, d.Warnings...) {
			t.Error(f)
		}
	}
}

// explainedDocuments are those of docs/config-explained.jsonc.
func explainedDocuments(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/config-explained.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	root, err := hujson.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, m := range root.Value.(*hujson.Object).Members {
		all[textOf(m.Name.Value.(hujson.Literal))] = m.Value.Pack()
	}
	return all
}

// An explainer writes documents with what their fields mean beside them, the
// first time that a field comes.
type explainer struct {
	t     *testing.T
	b     bytes.Buffer
	texts map[string]string
	done  map[string]bool
}

func (e *explainer) object(o *hujson.Object, typ reflect.Type, indent string) {
	e.b.WriteString("{\n")
	for _, m := range o.Members {
		name := textOf(m.Name.Value.(hujson.Literal))
		i, ok := shapes[typ].byName[name]
		if !ok {
			e.t.Errorf("%s.%s: no such field", typ.Name(), name)
			continue
		}
		f := &shapes[typ].fields[i]
		key := f.owner + "." + f.member
		if !e.done[key] {
			e.comment(f, indent+"  ")
		}
		e.done[key] = true
		e.b.WriteString(indent + "  ")
		if key == "SiteCache.TierRules" {
			e.b.WriteString("// ") // the one that no document may say
		}
		e.b.WriteString(inJSON(name) + ": ")
		e.value(m.Value.Value, f.typ, indent+"  ")
		e.b.WriteString(",\n")
	}
	e.b.WriteString(indent + "}")
}

// comment writes what a field means, with the name that documents have for it,
// and its default unless that is said.
func (e *explainer) comment(f *field, indent string) {
	text := e.texts[f.owner+"."+f.member]
	if rest, ok := strings.CutPrefix(text, f.member+" "); ok {
		text = f.name + " " + rest
	}
	if f.fallText != "" && f.fallText != "{}" && !strings.Contains(strings.ToLower(text), "default") {
		text += " Default " + f.fallText + "."
	}
	if f.rule.enum != nil && !strings.Contains(text, f.rule.enum[len(f.rule.enum)-1]) {
		text += " " + strings.ToUpper(oneOf(f.rule.enum)[:1]) + oneOf(f.rule.enum)[1:] + "."
	}
	if f.required {
		text += " Required."
	}
	line := indent + "//"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 100 {
			e.b.WriteString(line + "\n")
			line = indent + "//"
		}
		line += " " + word
	}
	e.b.WriteString(line + "\n")
}

func (e *explainer) value(v hujson.ValueTrimmed, typ reflect.Type, indent string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch v := v.(type) {
	case *hujson.Object:
		if typ.Kind() != reflect.Map {
			e.object(v, typ, indent)
			return
		}
		e.b.WriteString("{\n")
		for _, m := range v.Members {
			e.b.WriteString(indent + "  " + string(m.Name.Value.(hujson.Literal)) + ": ")
			e.value(m.Value.Value, typ.Elem(), indent+"  ")
			e.b.WriteString(",\n")
		}
		e.b.WriteString(indent + "}")
	case *hujson.Array:
		if isScalar(typ.Elem()) || len(v.Elements) == 0 {
			e.b.WriteByte('[')
			for i, x := range v.Elements {
				if i > 0 {
					e.b.WriteString(", ")
				}
				e.b.Write(x.Value.(hujson.Literal))
			}
			e.b.WriteByte(']')
			return
		}
		e.b.WriteString("[\n")
		for _, x := range v.Elements {
			e.b.WriteString(indent + "  ")
			e.value(x.Value, typ.Elem(), indent+"  ")
			e.b.WriteString(",\n")
		}
		e.b.WriteString(indent + "]")
	case hujson.Literal:
		e.b.Write(v)
	}
}
