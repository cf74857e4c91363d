package engine

import (
	"strconv"
	"time"

	"opencache/internal/expr"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A Status says where an answer came from, in nginx's words.
type Status uint8

const (
	NoStatus    Status = iota // the cache was not asked
	Hit                       // from the store, fresh
	Miss                      // from the upstream: nothing usable was stored
	Expired                   // from the upstream: what was stored was stale
	Revalidated               // from the store: the upstream said it is current
	Stale                     // from the store, stale
	Updating                  // from the store, stale, while a refresh runs
	Bypass                    // handed through
	NumStatus   int    = iota
)

var statuses = [NumStatus]string{"", "HIT", "MISS", "EXPIRED", "REVALIDATED", "STALE", "UPDATING", "BYPASS"}

// String returns the value of X-Cache-Status.
func (s Status) String() string { return statuses[s] }

// FromStore reports whether the content came out of the store.
func (s Status) FromStore() bool {
	return s == Hit || s == Revalidated || s == Stale || s == Updating
}

// A Forward says why a request went to the upstream (RFC 9211, 2.2).
type Forward uint8

const (
	NotForwarded Forward = iota
	ForBypass            // the policy says so
	ForMethod            // the method's semantics require it
	ForURIMiss           // nothing is stored under the key
	ForVaryMiss          // what is stored was selected by other request fields
	ForMiss              // something is stored that this request can not use
	ForRequest           // a request directive asks for it
	ForStale             // what is stored is stale
	ForPartial           // what is stored is a part, and more is asked for
)

var forwards = [...]string{"", "bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}

// String returns the value of Cache-Status's fwd parameter.
func (f Forward) String() string { return forwards[f] }

// A Reason says why something went as it did: a rule of rfc9111 (below 256)
// or a circumstance of the engine's own.
type Reason uint16

const (
	OriginUnreachable Reason = iota + 256
	OriginTimeout
	OriginBroken
	OriginBusy
	ClientGone
	OriginStatus
	LockTimedOut
	WasHitForMiss
	TooLarge
	StagingFull
	StoreFull
	QuotaReached
	RequestContent
	ContentInGet
	TunnelAsked
	PolicyBypass
	MethodNotCached
	Conditional
	SegmentGone
	NotShareable
	SoftPurged
	MachineCrashed
	Internal
	QueryUntyped
	QueryTooLong
	TooManyVariants
	LoopDetected
	PartialContent
	RefreshLimit
	RefreshResting
	TooManyTags
	ContentChanged
	TooFewUses
	BypassCondition
	NoStoreCondition
	ContentResumed
	TypeMismatch
	AmbiguousPath
	TooManyHops

	// NumReasons is the number of these; they are consecutive.
	NumReasons int = iota
)

var reasons = [NumReasons]string{
	"origin-unreachable", "origin-timeout", "origin-broken-response", "origin-busy", "client-gone", "origin-status", "lock-timeout",
	"hit-for-miss", "too-large", "staging-full", "store-full", "quota", "request-content", "get-with-content", "upgrade",
	"passthrough", "method", "precondition", "segment-gone", "not-shareable", "soft-purge", "machine-crash", "internal",
	"query-without-type", "query-too-long", "too-many-variants",
	"loop",
	"partial-content",
	"refresh-limit", "refresh-resting",
	"too-many-tags",
	"content-changed",
	"min-uses",
	"bypass-condition", "no-store-condition",
	"resumed",
	"type-mismatch", "ambiguous-path",
	"too-many-hops",
}

// String returns the words that logs and Cache-Status's detail carry.
func (r Reason) String() string {
	if r < 256 {
		return rfc9111.Reason(r).String()
	}
	return reasons[r-256]
}

// An Outcome is what became of a request, for headers, logs and metrics.
type Outcome struct {
	Status    Status
	Forward   Forward
	Why       Reason         // 0: nothing remarkable
	Stored    bool           // the response was taken for the store
	Collapsed bool           // another request's fetch answered it
	Tier      store.Tier     // where what is stored lies, when the answer came from there
	TTL       int64          // freshness left in seconds, negative when stale; of Hit and its kin
	Lifetime  int64          // the freshness of which TTL is left, in seconds
	From      rfc9111.Reason // what gives it: a directive, the policy; WhyNoFreshness: nothing
	Age       int64          // of what is stored, in seconds
	Upstream  int            // status code that the upstream answered, 0 when it did not
	Waited    time.Duration  // for the upstream
	// Resumed is how often the upstream cut the content short and went on when
	// it was asked for the rest, also for another request of the same fetch.
	Resumed int
	// Attempts are the servers that were asked; nil: none was. They are
	// another request's, too, when its fetch was shared.
	Attempts *wire.Attempts
	Err      error // what failed, nil when nothing did
}

// withheld is why no further server was asked where one failed; 0: no matter.
func (o *Outcome) withheld() wire.Withheld {
	if o.Attempts == nil {
		return 0
	}
	return o.Attempts.Withheld
}

// missed returns the status of an answer that the upstream gave.
func (o *Outcome) missed(expired bool) Status {
	switch {
	case o.Forward == ForBypass:
		return Bypass
	case expired:
		return Expired
	}
	return Miss
}

// fresh notes how fresh the answer is.
func (o *Outcome) fresh(v rfc9111.Verdict) { o.TTL, o.Lifetime, o.From = v.TTL, v.Lifetime, v.From }

// appendFields appends the field lines that tell the client of it:
// X-Cache-Status, X-Cache and Cache-Status (RFC 9211). Members of caches nearer
// to the origin stand before, in field lines of their own. A key that is nil is
// not told.
func (o *Outcome) appendFields(dst []byte, name string, key []byte, tier bool) []byte {
	if key == nil && !tier && o.plainHit() {
		dst = append(dst, "X-Cache-Status: HIT\r\nX-Cache: HIT\r\nCache-Status: "...)
		dst = append(append(dst, name...), "; hit; ttl="...)
		return append(strconv.AppendInt(dst, o.TTL, 10), "\r\n"...)
	}
	dst = append(dst, "X-Cache-Status: "...)
	dst = append(dst, o.Status.String()...)
	if o.Status.FromStore() {
		dst = append(dst, "\r\nX-Cache: HIT\r\nCache-Status: "...)
	} else {
		dst = append(dst, "\r\nX-Cache: MISS\r\nCache-Status: "...)
	}
	dst = append(dst, name...)
	switch {
	case o.Forward != NotForwarded:
		dst = append(dst, "; fwd="...)
		dst = append(dst, o.Forward.String()...)
		if o.Upstream != 0 {
			dst = append(dst, "; fwd-status="...)
			dst = strconv.AppendInt(dst, int64(o.Upstream), 10)
		}
	case o.Status.FromStore(): // else the answer is our own: neither holds (RFC 9211, 2.1 and 2.2)
		dst = append(dst, "; hit"...)
	}
	if o.Stored {
		dst = append(dst, "; stored"...)
	}
	if o.Stored || o.Status.FromStore() {
		dst = append(dst, "; ttl="...)
		dst = strconv.AppendInt(dst, o.TTL, 10)
	}
	if o.Collapsed {
		dst = append(dst, "; collapsed"...)
	}
	if key != nil {
		key = expr.AppendPlainKey(nil, key)
		dst = appendString(append(dst, "; key="...), key[:min(len(key), keyTold)])
	}
	return append(o.appendDetail(dst, tier), "\r\n"...)
}

// appendDetail appends the reason and, when it is to be told, the tier.
func (o *Outcome) appendDetail(dst []byte, tier bool) []byte {
	tier = tier && o.Status.FromStore()
	withheld := o.withheld() == wire.RetryBudget // tries and time are the site's own word
	if o.Why == 0 && !withheld && !tier {
		return dst
	}
	dst = append(dst, `; detail="`...)
	begin := len(dst)
	if o.Why != 0 {
		dst = append(dst, o.Why.String()...)
	}
	if withheld {
		dst = appendMember(dst, begin, wire.RetryBudget.String())
	}
	if tier {
		dst = appendMember(dst, begin, o.Tier.String())
	}
	return append(dst, '"')
}

// keyTold is how much of a key is told: what any parser takes as a string (RFC
// 9651, 3.3.3).
const keyTold = 1024

// plainHit reports whether there is nothing to tell but that the answer was
// here, as nearly always.
func (o *Outcome) plainHit() bool {
	return o.Status == Hit && o.Forward == NotForwarded && o.Why == 0 && !o.Stored && !o.Collapsed
}
