package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"opencache/internal/store"
	"opencache/internal/wire"
)

func TestTagsIn(t *testing.T) {
	for _, tt := range []struct {
		field, line string
		want        []string
	}{
		{"Surrogate-Key", "a b  c\td ", []string{"a", "b", "c", "d"}},
		{"surrogate-key", "a,b c", []string{"a,b", "c"}},
		{"Cache-Tag", "a, B ,c d,,\t", []string{"a", "B", "c d"}},
		{"Edge-Cache-Tag", "casual,knits, fall-sale", []string{"casual", "knits", "fall-sale"}},
		{"xkey", "a, b c,d", []string{"a", "b", "c", "d"}},
		{"X-Own-Tags", "a b,c", []string{"a", "b", "c"}},
		{"xkey", "", nil},
		{"Cache-Tag", " , ", nil},
		{"Surrogate-Key", "\x80\xff", []string{"\x80\xff"}},
	} {
		var got []string
		for tag := range TagsIn(tt.field, []byte(tt.line)) {
			got = append(got, string(tag))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q: got %q, want %q", tt.field, tt.line, got, tt.want)
		}
	}
}

// newTagger returns an engine without anything stored.
func newTagger(t testing.TB) *Engine {
	t.Helper()
	m, err := store.Open(store.ZoneOptions{Memory: 4 << 20, Heap: true})
	if err != nil {
		t.Fatal(err)
	}
	e := New(Options{Store: m})
	t.Cleanup(func() {
		e.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// tagsOf are the tags of a response with these lines, and the fields it has left.
func tagsOf(e *Engine, p *Policy, lines ...string) (t tagging, left string) {
	var resp wire.Response
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		resp.AddNamed(name, []byte(value))
	}
	t = e.takeTags(p, []byte("http://a"), &resp)
	return t, string(resp.AppendFields(nil, wire.NameSet{}))
}

func TestTakeTags(t *testing.T) {
	e := newTagger(t)
	var p Policy
	site := e.store.Site([]byte("http://a"))
	hash := func(fold bool, names ...string) (tags []uint64) {
		for _, n := range names {
			tags = append(tags, e.tag(site, []byte(n), fold))
		}
		return merged(tags, nil)
	}
	group := e.groups(&p, []byte("http://a"), [][]byte{[]byte(`"g"`)})
	for _, tt := range []struct {
		name  string
		p     Policy
		lines []string
		want  []uint64
		left  string
	}{
		{"none", Policy{}, []string{"A: b"}, nil, "A: b\r\n"},
		{"case", Policy{}, []string{"Surrogate-Key: a A"}, hash(false, "a", "A"), ""},
		{"no case", Policy{}, []string{"A: b", "Cache-Tag: a,A"}, hash(true, "a"), "A: b\r\n"},
		{"fields", Policy{}, []string{"xkey: a", "Surrogate-Key: b", "Edge-Cache-Tag: c", "Surrogate-Key: a d"}, hash(false, "a", "b", "c", "d"), ""},
		{"passed", Policy{PassTags: true}, []string{"xkey: a"}, hash(false, "a"), "xkey: a\r\n"},
		{"own", Policy{TagFields: []string{"X-Tags"}}, []string{"A: b", "x-tags: a", "xkey: b"}, hash(false, "a"), "A: b\r\nxkey: b\r\n"},
		{"off", Policy{TagFields: []string{}}, []string{"xkey: b"}, nil, "xkey: b\r\n"},
		{"groups", Policy{TagFields: []string{}}, []string{`Cache-Groups: "g"`}, merged(hash(false, "g"), group), "Cache-Groups: \"g\"\r\n"},
	} {
		got, left := tagsOf(e, &tt.p, tt.lines...)
		if !slices.Equal(got.tags, tt.want) || got.over || left != tt.left {
			t.Errorf("%s: got tags %x, over %v, left %q, want %x, false, %q", tt.name, got.tags, got.over, left, tt.want, tt.left)
		}
	}
	if got := groupsIn(merged(hash(false, "g"), slices.Clone(group))); !slices.Equal(got, group) {
		t.Errorf("groups among tags: got %x, want %x", got, group)
	}
}

// What is over the bounds is not to be stored: a tag that is lost is a purge
// that misses.
func TestTagsOver(t *testing.T) {
	e := newTagger(t)
	many := func(n int) (line string) {
		for i := range n {
			line += fmt.Sprint(" t", i)
		}
		return "Surrogate-Key:" + line
	}
	for _, tt := range []struct {
		name, line string
		over       bool
	}{
		{"as many as are kept", many(store.TagsMax), false},
		{"one more", many(store.TagsMax + 1), true},
		{"as long as is kept", "xkey: " + strings.Repeat("x", maxTag), false},
		{"longer", "xkey: " + strings.Repeat("x", maxTag+1), true},
	} {
		if got, _ := tagsOf(e, &Policy{}, tt.line); got.over != tt.over {
			t.Errorf("%s: got over %v, want %v", tt.name, got.over, tt.over)
		}
	}
}

// FuzzTags: every line is taken apart into tags of which none is empty, none has
// a separator or whitespace at its ends, and which joined again are the same.
func FuzzTags(f *testing.F) {
	for _, seed := range []string{"", "a b", "a,b , c", ",", " \t", "ä\xff", strings.Repeat("x ", 2000)} {
		for i := range TagFields() {
			f.Add(i, []byte(seed))
		}
	}
	e := newTagger(f)
	f.Fuzz(func(t *testing.T, n int, line []byte) {
		if bytes.ContainsAny(line, "\r\n\x00") {
			return // no field's value
		}
		fields := TagFields()
		field := fields[uint(n)%uint(len(fields))]
		syntax := tagSyntaxOf(field)
		var tags [][]byte
		for tag := range TagsIn(field, line) {
			if len(tag) == 0 || bytes.ContainsAny(tag, syntax.separators) || len(bytes.Trim(tag, " \t")) != len(tag) {
				t.Fatalf("%s: %q: got the tag %q", field, line, tag)
			}
			tags = append(tags, tag)
		}
		again := slices.Collect(TagsIn(field, bytes.Join(tags, []byte(syntax.separators[:1]))))
		if !slices.EqualFunc(tags, again, bytes.Equal) {
			t.Fatalf("%s: %q: got %q, and from these %q", field, line, tags, again)
		}
		got, left := tagsOf(e, &Policy{}, field+": "+string(line))
		if len(got.tags) > store.TagsMax || !got.over && len(got.tags) > len(tags) || left != "" {
			t.Fatalf("%s: %q: got %d tags of %d, left %q", field, line, len(got.tags), len(tags), left)
		}
	})
}
