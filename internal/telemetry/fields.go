package telemetry

import (
	"encoding/hex"
	"strconv"
	"time"

	"opencache/internal/wire"
)

// A field is a value that access logs show, by nginx's name for it where nginx
// has one. Lines in JSON are a pen's.
type field struct {
	name   string
	inText bool // it is for texts alone
	meta   bool // in Loki it is structured metadata, too
	value  func(dst []byte, r *Record, f form) []byte
}

// fields are all of them, in the order of JSON; docs/operating.md has the same
// table.
var fields = [...]field{
	{name: "time_iso8601", value: func(d []byte, r *Record, _ form) []byte { return appendTime(d, r.Time) }},
	{name: "time_local", inText: true, value: func(d []byte, r *Record, _ form) []byte { return appendLocal(d, r.Time) }},
	{name: "msec", inText: true, value: func(d []byte, r *Record, _ form) []byte {
		ms := r.Time.UnixMilli()
		return append3(append(strconv.AppendInt(d, ms/1000, 10), '.'), int(ms%1000))
	}},
	{name: "remote_addr", value: func(d []byte, r *Record, _ form) []byte {
		if !r.Remote.IsValid() {
			return d
		}
		return r.Remote.Addr().Unmap().AppendTo(d)
	}},
	{name: "realip_remote_addr", value: func(d []byte, r *Record, _ form) []byte {
		if !r.Peer.IsValid() {
			return d
		}
		return r.Peer.Addr().Unmap().AppendTo(d)
	}},
	{name: "remote_user", value: func(d []byte, r *Record, f form) []byte { return put(d, r.User, f) }},
	{name: "request", value: func(d []byte, r *Record, f form) []byte {
		d = append(putMethod(d, r, f), ' ')
		d = append(put(d, r.Target, f), ' ')
		return append(d, r.Proto.String()...)
	}},
	{name: "request_method", value: putMethod},
	{name: "scheme", value: func(d []byte, r *Record, _ form) []byte {
		if r.Secure {
			return append(d, "https"...)
		}
		return append(d, "http"...)
	}},
	{name: "host", value: func(d []byte, r *Record, f form) []byte { return put(d, r.Host, f) }},
	{name: "server_port", value: func(d []byte, r *Record, _ form) []byte { return appendPositive(d, int64(r.Port)) }},
	{name: "request_uri", value: func(d []byte, r *Record, f form) []byte { return put(d, r.Target, f) }},
	{name: "server_protocol", value: func(d []byte, r *Record, _ form) []byte { return append(d, r.Proto.String()...) }},
	{name: "status", value: func(d []byte, r *Record, _ form) []byte { return strconv.AppendInt(d, int64(r.Status), 10) }},
	{name: "body_bytes_sent", value: func(d []byte, r *Record, _ form) []byte { return strconv.AppendInt(d, r.Bytes, 10) }},
	{name: "request_time", value: func(d []byte, r *Record, _ form) []byte { return appendSeconds(d, r.Duration) }},
	{name: "dl_bps", meta: true, value: func(d []byte, r *Record, _ form) []byte { return appendPositive(d, int64(r.Throughput())) }},
	{name: "upstream_cache_status", meta: true, value: func(d []byte, r *Record, _ form) []byte { return append(d, r.CacheStatus...) }},
	{name: "cache_reason", value: func(d []byte, r *Record, f form) []byte { return put(d, r.Reason, f) }},
	{name: "cache_tier", value: func(d []byte, r *Record, _ form) []byte { return append(d, r.Tier...) }},
	{name: "cache_collapsed", value: func(d []byte, r *Record, _ form) []byte {
		if r.Collapsed {
			d = append(d, "true"...)
		}
		return d
	}},
	{name: "log_cache_key", meta: true, value: func(d []byte, r *Record, f form) []byte { return put(d, r.Key, f) }},
	{name: "cache_key", inText: true, value: func(d []byte, r *Record, f form) []byte { return put(d, r.Key, f) }}, // as it was called once
	{name: "log_cache_rule_id", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Rule, f) }},
	{name: "log_cache_target_time", meta: true, value: func(d []byte, r *Record, _ form) []byte {
		if !r.Kept {
			return d
		}
		return strconv.AppendInt(d, r.TTL, 10)
	}},
	{name: "upstream_status", value: func(d []byte, r *Record, _ form) []byte { return appendPositive(d, int64(r.UpstreamStatus)) }},
	{name: "upstream_response_time", value: func(d []byte, r *Record, _ form) []byte {
		if r.UpstreamTime == 0 {
			return d
		}
		return appendSeconds(d, r.UpstreamTime)
	}},
	{name: "upstream_addr", value: servers},
	{name: "upstream_attempt_status", value: statuses},
	{name: "upstream_attempt_time", value: durations},
	{name: "upstream_attempt_error", value: func(d []byte, r *Record, f form) []byte {
		if !failed(r) {
			return d
		}
		return failures(d, r, f)
	}},
	{name: "upstream_withheld", value: func(d []byte, r *Record, _ form) []byte {
		if r.Attempts == nil {
			return d
		}
		return append(d, r.Attempts.Withheld.String()...)
	}},
	{name: "denied", value: func(d []byte, r *Record, f form) []byte { return short(d, r.Denied, f) }},
	{name: "request_id", meta: true, value: func(d []byte, r *Record, f form) []byte { return put(d, r.RequestID, f) }},
	{name: "trace_id", meta: true, value: func(d []byte, r *Record, _ form) []byte {
		if r.TraceID == [16]byte{} {
			return d
		}
		return hex.AppendEncode(d, r.TraceID[:])
	}},
	{name: "span_id", value: func(d []byte, r *Record, _ form) []byte {
		if r.SpanID == [8]byte{} {
			return d
		}
		return hex.AppendEncode(d, r.SpanID[:])
	}},
	{name: "resource_id", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Site, f) }},
	{name: "route_id", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Route, f) }},
	{name: "pop_id", value: func(d []byte, r *Record, f form) []byte { return short(d, r.POP, f) }},
	{name: "pf_server", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Server, f) }},
	{name: "oc_build_id", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Build, f) }},
	{name: "oc_visitor", meta: true, value: func(d []byte, r *Record, f form) []byte { return short(d, r.Visitor, f) }},
	{name: "ssl_protocol", value: func(d []byte, r *Record, f form) []byte { return short(d, r.TLSProtocol, f) }},
	{name: "ssl_cipher", value: func(d []byte, r *Record, f form) []byte { return short(d, r.TLSCipher, f) }},
	{name: "ssl_curve", value: func(d []byte, r *Record, f form) []byte { return short(d, r.TLSCurve, f) }},
	{name: "ssl_server_name", value: func(d []byte, r *Record, f form) []byte { return short(d, r.TLSServerName, f) }},
	{name: "geoip_country_code", value: place(func(p *Place) string { return p.Country })},
	{name: "geoip_country_name", meta: true, value: place(func(p *Place) string { return p.CountryName })},
	{name: "geoip_continent", meta: true, value: place(func(p *Place) string { return p.Continent })},
	{name: "geoip_region", meta: true, value: place(func(p *Place) string { return p.Region })},
	{name: "geoip_region_name", meta: true, value: place(func(p *Place) string { return p.RegionName })},
	{name: "geoip_city", meta: true, value: place(func(p *Place) string { return p.City })},
	{name: "geoip_postal_code", meta: true, value: place(func(p *Place) string { return p.PostalCode })},
	{name: "geoip_latitude", meta: true, value: place(func(p *Place) string { return p.Latitude })},
	{name: "geoip_longitude", meta: true, value: place(func(p *Place) string { return p.Longitude })},
	{name: "geoip_timezone", meta: true, value: place(func(p *Place) string { return p.Timezone })},
	{name: "geoip_asn", meta: true, value: func(d []byte, r *Record, _ form) []byte {
		if r.Place == nil {
			return d
		}
		return appendPositive(d, int64(r.Place.ASN))
	}},
	{name: "geoip_as_org", meta: true, value: place(func(p *Place) string { return p.Org })},
	{name: "http_x_forwarded_for", value: func(d []byte, r *Record, f form) []byte { return put(d, r.ForwardedFor, f) }},
	{name: "http_user_agent", value: func(d []byte, r *Record, f form) []byte { return put(d, r.UserAgent, f) }},
	{name: "http_referer", value: func(d []byte, r *Record, f form) []byte { return put(d, r.Referer, f) }},
}

func putMethod(d []byte, r *Record, f form) []byte {
	if r.Method == wire.OtherMethod {
		return put(d, r.MethodText, f)
	}
	return append(d, r.Method.String()...)
}

// attempts is the value of what servers were asked, one after the other as
// nginx joins them.
func attempts(one func([]byte, *wire.Attempt, form) []byte) func([]byte, *Record, form) []byte {
	return func(d []byte, r *Record, f form) []byte {
		all := r.Attempts.All()
		for i := range all {
			if i > 0 {
				d = append(d, ", "...)
			}
			d = one(d, &all[i], f)
		}
		return d
	}
}

// failed reports whether one of the servers that were asked gave no answer.
func failed(r *Record) bool {
	for _, a := range r.Attempts.All() {
		if a.Why != "" {
			return true
		}
	}
	return false
}

// What is told of each server that was asked.
var (
	servers  = attempts(func(d []byte, a *wire.Attempt, f form) []byte { return short(d, a.Server, f) })
	statuses = attempts(func(d []byte, a *wire.Attempt, _ form) []byte {
		if a.Status == 0 {
			return append(d, '-')
		}
		return strconv.AppendInt(d, int64(a.Status), 10)
	})
	durations = attempts(func(d []byte, a *wire.Attempt, _ form) []byte { return appendSeconds(d, a.Took) })
	failures  = attempts(func(d []byte, a *wire.Attempt, f form) []byte {
		if a.Why == "" {
			return append(d, '-')
		}
		return short(d, a.Why, f)
	})
)

// place is the value of what is known of the client's address.
func place(of func(*Place) string) func([]byte, *Record, form) []byte {
	return func(d []byte, r *Record, f form) []byte {
		if r.Place == nil {
			return d
		}
		return short(d, of(r.Place), f)
	}
}

// appendPositive appends n; nothing when it is 0.
func appendPositive(d []byte, n int64) []byte {
	if n <= 0 {
		return d
	}
	return strconv.AppendInt(d, n, 10)
}

// appendLocal appends t as combined logs have it, in UTC.
func appendLocal(d []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(d, "02/Jan/2006:15:04:05 +0000")
}
