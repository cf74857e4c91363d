package edge

import (
	"bytes"
	"context"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

func TestIsID(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "a": true, "0190f3c2-1b7a-7c3e-9f00-0123456789ab": true, "01HZX3K5N6": true,
		"Root=1-67891233-abcdef012345678912345678": true, "a b": false, "a,b": false, `a"`: false, "<a>": false, "ä": false,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
	} {
		if got := isID([]byte(id)); got != want {
			t.Errorf("%q: got %t, want %t", id, got, want)
		}
	}
}

// Ids are of 32 hexadecimal digits, each another one, and a reused request
// keeps nothing of the one before.
func TestIdentify(t *testing.T) {
	v := at(t, newEdge(t, Options{Random: rand.Uint64}, kilobyte{}, serveLike{}.site()), "GET / HTTP/1.1\nHost: h\nX-Request-ID: mine")
	form := regexp.MustCompile(`^X-Request-ID: ([0-9a-f]{32})\r\n$`)
	seen := map[string]bool{}
	for range 1000 {
		v.p.Fields = v.p.Fields[:0]
		v.identify()
		m := form.FindSubmatch(v.p.Fields)
		if m == nil || string(m[1]) != string(v.id) || seen[string(v.id)] {
			t.Fatalf("got %q for id %q, want one line with a new id", v.p.Fields, v.id)
		}
		seen[string(v.id)] = true
	}
	v.plan.requestID, v.p.Fields, v.plan.tells = NoID, v.p.Fields[:0], nil
	if v.identify(); v.r.ID != [16]byte{} || len(v.id) > 0 || len(v.p.Fields) > 0 {
		t.Errorf("off: got %x, %q and %q, want nothing", v.r.ID, v.id, v.p.Fields)
	}
	v.plan.tells = &upstreamFields{enriched: true}
	if v.identify(); v.r.ID != [16]byte{} || len(v.id) != 32 || len(v.p.Fields) > 0 {
		t.Errorf("off, for OC-RID: got %x, %q and %q, want an id for that alone", v.r.ID, v.id, v.p.Fields)
	}
}

// The log has the id that the client got.
func TestIDInLog(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.OpenLog(telemetry.LogOptions{Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	e := newEdge(t, Options{Log: log}, kilobyte{}, serveLike{}.site())
	v := at(t, e, "GET /a HTTP/1.1\nHost: h")
	p := wire.Reply{Sink: &blackHole{}}
	e.Serve(v.r, &p)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(string(p.Fields), "X-Request-ID: "), "\r\n")
	if want := `"request_id":"` + id + `"`; len(id) != 32 || !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s in it", out.String(), want)
	}
}

// told is an upstream that notes what it was told.
type told struct{ id, other string }

func (u *told) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	u.id, u.other = string(r.Get(wire.XRequestID)), string(r.Get(wire.Accept))
	resp := &wire.Response{Status: 200, Minor: 1}
	resp.Add(wire.XRequestID, []byte("theirs"))
	resp.Add(wire.ServerTiming, []byte("db;dur=53"))
	resp.Add(wire.ETag, []byte(`"1"`))
	return resp, nil
}

func TestUpstreamFields(t *testing.T) {
	id := [16]byte{0: 0xab, 15: 0x01}
	for _, tt := range []struct {
		name  string
		o     config.Monitoring
		id    [16]byte
		told  string
		keeps wire.NameSet
	}{
		{"new", config.Monitoring{}, id, "ab000000000000000000000000000001", wire.NamesOf(wire.ETag, wire.ServerTiming)},
		{"kept", config.Monitoring{RequestID: "keep"}, [16]byte{}, "mine", wire.NamesOf(wire.ETag, wire.ServerTiming)},
		{"off", config.Monitoring{RequestID: "off"}, [16]byte{}, "mine", wire.NamesOf(wire.ETag, wire.ServerTiming, wire.XRequestID)},
	} {
		next := &told{}
		u := newIdentified(next, &tt.o)
		var r wire.Request
		r.Add(wire.XRequestID, []byte("mine"))
		r.Add(wire.Accept, []byte("*/*"))
		for range 2 { // a request may be sent twice
			r.ID = tt.id
			resp, err := u.Exchange(t.Context(), &r)
			if err != nil {
				t.Fatal(err)
			}
			if next.id != tt.told || next.other != "*/*" || r.Count(wire.XRequestID) != 1 || resp.Names() != tt.keeps {
				t.Errorf("%s: told %q (%d lines) and Accept %q, kept %v; want %q once, */*, %v",
					tt.name, next.id, r.Count(wire.XRequestID), next.other, resp.Names(), tt.told, tt.keeps)
			}
		}
	}
}
