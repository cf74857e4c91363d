//go:build race

package main

// raceFlag builds the opencache under test as the test is built.
const raceFlag = "-race=true"
