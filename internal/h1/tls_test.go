package h1

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"

	"opencache/internal/wire"
)

// Requests say what is known of the TLS connection that they came through; the
// first one also how long the handshake took, and plain ones nothing.
func TestChannel(t *testing.T) {
	server, client := certificate(t)
	client.CurvePreferences = []tls.CurveID{tls.CurveP256}
	seen := make(chan wire.Channel, 2)
	s := &Server{Handler: handlerFunc(func(r *wire.Request, p *wire.Reply) {
		if r.TLS == nil {
			t.Error("got no channel")
		} else {
			seen <- *r.TLS
		}
		var kept wire.Request
		if kept.CopyFrom(r); kept.TLS != nil {
			t.Error("a copy has the connection's channel")
		}
		p.Status, p.Length = 204, 0
		_ = p.Start()
		_ = p.End(nil)
	})}
	nc, err := tls.Dial("tcp", listen(t, s, server), client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	in := bufio.NewReader(nc)
	for range 2 {
		_, _ = fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
	}
	got := [2]wire.Channel{<-seen, <-seen}
	if got[0].Handshake <= 0 || got[1].Handshake != 0 {
		t.Fatalf("got %+v, want a handshake with the first of two", got)
	}
	want := wire.Channel{Version: "TLSv1.3", Cipher: tls.CipherSuiteName(nc.ConnectionState().CipherSuite), Group: "prime256v1", ServerName: "h"}
	if got[1] != want {
		t.Errorf("got %+v, want %+v", got[1], want)
	}
}
