package opencache

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// collected runs the tests and then the garbage collector, which closes the
// stores that Handlers made for themselves.
type collected struct{ *testing.M }

func (c collected) Run() int {
	code := c.M.Run()
	for range 3 { // a sync.Pool keeps what holds it for two rounds
		runtime.GC()
	}
	return code
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(collected{m}) }
