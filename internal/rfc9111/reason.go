package rfc9111

// A Reason says why a rule decided as it did. Headers, logs and metrics print
// its String: the words of the field or directive that decided.
type Reason uint8

// The reasons. Some serve more than one rule: WhyNoCache says why a response
// is not stored as well as why a stored one is not used.
const (
	OK Reason = iota // no reason against it

	// Why a response is not stored.

	WhyMethod         // the request's method
	WhyStatus         // the response's status code
	WhyRangeRequest   // an answer to a Range that is not the whole
	WhySyntax         // Cache-Control that cannot be read to its end
	WhyMustUnderstand // must-understand with a status code not understood
	WhyNoStore
	WhyPrivate
	WhyRequestNoStore
	WhyAuthorization
	WhyVary // Vary: *, or one that cannot be read
	WhySetCookie
	WhyNoFreshness // neither freshness nor a validator, nor leave to use it stale
	WhyStatusOff   // Policy.Valid has the status off
	WhyDeclined    // Policy.Decline has a directive of the response

	// Where freshness comes from.

	WhySMaxAge
	WhyMaxAge
	WhyExpires
	WhyHeuristic
	WhyDefaultTTL
	WhyValid   // Policy.Valid
	WhyCeiling // Policy.Ceiling

	// Why a stored response is used, or not.

	WhyPrecondition // If-Match or If-Unmodified-Since: the origin's to judge
	WhyNoCache
	WhyRequestNoCache
	WhyRequestMaxAge
	WhyMinFresh
	WhyMustRevalidate
	WhyProxyRevalidate
	WhyStale
	WhyMaxStale
	WhyStaleWhileRevalidate
	WhyStaleIfError
	WhyPolicyStale // Policy.StaleIfError
	WhyStaleMax    // beyond Policy.StaleMax
	WhyBackground  // Policy.Background
	WhyUpdating    // another request has it validated
	WhyClock       // the clock was set back since it came
	WhyImmutable   // the request's max-age does not count
	WhyOnlyIfCached

	// NumReasons is the number of reasons.
	NumReasons int = iota
)

var reasons = [NumReasons]string{
	OK:                      "ok",
	WhyMethod:               "method",
	WhyStatus:               "status",
	WhyRangeRequest:         "range request",
	WhySyntax:               "cache-control syntax",
	WhyMustUnderstand:       "must-understand",
	WhyNoStore:              "no-store",
	WhyPrivate:              "private",
	WhyRequestNoStore:       "request no-store",
	WhyAuthorization:        "authorization",
	WhyVary:                 "vary *",
	WhySetCookie:            "set-cookie",
	WhyNoFreshness:          "no freshness",
	WhySMaxAge:              "s-maxage",
	WhyMaxAge:               "max-age",
	WhyExpires:              "expires",
	WhyHeuristic:            "heuristic",
	WhyDefaultTTL:           "default ttl",
	WhyStatusOff:            "status off",
	WhyDeclined:             "declined",
	WhyValid:                "valid responses",
	WhyCeiling:              "ceiling",
	WhyPrecondition:         "precondition",
	WhyNoCache:              "no-cache",
	WhyRequestNoCache:       "request no-cache",
	WhyRequestMaxAge:        "request max-age",
	WhyMinFresh:             "min-fresh",
	WhyMustRevalidate:       "must-revalidate",
	WhyProxyRevalidate:      "proxy-revalidate",
	WhyStale:                "stale",
	WhyMaxStale:             "max-stale",
	WhyStaleWhileRevalidate: "stale-while-revalidate",
	WhyStaleIfError:         "stale-if-error",
	WhyPolicyStale:          "stale by policy",
	WhyStaleMax:             "stale max age",
	WhyClock:                "clock",
	WhyBackground:           "background update",
	WhyUpdating:             "updating",
	WhyImmutable:            "immutable",
	WhyOnlyIfCached:         "only-if-cached",
}

// String returns the reason in the words of the field, "reason?" for a number
// that is none.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return "reason?"
}

// An Action is what may be done with a stored response.
type Action uint8

const (
	// Validate says that it must not be used before the origin has validated it.
	Validate Action = iota
	// Deliver says that it may answer as it is.
	Deliver
	// DeliverAndRefresh says that it may answer, stale as it is, and is to be
	// validated meanwhile.
	DeliverAndRefresh
	// Forward says that the request is not for a cache to answer.
	Forward
	// Refuse says 504: the client wants nothing but a stored response, and
	// this one may not be used.
	Refuse

	// NumActions is the number of actions.
	NumActions int = iota
)

// String returns the action's name.
func (a Action) String() string {
	names := [...]string{"validate", "deliver", "deliver and refresh", "forward", "refuse"}
	if int(a) < len(names) {
		return names[a]
	}
	return "action?"
}
