package main

import (
	"fmt"

	"opencache/internal/config"
	"opencache/internal/probe"
	"opencache/internal/store"
	"opencache/internal/telemetry"
)

// watch has what must be well for the node to be ready looked after, as its
// document says.
func (s *stack) watch(n *config.Node) {
	targets := make([]probe.Target, 0, len(n.Availability.Probes))
	for _, p := range n.Availability.Probes {
		targets = append(targets, probe.Target{URL: p.URL, Interval: timeIn(p.Interval), Timeout: timeIn(p.Timeout), Rise: numberIn(p.Rise), Fall: numberIn(p.Fall)})
	}
	s.probes.Use(targets)
	s.ratio.Store(n.Availability.EjectRatio)
}

// unready returns why the node is not to be sent requests; empty: it is. That it
// drains goes first: balancers are to look elsewhere before anything ends.
func (s *stack) unready() string {
	if s.draining.Load() {
		return "draining"
	}
	if s.edge.Plan().Empty() {
		return "no configuration: there is no site"
	}
	if n, why := s.probes.Failing(); n > 0 {
		return fmt.Sprintf("probe %d: %s", n, why)
	}
	var disks []store.DiskStats
	for i := range s.volumes {
		disks = append(disks, s.volumes[i].Store.Stats().Disks...)
	}
	return givenUp(disks, s.ratio.Load())
}

// givenUp returns that so many of disks failed that their share reaches a limit;
// nil and 0: there is none.
func givenUp(disks []store.DiskStats, most *float64) string {
	down := 0
	for i := range disks {
		if disks[i].Ejected {
			down++
		}
	}
	if most == nil || *most == 0 || down == 0 || float64(down) < *most*float64(len(disks)) {
		return ""
	}
	return fmt.Sprintf("%d of %d disks are given up, the limit is a share of %g", down, len(disks), *most)
}

// readiness is the metric of it.
func (s *stack) readiness() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{{Name: "ready", Help: "1: the node is to be sent requests; 0: /oc-cgi/ready says why not."}},
		Samples:  func(emit telemetry.Emit) { emit(0, one(s.unready() == "")) },
	}
}
