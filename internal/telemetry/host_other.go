//go:build !linux

package telemetry

// Host are metrics of the machine; of this kind of machine there are none.
func Host([]string) Part { return Part{} }
