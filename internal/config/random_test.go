package config_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"opencache/internal/config"
	"opencache/internal/config/configtest"
)

// What is printed of a site is a document that says the same, and that has
// nothing unsaid. Sites are made up at random, without a tier policy: its rules
// are printed, and no document may say them.
func TestPrintRandom(t *testing.T) {
	for seed := range uint64(40) {
		texts := configtest.New(seed).Documents("iad", 5)
		for key := range texts {
			if !strings.HasPrefix(key, "opencache:edgeResource:") {
				delete(texts, key)
			}
		}
		set := config.Set{POP: "iad"}
		first := set.Load(texts)
		printed := map[string][]byte{}
		for key := range texts {
			printed[key] = set.Print(key)
		}
		again := config.Set{POP: "iad"}
		second := again.Load(printed)
		if len(first.Faults) > 0 || len(second.Faults) > 0 || len(first.Sites) != len(second.Sites) {
			t.Fatalf("seed %d: got faults %v, then of what is printed %v", seed, first.Faults, second.Faults)
		}
		for i, s := range first.Sites {
			key := "opencache:edgeResource:" + s.ID
			if !reflect.DeepEqual(s, second.Sites[i]) {
				t.Errorf("seed %d: %s says otherwise when it is printed:\n%s\nthen\n%s", seed, s.ID, printed[key], again.Print(key))
			}
			if bytes.Contains(again.Print(key), []byte("// default")) {
				t.Errorf("seed %d: %s has defaults when all was printed:\n%s", seed, s.ID, again.Print(key))
			}
		}
	}
}
