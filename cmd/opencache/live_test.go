package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"opencache/internal/config"
	"opencache/internal/kvs"
)

// A toldSource is a source whose news a test gives by hand.
type toldSource struct{}

func (toldSource) String() string                                                       { return "told" }
func (toldSource) Watch(ctx context.Context, _ <-chan struct{}, _ func(kvs.Set, error)) { <-ctx.Done() }

const siteKeys = "opencache:edgeResource:"

// setOf makes a set of sites: "a=1" is site a, whose first upstream is called
// u1; "a=bad" does not parse, "a=tls" does not compile.
func setOf(text string) (set kvs.Set) {
	for _, word := range strings.Fields(text) {
		id, version, _ := strings.Cut(word, "=")
		doc := fmt.Sprintf(`{"id": %q, "hostnames": ["%s.example"], "upstreams": [{"name": "u%s", "servers": [{"url": "http://o"}]}]}`, id, id, version)
		switch version {
		case "bad":
			doc = `{"id": 1, "hostname": "x"}`
		case "tls":
			doc = strings.Replace(doc, "{", `{"tls": {},`, 1)
		case "!":
			set.Faults = append(set.Faults, kvs.Fault{Key: siteKeys + id, Where: "conf/" + id, Err: errors.New("unreadable")})
			continue
		}
		set.Documents = append(set.Documents, kvs.Document{Key: siteKeys + id, Text: []byte(doc), Where: "conf/" + id})
	}
	return set
}

// served is what a snapshot serves, in the words of setOf.
func served(shot *config.Snapshot) string {
	var words []string
	for _, s := range shot.Sites {
		words = append(words, s.ID+"="+strings.TrimPrefix(s.Upstreams[0].Name, "u"))
	}
	return strings.Join(words, " ")
}

// A liveTest is a liveConfig without an edge.
type liveTest struct {
	*liveConfig
	log    bytes.Buffer
	inUse  string
	uses   int
	builds int
}

func newLiveTest(dir string) *liveTest {
	t := &liveTest{}
	log := slog.New(slog.NewTextHandler(&t.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" {
			return slog.Attr{}
		}
		return a
	}}))
	t.liveConfig = newLive(toldSource{}, kvs.Keep{Dir: dir}, "iad", log)
	t.now = func() time.Time { return time.Unix(1000, 0) }
	t.compile = func(shot *config.Snapshot) (func() error, []config.Fault) {
		t.builds++
		var faults []config.Fault
		for _, s := range shot.Sites {
			if s.TLS != nil {
				faults = append(faults, config.Fault{Document: siteKeys + s.ID, Path: "tls", Expected: "no such section: not yet"})
			}
		}
		words := served(shot)
		return func() error { t.inUse, t.uses = words, t.uses+1; return nil }, faults
	}
	t.used = func(_ *config.Snapshot, docs []kvs.Document) {
		if err := t.keep.Save(docs); err != nil {
			log.Error(err.Error())
		}
	}
	return t
}

func TestLiveTakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "documents")
	l := newLiveTest(dir)
	steps := []struct{ set, want string }{
		{"a=1 b=1", "a=1 b=1"},
		{"a=2 b=bad", "a=2 b=1"},
		{"a=tls b=bad", "a=2 b=1"},
		{"a=3 b=! c=tls", "a=3 b=1"},
		{"a=3 b=2 c=1", "a=3 b=2 c=1"},
		{"a=3 b=tls", "a=3 b=2"},
		{"", "a=3 b=2"},
	}
	for i, step := range steps {
		l.take(setOf(step.set))
		if l.inUse != step.want {
			t.Errorf("step %d, %q: got %q, want %q", i, step.set, l.inUse, step.want)
		}
	}
	if l.uses != 6 {
		t.Errorf("put to use %d times, want 6: once for each set, and not for the empty one", l.uses)
	}

	// A cold start: b's good version is the kept one, whether the source is
	// there or not.
	for _, away := range []bool{true, false} {
		cold := newLiveTest(dir)
		news := make(chan sourceNews, 1)
		news <- sourceNews{setOf("a=4 b=tls"), nil}
		want := "a=4 b=2"
		if away {
			<-news
			news <- sourceNews{err: errors.New("connection refused")}
			want = "a=3 b=2"
		}
		_, set, err := cold.first(context.Background(), news)
		if err != nil {
			t.Fatal(err)
		}
		if cold.take(set); cold.inUse != want {
			t.Errorf("cold start, away %v: got %q, want %q", away, cold.inUse, want)
		}
	}
}

func TestLiveFirst(t *testing.T) {
	tests := []struct {
		name, want, log string
		news            []sourceNews
	}{
		{"there", "a=1", "", []sourceNews{{set: setOf("a=1")}}},
		{"there, bad ones", "a=1", "", []sourceNews{{set: setOf("a=1 b=bad")}}},
		{"away, then there", "a=1", "the source of documents is away", []sourceNews{{err: errors.New("no")}, {set: setOf("a=1")}}},
		{"empty", "", "", []sourceNews{{}}},
	}
	for _, test := range tests {
		l := newLiveTest("")
		news := make(chan sourceNews, len(test.news))
		for _, n := range test.news {
			news <- n
		}
		shot, _, err := l.first(context.Background(), news)
		if err != nil || served(shot) != test.want || !strings.Contains(l.log.String(), test.log) {
			t.Errorf("%s: got %v, %v, log %s; want %q", test.name, shot, err, l.log.String(), test.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := newLiveTest("").first(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop while it waits: got %v", err)
	}
}

// TestLiveTells has each fault logged once, with all that is wrong.
func TestLiveTells(t *testing.T) {
	l := newLiveTest("")
	for _, set := range []string{"a=1 b=1 c=bad", "a=1 b=bad c=bad", "a=2 b=bad c=bad", "a=2 b=tls c=1", "a=2 b=3 c=1"} {
		l.take(setOf(set))
	}
	l.hear(errors.New("gone"))
	l.hear(errors.New("still gone"))
	l.hear(nil)
	var got []string
	for line := range strings.Lines(l.log.String()) {
		if !strings.Contains(line, "documents are in use") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`level=ERROR msg="a document is at fault: it is left out" document=opencache:edgeResource:c at=conf/c faults="[`,
		`level=ERROR msg="a document is at fault: an older version goes on" document=opencache:edgeResource:b at=conf/b faults="[`,
		`level=ERROR msg="a document is at fault: an older version goes on" document=opencache:edgeResource:b at=conf/b faults="[tls: expected no such section: not yet]"`,
		`level=INFO msg="no longer at fault" document=opencache:edgeResource:c`,
		`level=INFO msg="no longer at fault" document=opencache:edgeResource:b`,
		`level=WARN msg="the source of documents is away: what runs goes on" source=told error=gone`,
		`level=INFO msg="the source of documents is back" source=told`,
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLiveStatus(t *testing.T) {
	l := newLiveTest("")
	l.take(setOf("a=1 b=1"))
	l.now = func() time.Time { return time.Unix(2000, 0) }
	l.take(setOf("a=2 b=tls c=bad"))
	l.hear(errors.New("gone"))
	got, err := json.Marshal(l.stands())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"source":"told","sourceError":"gone","pop":"iad"`, `"lastReloadSuccessful":false`, `"reloads":2,"reloadsWithFaults":1`, `"sites":2,"documentsParsed":4,"documents":{"good":1,"stale":1,"bad":1}`,
		`{"document":"opencache:edgeResource:b","at":"conf/b","olderVersionInUse":true,"faults":["tls: expected no such section: not yet"]}`,
		`{"document":"opencache:edgeResource:c","at":"conf/c","olderVersionInUse":false,"faults":["1:1: hostnames: expected a list"`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	var samples []string
	families := l.part().Families
	l.samples(func(n int, value float64, labels ...string) {
		samples = append(samples, fmt.Sprint(families[n].Name, labels, " ", value))
	})
	want := []string{
		"config_documents[good] 1", "config_documents[stale] 1", "config_documents[bad] 1", "config_sites[] 2", "config_source_up[] 0",
		"config_last_reload_successful[] 0", "config_last_reload_timestamp_seconds[] 2000", "config_last_reload_success_timestamp_seconds[] 1000",
		"config_last_reload_duration_seconds[] 0", "config_reloads_total[good] 1", "config_reloads_total[faulty] 1",
	}
	if !slices.Equal(samples, want) {
		t.Errorf("got %q, want %q", samples, want)
	}
}

// TestLiveBelieves: an empty set is believed when the operator asked to look.
func TestLiveBelieves(t *testing.T) {
	l := newLiveTest("")
	l.take(setOf("a=1"))
	l.take(kvs.Set{})
	if l.inUse != "a=1" || l.stands().SourceError == "" {
		t.Errorf("got %q, source error %q", l.inUse, l.stands().SourceError)
	}
	l.look()
	l.look()
	l.take(kvs.Set{})
	if l.inUse != "" {
		t.Errorf("got %q, want nothing", l.inUse)
	}
}
