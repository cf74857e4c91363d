package engine

import (
	"strings"
	"testing"
	"testing/synctest"

	"opencache/internal/wire"
)

// trailed is content with a trailer behind it.
type trailed struct {
	body
	trailer wire.Head
}

func (b *trailed) Trailer() *wire.Head { return &b.trailer }

// Trailers go to those who take them, with the whole of the content in chunks,
// and to nobody else; the store has none (RFC 9110, 6.5.1; RFC 9111, 3.1).
func TestTrailers(t *testing.T) {
	for _, tt := range []struct {
		name, method, want string
		fields             []string
	}{
		{"taken", "GET", "X-Sum: 5\r\n", []string{"TE: trailers"}},
		{"among others", "GET", "X-Sum: 5\r\n", []string{"TE: deflate, trailers"}},
		{"not taken", "GET", "", nil},
		{"of no content", "HEAD", "", []string{"TE: trailers"}},
		{"of a part", "GET", "", []string{"TE: trailers", "Range: bytes=1-2"}},
		{"of what the client has", "GET", "", []string{"TE: trailers", `If-None-Match: "a"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					if taken := strings.Contains(strings.Join(tt.fields, " "), "TE: "); r.Trailers != taken {
						t.Errorf("the upstream hears of trailers: got %t, want %t", r.Trailers, taken)
					}
					resp := streamed("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nTransfer-Encoding: chunked", nil)
					b := &trailed{body: body{r: strings.NewReader("hello"), left: -1}}
					b.trailer.AddNamed("X-Sum", []byte("5"))
					resp.Body = b
					return resp, nil
				})
				defer g.close()
				s := g.ask(tt.method, "/a", tt.fields...)
				want := tt.want
				if tt.name == "of a part" && s.reply.Status == 200 {
					want = "X-Sum: 5\r\n" // its length was not known yet: the whole (RFC 9110, 14.2)
				}
				if s.trailer != want || strings.Contains(s.fields, "X-Sum") {
					t.Errorf("got trailer %q and head %q, want %q", s.trailer, s.fields, want)
				}
				synctest.Wait()
				hit := g.get("/a", "TE: trailers")
				hit.want(t, 200, "HIT", "hello")
				if hit.trailer != "" || hit.reply.Length != 5 || strings.Contains(hit.fields, "X-Sum") {
					t.Errorf("from the store: got trailer %q, length %d and head %q, want neither trailer nor field", hit.trailer, hit.reply.Length, hit.fields)
				}
			})
		})
	}
}
