package edge

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// discard is a file that takes all.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// teller is a hit, over and over, of an edge with a node's document.
type teller struct {
	e      *Edge
	r      wire.Request
	p      wire.Reply
	sink   blackHole
	fields []byte
}

func newTeller(b *testing.B, m config.Monitoring, logged bool) *teller {
	b.Helper()
	o := Options{Metrics: telemetry.NewMetrics(telemetry.Source{Sites: 1}), Volumes: []Volume{newVolume(b)}}
	if logged {
		var err error
		if o.Log, err = telemetry.OpenLog(telemetry.LogOptions{Out: discard{}}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = o.Log.Close() })
	}
	site := serveLike{}.site()
	site.Cache.Global.QueryNormalization = nil
	site.Cache.Global.Key = "$scheme$request_method$host$request_uri"
	c := Compiler{Volumes: o.Volumes, Count: func(wire.Exchanger) wire.Exchanger { return kilobyte{} }, Dial: nobody,
		VisitorKey: []byte("key"), POP: "iad", Server: "cache-iad-01.example.net", Build: "1.4.2"}
	var faults []config.Fault
	if o.Plan, faults = c.Compile(nil, &config.Node{Monitoring: m}, []*config.Site{site}); len(faults) > 0 {
		b.Fatal(faults)
	}
	a := &teller{fields: make([]byte, 0, 4096)}
	var err error
	if a.e, err = New(o); err != nil {
		b.Fatal(err)
	}
	head := strings.Replace(browser, "%s", "/assets/b.css", 1)
	if n, err := wire.ParseRequest(&a.r, []byte(head), wire.Limits{}); err != nil || n != len(head) {
		b.Fatal(n, err)
	}
	a.r.Remote = netip.MustParseAddrPort("192.0.2.7:4711")
	a.ask()
	if a.ask(); a.p.Status != 200 || !strings.Contains(string(a.p.Fields), "X-Cache-Status: HIT") {
		b.Fatalf("got %d %s", a.p.Status, a.p.Fields)
	}
	return a
}

func (a *teller) ask() {
	a.p = wire.Reply{Fields: a.fields[:0], Sink: &a.sink}
	a.r.Client = netip.AddrPort{}
	a.e.Serve(&a.r, &a.p)
}

// BenchmarkRecord is a hit with more and more of what a node tells of it.
func BenchmarkRecord(b *testing.B) {
	no, yes := false, true
	for _, tt := range []struct {
		name   string
		m      config.Monitoring
		logged bool
	}{
		{"bare", config.Monitoring{ClientFields: &no, RequestID: "off"}, false},
		{"id", config.Monitoring{ClientFields: &no}, false},
		{"fields", config.Monitoring{ClientFields: &yes}, false},
		{"fields+timing", config.Monitoring{ClientFields: &yes, ServerTiming: true}, false},
		{"log", config.Monitoring{ClientFields: &no, RequestID: "off"}, true},
		{"all", config.Monitoring{ClientFields: &yes, ServerTiming: true}, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			a := newTeller(b, tt.m, tt.logged)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				a.ask()
				if n%32 == 0 { // as often as a server waits, so that the log is written
					runtime.Gosched()
				}
			}
		})
	}
}

// BenchmarkSign is what stands on every answer, alone.
func BenchmarkSign(b *testing.B) {
	yes := true
	a := newTeller(b, config.Monitoring{ClientFields: &yes, ServerTiming: true}, false)
	v := &visit{e: a.e, p: &a.p, plan: a.e.plan.Load()}
	v.r, v.node, v.start = &a.r, v.plan.values, a.e.o.Now()
	v.which()
	v.id = []byte("0123456789abcdef0123456789abcdef")
	v.choose(v.match())
	v.decide()
	b.ReportAllocs()
	for b.Loop() {
		a.fields = v.sign(a.fields[:0], wire.NameSet{})
	}
}
