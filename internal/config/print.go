package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// Print returns what is in effect of a document, all defaults filled in, as
// JSON in which each line has where its value came from as a comment. For a
// node's documents it is the node. Nil when nothing of the key is in effect.
func (s *Set) Print(key string) []byte {
	h := s.documents[key]
	if strings.HasPrefix(key, sitePrefix) {
		if h == nil || h.used == nil {
			return nil
		}
		o := &origins{own: h.used.Site, policy: s.basis.CacheTierPolicy, documents: s.nodeOrigins("retries")}
		o.documents = append([]origin{originOf(key, h.usedText, &path{}, &path{})}, o.documents...)
		return printed(reflect.ValueOf(h.filled).Elem(), o)
	}
	if key != defaultsKey && key != nodePrefix+s.POP || s.node == nil {
		return nil
	}
	return printed(reflect.ValueOf(s.node).Elem(), &origins{documents: s.nodeOrigins("")})
}

// nodeOrigins are the node's documents, the one that counts most first. Those
// that sites inherit from have their section in place of the site's.
func (s *Set) nodeOrigins(section string) (all []origin) {
	from, to := &path{}, &path{}
	if section != "" {
		from, to = (&path{}).field("cache").field("proxySettings"), (&path{}).field(section)
	}
	for _, key := range []string{nodePrefix + s.POP, defaultsKey} {
		if h := s.documents[key]; h != nil && h.used != nil {
			all = append(all, originOf(key, h.usedText, from, to))
		}
	}
	return all
}

// An origin is a document that values can come from: those below from stand in
// it below to.
type origin struct {
	r        *reader
	from, to []path
}

func originOf(key string, text []byte, from, to *path) origin {
	return origin{reread(key, text), from.steps(), to.steps()}
}

// find returns the value at the steps, if the document has it.
func (o *origin) find(steps []path) (*hujson.Value, bool) {
	if len(steps) < len(o.from) || !slices.EqualFunc(steps[:len(o.from)], o.from, sameStep) {
		return nil, false
	}
	return find(&o.r.root, pathOf(append(slices.Clone(o.to), steps[len(o.from):]...)))
}

func sameStep(a, b path) bool { return a.name == b.name && a.index == b.index }

func pathOf(steps []path) *path {
	p := &path{}
	for _, s := range steps {
		p = &path{up: p, name: s.name, index: s.index}
	}
	return p
}

// origins tell where the values of a document in effect came from.
type origins struct {
	documents []origin // the document itself first
	own       *Site    // nil for a node
	policy    *CacheTierPolicy
}

// of is where a value came from, in words; text is the value of a string.
func (o *origins) of(p *path, text string) string {
	steps := p.steps()
	for depth := 0; ; depth++ {
		for i := range o.documents {
			d := &o.documents[i]
			v, ok := d.find(steps)
			if !ok {
				continue
			}
			at := d.r.placed(v.StartOffset, nil, Fault{})
			words := d.r.key + ":" + strconv.Itoa(at.Line)
			if lit, ok := v.Value.(hujson.Literal); ok && text != "" && textOf(lit) != text {
				words += ", which says " + string(lit)
			}
			return words
		}
		if o.own != nil && o.fromPolicy(steps) {
			return "tier policy"
		}
		wider := widened(steps)
		if wider == nil || o.own == nil || depth > 0 {
			return "default"
		}
		steps = wider
	}
}

// fromPolicy says that the tier policy gave what a site does not say.
func (o *origins) fromPolicy(steps []path) bool {
	if o.policy == nil || len(steps) < 2 || steps[0].name != "cache" {
		return false
	}
	switch {
	case steps[1].name == "tierRules":
		return true
	case steps[1].name == "zones" && len(steps) > 2:
		return steps[2].index >= len(o.own.Cache.Zones) && len(o.policy.Zones) > 0
	case steps[1].name != "global" || len(steps) < 3:
		return false
	case steps[2].name == "knownStaticFiles" || steps[2].name == "cacheKnownStaticFiles":
		return o.own.Cache.Global.KnownStaticFiles == nil && o.policy.KnownStaticFilesDefaults != nil
	case steps[2].name == "queryNormalization":
		return o.normalizes(steps)
	}
	return false
}

// normalizes says that a part of the normalisation is the policy's: all of it
// when the site says nothing, else the lists that it has none of.
func (o *origins) normalizes(steps []path) bool {
	fleet := o.policy.QueryNormalization
	switch {
	case fleet == nil || len(steps) < 4:
		return false
	case o.own.Cache.Global.QueryNormalization == nil:
		return true
	case steps[3].name == "dropParams":
		return fleet.DropParams != nil
	}
	return steps[3].name == "dropParamsRegex" && fleet.DropParamsRegex != ""
}

// widened is the path that a rule's field inherits from; nil when it does not.
func widened(steps []path) []path {
	if len(steps) < 5 || steps[0].name != "cache" || steps[1].name != "rules" {
		return nil
	}
	if steps[3].name == "headers" || steps[3].name == "cache" &&
		slices.Contains([]string{"zone", "key", "respectUpstreamCacheControl", "upstreamCacheControlMaxAge", "stale"}, steps[4].name) {
		return append([]path{steps[0], {name: "global", index: -1}}, steps[4:]...)
	}
	return nil
}

// A printer writes a document.
type printer struct {
	b       bytes.Buffer
	origins *origins
}

func printed(v reflect.Value, o *origins) []byte {
	p := &printer{origins: o}
	p.object(v, &path{}, "")
	p.b.WriteByte('\n')
	return p.b.Bytes()
}

// object writes a struct: all that has a value.
func (w *printer) object(v reflect.Value, p *path, indent string) {
	w.b.WriteString("{\n")
	s := shapes[v.Type()]
	for i := range s.fields {
		f := &s.fields[i]
		if !says(v.FieldByIndex(f.index)) {
			continue
		}
		begin := w.b.Len()
		w.b.WriteString(indent + "  " + inJSON(f.name) + ": ")
		w.value(v.FieldByIndex(f.index), p.field(f.name), indent+"  ")
		if v.Type() == reflect.TypeFor[SiteCache]() && f.name == "tierRules" {
			w.setApart(begin, indent+"  ")
		}
	}
	w.b.WriteString(indent + "}")
}

// setApart has what was written from begin on be a comment: what is printed can
// be read again, and no document of a site may say this.
func (w *printer) setApart(begin int, indent string) {
	text := string(w.b.Bytes()[begin:])
	w.b.Truncate(begin)
	w.b.WriteString(indent + "// from the node's cacheTierPolicy; in the site's document it would be refused:\n")
	for line := range strings.Lines(text) {
		w.b.WriteString(indent + "// " + strings.TrimPrefix(line, indent))
	}
}

// says reports whether a field holds anything.
func says(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return !v.IsNil()
	case reflect.String:
		return v.Len() > 0
	case reflect.Struct:
		s := shapes[v.Type()]
		return s == nil || slices.ContainsFunc(s.fields, func(f field) bool { return says(v.FieldByIndex(f.index)) })
	}
	return true
}

// value writes a value, the comma behind it and the rest of its line.
func (w *printer) value(v reflect.Value, p *path, indent string) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	t := v.Type()
	switch {
	case isScalar(t) || t.Kind() == reflect.Slice && (v.Len() == 0 || isScalar(t.Elem())):
		text := ""
		if t.Kind() == reflect.String {
			text = v.String()
		}
		w.b.WriteString(inJSON(v.Interface()) + ", // " + w.origins.of(p, text) + "\n")
		return
	case t.Kind() == reflect.Slice:
		w.b.WriteString("[\n")
		for i := range v.Len() {
			w.b.WriteString(indent + "  ")
			w.value(v.Index(i), p.item(i), indent+"  ")
		}
		w.b.WriteString(indent + "]")
	case t.Kind() == reflect.Map:
		w.b.WriteString("{\n")
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			w.b.WriteString(indent + "  " + inJSON(name.String()) + ": ")
			w.value(v.MapIndex(name), p.field(name.String()), indent+"  ")
		}
		w.b.WriteString(indent + "}")
	default:
		w.object(v, p, indent)
	}
	w.b.WriteString(",\n")
}

// inJSON is a scalar or a list of them as it stands in a document. None can
// fail to be written.
func inJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}
