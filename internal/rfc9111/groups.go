package rfc9111

// MaxGroups is how many members of Cache-Groups and of Cache-Group-Invalidation
// count; RFC 9875 asks for 32 at least.
const MaxGroups = 256

// Groups returns the groups that the lines of a Cache-Groups or
// Cache-Group-Invalidation field name (RFC 9875, 2 and 3): a List of Strings,
// whose parameters are ignored. A field that is none names no group.
func Groups(lines [][]byte) []string {
	members, ok := list(lines)
	if !ok {
		return nil
	}
	var groups []string
	for _, m := range members {
		s, ok := bareString(m)
		if !ok {
			return nil
		}
		if len(groups) < MaxGroups {
			groups = append(groups, s)
		}
	}
	return groups
}
