package edge

import (
	"testing"

	"opencache/internal/expr"
)

// TestServerPort: it is the port that the request came to, whatever Host says;
// two keys with it do not meet by a client's choice.
func TestServerPort(t *testing.T) {
	e := newEdge(t, Options{}, nil, serveLike{}.site())
	text, err := expr.ParseText("$server_port", expr.InUpstream)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{{"a.test:9999", 8080, "8080"}, {"a.test", 8080, "8080"}, {"[::1]:9999", 8080, "8080"}, {"a.test:9999", 0, "80"}} {
		v := at(t, e, "GET / HTTP/1.1\nHost: "+tt.host)
		v.r.Port = tt.port
		if got := string(text.Append(nil, &v.values)); got != tt.want {
			t.Errorf("Host %s on port %d: got %q, want %q", tt.host, tt.port, got, tt.want)
		}
	}
}
