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

import (
	"net/netip"
	"time"

	"opencache/internal/wire"
)

// A Record is what is known of one request after its answer. Byte fields may
// point into a connection's buffers: nothing of a Record is kept after
// Observe and Write have returned. The zero value of every field means that
// it is not known, or does not apply.
type Record struct {
	Time   time.Time      // when the request's head was complete
	Remote netip.AddrPort // who sent it

	Method     wire.Method
	MethodText []byte // the method as sent when Method is OtherMethod
	Host       []byte // authority, as sent
	Target     []byte // request-target, as sent
	Proto      Proto
	UserAgent  []byte
	Referer    []byte
	RequestID  []byte

	Status   int           // of the answer; 0: the client was gone before there was one
	Bytes    int64         // content bytes sent
	Duration time.Duration // from Time to the last byte given to the transport

	CacheStatus string // HIT MISS EXPIRED REVALIDATED STALE UPDATING BYPASS, empty: no cache was asked
	Reason      string // why: a constant of the engine
	Tier        string // where what is stored lies, of answers from there: memory, disk
	Collapsed   bool   // it read along with a fetch that another request began
	Key         []byte // the cache key
	Origin      int    // how much of Key names its site

	UpstreamStatus int           // 0: the origin was not asked, or gave no answer
	UpstreamTime   time.Duration // until its head was there
}

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
