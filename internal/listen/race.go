//go:build race

package listen

// raceEnabled has connections accepted by package net, whose reads and writes
// the race detector takes as ordered.
const raceEnabled = true
