//go:build race

package h1

// raceEnabled has content written by package syscall's Write: the race
// detector takes that, and no sendmsg, as ordered before the Read of it.
const raceEnabled = true
