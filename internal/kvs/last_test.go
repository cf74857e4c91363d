package kvs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// docsOf makes documents of "a=1 b=2", and faults of "!c".
func docsOf(text string) (s Set) {
	for _, word := range strings.Fields(text) {
		if key, ok := strings.CutPrefix(word, "!"); ok {
			s.Faults = append(s.Faults, Fault{Key: key, Where: key, Err: errors.New("unreadable")})
			continue
		}
		key, value, _ := strings.Cut(word, "=")
		s.Documents = append(s.Documents, Document{Key: key, Text: []byte(value), Where: key})
	}
	return s
}

// judgeWords finds fault with texts that hold "bad", and with "x" beside
// another "x".
func judgeWords(docs []Document) map[string]error {
	faults := map[string]error{}
	first := ""
	for _, d := range docs {
		switch {
		case strings.Contains(string(d.Text), "bad"):
			faults[d.Key] = errors.New("bad")
		case string(d.Text) == "x" && first != "":
			faults[d.Key] = errors.New("as " + first)
		case string(d.Text) == "x":
			first = d.Key
		}
	}
	return faults
}

func TestLast(t *testing.T) {
	tests := []struct {
		name       string
		kept       string
		sets       []string
		want       []string // for each set
		stale, bad int      // after the last
	}{
		{"good", "", []string{"a=1 b=2", "a=3 b=2"}, []string{"a=1 b=2", "a=3 b=2"}, 0, 0},
		{"bad from the start", "", []string{"a=1 b=bad"}, []string{"a=1 !b"}, 0, 1},
		{"bad later", "", []string{"a=1 b=2", "a=3 b=bad"}, []string{"a=1 b=2", "a=3 b=2 !b"}, 1, 0},
		{"bad, then worse", "", []string{"b=2", "b=bad", "b=worse-bad"}, []string{"b=2", "b=2 !b", "b=2 !b"}, 1, 0},
		{"bad, then mended", "", []string{"b=2", "b=bad", "b=3"}, []string{"b=2", "b=2 !b", "b=3"}, 0, 0},
		{"bad at a cold start", "a=0 b=2", []string{"a=1 b=bad"}, []string{"a=1 b=2 !b"}, 1, 0},
		{"kept ones are no good any more", "b=bad", []string{"a=1 b=bad-too"}, []string{"a=1 !b"}, 0, 1},
		{"unreadable", "", []string{"a=1 b=2", "a=1 !b"}, []string{"a=1 b=2", "a=1 b=2 !b"}, 1, 0},
		{"unreadable, without a good one; then without a key", "", []string{"a=1 !b", "a=1 !"}, []string{"a=1 !b", "a=1 !"}, 0, 0},
		{"gone", "a=1 b=2", []string{"a=1"}, []string{"a=1"}, 0, 0},
		{"gone while bad", "", []string{"a=1 b=2", "a=1 b=bad", "a=1", "a=1 b=bad"}, []string{"a=1 b=2", "a=1 b=2 !b", "a=1", "a=1 !b"}, 0, 1},
		{"clashing", "", []string{"a=x b=x"}, []string{"a=x !b"}, 0, 1},
		{"clashing later", "", []string{"a=x b=2", "a=x b=x"}, []string{"a=x b=2", "a=x b=2 !b"}, 1, 0},
		{"all bad", "", []string{"a=bad"}, []string{"!a"}, 0, 1},
		{"emptied", "", []string{"a=1", ""}, []string{"a=1", "emptied"}, 0, 0},
		{"emptied at a cold start", "a=1", []string{""}, []string{"emptied"}, 0, 0},
		{"empty from the start", "", []string{"", "a=1"}, []string{"", "a=1"}, 0, 0},
		{"only bad ones, then none", "", []string{"a=bad", ""}, []string{"!a", "emptied"}, 0, 0},
	}
	for _, test := range tests {
		var l Last
		l.Restore(docsOf(test.kept).Documents)
		var r Settled
		for i, text := range test.sets {
			var err error
			r, err = l.Settle(docsOf(text), judgeWords)
			got := say(r.Documents, r.Faults)
			if errors.Is(err, ErrEmptied) {
				got = "emptied"
			}
			if got != test.want[i] {
				t.Errorf("%s: set %d %q: got %q, want %q", test.name, i, text, got, test.want[i])
			}
		}
		if r.Stale != test.stale || r.Bad != test.bad {
			t.Errorf("%s: got %d stale, %d bad, want %d, %d", test.name, r.Stale, r.Bad, test.stale, test.bad)
		}
	}
}

func TestLastForget(t *testing.T) {
	var l Last
	if _, err := l.Settle(docsOf("a=1"), judgeWords); err != nil {
		t.Fatal(err)
	}
	l.Forget()
	if r, err := l.Settle(Set{}, judgeWords); err != nil || len(r.Documents) != 0 {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "documents")
	var many strings.Builder
	for i := range 2 * manySaves {
		many.WriteString(" m" + string(rune('a'+i)) + "=1")
	}
	all := many.String()
	for _, text := range []string{"a=1 b=2", "a=1 b=3", "b=3", "b=3" + all, "b=4 ../../x=5 .d=6 a%20b=7 e/f=8 9=9" + all, "b=1"} {
		k := Keep{Dir: dir}
		if _, err := k.Load(Options{}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		docs := docsOf(text).Documents
		if err := k.Save(docs); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var other Keep
		other.Dir = dir
		got, err := other.Load(Options{})
		sortByKey(docs)
		sortByKey(got)
		if err != nil || say(got, nil) != say(docs, nil) {
			t.Errorf("%q: got %q, %v", text, say(got, nil), err)
		}
	}
	if info, err := os.Stat(dir + "/b.jsonc"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 600", info, err)
	}
	if files, err := os.ReadDir(filepath.Dir(filepath.Dir(dir))); err != nil || len(files) != 1 {
		t.Errorf("a key led elsewhere: %v, %v", files, err)
	}
}

// TestKeepOddKey has a key that no file can be named after.
func TestKeepOddKey(t *testing.T) {
	k := Keep{Dir: t.TempDir()}
	long := strings.Repeat("k", 300)
	if err := k.Save(docsOf("a=1 " + long + "=2 z=3").Documents); err == nil {
		t.Error("a file with a name of 300 bytes: got no error")
	}
	docs, err := k.Load(Options{})
	if got, want := say(docs, nil), "a=1 z=3"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestKeepNothing(t *testing.T) {
	var k Keep
	if err := k.Save(docsOf("a=1").Documents); err != nil {
		t.Error(err)
	}
	if docs, err := k.Load(Options{}); err != nil || len(docs) != 0 {
		t.Errorf("got %v, %v", docs, err)
	}
}

func TestWriteFile(t *testing.T) {
	path := t.TempDir() + "/r.txt"
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
}
