package wire

import "testing"

const wrkHead = "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.2.0\r\n" +
	"Accept: */*\r\nAccept-Encoding: gzip, br\r\nConnection: keep-alive\r\n\r\n"

const originHead = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
	"Content-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\nETag: \"5f3a-400\"\r\n" +
	"Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\r\nCache-Control: max-age=60\r\n" +
	"Connection: keep-alive\r\nX-Powered-By: something\r\n\r\n"

func BenchmarkParseRequest(b *testing.B) {
	var r Request
	buf := []byte(wrkHead)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := ParseRequest(&r, buf, DefaultLimits); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	var r Response
	buf := []byte(originHead)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := ParseResponse(&r, buf, GET, DefaultLimits); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	var r Request
	if _, err := ParseRequest(&r, []byte(wrkHead), DefaultLimits); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendRequest(dst[:0], &r, Destination{})
	}
}
