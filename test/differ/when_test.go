package differ

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// matches is a condition on the bytes.
func matches(pattern string) func(difference) bool {
	re := regexp.MustCompile(pattern)
	return func(d difference) bool { return re.MatchString(d.data) }
}

// head is what comes before the first empty line.
func head(data string) string {
	data = strings.TrimPrefix(data, "\r\n")
	if i := emptyLine.FindStringIndex(data); i != nil {
		return data[:i[0]+1]
	}
	return data
}

var emptyLine = regexp.MustCompile(`\n\r?\n`)

// count is the number of field lines of a name in the head, folded ones aside.
func count(d difference, name string) (n int) {
	for line := range strings.SplitSeq(head(d.data), "\n") {
		if before, _, ok := strings.Cut(line, ":"); ok && strings.EqualFold(before, name) {
			n++
		}
	}
	return n
}

// value is that of the first field line of a name.
func value(d difference, name string) string {
	for line := range strings.SplitSeq(head(d.data), "\n") {
		if before, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(before, name) {
			return strings.Trim(strings.TrimSuffix(v, "\r"), " \t")
		}
	}
	return ""
}

// old reports HTTP/1.0 in the start line.
func old(d difference) bool {
	line, _, _ := strings.Cut(strings.TrimPrefix(d.data, "\r\n"), "\n")
	return strings.HasPrefix(line, "HTTP/1.0 ") || strings.HasSuffix(strings.TrimSuffix(line, "\r"), " HTTP/1.0")
}

// target is the second word of the request line.
func target(d difference) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(d.data, "\r\n"), " ")
	word, _, _ := strings.Cut(rest, " ")
	return word
}

var (
	authority = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::([0-9]*))?$`)
	absolute  = regexp.MustCompile(`^(?i:https?)://([^/?]*)`)
)

// isHost reports host[:port] (RFC 3986, 3.2.2 and 3.2.3), written in another
// way than in wire.
func isHost(s string) bool {
	m := authority.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	if inside, ok := strings.CutPrefix(m[1], "["); ok {
		if _, err := netip.ParseAddr(strings.TrimSuffix(inside, "]")); err != nil || !strings.Contains(inside, ":") {
			return false
		}
	}
	port, err := strconv.ParseUint("0"+m[2], 10, 64)
	return err == nil && port < 1<<16
}

func badHost(d difference) bool { return !isHost(value(d, "Host")) }

func badTargetHost(d difference) bool {
	m := absolute.FindStringSubmatch(target(d))
	return m != nil && !isHost(m[1])
}

func badConnect(d difference) bool {
	t := target(d)
	return strings.HasPrefix(strings.TrimPrefix(d.data, "\r\n"), "CONNECT ") && (!isHost(t) || !portBehind.MatchString(t))
}

var portBehind = regexp.MustCompile(`:[0-9]+$`)

func bothFramings(d difference) bool {
	return count(d, "Transfer-Encoding") > 0 && count(d, "Content-Length") > 0
}

// pragma reports that the field which net/http adds is the whole difference.
func pragma(d difference) bool {
	return strings.HasPrefix(value(d, "Pragma"), "no-cache") && "Cache-Control: no-cache\n"+d.ours == sortedLines(d.theirs)
}

// sortedLines moves the one line that net/http adds to the front.
func sortedLines(fields string) string {
	const added = "Cache-Control: no-cache\n"
	if i := strings.Index(fields, added); i >= 0 {
		return added + fields[:i] + fields[i+len(added):]
	}
	return fields
}

// untrailing reports that what net/http has and opencache has not are fields
// for framing, routing, requests' modifiers, authentication, responses'
// control, and how to read the content (RFC 9110, 6.5.1).
func untrailing(d difference) bool {
	ours := map[string]int{}
	for line := range strings.Lines(d.ours) {
		ours[line]++
	}
	for line := range strings.Lines(d.theirs) {
		name, _, _ := strings.Cut(line, ":")
		switch {
		case ours[line] > 0:
			ours[line]--
		case !strings.Contains(barred, " "+name+" "):
			return false
		}
	}
	for _, n := range ours {
		if n > 0 {
			return false
		}
	}
	return true
}

const barred = " Connection Content-Length Host Keep-Alive Proxy-Connection Te Trailer Transfer-Encoding Upgrade " +
	"Forwarded Via X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Real-Ip Cdn-Loop " +
	"Cache-Control Cdn-Cache-Control Surrogate-Control Expect Max-Forwards Pragma Range " +
	"If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since " +
	"Authorization Cookie Proxy-Authenticate Proxy-Authorization Proxy-Authentication-Info Set-Cookie Www-Authenticate " +
	"Age Date Expires Location Retry-After Vary Warning " +
	"Content-Disposition Content-Encoding Content-Language Content-Location Content-Range " +
	"Content-Security-Policy Content-Type Strict-Transport-Security "
