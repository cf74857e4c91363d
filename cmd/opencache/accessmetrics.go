package main

import "opencache/internal/telemetry"

// accessPart are the metrics of what sections access refuse.
func (s *stack) accessPart() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{{Name: "access_denied_total", Counter: true, Labels: []string{"site", "why"},
			Help: "Requests that the section access of a site or route refused, by site and reason."}},
		Samples: func(emit telemetry.Emit) {
			s.edge.Denied(func(site, why string, n uint64) { emit(0, float64(n), site, why) })
		},
	}
}
