package config

import (
	"bytes"
	"testing"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// FuzzValues: what is read the short way is what hujson reads.
func FuzzValues(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `{"a": 1,}`, `{,}`, `[,]`, `[1,,2]`, `{"a" 1}`, `{"a": "\u00e9\n"}`, "{\"a\": \"\n\"}", `"\"`, `"\x"`, `-`, `01`, `1e5`, `tru`, `nulls`,
		"// c\n{\"a\" /* b */ : [true, /**/ false, // x\n -1.5E+2, ], \"b\": {\"c\": null}}\n", "/*", "/", "{} {}", "[1 2]", "1/2", "[\"a\"]//", "\x00", " ",
	} {
		f.Add([]byte(text))
	}
	d := &desk{}
	f.Fuzz(func(t *testing.T, text []byte) {
		if tooDeep(text, 32) >= 0 || !utf8.Valid(text) {
			return
		}
		want, err := hujson.Parse(text)
		d.clear()
		got, ok := d.valuesOf(text)
		switch {
		case ok && err != nil:
			t.Fatalf("%q: got values, want %v", text, err)
		case ok && !sameValues(&got, &want):
			t.Fatalf("%q: got %+v, want %+v", text, got, want)
		case !ok && err == nil:
			t.Fatalf("%q: left to hujson, which reads it", text)
		}
	})
}

func sameValues(a, b *hujson.Value) bool {
	if a.StartOffset != b.StartOffset || a.EndOffset != b.EndOffset {
		return false
	}
	switch x := a.Value.(type) {
	case *hujson.Object:
		y, ok := b.Value.(*hujson.Object)
		if !ok || len(x.Members) != len(y.Members) {
			return false
		}
		for i := range x.Members {
			if !sameValues(&x.Members[i].Name, &y.Members[i].Name) || !sameValues(&x.Members[i].Value, &y.Members[i].Value) {
				return false
			}
		}
		return true
	case *hujson.Array:
		y, ok := b.Value.(*hujson.Array)
		if !ok || len(x.Elements) != len(y.Elements) {
			return false
		}
		for i := range x.Elements {
			if !sameValues(&x.Elements[i], &y.Elements[i]) {
				return false
			}
		}
		return true
	case hujson.Literal:
		y, ok := b.Value.(hujson.Literal)
		return ok && bytes.Equal(x, y)
	}
	return false
}
