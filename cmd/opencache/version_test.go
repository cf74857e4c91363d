package main

import "testing"

// What tells builds from each other is the tag of the image at run time, then the
// one that was linked in; without either, the version with -dev (seed 003, 13).
func TestBuildID(t *testing.T) {
	for _, tt := range []struct{ env, linked, want string }{
		{"v1.4.2", "", "1.4.2"}, {"1.4.2", "", "1.4.2"}, {"", "", version + "-dev"}, {"", "v1.5.0", "1.5.0"},
		{"v1.4.2", "v1.5.0", "1.4.2"}, {"vnext", "", "vnext"}, {"v", "", "v"}, {"sha-0af3", "", "sha-0af3"},
	} {
		t.Setenv("IMAGE_TAG", tt.env)
		if got := buildIDOf(tt.linked); got != tt.want {
			t.Errorf("IMAGE_TAG=%s, linked %q: got %q, want %q", tt.env, tt.linked, got, tt.want)
		}
	}
}
