package rfc9111

import (
	"bytes"
	"time"
)

// The times that an HTTP-date can say: the years 0 to 9999.
const (
	firstTime = -62167219200000
	lastTime  = 253402300799000
)

// ParseDate reads an HTTP-date in any of its three forms (RFC 9110, 5.6.7)
// and returns Unix milliseconds. Names are matched in any case (RFC 9111,
// 4.2); nothing else is lenient: no spaces at the ends, no other zone, no day
// that the month has not. The name of the day need not be the right one: the
// format is that of a date all the same. now decides on the century of a year
// with two digits.
func ParseDate(value []byte, now int64) (ms int64, ok bool) {
	s, ok := parseStamp(value)
	if !ok {
		return 0, false
	}
	return s.time(now)
}

// A stamp is a date as it is written; with a short year its time depends on
// when it is read.
type stamp struct {
	year       int16 // 0 to 99 when short
	month, day int8  // from 1 on
	short      bool  // the year has two digits
	clock      int32 // seconds of the day
}

func parseStamp(v []byte) (s stamp, ok bool) {
	switch comma := bytes.IndexByte(v, ','); {
	case comma == 3:
		return parseFixdate(v)
	case comma > 3:
		return parseRFC850(v, comma)
	}
	return parseASCTime(v)
}

// parseFixdate reads "Sun, 06 Nov 1994 08:49:37 GMT".
func parseFixdate(v []byte) (s stamp, ok bool) {
	if len(v) != 29 || !mask(v, "???, ?? ??? ???? ??:??:?? ???") || !equalFold(v[26:], "gmt") {
		return s, false
	}
	return s, named(v[:3], days) > 0 && s.setDate(v[5:7], v[8:11], v[12:16]) && s.setClock(v[17:25])
}

// parseRFC850 reads "Sunday, 06-Nov-94 08:49:37 GMT".
func parseRFC850(v []byte, comma int) (s stamp, ok bool) {
	day, v := v[:comma], v[comma:]
	if len(v) != 24 || !mask(v, ", ??-???-?? ??:??:?? ???") || !equalFold(v[21:], "gmt") {
		return s, false
	}
	s.short = true
	return s, isLongDay(day) && s.setDate(v[2:4], v[5:8], v[9:11]) && s.setClock(v[12:20])
}

// parseASCTime reads "Sun Nov  6 08:49:37 1994".
func parseASCTime(v []byte) (s stamp, ok bool) {
	if len(v) != 24 || !mask(v, "??? ??? ?? ??:??:?? ????") {
		return s, false
	}
	day := v[8:10]
	if day[0] == ' ' {
		day = day[1:]
	}
	return s, named(v[:3], days) > 0 && s.setDate(day, v[4:7], v[20:]) && s.setClock(v[11:19])
}

// The names, each behind a space and as long as the others: a name's place
// says which it is.
const (
	days   = " sun mon tue wed thu fri sat"
	months = " jan feb mar apr may jun jul aug sep oct nov dec"
)

// named returns the number of a name of three letters among names, from 1 on;
// 0 when it is not among them.
func named(name []byte, names string) int {
	a, b, c := name[0]|0x20, name[1]|0x20, name[2]|0x20
	for i := 1; i < len(names); i += 4 {
		if names[i] == a && names[i+1] == b && names[i+2] == c {
			return i/4 + 1
		}
	}
	return 0
}

// isLongDay reports whether name is the full name of a day.
func isLongDay(name []byte) bool {
	for _, day := range [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		if equalFold(name, day) {
			return true
		}
	}
	return false
}

func (s *stamp) setDate(day, month, year []byte) bool {
	d, okDay := number(day)
	y, okYear := number(year)
	s.day, s.month, s.year = int8(d), int8(named(month, months)), int16(y)
	return okDay && okYear && d >= 1 && s.month > 0
}

// setClock reads hh:mm:ss. The leap second is the second before it, since
// times are rounded down (RFC 9111, 4.2).
func (s *stamp) setClock(v []byte) bool {
	h, okHour := number(v[:2])
	m, okMinute := number(v[3:5])
	sec, okSecond := number(v[6:])
	if h == 23 && m == 59 && sec == 60 {
		sec = 59
	}
	s.clock = int32(h*3600 + m*60 + sec)
	return okHour && okMinute && okSecond && h < 24 && m < 60 && sec < 60
}

// time returns Unix milliseconds; ok is false when the month has no such day.
func (s *stamp) time(now int64) (ms int64, ok bool) {
	year := int(s.year)
	if s.short {
		year = s.fullYear(now)
	}
	t := time.Date(year, time.Month(s.month), int(s.day), 0, 0, 0, 0, time.UTC)
	if t.Day() != int(s.day) {
		return 0, false
	}
	return (t.Unix() + int64(s.clock)) * 1000, true
}

// fullYear returns the last year with those two digits in which s is not more
// than 50 years after now (RFC 9110, 5.6.7).
func (s *stamp) fullYear(now int64) int {
	limit := time.UnixMilli(now).UTC().AddDate(50, 0, 0)
	year := limit.Year() - limit.Year()%100 + int(s.year)
	if year > limit.Year() {
		year -= 100
	}
	at := time.Date(year, time.Month(s.month), int(s.day), 0, 0, int(s.clock), 0, time.UTC)
	if at.After(limit) {
		year -= 100
	}
	return year
}

// number reads decimal digits; there are at most four.
func number(v []byte) (n int, ok bool) {
	for _, c := range v {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// mask reports whether v has the bytes of m where m has no "?". They have the
// same length.
func mask(v []byte, m string) bool {
	for i, c := range v {
		if m[i] != '?' && m[i] != c {
			return false
		}
	}
	return true
}
