package telemetry

import (
	"net/netip"
	"time"

	"opencache/internal/wire"
)

// A Record is what is known of one request after its answer. Byte fields may
// point into a connection's buffers: of a Record only strings are kept after
// Observe and Write have returned. The zero value of every field means that
// it is not known, or does not apply.
type Record struct {
	Time   time.Time      // when the request's head was complete
	Remote netip.AddrPort // the client
	Peer   netip.AddrPort // who the connection is with, where that is a proxy that speaks for the client

	Method       wire.Method
	MethodText   []byte // the method as sent when Method is OtherMethod
	Secure       bool   // it came over TLS
	Port         uint16 // that it came to
	Host         []byte // authority, as sent
	Target       []byte // request-target, as sent
	Proto        Proto
	UserAgent    []byte
	Referer      []byte
	ForwardedFor []byte // X-Forwarded-For, as sent
	User         []byte // the name that authentication gave
	Visitor      []byte // OC-Visitor
	RequestID    []byte

	TLSProtocol, TLSCipher, TLSCurve, TLSServerName string

	POP, Server, Build string // what the node calls itself
	Site, Route, Rule  string // ids: of the document, and in it
	Place              *Place // nil: not looked up

	Count *SiteCounts // where the site's requests are counted; nil: nowhere

	Status   int           // of the answer; 0: the client was gone before there was one
	Bytes    int64         // content bytes sent
	Duration time.Duration // from Time to the last byte given to the transport
	Denied   string        // why the edge refused: a constant of the edge

	CacheStatus string // HIT MISS EXPIRED REVALIDATED STALE UPDATING BYPASS, empty: no cache was asked
	Reason      string // why: a constant of the engine
	Tier        string // where what is stored lies, of answers from there: memory, disk
	Collapsed   bool   // it read along with a fetch that another request began
	Key         []byte // the cache key
	Origin      int    // how much of Key names its site
	Kept        bool   // TTL holds: the answer is stored
	TTL         int64  // for how long in all it is fresh, in seconds

	UpstreamStatus int            // 0: the origin was not asked, or gave no answer
	UpstreamTime   time.Duration  // until its head was there
	Attempts       *wire.Attempts // the servers that were asked

	TraceID [16]byte // zero: it has none
	SpanID  [8]byte
}

// A Place is what GeoIP databases know of the client's address. Its fields are
// those of geo.Place, so that one can be had as the other.
type Place struct {
	Country, CountryName, Continent, Region, RegionName, City, PostalCode, Latitude, Longitude, Timezone string

	ASN uint32
	Org string
}

// Throughput is how many bits of content a second the client took; 0 when
// there was no content.
func (r *Record) Throughput() float64 {
	if r.Bytes <= 0 || r.Duration <= 0 {
		return 0
	}
	return float64(r.Bytes) * 8e9 / float64(r.Duration)
}
