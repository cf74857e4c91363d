package rfc9111

// MoreRecent reports whether f is of a response generated after that of g, by
// their Dates: of several responses that suit a request the most recent one is
// used (RFC 9111, 4).
func MoreRecent(f, g *Facts) bool { return f.generated() > g.generated() }
