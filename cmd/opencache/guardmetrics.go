package main

import "opencache/internal/telemetry"

// guardMetrics are those of fields that change what a key is not told of.
func (s *stack) guardMetrics() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{{Name: "unkeyed_fields_total", Help: "Fields of requests that no key has: stripped from what went to the upstream, or reported.", Counter: true, Labels: []string{"did"}}},
		Samples: func(emit telemetry.Emit) {
			for did, n := range s.edge.Unkeyed {
				emit(0, float64(n), did)
			}
		},
	}
}
