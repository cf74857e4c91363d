// Package opencache is an HTTP cache for Go programs: what `opencache serve`
// does in front of an origin, a program does in front of its own handlers
// (Handler) and behind its http.Client (Transport). Responses are kept as RFC
// 9111 lets a cache keep them, in a Store of fixed size. Requests for the same thing at the same time ask for it once and
// all read along while it comes; ranges, conditional requests and HEAD are
// answered from what is stored; what is stale is validated, and served when
// the handler behind fails.
//
// It is not a map from keys to values, it does not cache on its own judgement
// (a response without freshness is stored only by the rules of Policy), and
// a Handler's answers are for anybody whose request has the same URL and the
// same values of the fields that Vary names; a Transport's are one user's,
// unless it is Shared.
//
//	client := &http.Client{Transport: &opencache.Transport{}}
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) {
//		w.Header().Set("Cache-Control", "max-age=60")
//		fmt.Fprintln(w, "made at", time.Now())
//	})
//	store, err := opencache.Memory(256 << 20)
//	if err != nil {
//		log.Fatal(err)
//	}
//	log.Fatal(http.ListenAndServe(":8080", opencache.Handler(mux, opencache.Policy{Store: store})))
package opencache

import (
	"log/slog"
	"net/http"
	"time"

	"opencache/internal/rfc9111"
)

// A Policy says how a Handler or a Transport caches. The zero Policy is a cache
// as RFC 9111 describes it, with 64 MiB of memory of its own.
type Policy struct {
	// Store keeps the responses. Those that share one share its memory, not
	// its content: each finds only what it stored. nil: a Store of its own, of
	// 64 MiB from the first request on until the Handler or Transport is
	// garbage.
	Store *Store
	// DefaultTTL is how long a 200 that says nothing of its freshness
	// (Cache-Control, Expires) is fresh, rounded up to whole seconds. 0 or
	// less: only as NoHeuristics has it.
	DefaultTTL time.Duration
	// NoHeuristics stops a response that says nothing of its freshness, but
	// has a Last-Modified, from being fresh for a tenth of the time since
	// then, at most a day (RFC 9111, 4.2.2).
	NoHeuristics bool
	// StaleIfError is for how long past its freshness a response is served
	// when upstream fails (a panic, an error, 500, 502, 503 or 504) and the
	// response does not forbid it or say itself how long (RFC 9111, 4.2.4;
	// RFC 5861, 4), rounded up to whole seconds. 0: a day. Negative: only
	// where the response says so.
	StaleIfError time.Duration
	// Targets are the names of targeted fields (RFC 9213), such as
	// "CDN-Cache-Control", the most applicable first: the first that is in a
	// response decides instead of Cache-Control and Expires. nil: none.
	Targets []string
	// NoSetCookie refuses to store responses that set cookies; otherwise they
	// are stored like others (RFC 9111, 7.3).
	NoSetCookie bool
	// FinishUnread has a Transport fetch to its end, and store, what its
	// readers leave before the end of the Body. Otherwise that is given up. A
	// Handler finishes in any case: clients that leave are many.
	FinishUnread bool
	// Log gets the panics of the handler behind, or of Base. nil: slog.Default.
	Log *slog.Logger
}

// Handler returns a handler that answers from the store what next answered
// before, and has next answer the rest.
//
// A response is kept under the scheme, the Host and the r.URL that the Handler
// is given, and under the fields that its Vary names. What next makes of
// anything else, such as the client's address or what handlers further out put
// in the request's context, it must mark with Cache-Control: private or
// no-store, or the next client gets it.
//
// next answers each GET and HEAD that the store can not as a GET for
// everybody, and so each QUERY with its content, which is part of the key when
// it has a Content-Type and up to 64 KiB: without the client's conditions and Range, with those of the
// cache when it is to validate, with the context of the request that caused it
// but for its end. It runs on a goroutine of its own and goes on when that
// client leaves. All other methods, and requests that can not be shared, run
// on the client's own context. Requests that switch protocols (Upgrade,
// CONNECT) are given to next untouched.
//
// Answers have the fields X-Cache-Status, X-Cache and Cache-Status (RFC 9211);
// they are added to what w.Header holds already, as httputil.ReverseProxy does.
// An answer that next cuts short (http.ErrAbortHandler, a panic behind the
// head, less content than announced) is not stored, and is cut short for the
// client too: the Handler panics with http.ErrAbortHandler. A panic before
// that is logged and becomes a stale response or a 502.
func Handler(next http.Handler, p Policy) http.Handler {
	h := &handler{place: p.place(), next: next}
	h.visits.New = func() any { return h.newVisit() }
	h.pieces.New = func() any { b := make([]byte, 64<<10); return &b }
	return h
}

// rules are the rules of p, for a shared cache.
func (p *Policy) rules() rfc9111.Policy {
	r := rfc9111.Policy{
		Heuristic: 10, HeuristicMax: 86400,
		DefaultTTL:   seconds(p.DefaultTTL),
		StaleIfError: seconds(p.StaleIfError),
		NoSetCookie:  p.NoSetCookie,
	}
	if p.NoHeuristics {
		r.Heuristic = 0
	}
	if p.StaleIfError == 0 {
		r.StaleIfError = 86400
	}
	return r
}

// seconds rounds d up to whole seconds; what is negative is none.
func seconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Second) + 1
}
