package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A shape is what an object of a document may hold, read once from the Go
// struct: names from the tag json, what values must be from the tag is, what
// they are when nothing is said from the tag default. A field whose json tag
// has no omitzero is required.
type shape struct {
	typ    reflect.Type
	fields []field
	byName map[string]int
	names  []string
}

// maxFields bounds the fields of one struct.
const maxFields = 64

// A field is one member of a shape.
type field struct {
	name     string
	owner    string // the Go struct that declares it, and
	member   string // its name there: where its comment is
	index    []int
	typ      reflect.Type
	required bool
	flat     bool // nothing in it has a default: one scalar, or a list or map of them
	rule     rule
	// fallback is the value when nothing is said; not valid when there is none.
	// Documents share what it points to, so nobody writes through it.
	fallback reflect.Value
	fallText string
}

// shapes are those of all documents. A tag that cannot be read is a broken
// promise of this package.
var shapes = allShapes(reflect.TypeFor[Site](), reflect.TypeFor[Node]())

var (
	durationType = reflect.TypeFor[Duration]()
	sizeType     = reflect.TypeFor[Size]()
	ttlType      = reflect.TypeFor[TTL]()
)

// isScalar says that a value of t is one literal.
func isScalar(t reflect.Type) bool {
	return t == durationType || t == sizeType || t == ttlType ||
		t.Kind() != reflect.Struct && t.Kind() != reflect.Slice && t.Kind() != reflect.Map && t.Kind() != reflect.Pointer
}

func isFlat(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return isScalar(t) || t.Kind() == reflect.Map
}

func allShapes(roots ...reflect.Type) map[reflect.Type]*shape {
	all := map[reflect.Type]*shape{}
	for _, t := range roots {
		addShape(all, t)
	}
	return all
}

func addShape(all map[reflect.Type]*shape, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if isScalar(t) || all[t] != nil {
		return
	}
	s := &shape{typ: t, byName: map[string]int{}}
	all[t] = s
	s.addFields(t, nil)
	if len(s.fields) > maxFields {
		panic("config: too many fields in " + t.Name())
	}
	for i, f := range s.fields {
		s.byName[f.name] = i
		s.names = append(s.names, f.name)
		addShape(all, f.typ)
	}
}

// addFields appends the fields of t, those of embedded structs in their place.
func (s *shape) addFields(t reflect.Type, at []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int{}, at...), i)
		if sf.Anonymous {
			s.addFields(sf.Type, index)
			continue
		}
		name, more, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := field{name: name, owner: t.Name(), member: sf.Name, index: index, typ: sf.Type, required: more == "", rule: parseRule(sf.Tag.Get("is"))}
		if text, ok := sf.Tag.Lookup("default"); ok {
			f.fallText, f.fallback = text, fallbackOf(sf.Type, text)
		}
		f.flat = isFlat(sf.Type)
		s.fields = append(s.fields, f)
	}
}

// fallbackOf reads the tag default: the value as it stands in a document
// without quotes; the elements of a list separated by blanks; {} for an object
// in which nothing is said.
func fallbackOf(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(fallbackOf(t.Elem(), text))
	case t.Kind() == reflect.Slice:
		for word := range strings.FieldsSeq(text) {
			v = reflect.Append(v, fallbackOf(t.Elem(), word))
		}
	case t == durationType || t == sizeType || t.Kind() == reflect.String:
		text = strconv.Quote(text)
		fallthrough
	default:
		if err := json.Unmarshal([]byte(text), v.Addr().Interface()); err != nil {
			panic(fmt.Sprintf("config: default %s of a %s: %v", text, t, err))
		}
	}
	return v
}

// wanted says in words what a value of t is.
func wanted(t reflect.Type) string {
	switch t {
	case durationType:
		return "a duration like 30s, 15m, 12h or 7d"
	case sizeType:
		return "a size like 512K, 64M, 10G or 1T"
	case ttlType:
		return `a duration like 30s, 15m, 12h or 7d, or "off"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a whole number"
	}
}
