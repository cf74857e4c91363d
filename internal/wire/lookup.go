package wire

// A NameSet has 128 bits: this fails to compile when they do not suffice.
const _ = uint(128 - NumNames)

const (
	internBits = 9
	internMask = 1<<internBits - 1
	nameMax    = 32 // no interned name is longer
)

// interned is an open hash table over names, by hashName.
var interned = internTable()

func internTable() (t [1 << internBits]Name) {
	for n := Name(1); int(n) < NumNames; n++ {
		h := hashName(names[n])
		for t[h] != Other {
			h = (h + 1) & internMask
		}
		t[h] = n
	}
	return t
}

// hashName tells the interned names apart by their length and three of their
// bytes, without regard to case.
func hashName[T ~string | ~[]byte](s T) uint32 {
	n := len(s)
	h := uint32(s[0]|0x20) | uint32(s[n-1]|0x20)<<8 | uint32(s[n*3/4]|0x20)<<16 | uint32(n)<<24
	return h * 0x9E3779B1 >> (32 - internBits)
}

// Lookup returns the interned name equal to s ignoring case, or Other.
func Lookup[T ~string | ~[]byte](s T) Name {
	if len(s) == 0 || len(s) > nameMax {
		return Other
	}
	for h := hashName(s); ; h = (h + 1) & internMask {
		n := interned[h]
		if n == Other {
			return Other
		}
		if string(s) == names[n] || EqualFold(s, names[n]) {
			return n
		}
	}
}

// EqualFold compares in ASCII, ignoring case.
func EqualFold[T, U ~string | ~[]byte](a T, b U) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// lookupMethod returns the interned method equal to b, or OtherMethod.
func lookupMethod(b []byte) Method {
	switch string(b) {
	case "GET":
		return GET
	case "HEAD":
		return HEAD
	case "POST":
		return POST
	}
	for m := PUT; int(m) < len(methods); m++ {
		if string(b) == methods[m] {
			return m
		}
	}
	return OtherMethod
}
