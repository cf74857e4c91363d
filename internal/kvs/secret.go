package kvs

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// A Secret is where a secret is read, never the secret. The zero value is none.
type Secret struct {
	File string // its path; white space at the ends does not count
	Env  string // a variable's name
}

// maxSecret is the longest secret that is read from a file.
const maxSecret = 64 << 10

// Read returns the secret, or nothing of the zero value. It is read each time,
// so that a new one counts.
func (s Secret) Read() (string, error) {
	switch {
	case s.File != "":
		f, err := os.Open(s.File)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		defer f.Close()
		text, err := readAtMost(f, maxSecret)
		if err != nil {
			return "", fmt.Errorf("secret: %s: %w", s.File, err)
		}
		return oneLine(string(text), s.File)
	case s.Env != "":
		text, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", fmt.Errorf("secret: the environment has no %s", s.Env)
		}
		return oneLine(text, s.Env)
	}
	return "", nil
}

// oneLine is text without white space around it. It goes into a field of a
// request, where a line's end would be another field.
func oneLine(text, from string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("secret: " + from + ": expected one line that is not empty")
	}
	return text, nil
}
