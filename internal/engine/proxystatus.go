package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"syscall"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A ProxyError is a proxy error type: what went wrong on the way to an answer
// (RFC 9209, 2.3).
type ProxyError uint8

// The types that are told of. NoProxyError: nothing went wrong here.
const (
	NoProxyError ProxyError = iota
	DNSTimeout
	DNSError
	DestinationUnavailable
	DestinationIPUnroutable
	ConnectionRefused
	ConnectionTerminated
	ConnectionTimeout
	ConnectionReadTimeout
	ConnectionWriteTimeout
	ConnectionLimitReached
	TLSProtocolError
	TLSCertificateError
	TLSAlertReceived
	HTTPRequestError
	HTTPResponseIncomplete
	HTTPResponseHeadSize
	HTTPResponseTransferCoding
	HTTPResponseTimeout
	HTTPProtocolError
	ProxyInternalResponse
	ProxyInternalError
	ProxyLoopDetected
	NumProxyErrors int = iota
)

var proxyErrors = [NumProxyErrors]string{
	"", "dns_timeout", "dns_error", "destination_unavailable", "destination_ip_unroutable", "connection_refused",
	"connection_terminated", "connection_timeout", "connection_read_timeout", "connection_write_timeout",
	"connection_limit_reached", "tls_protocol_error", "tls_certificate_error", "tls_alert_received", "http_request_error",
	"http_response_incomplete", "http_response_header_section_size", "http_response_transfer_coding",
	"http_response_timeout", "http_protocol_error", "proxy_internal_response", "proxy_internal_error", "proxy_loop_detected",
}

// String returns the type as registered, a token.
func (e ProxyError) String() string { return proxyErrors[e] }

// proxyErrorOf returns the type that says most of an Exchange's error, as the
// fault and the network's own errors tell.
func proxyErrorOf(err error) ProxyError {
	var fault origin.Fault
	errors.As(err, &fault)
	switch fault {
	case origin.Dial, origin.DialTimeout, origin.TLS:
		return dialErrorOf(err, fault)
	case origin.HeadTimeout: // a limit to the head as a whole, whether or not some of it came
		return HTTPResponseTimeout
	case origin.BodyTimeout:
		if onWrite(err) {
			return ConnectionWriteTimeout
		}
		return ConnectionReadTimeout
	case origin.Closed, origin.Cut:
		return endErrorOf(err, fault)
	case origin.BadResponse:
		return syntaxErrorOf(err)
	case origin.QueueFull, origin.QueueTimeout:
		return ConnectionLimitReached
	case origin.Content:
		return HTTPRequestError
	}
	var e *wire.Error
	switch {
	case !errors.As(err, &e), e.Side == wire.Us:
		return ProxyInternalError
	case e.Side == wire.Client:
		return HTTPRequestError
	case e.Status == 504:
		return HTTPResponseTimeout
	}
	return DestinationUnavailable
}

// dialErrorOf names what kept a connection from being made.
func dialErrorOf(err error, fault origin.Fault) ProxyError {
	var name *net.DNSError
	var wrong *tls.CertificateVerificationError
	var wire *net.OpError
	switch {
	case errors.As(err, &name) && (name.IsTimeout || fault == origin.DialTimeout):
		return DNSTimeout
	case name != nil:
		return DNSError
	case fault == origin.DialTimeout, isTimeout(err):
		return ConnectionTimeout
	case errors.As(err, &wrong):
		return TLSCertificateError
	case errors.As(err, &wire) && wire.Op == alertOp:
		return TLSAlertReceived
	case fault == origin.TLS:
		return TLSProtocolError
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectionRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return DestinationIPUnroutable
	case errors.Is(err, syscall.ECONNRESET):
		return ConnectionTerminated
	}
	return DestinationUnavailable
}

// alertOp is the Op of the net.OpError that package tls makes of an alert; the
// alert's own type is hidden.
const alertOp = "remote error"

// endErrorOf names the untimely end of a connection.
func endErrorOf(err error, fault origin.Fault) ProxyError {
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &op) && op.Op == alertOp:
		return TLSAlertReceived
	case errors.As(err, &record):
		return TLSProtocolError
	case fault == origin.Cut:
		return HTTPResponseIncomplete
	}
	return ConnectionTerminated
}

// syntaxErrorOf names what is wrong with an answer that can not be read.
func syntaxErrorOf(err error) ProxyError {
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return HTTPResponseHeadSize
	case errors.Is(err, wire.ErrCoding):
		return HTTPResponseTransferCoding
	}
	return HTTPProtocolError
}

func onWrite(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "write"
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.As(err, &timed) && timed.Timeout()
}

// troubled reports whether there is something to tell in Proxy-Status.
func (o *Outcome) troubled() bool {
	return o.Err != nil || o.Upstream >= 500 || o.Why == LoopDetected || o.Why == TooManyHops || o.Why == Reason(rfc9111.WhyOnlyIfCached)
}

// proxyError returns what went wrong here; NoProxyError where that was the
// upstream's part.
func (o *Outcome) proxyError() ProxyError {
	switch {
	case o.Err != nil:
		return proxyErrorOf(o.Err)
	case o.Why == LoopDetected, o.Why == TooManyHops:
		return ProxyLoopDetected
	case o.Why == Reason(rfc9111.WhyOnlyIfCached):
		return ProxyInternalResponse // without having asked anybody
	}
	return NoProxyError
}

// appendProxyStatus appends this cache's member of Proxy-Status in a field
// line of its own, behind those of caches nearer to the origin (RFC 9209, 2).
// name and hop are structured fields' items; hop may be empty.
func (o *Outcome) appendProxyStatus(dst []byte, name, hop string) []byte {
	dst = append(append(dst, "Proxy-Status: "...), name...)
	details, e := "", o.proxyError()
	if e != NoProxyError || o.Why == OriginStatus {
		details = o.Why.String()
	}
	if e != NoProxyError {
		dst = append(append(dst, "; error="...), e.String()...)
		var fault origin.Fault
		if errors.As(o.Err, &fault) {
			details = fault.String() // what is behind the reason
		}
	}
	if o.Upstream != 0 {
		dst = strconv.AppendInt(append(dst, "; received-status="...), int64(o.Upstream), 10)
	}
	if hop != "" {
		dst = append(append(dst, "; next-hop="...), hop...)
	}
	if details != "" {
		dst = appendString(append(dst, "; details="...), details)
	}
	return append(dst, "\r\n"...)
}
