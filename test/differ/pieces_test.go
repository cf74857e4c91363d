package differ

import (
	"strings"
	"testing"
)

// What FuzzPieces makes messages of: each byte of its input picks one. Where
// bytes alone are changed at random, most changes give nothing that anybody
// takes.
var (
	startLines = []string{
		"GET / HTTP/1.1\r\n", "POST /a/b?c=d HTTP/1.1\r\n", "HEAD /%2e%2E//a HTTP/1.1\r\n", "GET http://a HTTP/1.1\r\n",
		"OPTIONS http://a HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "CONNECT a:1 HTTP/1.1\r\n", "GET HTTPS://a?b HTTP/1.1\r\n",
		"GET http://[::1]:80/ HTTP/1.0\r\n", "PUT / HTTP/1.0\r\n", "X / HTTP/1.2\r\n", "\r\nGET / HTTP/1.1\r\n", "GET / HTTP/1.1\n",
		"GET  / HTTP/1.1\r\n", "GET /\t HTTP/1.1\r\n", "GET / HTTP/3.0\r\n", "GET /?%zz HTTP/1.1\r\n", "GET /%zz HTTP/1.1\r\n", "GET //a/b HTTP/1.1\r\n",
		"GET /a;b=c,d:e@f!$&'()*+ HTTP/1.1\r\n", "GET /{|}^`\"<>[]\\ HTTP/1.1\r\n", "GET http://a:/ HTTP/1.1\r\n", "get / HTTP/1.1\r\n",
		"HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 204 No\r\n", "HTTP/1.1 304 Not\r\n", "HTTP/1.1 100 \r\n",
		"HTTP/1.1 206\r\n", "HTTP/1.3 500 \xe4\r\n", "HTTP/1.1 101 x\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1  200 OK\r\n", "HTTP/1.1 600 x\r\n",
	}
	fieldLines = []string{
		"", "Host: a\r\n", "Host: a:80\r\n", "host:b\r\n", "Host:\r\n", "Host: [::1]\r\n", "Host: a b\r\n", "Host: a,b\r\n",
		"Content-Length: 5\r\n", "Content-Length:5 \r\n", "content-length: 05\r\n", "Content-Length: 5,5\r\n", "Content-Length: -5\r\n",
		"Content-Length: 0\r\n", "Content-Length:\r\n", "Content-Length: 5\r\n ,5\r\n", "Content-Length : 5\r\n", "Content-Length: 0x5\r\n",
		"Content-Length: 9223372036854775807\r\n", "Content-Length: 9223372036854775808\r\n", "Content-Length: 5\n", "Content_Length: 5\r\n",
		"Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\tChunked \r\n", "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: , chunked\r\n",
		"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: identity\r\n",
		"Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding: chunked;a=b\r\n", "Transfer-Encoding:\r\n",
		"Transfer-Encoding\r\n: chunked\r\n", "Transfer-Encoding: \x0bchunked\r\n", "Transfer-Encoding: chunked\r\r\n", "X: y\rTransfer-Encoding: chunked\r\n",
		"Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: upgrade, close\r\n", "Connection: content-length, x\r\n", "Connection: ,\r\n",
		"Keep-Alive: 5\r\n", "Upgrade: h2c\r\n", "TE: trailers\r\n", "Trailer: ETag\r\n", "Trailer: Content-Length\r\n", "Trailer: X\r\n", "Expect: 100-continue\r\n", "Expect: x\r\n",
		"Pragma: no-cache\r\n", "Cache-Control: max-age=5\r\n", "X: y\r\n", "x:\r\n", "X: \x80\xff\t\r\n", "X: \x00\r\n", "X:\x7f\r\n", " X: y\r\n", "\tfolded\r\n",
		"!#$%&'*+-.^_`|~: y\r\n", "X@: y\r\n", "\xe4: y\r\n", ": y\r\n", "X\r\n", "X : y\r\n", "X\x00: y\r\n", "\r\n", "\n", "\r",
	}
	contents = []string{
		"", "hello", "hello, and more", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "5\r\nhello\r\n", "05\r\nhello\r\n", "5;a=b\r\nhello\r\n", "5 ; a = \"b\"\r\nhello\r\n",
		"5 \r\nhello\r\n", "5\t\r\nhello\r\n", " 5\r\nhello\r\n", "5\nhello\r\n", "5\r\nhello\n", "5\r\nhello!\r\n", "5\r\nhell\r\n", "5;\n\r\nhello\r\n", "5;\r;\r\nhello\r\n",
		"0x5\r\nhello\r\n", "+5\r\nhello\r\n", "5_\r\nhello\r\n", "000000000000000005\r\nhello\r\n", "fffffffffffffffb\r\nhello\r\n", "8000000000000000\r\n", "\r\n", "A\r\n0123456789\r\n", "a;" + "\x80" + "\r\n0123456789\r\n",
		"0\r\n\r\n", "00\r\n\r\n", "0;a\r\n\r\n", "0 \r\n\r\n", "0\r\n", "0\n\r\n", "0\r\n\n", "0\r\nX: y\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\nHost: b\r\nX: y\r\n z\r\n\r\n",
		"0\r\nX : y\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nX: y\nZ: z\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\nX: \x00\r\n\r\n", "0\r\nTrailer: X\r\nETag: a\r\netag: b\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n",
	}
)

// compose makes a message: a start line, any number of field lines, content.
func compose(picks []byte) string {
	var b strings.Builder
	pick := func(from []string) {
		if len(picks) > 0 {
			b.WriteString(from[int(picks[0])%len(from)])
			picks = picks[1:]
		}
	}
	pick(startLines)
	fields := 0
	if len(picks) > 0 {
		fields, picks = int(picks[0])%8, picks[1:]
	}
	for range fields {
		pick(fieldLines)
	}
	b.WriteString("\r\n")
	for len(picks) > 0 {
		pick(contents)
	}
	return b.String()
}

// FuzzPieces looks for differences in messages made of pieces that mean
// something to somebody, read as a request and as a response.
func FuzzPieces(f *testing.F) {
	for i := range 64 {
		f.Add([]byte{byte(i), 3, byte(i + 1), byte(i * 7), byte(i * 5), byte(i), byte(i + 26)})
	}
	f.Fuzz(func(t *testing.T, picks []byte) {
		data := compose(picks[:min(len(picks), 24)])
		for _, method := range []string{"", "GET", "HEAD", "CONNECT"} {
			classified(t, sample{data, method})
		}
	})
}

// TestPieces reads each field line and each content in a few places.
func TestPieces(t *testing.T) {
	for s := range startLines {
		if t.Failed() {
			return // one start line's failures are enough to read
		}
		for f := range fieldLines {
			for _, picks := range [][]byte{{byte(s), 1, byte(f)}, {byte(s), 2, 1, byte(f), 1}, {byte(s), 3, 1, byte(f), 22, 4, 26}, {byte(s), 3, 1, 8, byte(f), 2}} {
				for _, method := range []string{"", "GET", "HEAD", "CONNECT"} {
					classified(t, sample{compose(picks), method})
				}
			}
		}
		for c := range contents {
			classified(t, request(compose([]byte{byte(s), 2, 1, 22, byte(c), 26})))
			classified(t, response(compose([]byte{byte(s), 1, 22, byte(c), 26})))
		}
	}
}
