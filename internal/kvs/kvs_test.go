package kvs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A news is what a source told.
type news struct {
	set Set
	err error
}

// follow runs a source until the test ends and returns what it tells.
func follow(t *testing.T, s Source, again <-chan struct{}) <-chan news {
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan news)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, again, func(set Set, err error) {
			select {
			case told <- news{set, err}:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return told
}

// await returns the first news that says want; what sources tell may come in
// several steps.
func await(t *testing.T, told <-chan news, want string) news {
	t.Helper()
	var seen []string
	limit := time.After(20 * time.Second)
	for {
		select {
		case n := <-told:
			got := n.say()
			if got == want {
				return n
			}
			seen = append(seen, got)
		case <-limit:
			t.Fatalf("never told %q; told %q", want, seen)
		}
	}
}

// awaitError returns the first error.
func awaitError(t *testing.T, told <-chan news) error {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case n := <-told:
			if n.err != nil {
				return n.err
			}
		case <-limit:
			t.Fatal("no error was told")
		}
	}
}

// say is what was told, as "key=text key=text !key".
func (n news) say() string {
	if n.err != nil {
		return "error"
	}
	return say(n.set.Documents, n.set.Faults)
}

func say(docs []Document, faults []Fault) string {
	var words []string
	for _, d := range docs {
		words = append(words, d.Key+"="+string(d.Text))
	}
	for _, f := range faults {
		words = append(words, "!"+f.Key)
	}
	return strings.Join(words, " ")
}

func TestOpen(t *testing.T) {
	tests := []struct{ name, want, fault string }{
		{"", "", "no source"},
		{"conf/", "conf", ""},
		{"/etc/opencache/./sites", "/etc/opencache/sites", ""},
		{"etcd://10.0.0.1/prod", "etcd://10.0.0.1:2379/prod", ""},
		{"etcd://a:1,b,[::1],[::1]:7//deep/er/", "etcd://a:1,b:2379,[::1]:2379,[::1]:7//deep/er", ""},
		{"etcd://bob@h/p?password-env=WORD", "etcd://bob@h:2379/p", ""},
		{"etcd://h/p?user=bob&password-file=/run/w", "etcd://bob@h:2379/p", ""},
		{"etcd://h/p?tls&ca=/ca.pem", "etcd://h:2379/p", ""},
		{"etcd://h", "", "expected etcd://HOST"},
		{"etcd://h/", "", "expected etcd://HOST"},
		{"etcd:///p", "", "no host"},
		{"etcd://bob:hunter2@h/p", "", "password-file"},
		{"etcd://bob@h/p", "", "user or password alone"},
		{"etcd://h/p?cert=/c", "", "cert or key alone"},
		{"etcd://h/p?passwort-file=hunter2", "", "passwort-file: expected one of ca, cert"},
		{"https://kv.example", "https://kv.example/items/kvs", ""},
		{"https://kv.example/base/?filter[project][_eq]=hunter2", "https://kv.example/base/items/kvs", ""},
		{"http://kv.example:8055/items/other", "http://kv.example:8055/items/other", ""},
		{"https://u:hunter2@kv.example", "", "a user in the name"},
		{"https://", "", "expected https://HOST"},
		{"https://kv.example:x?hunter2", "", "invalid port"},
		{"consul://h/p", "", "consul://: expected a folder"},
	}
	for _, test := range tests {
		s, err := Open(test.name, Options{})
		got := ""
		if err == nil {
			got = s.String()
		}
		if got != test.want || err == nil && test.fault != "" || err != nil && (test.fault == "" || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("%s: got %q, %v, want %q, %q", test.name, got, err, test.want, test.fault)
		}
		if strings.Contains(fmt.Sprint(got, err), "hunter2") {
			t.Errorf("%s: a secret shows: %q %v", test.name, got, err)
		}
	}
}

func TestAssemble(t *testing.T) {
	o := Options{MaxDocuments: 4, MaxBytes: 9}.withDefaults()
	doc := func(key, text string) Document { return Document{Key: key, Text: []byte(text), Where: key + text} }
	tests := []struct {
		docs        []Document
		want, fault string
	}{
		{nil, "", ""},
		{[]Document{doc("b", "2"), doc("a", "1")}, "a=1 b=2", ""},
		{[]Document{doc("b", "2"), doc("a", "1"), doc("b", "3")}, "a=1 !b", ""},
		{[]Document{doc("a", "1"), doc("b", "2"), doc("c", "3"), doc("d", "4"), doc("e", "5")}, "", "5 documents: expected at most 4"},
		{[]Document{doc("a", "1"), doc("b", "123456789")}, "", "documents of 10 bytes"},
	}
	for _, test := range tests {
		set, err := assemble(test.docs, nil, &o)
		if got := say(set.Documents, set.Faults); got != test.want || err == nil && test.fault != "" || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%v: got %q, %v, want %q, %q", test.docs, got, err, test.want, test.fault)
		}
	}
}

func TestPatience(t *testing.T) {
	p := patience{least: time.Second, most: 10 * time.Second, random: func() float64 { return 0.5 }}
	for i, want := range []string{"1s", "2s", "4s", "8s", "10s", "10s"} {
		if got := p.wait().String(); got != want {
			t.Errorf("wait %d: got %s, want %s", i, got, want)
		}
	}
	p.reset()
	if got := p.wait(); got != time.Second {
		t.Errorf("after a success: got %s, want 1s", got)
	}
}

func TestSecret(t *testing.T) {
	t.Setenv("KVS_WORD", " hunter2\n")
	t.Setenv("KVS_LINES", "a\nb")
	file := t.TempDir() + "/word"
	if err := writeFile(file, []byte("swordfish\n"), false); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		secret      Secret
		want, fault string
	}{
		{Secret{}, "", ""},
		{Secret{Env: "KVS_WORD"}, "hunter2", ""},
		{Secret{File: file}, "swordfish", ""},
		{Secret{Env: "KVS_LINES"}, "", "expected one line"},
		{Secret{Env: "KVS_NONE"}, "", "the environment has no KVS_NONE"},
		{Secret{File: file + "x"}, "", "no such file"},
	}
	for _, test := range tests {
		got, err := test.secret.Read()
		if got != test.want || err == nil && test.fault != "" || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%v: got %q, %v, want %q, %q", test.secret, got, err, test.want, test.fault)
		}
	}
}
