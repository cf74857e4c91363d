package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/origin"
	"opencache/internal/wire"
)

// cutting is content of which only the beginning comes.
type cutting struct {
	r    io.Reader
	wait time.Duration // before that is noticed: readers have it by then
}

func (c cutting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		after(c.wait)
		return n, errCut
	}
	return n, err
}

var errCut = &wire.Error{Side: wire.Upstream, Status: 502, Err: fmt.Errorf("%w: reset", origin.Cut)}

// cutAfter makes a response with that head of which content comes and no more.
func cutAfter(head, content string) *wire.Response {
	return streamed(head, cutting{strings.NewReader(content), time.Second})
}

const cutHead = "200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\nETag: \"v\""

// TestResume: what follows an answer cut short, and what the client sees then.
func TestResume(t *testing.T) {
	const part = "206 Partial Content\r\nETag: \"v\"\r\nContent-Range: bytes "
	for _, tt := range []struct {
		name  string
		first string   // head of the first answer, of which abcd comes
		rests []string // head, a bar and content of the next ones; a cut one ends in ...
		asked string   // the Range fields of these requests
		want  string   // what the client got: whole, or cut
		whole bool
	}{
		{"the rest comes", cutHead, []string{part + "4-9/10|efghij"}, "bytes=4-9", "abcdefghij", true},
		{"by date", "200 OK\r\nContent-Length: 10\r\nCache-Control: max-age=60\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nLast-Modified: Fri, 01 Jan 1999 00:00:00 GMT",
			[]string{"206 Partial Content\r\nLast-Modified: Fri, 01 Jan 1999 00:00:00 GMT\r\nContent-Range: bytes 4-9/10|efghij"}, "bytes=4-9", "abcdefghij", true},
		{"twice", cutHead, []string{part + "4-9/10|ef...", part + "6-9/10|ghij"}, "bytes=4-9 bytes=6-9", "abcdefghij", true},
		{"three times and no more", cutHead, []string{part + "4-9/10|e...", part + "5-9/10|f...", part + "6-9/10|g..."},
			"bytes=4-9 bytes=5-9 bytes=6-9", "abcdefg", false},
		{"without a byte", cutHead, []string{part + "4-9/10|..."}, "bytes=4-9", "abcd", false},
		{"no length", "200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nETag: \"v\"", []string{part + "4-9/10|efghij"}, "bytes=4-", "abcdefghij", true},
		{"no length in either", "200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"v\"", []string{part + "4-9/*|efghij"}, "bytes=4-", "abcd", false},
		{"not to the end", "200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"v\"", []string{part + "4-8/10|efghi"}, "bytes=4-", "abcd", false},
		{"handed through", "200 OK\r\nCache-Control: private\r\nContent-Length: 10\r\nETag: \"v\"", []string{part + "4-9/10|efghij"}, "bytes=4-9", "abcdefghij", true},
		{"changed", cutHead, []string{"200 OK\r\nETag: \"w\"|ABCDEFGHIJ"}, "bytes=4-9", "abcd", false},
		{"another version", cutHead, []string{"206 Partial Content\r\nETag: \"w\"\r\nContent-Range: bytes 4-9/10|EFGHIJ"}, "bytes=4-9", "abcd", false},
		{"no validator", cutHead, []string{"206 Partial Content\r\nContent-Range: bytes 4-9/10|EFGHIJ"}, "bytes=4-9", "abcd", false},
		{"another length", cutHead, []string{part + "4-9/11|EFGHIJ"}, "bytes=4-9", "abcd", false},
		{"another range", cutHead, []string{part + "3-9/10|defghij"}, "bytes=4-9", "abcd", false},
		{"another coding", cutHead, []string{"206 Partial Content\r\nContent-Encoding: br\r\nETag: \"v\"\r\nContent-Range: bytes 4-9/10|EFGHIJ"}, "bytes=4-9", "abcd", false},
		{"coded", cutHead + "\r\nContent-Encoding: br", []string{"206 Partial Content\r\nContent-Encoding: br\r\nETag: \"v\"\r\nContent-Range: bytes 4-9/10|efghij"}, "bytes=4-9", "abcdefghij", true},
		{"coded, the rest is not", cutHead + "\r\nContent-Encoding: br", []string{part + "4-9/10|EFGHIJ"}, "bytes=4-9", "abcd", false},
		{"coded, by date", "200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nLast-Modified: Fri, 01 Jan 1999 00:00:00 GMT",
			[]string{"206 Partial Content\r\nContent-Encoding: br\r\nLast-Modified: Fri, 01 Jan 1999 00:00:00 GMT\r\nContent-Range: bytes 4-9/10|EFGHIJ"}, "", "abcd", false},
		{"weak", strings.Replace(cutHead, "\"v\"", "W/\"v\"", 1), nil, "", "abcd", false},
		{"no ranges", cutHead + "\r\nAccept-Ranges: none", nil, "", "abcd", false},
		{"an error", "404 Not Found\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\nETag: \"v\"", nil, "", "abcd", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				var asked []string
				g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
					if n == 1 {
						return cutAfter(tt.first, "abcd"), nil
					}
					asked = append(asked, string(r.Get(wire.Range)))
					if n-2 >= len(tt.rests) {
						return nil, errors.New("nothing more")
					}
					head, content, _ := strings.Cut(tt.rests[n-2], "|")
					if some, ok := strings.CutSuffix(content, "..."); ok {
						return cutAfter(head, some), nil
					}
					return respond(head, content), nil
				})
				defer g.close()
				s := g.get("/a")
				if got := s.body.String(); got != tt.want || s.aborted == tt.whole || strings.Join(asked, " ") != tt.asked {
					t.Errorf("got %q, aborted %t, asked %q; want %q, aborted %t, asked %q", got, s.aborted, asked, tt.want, !tt.whole, tt.asked)
				}
				if got := s.out.Resumed > 0; tt.whole && !got {
					t.Errorf("got %+v, want it resumed", s.out)
				}
				if cut := g.e.Stats.Cut.Load(); (cut == 0) != tt.whole {
					t.Errorf("cut short: got %d", cut)
				}
			})
		})
	}
}

// TestResumeForAll: those who read along get the rest too, and what is stored
// is whole.
func TestResumeForAll(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			after(time.Second)
			if n == 1 {
				return cutAfter(cutHead, "abcd"), nil
			}
			return respond("206 Partial Content\r\nETag: \"v\"\r\nContent-Range: bytes 4-9/10", "efghij"), nil
		})
		defer g.close()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				s := g.get("/a")
				s.want(t, 200, "MISS", "abcdefghij")
				if s.out.Resumed != 1 || s.out.Why != ContentResumed {
					t.Errorf("got %+v, want it resumed once", s.out)
				}
			})
		}
		wg.Wait()
		g.get("/a").want(t, 200, "HIT", "abcdefghij")
	})
}

// TestResumeOff: a policy can do without.
func TestResumeOff(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) { return cutAfter(cutHead, "abcd"), nil })
		defer g.close()
		g.pol.Resumes = -1
		if s := g.get("/a"); !s.aborted || g.origin.n.Load() != 1 {
			t.Errorf("aborted %t after %d exchanges, want one", s.aborted, g.origin.n.Load())
		}
	})
}

// TestResumeClosed: closing content ends the wait for its rest.
func TestResumeClosed(t *testing.T) {
	play(t, func(t *testing.T) {
		waits := waiting{asked: make(chan struct{})}
		var r wire.Request
		r.SetMethod(wire.GET)
		b := resumed{e: &Engine{}, ctx: t.Context(), pol: &Policy{Upstream: &waits}, req: &r}
		resp := cutAfter(cutHead, "abcd")
		b.over(resp, time.Now(), time.Now())
		read := make(chan error)
		go func() {
			_, err := io.ReadAll(resp.Body)
			read <- err
		}()
		<-waits.asked
		_ = resp.Body.Close()
		if err := <-read; !errors.Is(err, origin.Cut) {
			t.Errorf("got %v, want what had cut it", err)
		}
	})
}

// waiting is an upstream that never answers.
type waiting struct{ asked chan struct{} }

func (w *waiting) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	close(w.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestTortureResumed has an origin that cuts most answers, changes what it has,
// and sends other ranges than were asked for: whatever ends whole is one
// version's bytes.
func TestTortureResumed(t *testing.T) {
	g := newRigOf(t, 16<<20, func(n int, r *wire.Request) (*wire.Response, error) { return tornApart(r), nil })
	g.pol.Resumes = 20
	g.pol.HitForMiss = time.Millisecond
	defer g.close()
	end := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for i := range 12 {
		rnd := rand.New(rand.NewPCG(uint64(i), 9))
		wg.Go(func() {
			for time.Now().Before(end) {
				torment(t, g, rnd)
			}
		})
	}
	wg.Wait()
	if g.e.Stats.Resumed.Load() == 0 {
		t.Error("nothing was resumed")
	}
}

// tornApart answers as tortured does, but that it minds ranges, and cuts.
func tornApart(r *wire.Request) *wire.Response {
	target := string(r.Target())
	version := int(time.Now().UnixMilli() / 200)
	tag := fmt.Sprintf("%q", strconv.Itoa(version))
	whole := content(target, version)
	head, body, from, to := "200 OK", whole, 0, len(whole)-1
	if n, _ := fmt.Sscanf(string(r.Get(wire.Range)), "bytes=%d-%d", &from, &to); n > 0 && from < len(whole) &&
		(!r.Has(wire.IfRange) || string(r.Get(wire.IfRange)) == tag) {
		to = min(to, len(whole)-1)
		if rand.IntN(20) == 0 {
			from = max(0, from-1) // it shifts
		}
		head, body = fmt.Sprintf("206 Partial Content\r\nContent-Range: bytes %d-%d/%d", from, to, len(whole)), whole[from:to+1]
	}
	head += fmt.Sprintf("\r\nX-Version: %d\r\nETag: %s\r\nCache-Control: max-age=%d", version, tag, rand.IntN(2))
	if rand.IntN(8) == 0 {
		head += "\r\nCache-Control: private"
	}
	if rand.IntN(2) == 0 {
		head += fmt.Sprintf("\r\nContent-Length: %d", len(body))
	} else {
		head += "\r\nTransfer-Encoding: chunked"
	}
	if rand.IntN(4) > 0 && len(body) > 0 {
		return streamed(head, cutting{strings.NewReader(body[:rand.IntN(len(body))]), 0})
	}
	return streamed(head, strings.NewReader(body))
}
