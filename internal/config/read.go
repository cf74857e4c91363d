package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// read sets to from a value, and notes what is wrong with it. f is the field
// whose value it is or belongs to, nil for the document.
func (r *reader) read(v *hujson.Value, to reflect.Value, f *field, p *path) {
	t := to.Type()
	if isScalar(t) {
		r.scalar(v, to, f, p)
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(t.Elem()))
		r.read(v, to.Elem(), f, p)
	case reflect.Slice:
		r.list(v, to, f, p)
	default:
		r.object(v, to, f, p)
	}
}

// list reads a slice. A list without elements is not nil: it says none.
func (r *reader) list(v *hujson.Value, to reflect.Value, f *field, p *path) {
	array, ok := v.Value.(*hujson.Array)
	if !ok {
		r.mismatch(v, to.Type(), p)
		return
	}
	if !r.fits(v, len(array.Elements), p) {
		return
	}
	to.Set(reflect.MakeSlice(to.Type(), len(array.Elements), len(array.Elements)))
	for i := range array.Elements {
		r.read(&array.Elements[i], to.Index(i), f, p.item(i))
	}
}

// object reads a struct or a map from names.
func (r *reader) object(v *hujson.Value, to reflect.Value, f *field, p *path) {
	object, ok := v.Value.(*hujson.Object)
	if !ok {
		r.mismatch(v, to.Type(), p)
		return
	}
	if !r.fits(v, len(object.Members), p) {
		return
	}
	if to.Kind() == reflect.Map {
		for i := range object.Members {
			r.entry(&object.Members[i], to, f, p)
		}
		return
	}
	s := shapes[to.Type()]
	var seen [maxFields]bool
	for i := range object.Members {
		m := &object.Members[i]
		name := textOf(m.Name.Value.(hujson.Literal))
		i, ok := s.byName[name]
		switch {
		case !ok:
			r.unknown(m, name, s, p)
		case seen[i]:
			r.again(m, p.field(name))
		default:
			seen[i] = true
			f := &s.fields[i]
			r.read(&m.Value, to.FieldByIndex(f.index), f, p.field(name))
		}
	}
	for i := range s.fields {
		if f := &s.fields[i]; f.required && !seen[i] {
			r.add(v.StartOffset, p.field(f.name), Fault{Expected: wanted(f.typ)})
		}
	}
}

func (r *reader) again(m *hujson.ObjectMember, p *path) {
	r.add(m.Name.StartOffset, p, Fault{Found: "the name a second time", Expected: "each name once"})
}

// entry reads one pair of a map. The rule of the field is for the names.
func (r *reader) entry(m *hujson.ObjectMember, to reflect.Value, f *field, p *path) {
	name := textOf(m.Name.Value.(hujson.Literal))
	p = p.field(name)
	if to.IsNil() {
		to.Set(reflect.MakeMap(to.Type()))
	}
	if to.MapIndex(reflect.ValueOf(name)).IsValid() {
		r.again(m, p)
		return
	}
	if trouble := f.rule.text(name); trouble != nil {
		trouble.Found = quoted(name)
		r.add(m.Name.StartOffset, p, trouble.Fault)
	}
	value := reflect.New(to.Type().Elem()).Elem()
	r.read(&m.Value, value, nil, p)
	to.SetMapIndex(reflect.ValueOf(name), value)
}

// unknown notes a name that a struct does not have.
func (r *reader) unknown(m *hujson.ObjectMember, name string, s *shape, p *path) {
	if name == "$schema" && p.up == nil {
		return // it is for the editor
	}
	if r.full() {
		r.more++
		return
	}
	near, expected := nearest(name, s.names), "a name that is known here"
	if near == "" {
		expected = "one of " + strings.Join(s.names, ", ")
	}
	r.add(m.Name.StartOffset, p.field(name), Fault{Found: "an unknown name", Expected: expected, Nearest: near})
}

// scalar reads one literal.
func (r *reader) scalar(v *hujson.Value, to reflect.Value, f *field, p *path) {
	lit, ok := v.Value.(hujson.Literal)
	if !ok {
		r.mismatch(v, to.Type(), p)
		return
	}
	isText := lit[0] == '"'
	switch to.Type() {
	case durationType, sizeType, ttlType:
		if !readUnit(to, lit) {
			fault := Fault{Found: kindWord(v), Expected: wanted(to.Type())}
			if isText {
				fault.Found = quoted(textOf(lit))
			} else if lit.Kind() == '0' {
				fault.Found = shown(lit)
			}
			r.add(v.StartOffset, p, fault)
			return
		}
		r.number(v, float64(amount(to)), f, p)
		return
	}
	switch k := to.Kind(); {
	case k == reflect.String && isText:
		r.string(v, to, f, p)
	case k == reflect.Bool && (lit[0] == 't' || lit[0] == 'f'):
		to.SetBool(lit[0] == 't')
	case k == reflect.Float64 && lit.Kind() == '0':
		n, _ := strconv.ParseFloat(string(lit), 64)
		to.SetFloat(n)
		r.number(v, n, f, p)
	case k == reflect.Int && lit.Kind() == '0':
		n, err := strconv.Atoi(string(lit))
		if err != nil {
			r.add(v.StartOffset, p, Fault{Found: shown(lit), Expected: wanted(to.Type())})
			return
		}
		to.SetInt(int64(n))
		r.number(v, float64(n), f, p)
	case k == reflect.Uint32 && lit.Kind() == '0':
		n, err := strconv.ParseUint(string(lit), 10, 32)
		if err != nil {
			r.add(v.StartOffset, p, Fault{Found: shown(lit), Expected: "a whole number from 0 to 4294967295"})
			return
		}
		to.SetUint(n)
	default:
		r.mismatch(v, to.Type(), p)
	}
}

// readUnit reads a Duration, a Size or a TTL.
func readUnit(to reflect.Value, lit hujson.Literal) bool {
	var err error
	switch u := to.Addr().Interface().(type) {
	case *Duration:
		err = u.UnmarshalJSON(lit)
	case *Size:
		err = u.UnmarshalJSON(lit)
	case *TTL:
		err = u.UnmarshalJSON(lit)
	}
	return err == nil
}

// amount is what a rule of numbers compares of a unit.
func amount(v reflect.Value) int64 {
	if v.Type() == ttlType {
		return 0
	}
	return v.Int()
}

// string reads a text, and checks it by the field's rule.
func (r *reader) string(v *hujson.Value, to reflect.Value, f *field, p *path) {
	s := textOf(v.Value.(hujson.Literal))
	to.SetString(s)
	trouble := r.desk.check(f.rule, s)
	if trouble == nil {
		return
	}
	if !trouble.hidden {
		trouble.Found = quoted(s)
	}
	r.add(v.StartOffset+within(v.Value.(hujson.Literal), trouble.at), p, trouble.Fault)
}

// number checks a number by the field's rule.
func (r *reader) number(v *hujson.Value, n float64, f *field, p *path) {
	if f == nil {
		return
	}
	if expected := f.rule.number(n); expected != "" {
		r.add(v.StartOffset, p, Fault{Found: shown(v.Value.(hujson.Literal)), Expected: expected})
	}
}

// mismatch notes a value of another type. It is not repeated: it could be a
// secret where the name of a file belongs.
func (r *reader) mismatch(v *hujson.Value, t reflect.Type, p *path) {
	r.add(v.StartOffset, p, Fault{Found: kindWord(v), Expected: wanted(t)})
}

func (r *reader) fits(v *hujson.Value, n int, p *path) bool {
	if n > r.limits.MaxList {
		r.add(v.StartOffset, p, Fault{Found: strconv.Itoa(n) + " of them", Expected: fmt.Sprintf("at most %d", r.limits.MaxList)})
		return false
	}
	return true
}

// kindWord says what a value is.
func kindWord(v *hujson.Value) string {
	switch v.Value.Kind() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return v.Value.(hujson.Literal).String()
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// shown is a literal as it stands, shortened.
func shown(lit hujson.Literal) string { return string(lit[:min(len(lit), maxFound)]) }

// textOf is the string that a literal stands for.
func textOf(lit hujson.Literal) string {
	if body := lit[1 : len(lit)-1]; !slices.Contains(body, '\\') {
		return string(body)
	}
	return lit.String()
}

// within is how far into a literal the byte at of its string stands. Escapes
// are longer than what they stand for.
func within(lit hujson.Literal, at int) int {
	if at <= 0 {
		return 0
	}
	i := 1
	for n := 0; n < at && i < len(lit)-1; {
		size := 1
		switch {
		case lit[i] == '\\' && lit[i+1] == 'u':
			size = 6
		case lit[i] == '\\':
			size = 2
		}
		if size == 6 {
			n += len(textOf(slices.Concat(hujson.Literal{34}, lit[i:i+6], hujson.Literal{34})))
		} else {
			n++
		}
		i += size
	}
	return i
}

func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Path, b.Path))
	})
}
