package access

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Users are names with hashes of their passwords. They are never changed.
type Users struct {
	hashes map[string][]byte
	slow   []byte // a hash that costs as much as any: who has no name here takes as long
}

// maxCost bounds what a hash may cost: a second, about.
const maxCost = 14

// ParseUsers reads what `htpasswd -B` writes: name:hash a line, hashes of
// bcrypt. Others are refused: MD5 (apr1), SHA and crypt are guessed by the
// billion. The error names the line, and nothing of what stands in it.
func ParseUsers(text []byte) (*Users, error) {
	u := &Users{hashes: map[string][]byte{}}
	highest, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		name, hash, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 {
			return nil, fmt.Errorf("line %d: expected name:hash, as htpasswd -B writes it", number)
		}
		if u.hashes[string(name)] != nil {
			return nil, fmt.Errorf("line %d: a name that stands above, too", number)
		}
		cost, err := bcrypt.Cost(hash)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %s", number, whatHash(hash))
		case cost > maxCost:
			return nil, fmt.Errorf("line %d: a hash of cost %d: expected at most %d", number, cost, maxCost)
		case cost > highest:
			highest, u.slow = cost, hash
		}
		u.hashes[string(name)] = bytes.Clone(hash)
	}
	if len(u.hashes) == 0 {
		return nil, errors.New("no line name:hash in it, as htpasswd -B writes them")
	}
	return u, nil
}

// whatHash says what is wrong with a hash that is not of bcrypt.
func whatHash(hash []byte) string {
	kind := "a password or hash of an unknown kind"
	for begin, name := range map[string]string{"$apr1$": "an MD5 hash (apr1)", "{SHA}": "a SHA-1 hash", "$1$": "an MD5 hash", "$5$": "a SHA-256 crypt hash",
		"$6$": "a SHA-512 crypt hash", "$2": "a damaged bcrypt hash"} {
		if bytes.HasPrefix(hash, []byte(begin)) {
			kind = name
		}
	}
	return kind + ": expected one of bcrypt, as htpasswd -B writes it"
}

// A Knowing is what a Verifier found.
type Knowing uint8

const (
	Stranger Knowing = iota // no such name, or another password
	Known
	Busy // too many others are being looked at
)

// A Verifier compares passwords with their hashes, a few at a time: each takes
// as long as thousands of hits. Who was known is known again at once, for as
// long as his hash stays the same. The zero value is ready; any goroutine may
// call it.
type Verifier struct {
	once   sync.Once
	secret [sha256.Size]byte
	slots  chan struct{}
	queue  chan struct{}

	mu    sync.Mutex // guards the fields below
	known map[[sha256.Size]byte]struct{}
	older map[[sha256.Size]byte]struct{} // those before
}

const (
	// VerifyAtOnce is how many passwords are compared at once, VerifyQueue how
	// many more wait, and VerifyWait how long.
	VerifyAtOnce = 2
	VerifyQueue  = 64
	VerifyWait   = 5 * time.Second
	// VerifiedMost is how many are remembered.
	VerifiedMost = 4096
)

func (v *Verifier) begin() {
	_, _ = rand.Read(v.secret[:]) // it never fails
	v.slots, v.queue = make(chan struct{}, VerifyAtOnce), make(chan struct{}, VerifyAtOnce+VerifyQueue)
	v.known = map[[sha256.Size]byte]struct{}{}
}

// Verify reports whether u knows the name with that password. It takes as long
// for a name that there is not.
func (v *Verifier) Verify(u *Users, name, password []byte) Knowing {
	v.once.Do(v.begin)
	hash, there := u.hashes[string(name)]
	if !there {
		hash = u.slow
	}
	sum := v.sum(hash, name, password)
	if there && v.remembers(sum) {
		return Known
	}
	select {
	case v.queue <- struct{}{}:
		defer func() { <-v.queue }()
	default:
		return Busy
	}
	late := time.NewTimer(VerifyWait)
	defer late.Stop()
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-late.C:
		return Busy
	}
	if there && v.remembers(sum) { // a browser asks by six connections at once
		return Known
	}
	if err := bcrypt.CompareHashAndPassword(hash, password); err != nil || !there {
		return Stranger
	}
	v.remember(sum)
	return Known
}

// sum stands for a name with its password and hash. Without the secret nobody
// learns a password from memory faster than from the hash.
func (v *Verifier) sum(hash, name, password []byte) [sha256.Size]byte {
	var few [256]byte
	b := append(few[:0], v.secret[:]...)
	for _, part := range [...][]byte{hash, name, password} {
		b = append(b, byte(len(part)>>8), byte(len(part)))
		b = append(b, part...)
	}
	return sha256.Sum256(b)
}

func (v *Verifier) remembers(sum [sha256.Size]byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.known[sum]; ok {
		return true
	}
	_, ok := v.older[sum]
	if ok {
		v.rememberLocked(sum)
	}
	return ok
}

func (v *Verifier) remember(sum [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rememberLocked(sum)
}

// rememberLocked forgets those who were not asked for in half of the time.
func (v *Verifier) rememberLocked(sum [sha256.Size]byte) {
	if len(v.known) >= VerifiedMost/2 {
		v.known, v.older = map[[sha256.Size]byte]struct{}{}, v.known
	}
	v.known[sum] = struct{}{}
}
