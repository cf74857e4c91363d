package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"opencache/internal/wire"
)

// TestDocumentedFields: the table of the access log in docs/operating.md has
// each field once, in the order of a line, and no other.
func TestDocumentedFields(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)## The access log\n(.*?)\n## `).FindSubmatch(doc)
	if section == nil {
		t.Fatal("docs/operating.md: no section on the access log")
	}
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| (json, text|text) \\|").FindAllSubmatch(section[1], -1) {
		for _, name := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllSubmatch(row[1], -1) {
			got = append(got, fmt.Sprintf("%s: %s", name[1], row[2]))
		}
	}
	for i := range fields {
		in := "json, text"
		if fields[i].inText {
			in = "text"
		}
		want = append(want, fields[i].name+": "+in)
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/operating.md, The access log:\n got %q\nwant %q", got, want)
	}
}

// In JSON these are there though they are empty, and those have no quotes.
var (
	always = []string{"time_iso8601", "remote_addr", "request", "request_method", "scheme", "host", "request_uri", "server_protocol", "status",
		"body_bytes_sent", "request_time", "upstream_cache_status", "cache_reason", "request_id", "http_user_agent", "http_referer"}
	bare = []string{"server_port", "status", "body_bytes_sent", "request_time", "dl_bps", "cache_collapsed", "log_cache_target_time",
		"upstream_status", "upstream_response_time", "geoip_asn"}
)

// byTable is a line as the table of fields has it.
func byTable(r *Record) string {
	line := []byte("{")
	for i := range fields {
		f := &fields[i]
		value := f.value(nil, r, inJSON)
		if f.inText || len(value) == 0 && !slices.Contains(always, f.name) {
			continue
		}
		if len(line) > 1 {
			line = append(line, ',')
		}
		quote := `"`
		if slices.Contains(bare, f.name) {
			quote = ""
		}
		line = fmt.Appendf(line, "%q:%s%s%s", f.name, quote, value, quote)
	}
	return string(append(line, "}\n"...))
}

// TestLineOfTable: a line has what the table of fields has, in its order,
// whatever is missing from the record or stands alone in it.
func TestLineOfTable(t *testing.T) {
	full := reflect.ValueOf(everything()).Elem()
	var used pen
	check := func(name string, r *Record) {
		if got, want := string(appendJSON(nil, r)), byTable(r); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		if got, want := string(used.json(nil, r)), byTable(r); got != want {
			t.Errorf("%s, by a pen that was used:\n got %s\nwant %s", name, got, want)
		}
	}
	check("everything", everything())
	check("as browsers ask", browsed())
	for i := range full.NumField() {
		name := full.Type().Field(i).Name
		r := everything()
		reflect.ValueOf(r).Elem().Field(i).SetZero()
		check("without "+name, r)
		r = &Record{}
		reflect.ValueOf(r).Elem().Field(i).Set(full.Field(i))
		check(name+" alone", r)
	}
	place := reflect.ValueOf(everything().Place).Elem()
	for i := range place.NumField() {
		r := everything()
		reflect.ValueOf(r.Place).Elem().Field(i).SetZero()
		check("without Place."+place.Type().Field(i).Name, r)
	}
	r := &Record{Attempts: &wire.Attempts{}}
	check("attempts, none", r)
	r.Attempts.Note(wire.Attempt{})
	check("attempt without a name", r)
}

// FuzzLineOfTable: so it is for any text.
func FuzzLineOfTable(f *testing.F) {
	for _, s := range []string{"", "/", "a b", "abcdefg", "abcdefgh", "abcdefg\"", "\"abcdefgh", "\\", "é", "12345678\x7f", "\x1f234567890"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := everything()
		r.Target, r.Host, r.UserAgent, r.Referer, r.Key, r.User, r.ForwardedFor, r.Visitor, r.RequestID = b, b, b, b, b, b, b, b, b
		r.Site, r.Denied, r.MethodText = string(b), string(b), b
		line := appendJSON(nil, r)
		if want := byTable(r); string(line) != want {
			t.Fatalf("%q:\n got %s\nwant %s", b, line, want)
		}
		if !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%q: %q is not a line of JSON", b, line)
		}
	})
}
