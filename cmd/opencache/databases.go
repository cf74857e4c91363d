package main

import (
	"opencache/internal/config"
	"opencache/internal/geo"
	"opencache/internal/telemetry"
)

// databasesOf are the databases that a node's document names.
func databasesOf(n *config.Node) geo.Options {
	g := &n.Geo
	return geo.Options{City: g.City, ASN: g.ASN, Language: g.Language, Interval: timeIn(g.Interval), MaxSize: sizeIn(g.MaxSize)}
}

// databaseMetrics are those of databases.
func databaseMetrics(d *geo.Databases) telemetry.Part {
	labels := []string{"database"}
	return telemetry.Part{
		Families: []telemetry.Family{
			{Name: "geoip_database_up", Help: "1: the file is in use as it is; 0: it is missing or damaged, and the one before goes on, if there is one.", Labels: labels},
			{Name: "geoip_database_build_timestamp_seconds", Help: "When the database in use was built by its maker; 0: none is in use.", Labels: labels},
			{Name: "geoip_database_bytes", Help: "Memory that the database in use takes.", Labels: labels},
			{Name: "geoip_database_loads_total", Help: "How often a file was read because it had changed, by outcome: good, or refused.", Counter: true, Labels: []string{"database", "outcome"}},
		},
		Samples: func(emit telemetry.Emit) {
			for _, s := range d.Status() {
				built := 0.0
				if s.Type != "" {
					built = float64(s.Built.Unix())
				}
				emit(0, one(s.Error == ""), s.Database)
				emit(1, built, s.Database)
				emit(2, float64(s.Bytes), s.Database)
				emit(3, float64(s.Loads), s.Database, "good")
				emit(3, float64(s.Failed), s.Database, "refused")
			}
		},
	}
}

// filterMetrics are those of whom the node denies.
func (s *stack) filterMetrics() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{{Name: "filtered_total", Help: "Requests that the node's filters refused, by what of them is denied: cidr, country, asn, user_agent.", Counter: true, Labels: []string{"by"}}},
		Samples: func(emit telemetry.Emit) {
			for kind, n := range s.edge.Filtered {
				emit(0, float64(n), kind)
			}
		},
	}
}
