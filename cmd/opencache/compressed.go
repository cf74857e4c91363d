package main

import (
	"opencache/internal/coding"
	"opencache/internal/telemetry"
)

// compressed are the metrics of compression.
func (s *stack) compressed() telemetry.Part {
	return telemetry.Part{
		Families: []telemetry.Family{
			{Name: "compressed_total", Help: "Contents that were compressed, by content coding.", Counter: true, Labels: []string{"coding"}},
			{Name: "compression_bytes_total", Help: "Bytes of content that went into compression, and came out.", Counter: true, Labels: []string{"direction"}},
			{Name: "compression_busy_total", Help: "Contents that were left as they were since all encoders were in use.", Counter: true},
			{Name: "compression_active", Help: "Encoders in use."},
		},
		Samples: func(emit telemetry.Emit) {
			e := s.edge.Plan().Encoders()
			for _, c := range []coding.Coding{coding.Zstd, coding.Brotli, coding.Gzip} {
				emit(0, float64(e.Stats.Contents[c].Load()), c.String())
			}
			emit(1, float64(e.Stats.In.Load()), "in")
			emit(1, float64(e.Stats.Out.Load()), "out")
			emit(2, float64(e.Stats.Busy.Load()))
			emit(3, float64(e.Active()))
		},
	}
}
