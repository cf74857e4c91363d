package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"unsafe"
)

// A pen writes Records as lines of JSON. It keeps what stood in its last line
// and will in the next: the second, and what node, site and route are called.
// The zero pen is ready; one goroutine uses it at a time.
type pen struct {
	line []byte // where whoever has the pen works

	second int64 // Unix time of clock
	clock  []byte

	site, route, pop, server, build string
	ids                             []byte // what these come to
}

// json appends r to dst as one line of JSON with nginx's variable names, its
// newline included. It is valid JSON whatever bytes r holds: control bytes are
// escaped, what is not UTF-8 becomes U+FFFD.
//
// It says what fields say, in the same order, but asks for what a hit seldom
// has once for several of them: a line is most of what an edge adds to a hit.
func (p *pen) json(dst []byte, r *Record) []byte {
	if second := r.Time.Unix(); second != p.second || p.clock == nil {
		p.second, p.clock = second, appendSecond(p.clock[:0], r.Time)
	}
	dst = append(append(dst, `{"time_iso8601":"`...), p.clock...)
	dst = append(appendMillis(dst, r.Time), `","remote_addr":"`...)
	if r.Remote.IsValid() {
		dst = r.Remote.Addr().Unmap().AppendTo(dst)
	}
	if r.Peer.IsValid() {
		dst = r.Peer.Addr().Unmap().AppendTo(append(dst, `","realip_remote_addr":"`...))
	}
	if len(r.User) > 0 {
		dst = plainOr(append(dst, `","remote_user":"`...), stringOf(r.User), fieldMax)
	}
	dst = appendLine(dst, r)
	dst = strconv.AppendInt(append(dst, `","status":`...), int64(r.Status), 10)
	dst = strconv.AppendInt(append(dst, `,"body_bytes_sent":`...), r.Bytes, 10)
	dst = appendSeconds(append(dst, `,"request_time":`...), r.Duration)
	if rate := int64(r.Throughput()); rate > 0 {
		dst = strconv.AppendInt(append(dst, `,"dl_bps":`...), rate, 10)
	}
	dst = appendCached(dst, r)
	if r.UpstreamStatus > 0 || r.UpstreamTime != 0 || r.Attempts != nil {
		dst = appendUpstream(dst, r)
	}
	dst = appendShort(dst, `,"denied":"`, r.Denied)
	dst = append(plainOr(append(dst, `,"request_id":"`...), stringOf(r.RequestID), fieldMax), '"')
	if r.TraceID != [16]byte{} || r.SpanID != [8]byte{} {
		dst = appendSpan(dst, r)
	}
	if r.Site != p.site || r.Route != p.route || r.POP != p.pop || r.Server != p.server || r.Build != p.build {
		p.name(r)
	}
	dst = append(dst, p.ids...)
	dst = appendShort(dst, `,"oc_visitor":"`, stringOf(r.Visitor))
	dst = appendShort(dst, `,"ssl_protocol":"`, r.TLSProtocol)
	dst = appendShort(dst, `,"ssl_cipher":"`, r.TLSCipher)
	dst = appendShort(dst, `,"ssl_curve":"`, r.TLSCurve)
	dst = appendShort(dst, `,"ssl_server_name":"`, r.TLSServerName)
	if r.Place != nil && *r.Place != (Place{}) {
		dst = appendWhere(dst, r.Place)
	}
	if len(r.ForwardedFor) > 0 {
		dst = append(plainOr(append(dst, `,"http_x_forwarded_for":"`...), stringOf(r.ForwardedFor), fieldMax), '"')
	}
	dst = plainOr(append(dst, `,"http_user_agent":"`...), stringOf(r.UserAgent), fieldMax)
	dst = plainOr(append(dst, `","http_referer":"`...), stringOf(r.Referer), fieldMax)
	return append(dst, "\"}\n"...)
}

// name notes what node, site and route are called.
func (p *pen) name(r *Record) {
	p.site, p.route, p.pop, p.server, p.build = r.Site, r.Route, r.POP, r.Server, r.Build
	p.ids = appendShort(p.ids[:0], `,"resource_id":"`, r.Site)
	p.ids = appendShort(p.ids, `,"route_id":"`, r.Route)
	p.ids = appendShort(p.ids, `,"pop_id":"`, r.POP)
	p.ids = appendShort(p.ids, `,"pf_server":"`, r.Server)
	p.ids = appendShort(p.ids, `,"oc_build_id":"`, r.Build)
}

// appendLine appends the request's first line, whole and in its parts, but for
// the last quote. What clients choose is escaped once.
func appendLine(dst []byte, r *Record) []byte {
	proto := r.Proto.String()
	dst = append(dst, `","request":"`...)
	begin := len(dst)
	dst = putMethod(dst, r, inJSON)
	method := len(dst)
	dst = plainOr(append(dst, ' '), stringOf(r.Target), fieldMax)
	end := len(dst)
	dst = append(append(append(dst, ' '), proto...), `","request_method":"`...)
	dst = append(append(dst, dst[begin:method]...), `","scheme":"`...)
	if r.Secure {
		dst = append(dst, `https","host":"`...)
	} else {
		dst = append(dst, `http","host":"`...)
	}
	dst = append(plainOr(dst, stringOf(r.Host), fieldMax), '"')
	if r.Port > 0 {
		dst = strconv.AppendUint(append(dst, `,"server_port":`...), uint64(r.Port), 10)
	}
	dst = append(append(dst, `,"request_uri":"`...), dst[method+1:end]...)
	return append(append(dst, `","server_protocol":"`...), proto...)
}

// appendCached appends what the cache did.
func appendCached(dst []byte, r *Record) []byte {
	dst = append(append(dst, `,"upstream_cache_status":"`...), r.CacheStatus...)
	dst = append(plainOr(append(dst, `","cache_reason":"`...), r.Reason, fieldMax), '"')
	if r.Tier != "" {
		dst = append(append(append(dst, `,"cache_tier":"`...), r.Tier...), '"')
	}
	if r.Collapsed {
		dst = append(dst, `,"cache_collapsed":true`...)
	}
	if len(r.Key) > 0 {
		dst = append(plainOr(append(dst, `,"log_cache_key":"`...), stringOf(r.Key), fieldMax), '"')
	}
	dst = appendShort(dst, `,"log_cache_rule_id":"`, r.Rule)
	if r.Kept {
		dst = strconv.AppendInt(append(dst, `,"log_cache_target_time":`...), r.TTL, 10)
	}
	return dst
}

// appendUpstream appends what the servers did that were asked.
func appendUpstream(dst []byte, r *Record) []byte {
	if r.UpstreamStatus > 0 {
		dst = strconv.AppendInt(append(dst, `,"upstream_status":`...), int64(r.UpstreamStatus), 10)
	}
	if r.UpstreamTime != 0 {
		dst = appendSeconds(append(dst, `,"upstream_response_time":`...), r.UpstreamTime)
	}
	if len(r.Attempts.All()) > 0 {
		mark := len(dst)
		dst = append(dst, `,"upstream_addr":"`...)
		begin := len(dst)
		if dst = servers(dst, r, inJSON); len(dst) > begin {
			dst = append(dst, '"')
		} else {
			dst = dst[:mark]
		}
		dst = append(statuses(append(dst, `,"upstream_attempt_status":"`...), r, inJSON), '"')
		dst = append(durations(append(dst, `,"upstream_attempt_time":"`...), r, inJSON), '"')
	}
	if failed(r) {
		dst = append(failures(append(dst, `,"upstream_attempt_error":"`...), r, inJSON), '"')
	}
	if r.Attempts != nil {
		dst = appendShort(dst, `,"upstream_withheld":"`, r.Attempts.Withheld.String())
	}
	return dst
}

// appendSpan appends what a trace calls the request.
func appendSpan(dst []byte, r *Record) []byte {
	if r.TraceID != [16]byte{} {
		dst = append(hex.AppendEncode(append(dst, `,"trace_id":"`...), r.TraceID[:]), '"')
	}
	if r.SpanID != [8]byte{} {
		dst = append(hex.AppendEncode(append(dst, `,"span_id":"`...), r.SpanID[:]), '"')
	}
	return dst
}

// appendWhere appends what is known of the client's address.
func appendWhere(dst []byte, p *Place) []byte {
	dst = appendShort(dst, `,"geoip_country_code":"`, p.Country)
	dst = appendShort(dst, `,"geoip_country_name":"`, p.CountryName)
	dst = appendShort(dst, `,"geoip_continent":"`, p.Continent)
	dst = appendShort(dst, `,"geoip_region":"`, p.Region)
	dst = appendShort(dst, `,"geoip_region_name":"`, p.RegionName)
	dst = appendShort(dst, `,"geoip_city":"`, p.City)
	dst = appendShort(dst, `,"geoip_postal_code":"`, p.PostalCode)
	dst = appendShort(dst, `,"geoip_latitude":"`, p.Latitude)
	dst = appendShort(dst, `,"geoip_longitude":"`, p.Longitude)
	dst = appendShort(dst, `,"geoip_timezone":"`, p.Timezone)
	if p.ASN > 0 {
		dst = strconv.AppendUint(append(dst, `,"geoip_asn":`...), uint64(p.ASN), 10)
	}
	return appendShort(dst, `,"geoip_as_org":"`, p.Org)
}

// appendShort appends a field that is left out when it is empty; name is all
// before its value, the quote included.
func appendShort(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return append(plainOr(append(dst, name...), value, shortMax), '"')
}

// plainOr appends s for JSON: as it is, where that can be seen at a glance.
func plainOr(dst []byte, s string, most int) []byte {
	if len(s) <= most && plain(s) {
		return append(dst, s...)
	}
	return appendEscaped(dst, s, most)
}

// stringOf is b as a string, for as long as b does not change.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plain reports whether all of s stands for itself. It looks at eight bytes at
// a time, the last of which it may have seen.
func plain(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	var w uint64
	switch n := len(b); {
	case n >= 8:
		for i := 0; i+8 <= n; i += 8 {
			if special(binary.LittleEndian.Uint64(b[i:])) != 0 {
				return false
			}
		}
		w = binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	default:
		w = 0x2020202020202020
		for i := range b {
			w = w<<8 | uint64(b[i])
		}
	}
	return special(w) == 0
}

// special is other than 0 when one of eight bytes does not stand for itself.
func special(w uint64) uint64 {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^'"'*each, w^'\\'*each
	// A byte's high bit is set in one of these if it is above 127, below a
	// space, or the quote or backslash that makes it zero; perhaps also in
	// the byte behind such a one.
	return (w | (w - ' '*each) | (quote - each) | (slash - each)) & high
}
