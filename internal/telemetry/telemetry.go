// Package telemetry tells what happened: one Record a request goes to the
// access log and to the metrics. It is not the operator's log (log/slog is)
// and measures nothing itself: the edge fills Records, and gauges are read
// from the functions of a Source when somebody asks.
//
//	m := telemetry.NewMetrics(telemetry.Source{Objects: func() int64 { return volume.Objects() }})
//	log, err := telemetry.OpenLog(telemetry.LogOptions{Path: "/var/log/opencache/access.log"})
//	…
//	rec := telemetry.Record{Time: start, Status: 200, CacheStatus: "HIT", Reason: "fresh"}
//	m.Observe(&rec)
//	log.Write(&rec)
//	…
//	err = log.Close()
//
// Nothing here allocates per request, and nothing waits for a disk.
package telemetry

// Proto is the version of HTTP that a client spoke.
type Proto uint8

// The versions; their String is that of RFC 9110, 2.5.
const (
	HTTP11 Proto = iota
	HTTP10
	HTTP2
	HTTP3
)

var protos = [...]string{"HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/3.0"}

func (p Proto) String() string { return protos[p&3] }

// cacheStatuses are the label values of CacheStatus in the order of their
// cells; the first is that of a request that asked no cache.
var cacheStatuses = [...]string{"NONE", "HIT", "MISS", "EXPIRED", "REVALIDATED", "STALE", "UPDATING", "BYPASS"}

const (
	cellNone = iota
	cellHit
	cellMiss
	cellExpired
	cellRevalidated
	cellStale
	cellUpdating
	cellBypass
)

// cacheCell returns the place of a cache status in cacheStatuses.
func cacheCell(status string) int {
	switch status {
	case "HIT":
		return cellHit
	case "MISS":
		return cellMiss
	case "EXPIRED":
		return cellExpired
	case "REVALIDATED":
		return cellRevalidated
	case "STALE":
		return cellStale
	case "UPDATING":
		return cellUpdating
	case "BYPASS":
		return cellBypass
	}
	return cellNone
}

// fromCache reports whether the content of an answer was already here, or was
// on its way for somebody else: the origin sent nothing for this client.
func fromCache(cell int, collapsed bool) bool {
	switch cell {
	case cellHit, cellRevalidated, cellStale, cellUpdating:
		return true
	}
	return collapsed
}
