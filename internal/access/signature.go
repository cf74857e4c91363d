package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
)

// A Ticket is what a client shows to have a URL: who made it says until when.
// Its slices are of what it was cut from.
type Ticket struct {
	Signature, Expires, Key, Prefix []byte
	Twice                           bool // something is said twice: nobody knows what was meant
}

// Names are what the parameters of a Ticket are called; an empty one is never
// found.
type Names struct{ Signature, Expires, Key, Prefix string }

// Cut cuts the Ticket out of a query: it appends the other parameters, as they
// stand, to dst.
func (n *Names) Cut(dst, query []byte, t *Ticket) []byte {
	begun := false
	for rest, more := query, len(query) > 0; more; {
		var pair []byte
		pair, rest, more = cutPair(rest)
		if n.put(pair, t) {
			continue
		}
		if begun {
			dst = append(dst, '&')
		}
		dst, begun = append(dst, pair...), true
	}
	return dst
}

// cutPair cuts the first parameter off; more: there is another one.
func cutPair(query []byte) (pair, rest []byte, more bool) {
	for i, b := range query {
		if b == '&' {
			return query[:i], query[i+1:], true
		}
	}
	return query, nil, false
}

// put notes a parameter that is of the Ticket.
func (n *Names) put(pair []byte, t *Ticket) bool {
	for i, b := range pair {
		if b != '=' {
			continue
		}
		for _, one := range [...]struct {
			name string
			to   *[]byte
		}{{n.Signature, &t.Signature}, {n.Expires, &t.Expires}, {n.Key, &t.Key}, {n.Prefix, &t.Prefix}} {
			if one.name != "" && string(pair[:i]) == one.name {
				t.Twice = t.Twice || *one.to != nil
				*one.to = pair[i+1 : len(pair) : len(pair)]
				return true
			}
		}
		return false
	}
	return false
}

// A Key signs. Signatures are HMAC-SHA-256 in base64url without padding, or in
// hexadecimal digits.
type Key struct {
	ID     string
	Secret []byte
}

// A Signed text is what a signature is of: lines with their names, so that none
// can be taken for another.
type Signed struct {
	Prefix  bool   // What is where URLs begin, not a URL
	What    []byte // path and query
	Expires []byte // seconds since 1970
	Address []byte // of the client; nil: anybody's
	Host    []byte // nil: any
}

// Append appends the text that is signed.
func (s *Signed) Append(dst []byte) []byte {
	name := "url:"
	if s.Prefix {
		name = "prefix:"
	}
	dst = append(append(dst, name...), s.What...)
	dst = append(append(dst, "\nexpires:"...), s.Expires...)
	if s.Address != nil {
		dst = append(append(dst, "\naddress:"...), s.Address...)
	}
	if s.Host != nil {
		dst = append(append(dst, "\nhost:"...), s.Host...)
	}
	return dst
}

// A Signing is what holds of tickets.
type Signing struct {
	Keys []Key
	Skew int64 // seconds that clocks may differ by
}

// A Showing is what a Ticket is worth.
type Showing uint8

const (
	NoTicket Showing = iota
	BadTicket
	UnknownKey
	Expired
	GoodTicket
)

// Judge decides whether a ticket is for a text, at a time in seconds since 1970.
// What it says of keys and times of a ticket that is not signed is for logs
// only. It is pure, and takes as long for one signature as for another.
func (s *Signing) Judge(t *Ticket, text *Signed, now int64) Showing {
	if t.Signature == nil {
		return NoTicket
	}
	expires, err := strconv.ParseInt(string(t.Expires), 10, 64)
	if t.Twice || err != nil || expires <= 0 || t.Expires[0] == '+' {
		return BadTicket
	}
	got, ok := sumIn(t.Signature)
	if !ok {
		return BadTicket
	}
	found, good := false, false
	for i := range s.Keys {
		k := &s.Keys[i]
		if t.Key != nil && string(t.Key) != k.ID {
			continue
		}
		found = true
		mac := hmac.New(sha256.New, k.Secret)
		mac.Write(text.Append(nil))
		var sum [sha256.Size]byte
		good = hmac.Equal(mac.Sum(sum[:0]), got[:]) || good
	}
	switch {
	case !found:
		return UnknownKey
	case !good:
		return BadTicket
	case now-s.Skew > expires:
		return Expired
	}
	return GoodTicket
}

// sumIn reads a signature.
func sumIn(text []byte) (sum [sha256.Size]byte, ok bool) {
	if len(text) == hex.EncodedLen(len(sum)) {
		_, err := hex.Decode(sum[:], text)
		return sum, err == nil
	}
	if len(text) != base64.RawURLEncoding.EncodedLen(len(sum)) {
		return sum, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(sum[:], text)
	return sum, err == nil && n == len(sum)
}
