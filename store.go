package opencache

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"

	"opencache/internal/engine"
	"opencache/internal/store"
)

const defaultSize = 64 << 20

// A Store keeps responses for Handlers and Transports, any number of them. The zero Store
// keeps 64 MiB of them in memory, from its first use on; Memory and Disk make
// others. A Store must not be
// copied.
type Store struct {
	// Now is the clock by which responses age, for tests; waits go by the
	// real one. nil: time.Now. It is set before the first use, so not in what
	// Memory returns; testing/synctest needs none.
	Now func() time.Time

	mu      sync.Mutex // guards the fields below, and Add of requests
	cache   *cache     // nil: not opened yet
	cleanup runtime.Cleanup
	closed  bool
	places  int64 // Handlers and Transports

	requests sync.WaitGroup // being served from it
}

// A cache is what a Store has opened. It does not refer to the Store, so that
// a Store that nobody has any more can be closed.
type cache struct {
	volume *store.Zone
	engine *engine.Engine
	ctx    context.Context // ends when the Store is closed
	cancel func()
}

// Memory returns a Store of size bytes in memory: 0 is 64 MiB, the least is 4
// MiB. Its index comes on top, less than a twentieth of it. The caller closes
// it.
func Memory(size int64) (*Store, error) {
	if size == 0 {
		size = defaultSize
	}
	return openStore(store.ZoneOptions{Memory: size})
}

// Disk returns a Store of size bytes of the disk that dir is on, taken at
// once: files in dir, which is made if it is not there, and is for this Store
// alone. The least is 8 MiB. What is stored is there again when a later process
// opens the same folder with the same size, and makes its Handlers and
// Transports in the same order; so is what was purged gone. The index is in
// memory: about 50 bytes for each 8 KiB of size, and 100 MiB of buffers at
// most. It needs Linux. A folder that another process has open, or whose files
// are of another size or version, is an error and stays as it is. The caller
// closes it.
func Disk(dir string, size int64) (*Store, error) { return DiskWithMemory(dir, size, 0) }

// DiskWithMemory returns a Store as Disk does, with memory bytes of memory over
// it: what is asked for often is answered from there. 0 is none, the least is 4
// MiB, and 16 MiB when size is 256 MiB or more.
func DiskWithMemory(dir string, size, memory int64) (*Store, error) {
	return openStore(store.ZoneOptions{Memory: memory, Disks: []store.DiskOptions{{Dir: dir, Size: size}}})
}

func openStore(o store.ZoneOptions) (*Store, error) {
	s := new(Store)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(o); err != nil {
		return nil, fmt.Errorf("opencache: %w", err)
	}
	return s, nil
}

// Close frees the memory, and closes the files of Disk in good order. It ends what is fetched for the store, which
// cuts the requests short that wait for it and the Bodies that are being read,
// and waits for all requests under way and the handlers that answer them: shut
// the server down first. Handlers and Transports go on without the store. Only the first call does anything.
func (s *Store) Close() error {
	s.mu.Lock()
	c, again := s.cache, s.closed
	s.closed = true
	s.mu.Unlock()
	if c == nil || again {
		return nil
	}
	c.engine.Cancel()
	c.cancel()
	s.requests.Wait()
	s.cleanup.Stop()
	if err := c.close(); err != nil {
		return fmt.Errorf("opencache: %w", err)
	}
	return nil
}

func (c *cache) close() error {
	c.engine.Close()
	return c.volume.Close()
}

func (s *Store) openLocked(o store.ZoneOptions) error {
	volume, err := store.Open(o)
	if err != nil {
		return err
	}
	// A quarter of the memory for what is being fetched; where there is none, 64 MiB.
	s.cache = &cache{volume: volume, engine: engine.New(engine.Options{Store: volume, Staging: o.Memory / 4, Now: s.Now})}
	s.cache.ctx, s.cache.cancel = context.WithCancel(context.Background())
	s.cleanup = runtime.AddCleanup(s, func(c *cache) { _ = c.close() }, s.cache) // nobody is left to tell
	return nil
}

// enter returns the engine for one request, which then calls leave; nil when
// the store is closed.
func (s *Store) enter() *engine.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if s.cache == nil {
		err := s.openLocked(store.ZoneOptions{Memory: defaultSize})
		if err != nil { // the system gives no mapping
			err = s.openLocked(store.ZoneOptions{Memory: defaultSize, Heap: true})
		}
		if err != nil {
			panic(err) // the default size is a legal one
		}
	}
	s.requests.Add(1)
	return s.cache.engine
}

// closing returns a context that ends when s is closed. s has been entered.
func (s *Store) closing() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cache.ctx
}

// now is the time by the Store's clock.
func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Purge drops what Handlers and Transports have stored here for u, with all
// its variants: the next request goes upstream. For a Handler u is what its
// clients ask for: http or https as they come, the Host, path and query. It
// reports whether there was anything.
func (s *Store) Purge(u *url.URL) bool { return s.purge(u, false) }

// Expire has what is stored here for u validated before it is used again. It
// reports whether there was anything.
func (s *Store) Expire(u *url.URL) bool { return s.purge(u, true) }

func (s *Store) purge(u *url.URL, soft bool) (found bool) {
	s.mu.Lock()
	places := s.places
	s.mu.Unlock()
	for n := range places {
		p := place{store: s, prefix: prefixOf(n + 1)}
		found = p.purge(u, soft) || found
	}
	return found
}

// Ban drops what Handlers and Transports have stored here and b names: it holds
// for the next request, and for what is on its way. An error says what is
// wrong with b; then nothing has changed.
func (s *Store) Ban(b Ban) error {
	s.mu.Lock()
	places := s.places
	s.mu.Unlock()
	_, err := b.ban("", "")
	for n := range places {
		p := place{store: s, prefix: prefixOf(n + 1)}
		err = errors.Join(err, p.ban(b))
		if err != nil {
			break
		}
	}
	return err
}

// Clear drops everything.
func (s *Store) Clear() {
	if e := s.enter(); e != nil {
		defer s.leave()
		e.Clear()
	}
}

func (s *Store) leave() { s.requests.Done() }

// prefix returns what the keys of one Handler or Transport begin with.
func (s *Store) prefix() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places++
	return prefixOf(s.places)
}

func prefixOf(place int64) string { return strconv.FormatInt(place, 10) + " " }
