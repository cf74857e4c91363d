package opencache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A library holds texts of known content, by number: how long, how cacheable
// and in how many languages follows from the number.
type library struct{ asked, given atomic.Int64 }

func sizeOf(n int) int { return []int{0, 1, 1000, 5000, 64 << 10, 64<<10 + 1, 300 << 10}[n%7] }

// noise is what all texts are cut from.
var noise = func() []byte {
	b := make([]byte, 512<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

func textOf(n int, lang string) []byte { return noise[n*100+int(lang[0]):][:sizeOf(n)] }

func (l *library) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked.Add(1)
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		return nil, err
	}
	resp := &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1, Request: r}
	control := []string{"max-age=60", "max-age=60", "no-store", "max-age=0", "max-age=60, stale-while-revalidate=60"}[n%5]
	resp.Header.Set("Cache-Control", control)
	lang := "-"
	if n%3 == 0 {
		lang = r.Header.Get("X-Lang")
		resp.Header.Set("Vary", "X-Lang")
	}
	if n%2 == 0 {
		tag := fmt.Sprintf("%q", fmt.Sprint(n, lang))
		resp.Header.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			resp.StatusCode, resp.Body = 304, http.NoBody
			return resp, nil
		}
	}
	resp.ContentLength = int64(sizeOf(n))
	if n%4 == 3 {
		resp.ContentLength = -1
	}
	x := &text{l: l, ctx: r.Context(), n: n, lang: lang, end: sizeOf(n)}
	var first, last int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err == nil && resp.Header.Get("ETag") == r.Header.Get("If-Range") {
		x.off, x.end = int64(first), last+1
		resp.StatusCode, resp.ContentLength = 206, int64(x.end-first)
		resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, sizeOf(n)))
	}
	resp.Body = x
	return resp, nil
}

var errText = errors.New("wrong text")

// A text is the content of a number.
type text struct {
	l    *library
	ctx  context.Context
	n    int
	lang string
	off  int64
	end  int
}

func (x *text) Read(p []byte) (int, error) {
	if err := x.ctx.Err(); err != nil {
		return 0, context.Cause(x.ctx)
	}
	k := min(len(p), x.end-int(x.off), 1+rand.IntN(20<<10))
	if k == 0 {
		return 0, io.EOF
	}
	copy(p, textOf(x.n, x.lang)[x.off:][:k])
	x.off += int64(k)
	x.l.given.Add(int64(k))
	return k, nil
}

func (x *text) Close() error { return nil }

// A thousand goroutines ask for a hundred texts, leave, close early, purge,
// and never see a byte that is not the text's. The store is too small for all
// of it: what does not fit and can not be asked for again, without a strong
// validator or a length, is cut for all but one reader, and says so.
func TestTransportThousand(t *testing.T) {
	l := new(library)
	rt := newTransport(t, l)
	var all sync.WaitGroup
	var hits, left, cut atomic.Int64
	for g := range 1000 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for range 5 {
				n := random.IntN(100)
				out, err := visitText(t.Context(), rt, random, n)
				switch {
				case errors.Is(err, context.Canceled):
					left.Add(1)
				case err != nil && (n%2 == 1 || sizeOf(n) == 0) && !errors.Is(err, errText):
					cut.Add(1)
				case err != nil:
					t.Errorf("text %d: %v", n, err)
				case out.Status == Hit:
					hits.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d answers were hits, %d requests left, %d were cut, %d went to Base, which gave %d bytes", hits.Load(), left.Load(), cut.Load(), l.asked.Load(), l.given.Load())
	if cut.Load() > 200 {
		t.Errorf("%d answers were cut", cut.Load())
	}
	if hits.Load() == 0 || left.Load() == 0 || l.asked.Load() >= 5000 {
		t.Error("want hits, requests that leave, and fewer at Base than were made")
	}
}

// visitText makes one request and reads its answer, all of it or not.
func visitText(ctx context.Context, rt *Transport, random *rand.Rand, n int) (out Outcome, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lang := "-"
	u := &url.URL{Scheme: "http", Host: "a.test", Path: fmt.Sprintf("/%d", n)}
	r, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
	if err != nil {
		return out, err
	}
	if n%3 == 0 {
		lang = string(rune('a' + random.IntN(3)))
		r.Header.Set("X-Lang", lang)
	}
	most := int64(1 << 20)
	switch random.IntN(12) {
	case 0:
		most = random.Int64N(100 << 10) // and closes
	case 1:
		go cancel()
	case 2:
		rt.Purge(u)
	case 3:
		rt.Expire(u)
	case 4:
		r.Header.Set("Cache-Control", "no-cache")
	}
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	off, err := readText(io.LimitReader(resp.Body, most), n, lang)
	if err == nil && most > off && off != int64(sizeOf(n)) {
		err = fmt.Errorf("%w: got %d bytes, want %d", errText, off, sizeOf(n))
	}
	out, _ = OutcomeOf(resp)
	return out, err
}

// readText reads from r and returns how many bytes of text n that was.
func readText(r io.Reader, n int, lang string) (off int64, err error) {
	buf := make([]byte, 4<<10)
	for {
		k, err := r.Read(buf)
		if want := textOf(n, lang)[off:]; len(want) < k || !bytes.Equal(buf[:k], want[:k]) {
			return off, fmt.Errorf("%w in %q: %d bytes at %d are not its own", errText, lang, k, off)
		}
		off += int64(k)
		switch {
		case err == io.EOF:
			return off, nil
		case err != nil:
			return off, err
		}
	}
}
