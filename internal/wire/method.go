package wire

// A Method is an interned request method; methods are case-sensitive (RFC
// 9110, 9.1).
type Method uint8

const (
	OtherMethod Method = iota
	GET
	HEAD
	POST
	PUT
	DELETE
	CONNECT
	OPTIONS
	TRACE
	PATCH
	PURGE
	QUERY
)

var methods = [...]string{"", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PURGE", "QUERY"}

// String returns the method's name, empty for OtherMethod.
func (m Method) String() string { return methods[m] }

// Safe reports whether m is defined as read-only (RFC 9110, 9.2.1).
func (m Method) Safe() bool {
	return m == GET || m == HEAD || m == OPTIONS || m == TRACE || m == QUERY
}

// Idempotent reports whether m may be sent again when it is not known
// whether it arrived (RFC 9110, 9.2.2).
func (m Method) Idempotent() bool { return m.Safe() || m == PUT || m == DELETE }
