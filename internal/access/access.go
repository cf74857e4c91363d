// Package access decides who may ask for what: sets of networks, users with
// passwords, signed URLs, rates. It knows no message of HTTP, no document and
// no connection, opens no file and starts no goroutine; the time is an
// argument, but for how long a password waits to be compared. What is asked in
// which order, and what the client is told, is the edge's.
//
//	office := access.NewNetworks([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
//	if !office.Has(client) {
//		// 403
//	}
package access
