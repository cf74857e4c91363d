package opencache_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "opencache"

// floors lists every package of this module. A package imports only from
// floors below its own, so the order here is also the order to read them in.
var floors = [][]string{
	{"internal/wire", "internal/rfc9111", "internal/plot", "internal/expr"},
	{"internal/store", "internal/h1", "internal/listen", "internal/origin", "internal/telemetry", "internal/config", "internal/kvs", "internal/probe",
		"internal/geo", "internal/access", "internal/coding"},
	{"internal/engine", "internal/lab", "internal/geo/geotest", "internal/store/storetest", "internal/config/configtest", "internal/nginxconf"},
	{".", "internal/edge"},
	{"internal/script", "cmd/opencache"},
	// What measures and shows the program from outside.
	{"test/bench/child", "test/bench/crowd", "test/bench/origin", "test/bench/steady", "test/bench/idle",
		"test/conformance/library", "test/desync", "test/model", "test/shows/purge", "test/shows/seek", "test/real/freeports", "test/coverage/rows"},
	{"test/bench", "test/shows/stampede", "test/shows/kill", "test/shows/reload", "test/shows/watch", "test/shows/dying", "test/shows/policies", "test/coverage", "test/conformance"},
}

// owner names the only package that may import a third-party module.
var owner = map[string]string{
	"github.com/prometheus":                   "internal/telemetry",
	"github.com/alecthomas/kong":              "cmd/opencache",
	"github.com/alecthomas/mango-kong":        "cmd/opencache",
	"github.com/jotaen/kong-completion":       "cmd/opencache",
	"golang.org/x/tools":                      "internal/script",
	"golang.org/x/term":                       "cmd/opencache",
	"github.com/dunglas/httpsfv":              "internal/rfc9111",
	"github.com/maypok86/otter/v2":            "internal/lab",
	"github.com/fsnotify/fsnotify":            "internal/kvs",
	"go.etcd.io/etcd":                         "internal/kvs",
	"google.golang.org/grpc":                  "internal/kvs", // an option of etcd's client
	"go.uber.org/zap":                         "internal/kvs", // only to have etcd's client keep silent
	"github.com/tailscale/hujson":             "internal/config",
	"github.com/oschwald/maxminddb-golang/v2": "internal/geo",
	"golang.org/x/crypto/bcrypt":              "internal/access",
	"github.com/klauspost/compress":           "internal/coding",
	"github.com/andybalholm/brotli":           "internal/coding",
	"github.com/maxmind/mmdbwriter":           "internal/geo/geotest",
}

// shared may be imported anywhere: system calls, protocol numbers, hashes.
var shared = []string{"golang.org/x/sys", "golang.org/x/net", "github.com/dchest/siphash"}

// A source is a file of a package that is not a test.
type source struct {
	name, dir string
	imports   []string
	commented bool // it holds the package comment
}

// TestLayout reads the sources in this process rather than asking go list,
// so that the test cache notices when an import changes.
func TestLayout(t *testing.T) {
	sources, err := readSources(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	floorOf := map[string]int{}
	for i, floor := range floors {
		for _, dir := range floor {
			floorOf[dir] = i
		}
	}
	for _, fault := range check(sources, floorOf) {
		t.Error(fault)
	}
}

// check returns what breaks the rules.
func check(sources []source, floorOf map[string]int) (faults []string) {
	documented := map[string]bool{}
	for _, s := range sources {
		documented[s.dir] = documented[s.dir] || s.commented
		floor, ok := floorOf[s.dir]
		if !ok {
			faults = append(faults, s.name+": no floor for "+s.dir+"; give it one in layout_test.go, or do without the package")
			continue
		}
		for _, imp := range s.imports {
			if fault := checkImport(s, imp, floor, floorOf); fault != "" {
				faults = append(faults, s.name+" "+fault)
			}
		}
	}
	for dir := range floorOf {
		if !documented[dir] {
			faults = append(faults, dir+": missing, or without a package comment")
		}
	}
	slices.Sort(faults)
	return faults
}

func checkImport(s source, imp string, floor int, floorOf map[string]int) string {
	host, _, _ := strings.Cut(imp, "/")
	switch {
	case imp == module || strings.HasPrefix(imp, module+"/"):
		to, ok := floorOf[dirOf(imp)]
		switch {
		case !ok:
			return "imports " + imp + ", which has no floor"
		case to >= floor:
			return "(floor " + strconv.Itoa(floor) + ") imports " + imp + " (floor " + strconv.Itoa(to) + "); imports only go down"
		}
	case strings.Contains(host, ".") && !owns(s.dir, imp):
		return "imports " + imp + ", which belongs to another package or to none"
	}
	return ""
}

// readSources parses the imports of every Go file below root that is no test,
// leaving out other modules and folders that the go command leaves out.
func readSources(root fs.FS) (sources []source, err error) {
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			base := path.Base(name)
			if name != "." && (base == "testdata" || base == "bin" || base[0] == '.' || base[0] == '_' || isModule(root, name)) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{name: name, dir: path.Dir(name), commented: f.Doc != nil}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			s.imports = append(s.imports, imp)
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

func isModule(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

func dirOf(imp string) string {
	if imp == module {
		return "."
	}
	return strings.TrimPrefix(imp, module+"/")
}

func owns(dir, imp string) bool {
	within := func(mod string) bool { return imp == mod || strings.HasPrefix(imp, mod+"/") }
	for mod, pkg := range owner {
		if pkg == dir && within(mod) {
			return true
		}
	}
	return slices.ContainsFunc(shared, within)
}

// TestLayoutFaults makes sure that the rules can be broken at all.
func TestLayoutFaults(t *testing.T) {
	floorOf := map[string]int{"internal/wire": 0, "internal/store": 1, "internal/h1": 1, "internal/gone": 2}
	sources := []source{
		{"internal/wire/a.go", "internal/wire", []string{"io", "opencache/internal/store"}, true},
		{"internal/store/a.go", "internal/store", []string{"opencache/internal/wire", "golang.org/x/sys/unix"}, false},
		{"internal/store/b.go", "internal/store", []string{"github.com/prometheus/client_golang/prometheus"}, true},
		{"internal/h1/a.go", "internal/h1", []string{"opencache/internal/store", "opencache/internal/what"}, false},
		{"internal/new/a.go", "internal/new", nil, true},
	}
	want := []string{
		"internal/gone: missing, or without a package comment",
		"internal/h1/a.go (floor 1) imports opencache/internal/store (floor 1); imports only go down",
		"internal/h1/a.go imports opencache/internal/what, which has no floor",
		"internal/h1: missing, or without a package comment",
		"internal/new/a.go: no floor for internal/new; give it one in layout_test.go, or do without the package",
		"internal/store/b.go imports github.com/prometheus/client_golang/prometheus, which belongs to another package or to none",
		"internal/wire/a.go (floor 0) imports opencache/internal/store (floor 1); imports only go down",
	}
	if got := check(sources, floorOf); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
