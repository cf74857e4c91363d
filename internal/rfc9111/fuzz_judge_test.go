package rfc9111

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eachField feeds lines to each of what takes fields: the first byte of a line
// picks the field.
func eachField(lines []byte, take func(Field, []byte)) {
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		if len(line) > 0 {
			take(Field(int(line[0])%NumFields), line[1:])
		}
	}
}

func line(f Field, value string) string { return string(rune('\x00'+int(f))) + value + "\n" }

// within makes any number a time that has a date.
func within(ms int64) int64 {
	if isTime(ms) {
		return ms
	}
	return firstTime + int64(uint64(ms)%uint64(lastTime-firstTime))
}

// FuzzJudge: whatever fields say, whenever it is, values stay in their ranges;
// what may not be delivered now may not be later; what was digested comes back
// from its encoding; and what forbids storing does.
func FuzzJudge(f *testing.F) {
	for _, s := range [][2]string{
		{line(CacheControl, "max-age=60, stale-while-revalidate=5") + line(Date, dateT0) + line(ETag, `"a"`), line(CacheControl, "max-stale=9")},
		{line(Expires, "0") + line(LastModified, dateT0), line(Range, "bytes=1-2") + line(IfNoneMatch, "*")},
		{line(CacheControl, "s-maxage=99999999999999999999") + line(Age, "9999999999999999999"), line(CacheControl, "min-fresh=9999999999999999")},
		{line(Date, "Sat, 01 Jan 0000 00:00:00 GMT") + line(Expires, "Fri, 31 Dec 9999 23:59:59 GMT"), line(Pragma, "no-cache")},
		{line(CacheControl, "no-store") + line(Vary, "a"), line(Authorization, "x")},
		{line(CacheControl, "max-age=60, no-store") + line(ETag, `W/"a"`), line(ETag, `W/"a"`)},
		{line(CacheControl, "private, max-age=60") + line(ETag, `"a"`), line(CacheControl, "no-store")},
		{line(CacheControl, "stale-if-error=5, max-age=1"), line(CacheControl, "stale-if-error=50, max-stale") + line(IfRange, `"a"`)},
	} {
		f.Add([]byte(s[0]), []byte(s[1]), t0, int64(1000), int64(60_000), int64(5000), uint16(100))
		f.Add([]byte(s[0]), []byte(s[1]), t0, int64(60_000), int64(1000), int64(100_000), uint16(100))
		f.Add([]byte(s[0]), []byte(s[1]), int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(-1), uint16(999))
	}
	f.Fuzz(func(t *testing.T, response, request []byte, asked, took, now, later int64, status uint16) {
		var facts Facts
		facts.Reset(100+int(status)%900, within(asked), within(asked+took))
		eachField(response, facts.Field)
		facts.Length = max(later%(1<<40), Absent)
		facts.Done()
		if !facts.valid() {
			t.Fatalf("%q: out of range: %+v", response, facts)
		}
		encodes(t, &facts)
		var ask Ask
		ask.Reset(Method(status % 4))
		eachField(request, ask.Field)
		ask.Done()
		for _, p := range []Policy{{}, {Heuristic: 10, StaleIfError: 60}, {Heuristic: math.MaxInt, HeuristicMax: math.MaxInt64, DefaultTTL: math.MaxInt64, StaleIfError: math.MaxInt64}, {Private: true, Heuristic: 10},
			{Mode: Ignore, Valid: valid(t, "200=60 4xx=0 5xx=off any=5"), Background: true, StaleMax: 90, StaleOn: OnUpdating | On500},
			{Mode: Merge, Valid: valid(t, "any=60"), Ceiling: 30, StaleMax: 7, StaleIfError: 60},
			{Disregard: AllDirectives &^ dirSMaxAge, Decline: dirNoCache, Valid: valid(t, "2xx=60"), Background: true}} {
			judged(t, &facts, &ask, &p, within(asked+now), within(asked+now+max(later, 0)))
		}
		forbidden(t, &facts, response)
		var fresh Facts
		fresh.Renew(&facts, within(asked+now), within(asked+now+1))
		eachField(request, fresh.Field)
		fresh.Done()
		if !fresh.valid() || fresh.Status != facts.Status || fresh.Length != facts.Length {
			t.Fatalf("%q renewed by %q: got %+v of %+v", response, request, fresh, facts)
		}
		encodes(t, &fresh)
	})
}

func encodes(t *testing.T, facts *Facts) {
	t.Helper()
	var b [FactsSize]byte
	var again Facts
	facts.Put(b[:])
	if err := again.Get(b[:]); err != nil || again != *facts {
		t.Fatalf("%+v: put and got: %+v, %v", facts, again, err)
	}
}

func judged(t *testing.T, f *Facts, a *Ask, p *Policy, now, later int64) {
	t.Helper()
	text := func() string { return fmt.Sprintf("facts %+v, ask %+v, policy %+v", *f, *a, *p) }
	now, later = min(now, later), max(now, later)
	first, second := Judge(f, a, p, now), Judge(f, a, p, later)
	for _, v := range []Verdict{first, second} {
		if v.Age < 0 || v.Age > MaxDelta || v.TTL > MaxDelta || v.TTL < -MaxDelta {
			t.Fatalf("%s: got %+v", text(), v)
		}
		if delivers(v) && (f.Status == 200 && v.Status == 206 && (v.First < 0 || v.Last < v.First || v.Last >= f.Length) || v.Status == 0) {
			t.Fatalf("%s: got range %+v", text(), v)
		}
		if h := p.heeded(f); v.Do == Deliver && v.TTL < 0 && forbidsStale(&h, p) != OK {
			t.Fatalf("%s: delivered stale against its word: %+v", text(), v)
		}
	}
	if passed := (later - now) / 1000; now >= f.ResponseTime && second.Age < MaxDelta && (second.Age-first.Age < passed || second.Age-first.Age > passed+1) {
		t.Fatalf("%s: %d seconds older by %d seconds: %+v, then %+v", text(), second.Age-first.Age, passed, first, second)
	}
	if unborn(f, now) {
		if delivers(first) {
			t.Fatalf("%s: delivered at %d, before it came: %+v", text(), now, first)
		}
		return
	}
	if second.Age < first.Age || second.TTL > first.TTL {
		t.Fatalf("%s: got younger from %d to %d: %+v, then %+v", text(), now, later, first, second)
	}
	if delivers(second) && !delivers(first) {
		t.Fatalf("%s: may be delivered at %d: %+v, but not before, at %d: %+v", text(), later, second, now, first)
	}
	ok, _ := StaleOnError(f, a, p, Failure{On500, now})
	if then, _ := StaleOnError(f, a, p, Failure{On500, later}); then && !ok {
		t.Fatalf("%s: may stand in for an error at %d, but not before, at %d", text(), later, now)
	}
	_ = Storable(f, a, p)
}

func delivers(v Verdict) bool { return v.Do == Deliver || v.Do == DeliverAndRefresh }

// What forbids to store, in one way of writing it that leaves no doubt.
var forbids = regexp.MustCompile(`(?i)^(?:[a-z-]+(?:=[0-9]+)?, *)*(no-store|private)(?:, *[a-z-]+(?:=[0-9]+)?)*$`)

// forbidden checks that what a line forbids is not storable, whatever else
// there is.
func forbidden(t *testing.T, facts *Facts, response []byte) {
	t.Helper()
	var ask Ask
	ask.Reset(Get)
	ask.Done()
	eachField(response, func(id Field, value []byte) {
		if id != CacheControl || !forbids.Match(value) || facts.has(mustUnderstand) {
			return
		}
		if why := Storable(facts, &ask, &Policy{Heuristic: 10, DefaultTTL: 60}); why == OK {
			t.Fatalf("%q is stored though %q", response, value)
		}
	})
}

// FuzzVaried: two requests have one key of a variant only if their fields
// match, by a reading of them that is written in another way.
func FuzzVaried(f *testing.F) {
	f.Add("accept-encoding", "gzip;q=0.5, br", "BR,gzip;q=.5", uint8(0))
	f.Add("accept-encoding", "gzip, br", "br;q=1, gzip;q=1.000", uint8(3))
	f.Add("accept", "a/b, c/d;q=0.5", "A/B,c/d ; q=0.50", uint8(0))
	f.Add("accept", "a/b;x=\"c, d\"", "a/b;X=\"c, d\";", uint8(0))
	f.Add("accept", "a/b;q=5", "a/b;q=0.005", uint8(0))
	f.Add("accept", "a, b", "a,b", uint8(0))
	f.Add("accept", "a\nb", "a, b", uint8(0))
	f.Add("accept-encoding", "", "\n", uint8(0))
	f.Add("x", "a", "\x01\x01a", uint8(1))
	f.Fuzz(func(t *testing.T, name, a, b string, cut uint8) {
		if len(a)+len(b)+len(name) > 4096 {
			return
		}
		one, two := varied(name, a), varied(name, b)
		same := bytes.Equal(one, two)
		if reading := meaning(name, a) == meaning(name, b); same && !reading {
			t.Fatalf("%s: %q and %q have one key: %x", name, a, b, one)
		} else if name != "accept-encoding" && name != "accept" && name != "accept-language" && same != reading {
			t.Fatalf("%s: %q and %q: got one key %v, want %v", name, a, b, same, reading)
		}
		// A boundary between two fields can not move.
		at := min(int(cut), len(name))
		if at > 0 && at < len(name) {
			x := append(varied(name, a), varied(name[:at], b)...)
			y := append(varied(name[:at], a), varied(name, b)...)
			if bytes.Equal(x, y) {
				t.Fatalf("%q with %q and %q: fields of other names have one key", name, a, b)
			}
		}
		if !bytes.HasPrefix(append(one, 0), one) || len(one) > 0 && len(two) > len(one) && bytes.HasPrefix(two, one) {
			t.Fatalf("%s: the key of %q begins that of %q", name, a, b)
		}
	})
}

// varied is the key of a field whose lines are those of text; empty text: there
// is no such field.
func varied(name, text string) []byte { return AppendVaried(nil, name, linesOf(text)) }

func linesOf(text string) (values [][]byte) {
	if text == "" {
		return nil
	}
	for v := range strings.SplitSeq(text, "\n") {
		values = append(values, []byte(v))
	}
	return values
}

var codingRE = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z\x60-]+)[\t ]*(?:;[\t ]*[qQ]=([01](?:\.[0-9]{0,3})?))?$`)

var weightRE = regexp.MustCompile(`^q=([01])\.?([0-9]{0,3})$`)

// roughly is what two values have in common that differ in nothing but
// whitespace, case and how weights are spelt; others may have it, too.
func roughly(text string) (rough string) {
	text = strings.NewReplacer(" ", "", "\t", "").Replace(strings.ToLower(text))
	for _, member := range strings.Split(text, ",") {
		said := ""
		for _, p := range strings.Split(member, ";") {
			if w := weightRE.FindStringSubmatch(p); w != nil {
				if p = "weight " + w[1] + (w[2] + "000")[:3]; p == "weight 1000" {
					continue
				}
			}
			if p != "" {
				said += ";" + p
			}
		}
		if said != "" {
			rough += "," + said
		}
	}
	return rough
}

// meaning is what a field says; for Accept-Encoding codings and weights.
func meaning(name, text string) string {
	if text == "" {
		return "none"
	}
	var joined []string
	for _, v := range linesOf(text) {
		joined = append(joined, strings.Trim(string(v), " \t"))
	}
	raw := "raw " + strings.Join(joined, ", ")
	if name == "accept" || name == "accept-language" {
		return roughly(strings.Join(joined, ","))
	}
	if name != "accept-encoding" {
		return raw
	}
	var members []string
	for _, m := range strings.Split(strings.Join(joined, ","), ",") {
		if m = strings.Trim(m, " \t"); m == "" {
			continue
		}
		parts := codingRE.FindStringSubmatch(m)
		if parts == nil {
			return raw
		}
		weight := (strings.Replace(parts[2], ".", "", 1) + "0000")[:4]
		if parts[2] == "" {
			weight = "1000"
		}
		if weight > "1000" {
			return raw
		}
		members = append(members, strings.ToLower(parts[1])+";"+weight)
	}
	slices.Sort(members)
	return "codings " + strings.Join(members, ",")
}
