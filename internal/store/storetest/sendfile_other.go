//go:build !linux

package storetest

import "testing"

func exposed(t *testing.T, _ Volume) {
	t.Skip("sendfile from a memfd is missing: it needs Linux")
}
