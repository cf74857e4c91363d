package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// whole is what is stored in one piece. Larger things come in segments, some of
// which may be missing, and are cut when the origin has another version by then.
const whole = 64 << 10

// A crowd asks the cache, has it purge, and judges what it says.
type crowd struct {
	origin *origin
	url    string
	client http.Client
	killed atomic.Bool // what fails now is the kill's doing

	answers, fromDisk, back, purges, failed, changed atomic.Int64

	mu     sync.Mutex // guards the field below
	faults []string
}

func newCrowd(o *origin, port int) *crowd {
	return &crowd{
		origin: o, url: fmt.Sprintf("http://127.0.0.1:%d", port),
		client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}, Timeout: 20 * time.Second},
	}
}

func (c *crowd) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// verdict is the first fault, if there is one.
func (c *crowd) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d faults, the first: %s", len(c.faults), c.faults[0])
}

func (c *crowd) tell() string {
	return fmt.Sprintf("%d answers, all as at the origin, %d of them from disk; %d purges; %d things came back, nothing that was purged or superseded; %d answers cut as the origin's thing changed, %d failed",
		c.answers.Load(), c.fromDisk.Load(), c.purges.Load(), c.back.Load(), c.changed.Load(), c.failed.Load())
}

// ask asks for one thing after the other, some more often than others.
func (c *crowd) ask(ctx context.Context, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	zipf := rand.NewZipf(r, 1.2, 20, things-1)
	for ctx.Err() == nil {
		t := c.origin.things[int(zipf.Uint64())*89%things]
		var fields []string
		if r.IntN(2) == 0 {
			fields = append(fields, "Accept-Language", "de")
		}
		if t.size > whole && r.IntN(3) == 0 {
			from := r.IntN(t.size)
			fields = append(fields, "Range", fmt.Sprintf("bytes=%d-%d", from, from+r.IntN(t.size-from)))
		}
		c.one(ctx, t, fields...)
	}
}

// sweep asks for everything that is stored, and for nothing else.
func (c *crowd) sweep(ctx context.Context) {
	for _, t := range c.origin.things {
		for _, lang := range []string{"en", "de"}[:1+t.language("de")] {
			if c.one(ctx, t, "Cache-Control", "only-if-cached", "Accept-Language", lang) {
				c.back.Add(1)
			}
		}
	}
}

// one asks for a thing and judges the answer; false: it is not stored.
func (c *crowd) one(ctx context.Context, t *thing, fields ...string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+t.path, nil)
	if err != nil {
		c.fault("%v", err)
		return false
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	lang := t.language(req.Header.Get("Accept-Language"))
	least, seen, version := t.floor.Load(), t.seen[lang].Load(), t.version.Load()
	resp, err := c.client.Do(req)
	if err != nil {
		c.broken(ctx, t, err)
		return false
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if errors.Is(err, io.ErrUnexpectedEOF) && t.size > whole && t.version.Load() != version {
		c.changed.Add(1) // rather than go on with another version's bytes
		return false
	}
	if err != nil {
		c.broken(ctx, t, err)
		return false
	}
	if resp.StatusCode == http.StatusGatewayTimeout && req.Header.Get("Cache-Control") != "" {
		return false
	}
	c.judge(t, lang, resp, body, least, seen)
	return true
}

// broken counts a request that got no whole answer; the kill breaks some.
func (c *crowd) broken(ctx context.Context, t *thing, err error) {
	if ctx.Err() == nil && !c.killed.Load() {
		time.Sleep(50 * time.Millisecond) // the kill may be an instant old
		if !c.killed.Load() {
			c.failed.Add(1)
			c.fault("%s: %v", t.path, err)
		}
	}
}

func (c *crowd) judge(t *thing, lang int, resp *http.Response, body []byte, least, seen int64) {
	v, err := strconv.ParseInt(resp.Header.Get("X-Version"), 10, 64)
	if err != nil {
		c.fault("%s: status %d without a version", t.path, resp.StatusCode)
		return
	}
	want := t.content(v, lang)
	if resp.StatusCode == http.StatusPartialContent {
		var from, to, size int
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); err != nil || size != t.size || to >= size || from > to {
			c.fault("%s: Content-Range %q", t.path, resp.Header.Get("Content-Range"))
			return
		}
		want = want[from : to+1]
	}
	status := resp.Header.Get("Cache-Status")
	if resp.Request.Header.Get("Cache-Control") != "" {
		status = "first after the start; " + status
	}
	switch {
	case !bytes.Equal(body, want):
		c.fault("%s: %d bytes are not those of version %d (%d bytes); %s", t.path, len(body), v, len(want), status)
	case v < least:
		c.fault("%s: version %d came back, though a purge (%v) was answered when there was %d; %s", t.path, v, t.how.Load(), least, status)
	case v < seen:
		c.fault("%s: version %d came back, though %d had been served (the last purge: %v); %s", t.path, v, seen, t.how.Load(), status)
	case v > t.version.Load():
		c.fault("%s: version %d, which the origin has not yet", t.path, v)
	}
	c.answers.Add(1)
	if strings.Contains(status, "disk") {
		c.fromDisk.Add(1)
	}
	for s := &t.seen[lang]; ; {
		if old := s.Load(); old >= v || s.CompareAndSwap(old, v) {
			return
		}
	}
}

// purge lets things become new and has their old versions purged, in all ways
// there are. What a purge has been answered for must not be seen again.
func (c *crowd) purge(ctx context.Context, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	for ctx.Err() == nil {
		t := c.origin.things[r.IntN(things)]
		how, target, fields, hit := "URL", t.path, []string(nil), func(o *thing) bool { return o == t }
		switch r.IntN(12) {
		case 0:
			how = "tag"
			fields, hit = []string{"Surrogate-Key", fmt.Sprint("t", t.tag)}, func(o *thing) bool { return o.tag == t.tag }
		case 1:
			how = "prefix"
			target = fmt.Sprintf("/f%d/1*", t.n%families)
			hit = func(o *thing) bool { return strings.HasPrefix(o.path, strings.TrimSuffix(target, "*")) }
		case 2, 3, 4:
			how = "soft, URL"
			fields = []string{"Soft-Purge", "1"}
		}
		floors := map[*thing]int64{}
		for _, o := range c.origin.things {
			if hit(o) {
				floors[o] = o.version.Add(1)
			}
		}
		if err := c.say(ctx, target, fields); err != nil {
			c.broken(ctx, t, err)
			continue
		}
		for o, v := range floors {
			o.how.Store(how)
			for old := o.floor.Load(); old < v && !o.floor.CompareAndSwap(old, v); old = o.floor.Load() {
			}
		}
		c.purges.Add(1)
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	}
}

// say sends one PURGE.
func (c *crowd) say(ctx context.Context, target string, fields []string) error {
	req, err := http.NewRequestWithContext(ctx, "PURGE", c.url+target, nil)
	if err != nil {
		return err
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		err = errors.New(resp.Status)
	}
	return err
}
