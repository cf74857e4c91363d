package config

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that are made from the sources")

// sameFile compares a file with what it is made from, or writes it.
func sameFile(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the sources say (%v): go test ./internal/config -update", name, err)
	}
}

// commentsOfFields reads the comments of all structs that documents hold.
func commentsOfFields(t *testing.T) map[string]string {
	t.Helper()
	documented := map[string]bool{}
	for typ := range shapes {
		documented[typ.Name()] = true
	}
	all := map[string]string{}
	for _, name := range []string{"site.go", "access.go", "cache.go", "compression.go", "node.go", "monitoring.go", "tier.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			for _, field := range structure.Fields.List {
				if len(field.Names) == 0 {
					continue
				}
				text := strings.Join(strings.Fields(field.Doc.Text()), " ")
				if text == "" {
					t.Errorf("%s.%s has no comment", spec.Name, field.Names[0])
				}
				all[spec.Name.Name+"."+field.Names[0].Name] = text
			}
			return ok
		})
	}
	return all
}

func TestDescriptions(t *testing.T) {
	comments := commentsOfFields(t)
	var lines []string
	for _, s := range shapes {
		for _, f := range s.fields {
			name := f.owner + "." + f.member
			if comments[name] == "" {
				t.Errorf("%s: no comment of it is found", name)
			}
			lines = append(lines, name+"\t"+comments[name]+"\n")
		}
	}
	slices.Sort(lines)
	sameFile(t, "descriptions.txt", []byte(strings.Join(slices.Compact(lines), "")))
}
