package expr_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"opencache/internal/expr"
)

// keyTexts are keys of documents, and some that invite collisions.
var keyTexts = []string{
	expr.DefaultKey, expr.NormalizedKey, "$scheme$request_method$host$uri$is_args$normalized_args", "$host$uri", "$host$uri$cookie_a", "$host$arg_a$arg_b", "$scheme$host",
	"$host$uri$args", "$uri$is_args$args$http_a", "$http_a$http_b", "$cookie_a|$cookie_b", "$host|$uri|$arg_a", "${host}x$is_args$arg_a", "$arg_a=$arg_b&$args", "$uri$request_uri", "$is_args$is_args$args",
	"$remote_addr$host", "$geoip_country_code$uri", "$normalized_request_uri$host", "$uri?$args", "$args$is_args",
}

// only keeps those bytes of s that may stand in a place.
func only(s, not string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(not, r) {
			return -1
		}
		return r
	}, s)
}

// cut makes a request of the same bytes, cut elsewhere: what a key of values
// without bounds would take for the same.
func cut(material string, at []byte) *request {
	var pieces [7]string
	for i := range pieces {
		n := len(material)
		if i < len(at) {
			n = min(n, int(at[i])%16)
		}
		pieces[i], material = material[:n], material[n:]
	}
	r := &request{
		host: only(pieces[0], "/?#"), path: "/" + only(pieces[1], "?#"), method: "GET", scratch: new(expr.Scratch),
		fields: map[string]string{"a": pieces[4], "b": pieces[5], "cookie": "a=" + strings.ReplaceAll(pieces[4], ";", ",") + "; b=" + strings.ReplaceAll(pieces[5], ";", ",")}, addr: pieces[6],
	}
	if q := only(pieces[2]+pieces[3], "#"); q != "" {
		r.query = "?" + q
		if len(at)%2 == 1 {
			r.query = "?a=" + only(pieces[2], "#") + "&b=" + only(pieces[3], "#")
		}
	}
	r.secure = len(at) > 7 && at[7]&1 != 0
	return r
}

// naive is what nginx makes of a key's text, and says what the values were.
func naive(t testing.TB, text string, r *request) (joined string, values []string) {
	parsed, err := expr.ParseText(text, expr.InKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range parsed.Vars() {
		values = append(values, string(r.AppendValue(nil, v)))
	}
	return string(parsed.Append(nil, r)), values
}

// checkKeys holds two requests against what a Key promises.
func checkKeys(t testing.TB, text string, x, y *request) {
	t.Helper()
	k, err := expr.ParseKey(text, expr.KeyOptions{})
	if err != nil {
		return
	}
	a, b := keyOf(k, x), keyOf(k, y)
	shown, xs := naive(t, text, x)
	_, ys := naive(t, text, y)
	same := strings.Join(xs, "\x00") == strings.Join(ys, "\x00")
	if bytes.Equal(a, b) != same {
		t.Errorf("%s: keys %q and %q of values %q and %q", text, a, b, xs, ys)
	}
	if got := plain(a); got != shown {
		t.Errorf("%s: got %q shown, want %q", text, got, shown)
	}
	if bytes.IndexByte(a, 0) >= 0 {
		t.Errorf("%s: got a zero byte in %q", text, a)
	}
	checkPurges(t, k, x, y)
}

// checkPurges holds purges by x's URL against the keys of both.
func checkPurges(t testing.TB, k *expr.Key, x, y *request) {
	t.Helper()
	url := &request{secure: x.secure, host: x.host, path: x.path, query: x.query, scratch: x.scratch}
	a, b := keyOf(k, x), keyOf(k, y)
	named, reach := k.AppendURL(nil, url)
	switch {
	case !bytes.HasPrefix(a, named), reach == expr.Exact && !bytes.Equal(a, named):
		t.Errorf("%s: a purge of %q (%d) misses %q", k, named, reach, a)
	case reach == expr.Begins && bytes.HasPrefix(b, named):
		other, _ := k.AppendURL(nil, &request{secure: y.secure, host: y.host, path: y.path, query: y.query, scratch: y.scratch})
		if !bytes.Equal(other, named) {
			t.Errorf("%s: a purge of %q hits %q", k, named, b)
		}
	}
	for n := range len(x.path + x.query) {
		target := (x.path + x.query)[:n+1]
		path, query, has := strings.Cut(target, "?")
		if has {
			query = "?" + query
		}
		if prefix, ok := k.AppendPrefix(nil, &request{secure: x.secure, host: x.host, path: path, query: query, scratch: x.scratch}); ok && !bytes.HasPrefix(a, prefix) {
			t.Errorf("%s: a purge of what begins with %q, %q, misses %q", k, target, prefix, a)
		}
	}
}

func FuzzKey(f *testing.F) {
	for i, text := range keyTexts {
		f.Add(text, "ab?c=d&e|/%61%2fx", []byte{byte(i), 2, 1, 3}, []byte{1, 2, 2, 2, 1})
		f.Add(text, "h\x01\x02A;&a==|?/s", []byte{1, 2, 3, 1, 1, 1, 1, 1}, []byte{2, 1, 3, 1, 1, 1, 1})
	}
	f.Fuzz(func(t *testing.T, text, material string, x, y []byte) {
		checkKeys(t, text, cut(material, x), cut(material, y))
	})
}

// TestKeysNeverCollide is FuzzKey for texts and requests of a small alphabet,
// in which nearly everything looks like something else.
func TestKeysNeverCollide(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 3))
	names := []string{"$scheme", "$host", "$uri", "$request_uri", "$args", "$is_args", "$arg_a", "$arg_b", "$cookie_a", "$http_a", "$http_b", "$remote_addr", "$normalized_args", "a", "/", "?", "&", "s", "$request_method", "$normalized_request_uri"}
	bytesOf := []byte("a/?&=s;%61G\x01\x02")
	pick := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.IntN(4))
		}
		return b
	}
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for range rounds {
		text := keyTexts[random.IntN(len(keyTexts))]
		if random.IntN(3) > 0 {
			text = ""
			for range 1 + random.IntN(5) {
				text += names[random.IntN(len(names))]
			}
			text = strings.ReplaceAll(strings.ReplaceAll(text, "$is_argsa", "$is_args"), "$argsa", "$args")
		}
		if _, err := expr.ParseKey(text, expr.KeyOptions{}); err != nil {
			continue
		}
		material := make([]byte, random.IntN(12))
		for i := range material {
			material[i] = bytesOf[random.IntN(len(bytesOf))]
		}
		checkKeys(t, text, cut(string(material), pick(6+random.IntN(3))), cut(string(material), pick(6+random.IntN(3))))
		if t.Failed() {
			return
		}
	}
}
