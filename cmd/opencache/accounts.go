package main

import "opencache/internal/telemetry"

// accountMetrics show how many accounts of zones there is no room for.
func (s *stack) accountMetrics() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{{Name: "zone_accounts_missing", Help: "Accounts of zones that volumes have no room for, of 4095 each: what they hold is stored without a limit of its own."}},
		Samples:  func(emit telemetry.Emit) { emit(0, float64(s.edge.Unlimited())) },
	}
}
