package config

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// Schema returns a JSON Schema (2020-12) of the documents of a kind, for
// editors and for whoever writes documents by program. It knows names, types,
// ranges, enumerations and defaults; what fields say together, and expressions,
// only Parse knows.
func Schema(k Kind) []byte {
	root := reflect.TypeFor[Node]()
	title := "opencache node"
	if k == SiteKind {
		root, title = reflect.TypeFor[Site](), "opencache site"
	}
	s := &schema{texts: descriptions(), defs: map[string]any{
		"Duration": map[string]any{"description": wanted(durationType) + ", or a number of seconds",
			"anyOf": []any{map[string]any{"type": "string", "pattern": durationPattern}, map[string]any{"type": "number", "minimum": 0}}},
		"Size": map[string]any{"description": wanted(sizeType) + ", or a number of bytes",
			"anyOf": []any{map[string]any{"type": "string", "pattern": "^[0-9]+[KMGTkmgt]?$"}, map[string]any{"type": "integer", "minimum": 0}}},
		"TTL": map[string]any{"anyOf": []any{map[string]any{"$ref": "#/$defs/Duration"}, map[string]any{"const": "off"}}},
	}}
	s.define(root)
	top := s.defs[root.Name()].(map[string]any)
	delete(s.defs, root.Name())
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = title
	top["$defs"] = s.defs
	top["properties"].(map[string]any)["$schema"] = map[string]any{"type": "string", "description": "where this schema is, for editors"}
	// Nothing in it can fail to be written.
	text, _ := json.MarshalIndent(top, "", "  ")
	return append(text, '\n')
}

const durationPattern = `^([0-9]{1,5}d|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0)$`

// A schema is one that is being made.
type schema struct {
	texts map[string]string
	defs  map[string]any
}

// define adds the definition of a struct, and those of what it holds.
func (s *schema) define(t reflect.Type) {
	if _, ok := s.defs[t.Name()]; ok {
		return
	}
	properties, required := map[string]any{}, []string{}
	def := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	s.defs[t.Name()] = def
	for i := range shapes[t].fields {
		f := &shapes[t].fields[i]
		p := s.of(f.typ, f.rule)
		p["description"] = s.texts[f.owner+"."+f.member]
		if f.fallback.IsValid() {
			p["default"] = f.fallback.Interface()
		}
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	if len(required) > 0 {
		def["required"] = required
	}
}

// of is the schema of a type whose values keep a rule.
func (s *schema) of(t reflect.Type, r rule) map[string]any {
	switch t {
	case durationType, sizeType, ttlType:
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), r)
	case reflect.Struct:
		s.define(t)
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem(), r)}
	case reflect.Map:
		names := map[string]any{"minLength": 1}
		if p := patterns[r.kind]; p != "" {
			names["pattern"] = p
		}
		return map[string]any{"type": "object", "propertyNames": names, "additionalProperties": s.of(t.Elem(), rule{})}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		p := map[string]any{"type": "string"}
		if r.enum != nil {
			p["enum"] = r.enum
		}
		if pattern := patterns[r.kind]; pattern != "" {
			p["pattern"] = pattern
		}
		return p
	}
	p := map[string]any{"type": "integer"}
	if t.Kind() == reflect.Float64 {
		p["type"] = "number"
	}
	switch {
	case r.enum != nil:
		var values []int
		for _, text := range r.enum {
			n, _ := strconv.Atoi(text)
			values = append(values, n)
		}
		p["enum"] = values
	case r.ranged:
		p["minimum"], p["maximum"] = r.min, r.max
	case t.Kind() == reflect.Uint32:
		p["minimum"], p["maximum"] = 0, 1<<32-1
	}
	return p
}

// patterns are the checks that a regular expression can tell of, as far as it can.
var patterns = map[string]string{
	"name":          "^[A-Za-z0-9._-]{1,64}$",
	"status":        "^([2-5](xx|[0-9][0-9])|any)$",
	"method":        "^[A-Z0-9!#$%&'*+.^_`|~-]+$",
	"field":         tokenPattern,
	"field or *":    tokenPattern,
	"answer field":  tokenPattern,
	"token":         tokenPattern,
	"extension":     "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
	"location":      "^(/|= */|\\^~ +/|~\\*? +.)",
	"country":       "^[A-Z]{2}$",
	"origin url":    "^https?://[^?#@]+$",
	"url":           "^https?://",
	"label":         "^.+$",
	"path":          "^.+$",
	"key":           "^.+$",
	"condition":     "^.+$",
	"log condition": "^.+$",
	"regexp":        "^.+$",
}

const tokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
