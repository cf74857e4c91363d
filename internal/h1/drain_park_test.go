package h1

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

// TestDrainBehindPark: an exchange that wakes a parked connection is one like
// any other: Drain does not break it.
func TestDrainBehindPark(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &Server{}
			s.Handler = handlerFunc(func(r *wire.Request, p *wire.Reply) {
				var got []byte
				if r.Body != nil {
					b, err := io.ReadAll(r.Body)
					if err != nil {
						t.Errorf("secure %v: content: %v", secure, err)
					}
					got = b
				}
				if n := s.Stats().Idle; n != 0 {
					t.Errorf("secure %v: %d connections idle while one is served, want 0", secure, n)
				}
				p.Status, p.Length = 200, int64(len(got))
				if p.Start() == nil {
					_, _ = p.Write(got)
					_ = p.End(nil)
				}
			})
			p := park(t, s, secure)
			say := func(b string) {
				_, _ = io.WriteString(p.nc, b)
				synctest.Wait()
			}
			buf := make([]byte, 4096)
			say(getA)
			n, _ := p.nc.Read(buf)
			t.Logf("first: %.15q", buf[:n])
			time.Sleep(10 * time.Second)
			synctest.Wait()
			say("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
			s.Drain()
			synctest.Wait()
			say("def")
			b, err := io.ReadAll(p.nc)
			if len(b) < 12 || string(b[:12]) != "HTTP/1.1 200" {
				t.Errorf("secure %v: got %q, %v, want 200", secure, b, err)
			}
			<-p.server.ended
			<-p.done
			_ = p.nc.Close()
		})
	}
}
