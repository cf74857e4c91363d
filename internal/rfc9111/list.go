package rfc9111

// IsList reports whether the lines of a field are a List of structured fields
// (RFC 9651, 3.1). What is not, a member that somebody appends would not make
// one: the field as a whole would be ignored.
func IsList(lines [][]byte) bool {
	_, ok := list(lines)
	return ok
}
