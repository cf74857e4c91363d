package access

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"
)

// hash is a quick one.
func hash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func users(t testing.TB, text string) *Users {
	t.Helper()
	u, err := ParseUsers([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestVerify(t *testing.T) {
	a, b := hash(t, "wonderland"), hash(t, "")
	u := users(t, "# people\n\nalice:"+a+"\r\nbob:"+strings.Replace(b, "$2a$", "$2y$", 1)+"\n")
	var v Verifier
	for range 2 { // the second time from memory
		for _, c := range []struct {
			name, password string
			want           Knowing
		}{
			{"alice", "wonderland", Known}, {"alice", "wonderlan", Stranger}, {"alice", "", Stranger}, {"bob", "", Known}, {"bob", "wonderland", Stranger},
			{"carol", "wonderland", Stranger}, {"", "", Stranger}, {"alice", "wonderland\x00", Stranger}, {"alic", "ewonderland", Stranger},
		} {
			if got := v.Verify(u, []byte(c.name), []byte(c.password)); got != c.want {
				t.Errorf("%s:%s: got %d, want %d", c.name, c.password, got, c.want)
			}
		}
	}
	if n := len(v.known); n != 2 {
		t.Errorf("got %d remembered, want 2", n)
	}
	// Another hash of hers: what is remembered of the old one counts no more.
	if got := v.Verify(users(t, "alice:"+hash(t, "other")), []byte("alice"), []byte("wonderland")); got != Stranger {
		t.Errorf("with another hash: got %d, want %d", got, Stranger)
	}
	if got := v.Verify(users(t, "bob:"+a), []byte("alice"), []byte("wonderland")); got != Stranger {
		t.Errorf("without her: got %d, want %d", got, Stranger)
	}
}

func TestParseUsersFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "no line name:hash",
		"# nobody\n":                          "no line name:hash",
		"alice\n":                             "line 1: expected name:hash",
		":x":                                  "line 1: expected name:hash",
		"\nalice:$apr1$x$abc":                 "line 2: an MD5 hash (apr1): expected one of bcrypt",
		"alice:{SHA}abc=":                     "a SHA-1 hash",
		"alice:$6$abc$def":                    "a SHA-512 crypt hash",
		"alice:wonderland":                    "a password or hash of an unknown kind",
		"alice:$2y$05$short":                  "a damaged bcrypt hash",
		"a:" + hash(t, "") + "\na:x":          "line 2: a name that stands above",
		"a:$2y$15$" + strings.Repeat("a", 53): "cost 15: expected at most 14",
	} {
		_, err := ParseUsers([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wonderland") {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// What is remembered is bounded, and who comes often stays.
func TestVerifierForgets(t *testing.T) {
	var v Verifier
	v.once.Do(v.begin)
	regular := v.sum([]byte("hash"), []byte("alice"), []byte("x"))
	v.remember(regular)
	for i := range 3 * VerifiedMost {
		v.remember(v.sum([]byte("hash"), fmt.Append(nil, i), []byte("x")))
		if i%100 == 0 && !v.remembers(regular) {
			t.Fatalf("forgotten after %d others", i)
		}
		if n := len(v.known) + len(v.older); n > VerifiedMost {
			t.Fatalf("got %d remembered, want %d at most", n, VerifiedMost)
		}
	}
}

// Those who come while too many are being looked at are told at once, and who
// is known passes all the same.
func TestVerifierIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := users(t, "alice:"+hash(t, "wonderland"))
		var v Verifier
		if got := v.Verify(u, []byte("alice"), []byte("wonderland")); got != Known {
			t.Fatalf("got %d, want %d", got, Known)
		}
		for range VerifyAtOnce { // stuck
			v.slots <- struct{}{}
			v.queue <- struct{}{}
		}
		var waiting sync.WaitGroup
		for range VerifyQueue {
			waiting.Go(func() {
				if got := v.Verify(u, []byte("bob"), []byte("x")); got != Busy {
					t.Errorf("after %s: got %d, want %d", VerifyWait, got, Busy)
				}
			})
		}
		synctest.Wait()
		if got := v.Verify(u, []byte("bob"), []byte("x")); got != Busy {
			t.Errorf("one too many: got %d, want %d", got, Busy)
		}
		if got := v.Verify(u, []byte("alice"), []byte("wonderland")); got != Known {
			t.Errorf("who is known: got %d, want %d", got, Known)
		}
		waiting.Wait()
	})
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte("alice:$2y$05$abcdefghijklmnopqrstuuO7B2Y1gTqkFzq3xS2cGPp0GsGbYFjGm\n# x\n"))
	f.Add([]byte("a:$apr1$b$c"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if u, err := ParseUsers(text); err == nil && (len(u.hashes) == 0 || u.slow == nil) {
			t.Errorf("%q: users without one", text)
		}
	})
}
