package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// What a byte may be part of.
const (
	tokenByte  = 1 << iota // RFC 9110, 5.6.2
	valueByte              // of a field value: SP, HTAB, VCHAR, obs-text (RFC 9110, 5.5)
	targetByte             // of a request target: visible, no "#"
	hostByte               // of a reg-name, without percent triplets (RFC 3986, 3.2.2)
	hexByte
)

var class = classTable()

func classTable() (t [256]uint8) {
	for c := range t {
		alnum := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		in := func(s string) bool { return bytes.IndexByte([]byte(s), byte(c)) >= 0 }
		for bit, is := range map[uint8]bool{
			tokenByte:  alnum || in("!#$%&'*+-.^_`|~"),
			valueByte:  c >= 0x20 && c != 0x7f || c == '\t',
			targetByte: c > 0x20 && c < 0x7f && c != '#',
			hostByte:   alnum || in("-._~!$&'()*+,;="),
			hexByte:    in("0123456789abcdefABCDEF"),
		} {
			if is {
				t[c] |= bit
			}
		}
	}
	return t
}

func isHex(c byte) bool { return class[c]&hexByte != 0 }
func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// isToken reports whether b is one whole token.
func isToken(b []byte) bool {
	for _, c := range b {
		if class[c]&tokenByte == 0 {
			return false
		}
	}
	return len(b) > 0
}

// valueEnd returns the index of the first byte of b from i on that can not be
// in a field value; len(b) when there is none. It looks at eight at a time.
func valueEnd(b []byte, i int) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ ones*0x7f
		// The lowest bit set in either term is exact: borrows only go up.
		stop := ((x-ones*0x20)&^x | (del-ones)&^del) & high
		if stop == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(stop) >> 3
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && class[b[i]]&valueByte != 0 {
		i++
	}
	return i
}

// trim cuts optional white space off both ends (RFC 9110, 5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && isOWS(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isOWS(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// nextItem cuts the first element off a comma-separated list.
func nextItem(list []byte) (item, rest []byte) {
	if i := bytes.IndexByte(list, ','); i >= 0 {
		return trim(list[:i]), list[i+1:]
	}
	return trim(list), nil
}

// parseLength reads 1*DIGIT that fits in an int64.
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (1<<63-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}

// validAuthority reports whether b is a host that is not empty, with an
// optional port (RFC 3986, 3.2.2 and 3.2.3), without userinfo (RFC 9110,
// 4.2.4). IPvFuture and zones are refused.
func validAuthority(b []byte) bool {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || bytes.IndexByte(b[:end], '%') >= 0 {
			return false
		}
		if a, err := netip.ParseAddr(string(b[1:end])); err != nil || !a.Is6() {
			return false
		}
		i = end + 1
	} else {
		for i < len(b) && b[i] != ':' {
			switch {
			case class[b[i]]&hostByte != 0:
				i++
			case validTriplet(b[i:]):
				i += 3
			default:
				return false
			}
		}
		if i == 0 {
			return false
		}
	}
	return i == len(b) || b[i] == ':' && validPort(b[i+1:])
}

// validPort accepts an empty port, as RFC 3986, 3.2.3 does.
func validPort(b []byte) bool {
	port, ok := parseLength(b)
	return len(b) == 0 || ok && port <= 65535
}

func validTriplet(b []byte) bool {
	return len(b) >= 3 && b[0] == '%' && isHex(b[1]) && isHex(b[2])
}
