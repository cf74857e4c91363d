package engine

import (
	"context"
	"errors"
	"io"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// reasonOf names an Exchange's error.
func reasonOf(err error) Reason {
	var e *wire.Error
	var fault origin.Fault
	switch errors.As(err, &fault); fault {
	case origin.Canceled:
		return ClientGone
	case origin.Closed, origin.Cut, origin.BadResponse:
		return OriginBroken
	case origin.QueueFull, origin.QueueTimeout:
		return OriginBusy
	case origin.Content:
		return RequestContent
	}
	switch {
	case errors.Is(err, context.Canceled):
		return ClientGone
	case !errors.As(err, &e), e.Side == wire.Us:
		return Internal
	case e.Side == wire.Client:
		return RequestContent
	case e.Status == 504:
		return OriginTimeout
	case errors.Is(err, io.ErrUnexpectedEOF):
		return OriginBroken
	}
	return OriginUnreachable
}

// conditionOf returns what befell a request, for the rules on stale answers.
func conditionOf(out *Outcome) rfc9111.Conditions {
	switch out.Why {
	case OriginStatus:
		return rfc9111.OnStatus(out.Upstream)
	case OriginTimeout:
		return rfc9111.OnTimeout
	case OriginBroken:
		return rfc9111.OnInvalid
	}
	return rfc9111.OnError
}

// serverFailed reports a status for which a stale response is a better answer
// (RFC 5861, 4; RFC 9111, 4.2.4).
func serverFailed(status int) bool {
	return status == 500 || status >= 502 && status <= 504
}

// ofClient reports whether a fetch failed by what its client has sent.
func ofClient(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Side == wire.Client && e.Status != statusClientGone
}

// closeIfPanics closes the response of who panics: its connection has a place.
func closeIfPanics(resp *wire.Response) {
	if p := recover(); p != nil {
		closeBody(resp)
		panic(p)
	}
}

func closeBody(resp *wire.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
}
