package opencache

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"opencache/internal/engine"
	"opencache/internal/store"
)

const defaultSize = 64 << 20

// A Store keeps responses for Handlers, any number of them. The zero Store
// keeps 64 MiB of them in memory, from its first use on. A Store must not be
// copied.
type Store struct {
	mu       sync.Mutex // guards the fields below, and Add of requests
	cache    *cache     // nil: not opened yet
	cleanup  runtime.Cleanup
	closed   bool
	handlers int64

	requests sync.WaitGroup // being served from it
}

// A cache is what a Store has opened. It does not refer to the Store, so that
// a Store that nobody has any more can be closed.
type cache struct {
	volume *store.Memory
	engine *engine.Engine
}

// Memory returns a Store of size bytes in memory: 0 is 64 MiB, the least is 4
// MiB. Its index comes on top, less than a twentieth of it. The caller closes
// it.
func Memory(size int64) (*Store, error) {
	if size == 0 {
		size = defaultSize
	}
	s := new(Store)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(store.Options{Size: size}); err != nil {
		return nil, fmt.Errorf("opencache: %w", err)
	}
	return s, nil
}

// Close frees the memory. It ends what Handlers fetch for the store, which
// cuts the requests short that wait for it, and waits for all requests under
// way and the handlers that answer them: shut the server down first. Handlers
// go on without the store. Only the first call does anything.
func (s *Store) Close() error {
	s.mu.Lock()
	c, again := s.cache, s.closed
	s.closed = true
	s.mu.Unlock()
	if c == nil || again {
		return nil
	}
	c.engine.Cancel()
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

func (s *Store) openLocked(o store.Options) error {
	volume, err := store.NewMemory(o)
	if err != nil {
		return err
	}
	// A quarter of the memory for what is being fetched.
	s.cache = &cache{volume, engine.New(engine.Options{Store: volume, Staging: o.Size / 4})}
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
		err := s.openLocked(store.Options{Size: defaultSize})
		if err != nil { // the system gives no mapping
			err = s.openLocked(store.Options{Size: defaultSize, Heap: true})
		}
		if err != nil {
			panic(err) // the default size is a legal one
		}
	}
	s.requests.Add(1)
	return s.cache.engine
}

func (s *Store) leave() { s.requests.Done() }

// prefix returns what the keys of one Handler begin with.
func (s *Store) prefix() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers++
	return strconv.FormatInt(s.handlers, 10) + " "
}
