package config

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
)

// An alike table has what documents say alike once: of 10,000 sites most say
// the same of most things. Nothing of a document is written to once it was
// read, so that all of them can have one list, map or section together, which
// then lies in a processor's cache for whichever is asked. The zero value is
// ready.
type alike struct {
	known map[string]reflect.Value // by type and content
	here  map[uintptr]int          // where what is known lies, and how long it is
	types map[reflect.Type]uint64
	words map[string]string
	spare map[shapeOf]reflect.Value // what came to nothing, to be used again
	buf   []byte
	texts bool // strings are shared as well
	bytes int  // of what is known, about
}

// A shapeOf is what a value can be used again for.
type shapeOf struct {
	of  reflect.Type
	len int
}

// mostShared is how many bytes of lists, maps and texts a table knows at most: a
// long document that changes again and again leaves all that it ever said.
const mostShared = 32 << 20

// wordSize is about what a map takes for a key and a value.
const wordSize = 64

// mostAlike is how many values or words a table knows at most. Then it forgets
// all: documents that have so many are not alike, or most of them are gone.
const mostAlike = 1 << 15

// share has what v holds, a struct that nobody else has, be what was known
// before, where that says the same. It writes to v itself and to nothing that
// v holds, which others may be reading.
func (a *alike) share(v reflect.Value, texts bool) {
	if a.bytes > mostShared {
		a.known, a.words, a.bytes = nil, nil, 0
	}
	if a.known == nil || len(a.known) > mostAlike {
		a.known, a.here, a.types, a.spare = map[string]reflect.Value{}, map[uintptr]int{}, map[reflect.Type]uint64{}, map[shapeOf]reflect.Value{}
	}
	if a.words == nil || len(a.words) > mostAlike {
		a.words = map[string]string{}
	}
	a.texts = texts
	a.buf = a.enter(v, a.buf[:0])
}

// enter shares what v holds and appends what tells v from other values of its
// type: of what is shared its address.
func (a *alike) enter(v reflect.Value, as []byte) []byte {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if a.texts && s != "" {
			if had, ok := a.words[s]; ok {
				v.SetString(had)
			} else {
				a.words[s] = s
				a.bytes += len(s) + wordSize
			}
		}
		return append(binary.AppendUvarint(as, uint64(len(s))), s...)
	case reflect.Bool:
		if v.Bool() {
			return append(as, 1)
		}
		return append(as, 0)
	case reflect.Float64:
		return binary.AppendUvarint(as, math.Float64bits(v.Float()))
	case reflect.Struct:
		for i := range v.NumField() {
			as = a.enter(v.Field(i), as)
		}
		return as
	case reflect.Pointer, reflect.Slice, reflect.Map:
		switch {
		case v.IsNil():
			return append(as, 0)
		case lengthOf(v) == 0: // it has no place of its own
			return append(as, 1)
		}
		if n, ok := a.here[v.Pointer()]; !ok || n != lengthOf(v) {
			as = a.one(v, as)
		}
		return binary.AppendUvarint(append(as, 2), uint64(v.Pointer()))
	}
	if v.CanInt() {
		return binary.AppendVarint(as, v.Int())
	}
	return binary.AppendUvarint(as, v.Uint())
}

// lengthOf is how much is in a list or a map, or behind a pointer.
func lengthOf(v reflect.Value) int {
	if v.Kind() == reflect.Pointer {
		return 1
	}
	return v.Len()
}

// one shares a pointer, a list or a map. It returns as with nothing appended.
func (a *alike) one(v reflect.Value, as []byte) []byte {
	t, mark := v.Type(), len(as)
	n, ok := a.types[t]
	if !ok {
		n = uint64(len(a.types))
		a.types[t] = n
	}
	as = binary.AppendUvarint(binary.AppendUvarint(as, n), uint64(lengthOf(v)))
	spare := shapeOf{t, lengthOf(v)}
	own, again := a.spare[spare]
	delete(a.spare, spare)
	switch t.Kind() {
	case reflect.Pointer:
		if !again {
			own = reflect.New(t.Elem())
		}
		own.Elem().Set(v.Elem())
		as = a.enter(own.Elem(), as)
	case reflect.Slice:
		if !again {
			own = reflect.MakeSlice(t, v.Len(), v.Len())
		}
		reflect.Copy(own, v)
		for i := range own.Len() {
			as = a.enter(own.Index(i), as)
		}
	default:
		own, as = a.pairs(v, as)
	}
	had, ok := a.known[string(as[mark:])]
	switch {
	case !ok:
		had, a.known[string(as[mark:])], a.here[own.Pointer()] = own, own, lengthOf(own)
		a.bytes += len(as) - mark + lengthOf(own)*int(t.Elem().Size()) + wordSize
	case t.Kind() != reflect.Map:
		a.spare[spare] = own
	}
	v.Set(had)
	return as[:mark]
}

// pairs is a map like v with what it holds shared, and what tells it from others.
func (a *alike) pairs(v reflect.Value, as []byte) (reflect.Value, []byte) {
	names := make([]string, 0, v.Len())
	for _, name := range v.MapKeys() {
		names = append(names, name.String())
	}
	slices.Sort(names)
	own := reflect.MakeMapWithSize(v.Type(), len(names))
	for _, text := range names {
		name := reflect.ValueOf(text).Convert(v.Type().Key())
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(name))
		as = append(binary.AppendUvarint(as, uint64(len(text))), text...)
		as = a.enter(value, as)
		own.SetMapIndex(name, value)
	}
	return own, as
}
