package main

import (
	"time"

	"opencache/internal/edge"
	"opencache/internal/origin"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// shownServers is how many servers status and metrics show one by one: of a
// node's sites there may be thousands. The counts by state are of all.
const shownServers = 1000

// A nodeStatus is what /oc-cgi/status shows.
type nodeStatus struct {
	*liveStatus                   // nil: the documents do not change
	Upstreams   []edge.PoolStatus `json:"upstreams"`
	MoreServers int               `json:"moreServers,omitzero"` // that are not shown
}

// status looks at documents and servers.
func (s *stack) status() any {
	st := nodeStatus{Upstreams: []edge.PoolStatus{}}
	if s.live != nil {
		live := s.live.stands()
		live.Geo = s.geo.Status()
		st.liveStatus = &live
	}
	shown := 0
	for p := range s.edge.Plan().Pools(s.now()) {
		if shown += len(p.Servers); shown > shownServers {
			st.MoreServers += len(p.Servers)
			continue
		}
		st.Upstreams = append(st.Upstreams, p)
	}
	return st
}

// pools are the metrics of the servers that content comes from.
func (s *stack) pools() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{
			{Name: "upstream_up", Help: "1: requests go to the server; 0: it is left out, or one request is to tell how it is.", Labels: []string{"upstream", "server"}},
			{Name: "upstream_ejections_total", Help: "How often a server was left out.", Counter: true, Labels: []string{"upstream", "server"}},
			{Name: "upstream_servers", Help: "Servers of all pools by state: up; ejected: requests failed; trying: one is to tell whether they still do; down: checks fail.", Labels: []string{"state"}},
			{Name: "upstream_retries_total", Help: "Further servers asked, behind the first, for a request.", Counter: true},
			{Name: "upstream_retries_withheld_total", Help: "Requests that failed without asking a further server, by why.", Counter: true, Labels: []string{"reason"}},
			{Name: "upstream_checks_total", Help: "Checks of servers.", Counter: true, Labels: []string{"outcome"}},
		},
		Samples: s.poolSamples,
	}
}

// poolSamples emits what pools shows.
func (s *stack) poolSamples(emit telemetry.Emit) {
	var states [origin.NumStates]int
	shown := 0
	for p := range s.edge.Plan().Pools(s.now()) {
		for _, one := range p.Servers {
			states[one.State]++
			if shown++; shown > shownServers {
				continue
			}
			up := 0.0
			if one.State == origin.Up {
				up = 1
			}
			name := p.Site + "/" + p.Upstream
			emit(0, up, name, one.Server)
			emit(1, float64(one.Ejections), name, one.Server)
		}
	}
	for state, n := range states {
		emit(2, float64(n), origin.State(state).String())
	}
	emit(3, float64(s.tally.Retries.Load()))
	for why := 1; why < wire.NumWithheld; why++ {
		emit(4, float64(s.tally.Withheld[why].Load()), wire.Withheld(why).String())
	}
	emit(5, float64(s.tally.Checks[0].Load()), "failed")
	emit(5, float64(s.tally.Checks[1].Load()), "passed")
}

// now is the time by which servers are left out.
func (s *stack) now() time.Time {
	if now := s.compiler.Now; now != nil {
		return now()
	}
	return time.Now()
}
