package telemetry

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// fieldMax is the most bytes that one string of a line takes; what is longer
// is cut and ends in an ellipsis. Twelve of them fit a block with all else.
const fieldMax = 4 << 10

const lowerHex = "0123456789abcdef"

// shortMax is fieldMax of what others than clients choose.
const shortMax = 256

// A form is how a log writes what stands in a value.
type form uint8

const (
	inJSON form = iota
	inText      // as nginx escapes values of a log_format
)

// put appends what others have chosen, so that it neither ends the value nor
// the line, cut after fieldMax bytes of output or a few more.
func put[T []byte | string](dst []byte, s T, f form) []byte {
	if f == inText {
		return appendHex(dst, s, fieldMax)
	}
	return appendEscaped(dst, s, fieldMax)
}

// short is put of what is seldom long.
func short[T []byte | string](dst []byte, s T, f form) []byte {
	if f == inText {
		return appendHex(dst, s, shortMax)
	}
	return appendEscaped(dst, s, shortMax)
}

// appendHex appends s as nginx writes it into logs: quotes, backslashes,
// control bytes and all above 126 as \xXX.
func appendHex[T []byte | string](dst []byte, s T, most int) []byte {
	limit := len(dst) + most
	for i := range len(s) {
		if len(dst) >= limit {
			return append(dst, "..."...)
		}
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst = append(dst, '\\', 'x', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// appendString appends s in quotes.
func appendString[T []byte | string](dst []byte, s T) []byte {
	return append(appendEscaped(append(dst, '"'), s, fieldMax), '"')
}

// appendEscaped appends s for JSON, cut after most bytes of output or a few more.
func appendEscaped[T []byte | string](dst []byte, s T, most int) []byte {
	limit := len(dst) + most
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
		return append(dst, s[start:]...)
	}
	// What is left is whole characters, or anything when there is no room.
	for room > 0 && !utf8.RuneStart(s[start+room]) {
		room--
	}
	dst = append(dst, s[start:start+max(room, 0)]...)
	return append(dst, "…"...)
}

// plainUntil returns where in s, from i on, there is something other than
// characters that stand for themselves, or a few bytes before.
func plainUntil[T []byte | string](s T, i int) int {
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if special(w) != 0 {
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
		return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
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
func appendTime(dst []byte, t time.Time) []byte { return appendMillis(appendSecond(dst, t), t) }

// appendSecond appends t in UTC but for what is less than a second.
func appendSecond(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000%10), byte('0'+year/100%10))
	dst = append(append2(dst, year%100), '-')
	dst = append(append2(dst, int(month)), '-')
	dst = append(append2(dst, day), 'T')
	dst = append(append2(dst, hour), ':')
	dst = append(append2(dst, minute), ':')
	return append2(dst, second)
}

// appendMillis appends the rest.
func appendMillis(dst []byte, t time.Time) []byte {
	return append(append3(append(dst, '.'), t.Nanosecond()/1e6), 'Z')
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
