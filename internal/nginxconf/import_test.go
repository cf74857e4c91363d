package nginxconf

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/internal/config"
)

var update = flag.Bool("update", false, "write what examples come to")

// TestExamples imports each example, and compares documents and notes with
// those that stand beside it. All documents are without a fault.
func TestExamples(t *testing.T) {
	folders, err := filepath.Glob("testdata/examples/*")
	if err != nil || len(folders) < 4 {
		t.Fatalf("examples: %q, %v", folders, err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tree, err := Read(filepath.Join(dir, "nginx.conf"), Files{})
			if err != nil {
				t.Fatal(err)
			}
			r := Import(tree)
			var got bytes.Buffer
			for _, d := range r.Documents {
				got.WriteString("-- " + d.Key + ".jsonc --\n")
				got.Write(d.Text)
			}
			got.WriteString("-- notes --\n")
			for _, n := range r.Notes {
				got.WriteString(n.String() + "\n")
			}
			golden := filepath.Join(dir, "documents.txt")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %v; got\n%s", golden, err, got.Bytes())
			}
			checkDocuments(t, r)
		})
	}
}

// checkDocuments loads the documents as an edge does.
func checkDocuments(t *testing.T, r *Result) {
	t.Helper()
	texts := map[string][]byte{}
	for _, d := range r.Documents {
		texts[d.Key] = d.Text
	}
	var set config.Set
	shot := set.Load(texts)
	for _, f := range shot.Faults {
		t.Errorf("%s\n%s", f, texts[f.Document])
	}
	if len(shot.Sites) != len(r.Documents)-1 && len(shot.Faults) == 0 {
		t.Errorf("%d sites of %d documents", len(shot.Sites), len(r.Documents))
	}
}

// importText imports a text, for tests.
func importText(text string, more map[string]string) (*Result, error) {
	files := map[string]string{"/etc/nginx/nginx.conf": text}
	for name, text := range more {
		files[filepath.Join("/etc/nginx", name)] = text
	}
	tree, err := Read("/etc/nginx/nginx.conf", Files{
		Open: func(name string) (io.ReadCloser, error) {
			text, ok := files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Glob: func(pattern string) (names []string, err error) {
			for name := range files {
				ok, err := filepath.Match(pattern, name)
				if err != nil {
					return nil, err
				}
				if ok {
					names = append(names, name)
				}
			}
			return names, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return Import(tree), nil
}

func TestFaultsOfSyntax(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"http {", "nginx.conf:1:6: a { without its }"},
		{"a;\n}", "nginx.conf:2:1: a } without its {"},
		{"a 'x\ny", "nginx.conf:1:3: a quote without its end"},
		{"a 'x'y;", "nginx.conf:1:6: 'y' behind a closing quote; expected white space, ; or {"},
		{"a b", "nginx.conf:1:1: a without a ; or a block"},
		{"http { server { listen 80 } }", "nginx.conf:1:17: listen without a ; or a block"},
		{"\n ;", "nginx.conf:2:2: ';' where a directive is expected"},
		{"include;", "nginx.conf:1:1: include of 0 names; expected one file or pattern"},
		{"\ninclude nothing;", "nginx.conf:2:1: open /etc/nginx/nothing: file does not exist"},
		{"include self;", "self:1:1: self: a file that includes itself"},
		{"include [;", "nginx.conf:1:1: syntax error in pattern"},
		{strings.Repeat("a{", 70) + strings.Repeat("}", 70), "nginx.conf:1:129: more than 64 blocks and files within each other"},
	} {
		_, err := importText(c.text, map[string]string{"self": "include self;"})
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: got %q, want %q", c.text, err, c.want)
		}
		if e := new(Error); !errors.As(err, &e) {
			t.Errorf("%q: %T", c.text, err)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{`a b  c;`, []string{"a", "b", "c"}},
		{`a "b c" 'd "e"';`, []string{"a", "b c", `d "e"`}},
		{`a "b\"c" \"d \\e \.f;`, []string{"a", `b"c`, `"d`, `\e`, `\.f`}},
		{`a b\ c "t\tn\n";`, []string{"a", `b\ c`, "t\tn\n"}},
		{`a ${b}c x#y; # z`, []string{"a", "${b}c", "x#y"}},
		{`a b'c"d;`, []string{"a", `b'c"d`}},
		{`if ($a ~ "x)");`, []string{"if", "($a", "~", "x)", ")"}},
		{`a "";`, []string{"a", ""}},
		{"\ufeffa\r\nb;", []string{"a", "b"}},
		{`a b};`, []string{"a", "b}"}},
	} {
		r := &reader{}
		list, err := r.block(&lexer{file: "f", text: strings.TrimPrefix(c.text, "\ufeff"), line: 1}, nil, 0)
		if err != nil || len(list) != 1 {
			t.Errorf("%q: %v, %v", c.text, list, err)
			continue
		}
		got := append([]string{list[0].Name}, list[0].Args...)
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

// FuzzParse reads anything, and imports what could be read: no panic, and
// documents that an edge can at least read as such.
func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/examples/*/nginx.conf")
	more, _ := filepath.Glob("testdata/examples/*/*/*.conf")
	for _, path := range append(paths, more...) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`server { listen 80; location / { proxy_pass http://a/$uri; proxy_cache z; proxy_cache_key "$$"; } }`)
	f.Add(`map $a $b { ~x 1; default $b; } server { set $b $b; location ~ ( { return 301 $b; } }`)
	f.Add(`server { if ( ) { set $x 1; } if ($x { set $x 1; } if (!-f $x) { return 1; } location = { return; } location {} return 600; }`)
	f.Add("http{server{location {}}}")
	f.Add("upstream a { server; } server { location / { proxy_pass http://a; } }")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := importText(text, nil)
		if err != nil {
			return
		}
		for _, d := range r.Documents {
			doc, faults := config.Parse(d.Key, d.Text, config.Limits{})
			if doc.Site == nil && doc.Node == nil {
				t.Errorf("%q: %v\n%s", text, faults, d.Text)
			}
		}
	})
}
