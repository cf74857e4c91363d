//go:build !unix

package origin

import "net"

// peeker returns a function that reports whether a read from nc would not
// wait; nil when there is no way to know.
func peeker(nc net.Conn) func() bool {
	if r, ok := nc.(interface{ Readable() bool }); ok {
		return r.Readable
	}
	return nil
}
