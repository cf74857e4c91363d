package edge

import (
	"opencache/internal/config"
	"opencache/internal/telemetry"
)

// traces reports whether a document has traces passed on.
func traces(t *config.Tracing) bool { return t != nil && (t.Propagate || t.Endpoint != "") }

// beginTrace finds the trace that the request belongs to, or begins one.
func (v *visit) beginTrace() bool {
	v.r.Trace, v.parent = nil, [8]byte{}
	if v.plan.traced {
		v.r.Trace, v.parent = v.e.o.Tracer.Begin(telemetry.ParseTrace(v.r))
	}
	return false
}
