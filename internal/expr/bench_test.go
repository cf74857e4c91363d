package expr_test

import (
	"testing"

	"opencache/internal/expr"
)

// bare is a Values without a mind: what is measured is the package.
type bare struct{ scheme, host, target, path, query []byte }

func (r *bare) AppendValue(dst []byte, v *expr.Var) []byte {
	switch v.ID {
	case expr.Scheme:
		return append(dst, r.scheme...)
	case expr.Host:
		return append(dst, r.host...)
	case expr.RequestURI:
		return append(dst, r.target...)
	case expr.URI:
		return expr.AppendKeyPath(dst, r.path)
	case expr.Args:
		return append(dst, r.query...)
	case expr.Arg_:
		return expr.AppendKeyArg(dst, r.query, v.Name)
	}
	return dst
}

var plainRequest = &bare{
	[]byte("https"), []byte("www.example.com"), []byte("/static/css/site.min.css?v=20240131&lang=en"),
	[]byte("/static/css/site.min.css"), []byte("v=20240131&lang=en"),
}

var conditionTexts = []string{
	"$arg_nocache", "$arg_v = 20240131 && !$arg_preview", `$uri ~* \.(css|js)$`, "$host ~ ^www\\.", `($arg_a || $arg_lang = "de") $arg_c`,
}

func must[T any](tb testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func BenchmarkText(b *testing.B) {
	for _, s := range []string{"$scheme://$host$request_uri", "public, max-age=60", "$host$uri$arg_v"} {
		text := must[*expr.Text](b)(expr.ParseText(s, expr.InResponse))
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = text.Append(dst[:0], plainRequest)
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	for _, s := range []string{expr.DefaultKey, "$host$uri", "$host$uri$is_args$args", "$host$uri$arg_v$arg_lang"} {
		key := must[*expr.Key](b)(expr.ParseKey(s, expr.KeyOptions{}))
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = key.Append(dst[:0], plainRequest)
			}
		})
	}
}

func BenchmarkCondition(b *testing.B) {
	for _, s := range conditionTexts {
		cond := must[*expr.Condition](b)(expr.ParseCondition(s))
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			var scratch expr.Scratch
			for b.Loop() {
				cond.True(plainRequest, &scratch)
			}
		})
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, s := range []string{`^/static/`, `\.(css|js|png|jpe?g|gif|svg|woff2?)$`, `^/static/.*\.css$`, `bot|crawl|spider`, `^/static/[^/]+/`} {
		p := must[*expr.Pattern](b)(expr.ParsePattern(s, false))
		for name, match := range map[string]func([]byte) bool{"": p.Match, ", regexp": p.Slow} {
			b.Run(s+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					match(plainRequest.path)
				}
			})
		}
	}
}

var queries = []string{"", "v=1", "v=20240131&lang=en&utm_source=mail&utm_medium=x", "z=1&y=2&x=3&w=4&v=5&u=6&t=7&s=8", "a=%31&utm%5Fsource=x&b=+"}

func BenchmarkNormalize(b *testing.B) {
	n := must[*expr.Normalizer](b)(expr.NewNormalizer(expr.Normalize{Drop: []string{"fbclid", "gclid"}, DropRegex: "^utm_", Sort: expr.ByValue}))
	for _, q := range queries {
		b.Run(q, func(b *testing.B) {
			b.ReportAllocs()
			var s expr.Scratch
			var dst []byte
			query := []byte(q)
			for b.Loop() {
				dst = n.Append(dst[:0], query, &s)
			}
		})
	}
}

// TestAllocates: evaluation allocates nothing once its memory has grown.
func TestAllocates(t *testing.T) {
	var dst []byte
	var s expr.Scratch
	check := func(name string, f func()) {
		t.Helper()
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
	text := must[*expr.Text](t)(expr.ParseText("$scheme://$host$request_uri$geoip_city-", expr.InRedirect))
	check("text", func() { dst = text.Append(dst[:0], plainRequest) })
	for _, k := range keyTexts {
		key := must[*expr.Key](t)(expr.ParseKey(k, expr.KeyOptions{Prefix: "a:", Account: "zone"}))
		var stored []byte
		check(k, func() {
			stored, _ = key.Append(stored[:0], plainRequest)
			dst = expr.AppendPlainKey(dst[:0], stored)
		})
	}
	for _, c := range conditionTexts {
		cond := must[*expr.Condition](t)(expr.ParseCondition(c))
		check(c, func() { cond.True(plainRequest, &s) })
	}
	n := must[*expr.Normalizer](t)(expr.NewNormalizer(expr.Normalize{Drop: []string{"fbclid"}, DropRegex: "^utm_", Sort: expr.ByValue}))
	for _, q := range queries {
		query := []byte(q)
		check(q, func() { dst = n.Append(dst[:0], query, &s) })
	}
}
