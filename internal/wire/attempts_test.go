package wire

import (
	"fmt"
	"testing"
)

// Attempts keep the first ones and the last, and nil keeps none.
func TestAttempts(t *testing.T) {
	for _, tt := range []struct {
		noted int
		want  string
		lost  int
	}{
		{0, "[]", 0},
		{1, "[1]", 0},
		{8, "[1 2 3 4 5 6 7 8]", 0},
		{9, "[1 2 3 4 5 6 7 9]", 1},
		{20, "[1 2 3 4 5 6 7 20]", 12},
	} {
		var a Attempts
		for i := range tt.noted {
			a.Note(Attempt{Status: i + 1})
		}
		got := []int{}
		for _, one := range a.All() {
			got = append(got, one.Status)
		}
		if fmt.Sprint(got) != tt.want || a.Lost != tt.lost {
			t.Errorf("%d noted: got %v and %d lost, want %s and %d", tt.noted, got, a.Lost, tt.want, tt.lost)
		}
	}
	var none *Attempts
	none.Note(Attempt{Status: 200})
	none.Withhold(RetryBudget)
	if got := none.All(); got != nil {
		t.Errorf("got %v of nil", got)
	}
}
