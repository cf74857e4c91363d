package differ

import "testing"

// FuzzRequest looks for a request that differs in a way of no class.
func FuzzRequest(f *testing.F) {
	for _, c := range classes {
		if c.example.method == "" {
			f.Add(c.example.data)
		}
	}
	for _, s := range agreed {
		if s.method == "" {
			f.Add(s.data)
		}
	}
	f.Fuzz(func(t *testing.T, data string) { classified(t, sample{data, ""}) })
}

// FuzzResponse is that of responses.
func FuzzResponse(f *testing.F) {
	methods := []string{"GET", "HEAD", "CONNECT"}
	for _, c := range classes {
		for i, m := range methods {
			if c.example.method == m {
				f.Add(c.example.data, uint8(i))
			}
		}
	}
	for _, s := range agreed {
		if s.method != "" {
			f.Add(s.data, uint8(0))
		}
	}
	f.Fuzz(func(t *testing.T, data string, method uint8) {
		classified(t, sample{data, methods[int(method)%len(methods)]})
	})
}

func classified(t *testing.T, s sample) {
	t.Helper()
	for _, d := range compare(s) {
		if classOf(d) == nil {
			t.Errorf("of no class: %v", d)
		}
	}
}
