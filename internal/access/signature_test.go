package access

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"testing"
)

var names = Names{Signature: "sig", Expires: "exp", Key: "key", Prefix: "prefix"}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		query, rest           string
		sig, exp, key, prefix string
		twice                 bool
	}{
		{query: "", rest: ""},
		{query: "a=1&b=2", rest: "a=1&b=2"},
		{query: "sig=s&exp=1", sig: "s", exp: "1"},
		{query: "a=1&sig=s&b=2&exp=1&key=k&c", rest: "a=1&b=2&c", sig: "s", exp: "1", key: "k"},
		{query: "&&sig=s&", rest: "&&", sig: "s"},
		{query: "sig=s&sig=t", sig: "t", twice: true},
		{query: "Sig=s&sig&%73ig=s&sigs=1", rest: "Sig=s&sig&%73ig=s&sigs=1"},
		{query: "prefix=/a/=b&x==", rest: "x==", prefix: "/a/=b"},
		{query: "=sig&exp=", rest: "=sig"},
	} {
		var got Ticket
		rest := string(names.Cut(nil, []byte(c.query), &got))
		if rest != c.rest || string(got.Signature) != c.sig || string(got.Expires) != c.exp || string(got.Key) != c.key || string(got.Prefix) != c.prefix || got.Twice != c.twice {
			t.Errorf("%q: got %q and %+v, want %+v", c.query, rest, got, c)
		}
	}
}

func sign(secret string, text *Signed) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(text.Append(nil))
	return mac.Sum(nil)
}

func TestJudge(t *testing.T) {
	const now = 1000
	text := Signed{What: []byte("/a?b=1"), Expires: []byte("1000")}
	s := Signing{Keys: []Key{{"one", []byte("0123456789abcdef")}, {"two", []byte("fedcba9876543210")}}}
	base := func(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }
	one, two := sign("0123456789abcdef", &text), sign("fedcba9876543210", &text)
	for i, c := range []struct {
		sig, exp, key string
		text          Signed
		now, skew     int64
		want          Showing
	}{
		{"", "1000", "", text, now, 0, NoTicket},
		{base(one), "1000", "", text, now, 0, GoodTicket},
		{base(two), "1000", "", text, now, 0, GoodTicket},
		{hex.EncodeToString(one), "1000", "one", text, now, 0, GoodTicket},
		{base(one), "1000", "two", text, now, 0, BadTicket},
		{base(one), "1000", "three", text, now, 0, UnknownKey},
		{base(one), "1000", "", text, now + 1, 0, Expired},
		{base(one), "1000", "", text, now + 5, 5, GoodTicket},
		{base(one), "1000", "", text, now + 6, 5, Expired},
		{base(one), "", "", text, now, 0, BadTicket},
		{base(one), "+1000", "", text, now, 0, BadTicket},
		{base(one), "-1", "", text, now, 0, BadTicket},
		{base(one), "99999999999999999999", "", text, now, 0, BadTicket},
		{base(one)[:42], "1000", "", text, now, 0, BadTicket},
		{base(one)[:42] + "\n", "1000", "", text, now, 0, BadTicket},
		{"!" + base(one)[1:], "1000", "", text, now, 0, BadTicket},
		{base(one), "1000", "", Signed{What: []byte("/a?b=2"), Expires: []byte("1000")}, now, 0, BadTicket},
		{base(one), "1000", "", Signed{What: []byte("/a?b=1"), Expires: []byte("1000"), Prefix: true}, now, 0, BadTicket},
		{base(one), "1000", "", Signed{What: []byte("/a?b=1"), Expires: []byte("1000"), Address: []byte("::1")}, now, 0, BadTicket},
		{base(one), "1000", "", Signed{What: []byte("/a?b=1"), Expires: []byte("1000"), Host: []byte("a")}, now, 0, BadTicket},
	} {
		ticket := Ticket{Expires: []byte(c.exp)}
		if c.sig != "" {
			ticket.Signature = []byte(c.sig)
		}
		if c.key != "" {
			ticket.Key = []byte(c.key)
		}
		s.Skew = c.skew
		if got := s.Judge(&ticket, &c.text, c.now); got != c.want {
			t.Errorf("%d: %+v: got %d, want %d", i, c, got, c.want)
		}
	}
	twice := Ticket{Signature: []byte(base(one)), Expires: []byte("1000"), Twice: true}
	if got := s.Judge(&twice, &text, now); got != BadTicket {
		t.Errorf("twice: got %d, want %d", got, BadTicket)
	}
}

// No text can be read in two ways: what is signed of one URL is of no other.
func TestSignedIsUnambiguous(t *testing.T) {
	a := Signed{What: []byte("/a"), Expires: []byte("1"), Address: []byte("::1"), Host: []byte("h")}
	if got, want := string(a.Append(nil)), "url:/a\nexpires:1\naddress:::1\nhost:h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b := Signed{Prefix: true, What: []byte("/a/"), Expires: []byte("1")}
	if got, want := string(b.Append(nil)), "prefix:/a/\nexpires:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte("a=1&sig=s&exp=1&key=k&prefix=/&&"))
	f.Fuzz(func(t *testing.T, query []byte) {
		var first, second Ticket
		rest := names.Cut(nil, query, &first)
		if again := names.Cut(nil, rest, &second); !bytes.Equal(again, rest) || second.Signature != nil || second.Expires != nil || second.Key != nil || second.Prefix != nil {
			t.Errorf("%q: something is left in %q", query, rest)
		}
		s := Signing{Keys: []Key{{"k", []byte("0123456789abcdef")}}}
		if got := s.Judge(&first, &Signed{What: rest, Expires: first.Expires}, 1); got == GoodTicket {
			t.Errorf("%q is signed", query)
		}
	})
}

// TestByHand runs the commands that docs/access.md has for signing by hand.
func TestByHand(t *testing.T) {
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"openssl", "basenc", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("without " + tool + " nobody signs by hand here")
		}
	}
	_, block, _ := bytes.Cut(text, []byte("```sh\n"))
	block, _, _ = bytes.Cut(block, []byte("```"))
	run := exec.Command("sh", "-c", string(block))
	run.Dir = t.TempDir()
	if err := os.WriteFile(run.Dir+"/key", []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := bytes.Cut(bytes.TrimSpace(out), []byte{'?'})
	var ticket Ticket
	n := Names{Signature: "oc_sig", Expires: "oc_exp", Key: "oc_key", Prefix: "oc_prefix"}
	url := n.Cut(append(path[:len(path):len(path)], '?'), query, &ticket)
	s := Signing{Keys: []Key{{"k", []byte("0123456789abcdef")}}}
	if got := s.Judge(&ticket, &Signed{What: url, Expires: ticket.Expires}, 1798761600); got != GoodTicket {
		t.Errorf("%s: got %d, want %d", out, got, GoodTicket)
	}
}
