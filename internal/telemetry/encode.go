package telemetry

import (
	"strconv"
	"time"
	"unicode/utf8"

	"opencache/internal/wire"
)

// fieldMax is the most bytes that one string of a line takes; what is longer
// is cut and ends in an ellipsis. Eight of them fit a block.
const fieldMax = 6 << 10

const hex = "0123456789abcdef"

// AppendJSON appends r to dst as one line of JSON with nginx's variable names,
// its newline included. It is valid JSON whatever bytes r holds: control bytes
// are escaped, what is not UTF-8 becomes U+FFFD.
func AppendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"time_iso8601":"`...)
	dst = appendTime(dst, r.Time)
	dst = append(dst, `","remote_addr":"`...)
	if r.Remote.IsValid() {
		dst = r.Remote.Addr().AppendTo(dst)
	}
	dst = append(dst, `","request_method":`...)
	if r.Method == wire.OtherMethod {
		dst = appendString(dst, r.MethodText)
	} else {
		dst = appendString(dst, r.Method.String())
	}
	dst = append(dst, `,"host":`...)
	dst = appendString(dst, r.Host)
	dst = append(dst, `,"request_uri":`...)
	dst = appendString(dst, r.Target)
	dst = append(dst, `,"server_protocol":`...)
	dst = appendString(dst, r.Proto.String())
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, `,"body_bytes_sent":`...)
	dst = strconv.AppendInt(dst, r.Bytes, 10)
	dst = append(dst, `,"request_time":`...)
	dst = appendSeconds(dst, r.Duration)
	dst = appendCache(dst, r)
	dst = append(dst, `,"request_id":`...)
	dst = appendString(dst, r.RequestID)
	dst = append(dst, `,"http_user_agent":`...)
	dst = appendString(dst, r.UserAgent)
	dst = append(dst, `,"http_referer":`...)
	dst = appendString(dst, r.Referer)
	return append(dst, "}\n"...)
}

// appendCache appends what the cache and the origin had to do with it; the
// fields that most requests have nothing to say in are left out then.
func appendCache(dst []byte, r *Record) []byte {
	dst = append(dst, `,"upstream_cache_status":`...)
	dst = appendString(dst, r.CacheStatus)
	dst = append(dst, `,"cache_reason":`...)
	dst = appendString(dst, r.Reason)
	if r.Tier != "" {
		dst = append(dst, `,"cache_tier":`...)
		dst = appendString(dst, r.Tier)
	}
	if r.Collapsed {
		dst = append(dst, `,"cache_collapsed":true`...)
	}
	if len(r.Key) > 0 {
		dst = append(dst, `,"cache_key":`...)
		dst = appendString(dst, r.Key)
	}
	if r.UpstreamStatus != 0 {
		dst = append(dst, `,"upstream_status":`...)
		dst = strconv.AppendInt(dst, int64(r.UpstreamStatus), 10)
	}
	if r.UpstreamTime != 0 {
		dst = append(dst, `,"upstream_response_time":`...)
		dst = appendSeconds(dst, r.UpstreamTime)
	}
	return dst
}

// appendString appends s in quotes, cut after fieldMax bytes of output or a
// few more.
func appendString[T []byte | string](dst []byte, s T) []byte {
	dst = append(dst, '"')
	limit := len(dst) + fieldMax
	start := 0 // s[start:i] stands for itself and is not appended yet
	for i := 0; i < len(s) && len(dst) < limit; {
		if i = plainUntil(s, i); i == len(s) {
			break
		}
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if n := runeLen(s[i:]); n > 0 {
				i += n
				continue
			}
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	room := limit - len(dst)
	if room >= len(s)-start {
		return append(append(dst, s[start:]...), '"')
	}
	// What is left is whole characters, or anything when there is no room.
	for room > 0 && !utf8.RuneStart(s[start+room]) {
		room--
	}
	dst = append(dst, s[start:start+max(room, 0)]...)
	return append(dst, `…"`...)
}

// plainUntil returns where in s, from i on, there is something other than
// characters that stand for themselves, or a few bytes before: it looks at
// eight at a time, since that is most of what a line costs.
func plainUntil[T []byte | string](s T, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, slash := w^'"'*each, w^'\\'*each
		// A byte's high bit is set in one of these if it is above 127, below a
		// space, or the quote or backslash that makes it zero; perhaps also in
		// the byte behind such a one.
		if (w|(w-' '*each)|(quote-each)|(slash-each))&high != 0 {
			break
		}
	}
	return i
}

// appendEscape appends one byte that can not stand for itself.
func appendEscape(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
	return append(dst, "\ufffd"...)
}

// runeLen returns the size of the character at the start of s, 0 when the
// first byte begins none.
func runeLen[T []byte | string](s T) int {
	var p [utf8.UTFMax]byte
	n := copy(p[:], s)
	if r, size := utf8.DecodeRune(p[:n]); r != utf8.RuneError || size > 1 {
		return size
	}
	return 0
}

// appendTime appends t in UTC with milliseconds (RFC 3339).
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000%10), byte('0'+year/100%10))
	dst = append(append2(dst, year%100), '-')
	dst = append(append2(dst, int(month)), '-')
	dst = append(append2(dst, day), 'T')
	dst = append(append2(dst, hour), ':')
	dst = append(append2(dst, minute), ':')
	dst = append(append2(dst, second), '.')
	return append(append3(dst, t.Nanosecond()/1e6), 'Z')
}

// appendSeconds appends d in seconds with microseconds: a hit takes few.
func appendSeconds(dst []byte, d time.Duration) []byte {
	if d < 0 {
		d = 0 // the wall clock was set back
	}
	us := int64(d / time.Microsecond)
	dst = append(strconv.AppendInt(dst, us/1e6, 10), '.')
	return append3(append3(dst, int(us/1e3%1e3)), int(us%1e3))
}

// AppendMetric appends a metric in the grammar of Server-Timing (W3C): its
// name, which must be a token, its duration in milliseconds, and a description
// without quotes and backslashes, empty: none.
func AppendMetric(dst []byte, name string, d time.Duration, desc string) []byte {
	dst = append(append(dst, name...), ";dur="...)
	us := int64(max(d, 0) / time.Microsecond) // the wall clock may have been set back
	dst = append(strconv.AppendInt(dst, us/1e3, 10), '.')
	dst = append3(dst, int(us%1e3))
	if desc != "" {
		dst = append(append(append(dst, `;desc="`...), desc...), '"')
	}
	return dst
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

func append3(dst []byte, n int) []byte { return append2(append(dst, byte('0'+n/100%10)), n%100) }
