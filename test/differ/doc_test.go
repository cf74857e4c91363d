package differ

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/differences.md")

const document = "../../docs/differences.md"

// TestAgreed: in these there is no difference at all.
func TestAgreed(t *testing.T) {
	for _, s := range agreed {
		for _, d := range compare(s) {
			t.Errorf("got a difference: %v", d)
		}
	}
}

// TestClasses: each class has an example that is of it, every difference of
// an example is of some class, and the class says rightly who is stricter.
func TestClasses(t *testing.T) {
	for i := range classes {
		c := &classes[i]
		t.Run(c.name, func(t *testing.T) {
			found := compare(c.example)
			mine := 0
			for _, d := range found {
				switch classOf(d) {
				case nil:
					t.Errorf("of no class: %v", d)
				case c:
					mine++
				}
				if d.aspect == "taken" && (d.ours != "") != (c.stricter == we) {
					t.Errorf("got %v, but %s is said to be stricter", d, c.stricter)
				}
			}
			if mine == 0 {
				t.Errorf("%q: no difference of this class: %v", c.example.data, found)
			}
			if c.section == "" || c.why == "" || c.stricter == "" {
				t.Errorf("%q: section %q, why %q, stricter %q", c.name, c.section, c.why, c.stricter)
			}
		})
	}
}

// TestUnknown: a difference that nobody has thought of is of no class.
func TestUnknown(t *testing.T) {
	for _, d := range []difference{
		{request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "taken", "client: request head, byte 14: line feed without carriage return", ""},
		{request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "taken", "", "malformed HTTP request"},
		{request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "content", "a", "b"},
		{request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "host", "a", "b"},
		{chunks("0\r\nX: y\r\n\r\n"), "trailers", "", "X: y\n"},
		{withFields("Pragma: no-cache\r\n", ""), "fields", "Pragma: no-cache\n", "Cache-Control: no-cache\nPragma: no-cache\nX: y\n"},
	} {
		if c := classOf(d); c != nil {
			t.Errorf("%v: got class %q, want none", d, c.name)
		}
	}
}

// TestDocument: docs/differences.md is what the classes say.
func TestDocument(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date: go test ./test/differ -run TestDocument -update", document)
	}
}

const preface = `# Where opencache and net/http differ

Both read the same bytes: ` + "`internal/wire`" + ` as the cache does, net/http by ` + "`http.ReadRequest`" + ` and
` + "`http.ReadResponse`" + ` with the content read to its end. These are all the ways in which they differ that fuzzing has found,
and the section that decides each. A difference of no class fails ` + "`make fuzz`" + `. Made by
` + "`go test ./test/differ -run TestDocument -update`" + ` from ` + "`test/differ/classes_test.go`" + `; a test fails when it is out of date.

Where net/http is the stricter one, the RFC asks for what opencache does, or nothing rests on it. Where neither is, both take
the message and take it for different things.
`

func page() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, who := range []string{we, they, neither} {
		title := map[string]string{we: "opencache is stricter", they: "net/http is stricter", neither: "Both take it, for different things"}[who]
		fmt.Fprintf(&b, "\n## %s\n\n| class | example | opencache | net/http | decided by | why |\n| --- | --- | --- | --- | --- | --- |\n", title)
		for i := range classes {
			if c := &classes[i]; c.stricter == who {
				ours, theirs := verdicts(c)
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.name, shown(c.example.data), ours, theirs, c.section, c.why)
			}
		}
	}
	return b.String()
}

// verdicts says what each makes of the class's example. net/http's own words
// change with its version and are left out.
func verdicts(c *class) (ours, theirs string) {
	ours, theirs = "takes it", "takes it"
	for _, d := range compare(c.example) {
		switch {
		case classOf(d) != c:
		case d.aspect != "taken":
			return d.aspect + " " + shown(d.ours), d.aspect + " " + shown(d.theirs)
		case d.ours != "":
			ours = "refuses: " + d.ours[strings.LastIndex(d.ours, ": ")+2:]
		default:
			theirs = "refuses"
		}
	}
	return ours, theirs
}

// shown is text as a cell of a table can have it.
func shown(s string) string {
	const most = 100
	cut := ""
	if len(s) > most {
		s, cut = s[:most], "…"
	}
	quoted := strconv.QuoteToASCII(s)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if quoted == "" {
		return "nothing"
	}
	return "`" + strings.ReplaceAll(quoted, "|", `\|`) + cut + "`"
}
