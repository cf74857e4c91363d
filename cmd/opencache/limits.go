package main

// everyday are limits that healthy clients reach: browsers leave connections
// to them.
var everyday = []string{"idle_timeout"}

// limited yields how often each limit was reached. A name that more than one
// part counts under is yielded once.
func (s *stack) limited(yield func(string, uint64) bool) {
	var names []string
	sums := map[string]uint64{}
	add := func(name string, n uint64) {
		if _, ok := sums[name]; !ok {
			names = append(names, name)
		}
		sums[name] += n
	}
	for name, n := range s.server.Stats().Limited() {
		add(name, n)
	}
	for name, n := range s.http1.Stats().Limited() {
		add(name, n)
	}
	for _, name := range names {
		if !yield(name, sums[name]) {
			return
		}
	}
}
