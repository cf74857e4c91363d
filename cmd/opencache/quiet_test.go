package main

import "testing"

func TestQuiet(t *testing.T) {
	for _, tt := range []struct {
		name      string
		then, now heapState
		want      bool
	}{
		{"nothing happens, much is free", heapState{100 << 20, 50 << 20}, heapState{100 << 20, 50 << 20}, true},
		{"little happens", heapState{100 << 20, 50 << 20}, heapState{104 << 20, 50 << 20}, true},
		{"too much happens", heapState{100 << 20, 50 << 20}, heapState{104<<20 + 1, 50 << 20}, false},
		{"little is free", heapState{100 << 20, 1 << 20}, heapState{100 << 20, worthwhile - 1}, false},
	} {
		if got := tt.now.quiet(tt.then); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

// What the runtime is asked for has these names, or reading them would panic.
func TestReadHeap(t *testing.T) {
	if h := readHeap(); h.allocated == 0 {
		t.Errorf("got %+v, want bytes allocated", h)
	}
}
