//go:build race

package origin

// raceEnabled: under the race detector pools forget on purpose.
const raceEnabled = true
