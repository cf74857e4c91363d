package wire

import "time"

// MaxAttempts is how many attempts are kept of one request.
const MaxAttempts = 8

// An Attempt is one server that was asked for an answer to a request.
type Attempt struct {
	Server string        // its address
	Status int           // of the response's head, 0 when none came
	Why    string        // the word for what failed; empty: a response came
	Took   time.Duration // until the head, or the failure
}

// A Withheld says why no further server was asked, though another attempt
// might have brought an answer.
type Withheld uint8

// The reasons. Zero: nothing was withheld.
const (
	_               Withheld = iota
	RetryBudget              // retries were already too large a share of the requests
	AttemptsSpent            // as many were asked as may be
	AttemptsTooLate          // the time for all of them was over
	NumWithheld     int      = iota
)

// String returns the word that logs, metrics and Cache-Status print; empty for
// the zero value.
func (w Withheld) String() string {
	return [NumWithheld]string{"", "retry-budget", "next-upstream-tries", "next-upstream-timeout"}[w]
}

// Attempts are the servers that were asked for an answer to one request, in
// their order. They are one goroutine's until the Exchange that notes them has
// returned, and then not changed any more. A nil *Attempts takes no notes.
type Attempts struct {
	Withheld Withheld // why the last one was the last
	Lost     int      // how many are not kept: those before the last

	all   []Attempt
	first [1]Attempt // what all begins in: most requests need one
}

// Note appends an attempt. The last one is always kept.
func (a *Attempts) Note(t Attempt) {
	switch {
	case a == nil:
		return
	case len(a.all) == MaxAttempts:
		a.all[MaxAttempts-1] = t
		a.Lost++
		return
	case a.all == nil:
		a.all = a.first[:0]
	}
	a.all = append(a.all, t)
}

// Withhold notes why no further server is asked.
func (a *Attempts) Withhold(why Withheld) {
	if a != nil {
		a.Withheld = why
	}
}

// All returns what is kept, at most MaxAttempts. It is not to be changed.
func (a *Attempts) All() []Attempt {
	if a == nil {
		return nil
	}
	return a.all
}
