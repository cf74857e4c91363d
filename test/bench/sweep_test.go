package main

import (
	"bufio"
	"strings"
	"testing"
)

func TestSkipAnswer(t *testing.T) {
	for _, tt := range []struct {
		text string
		rest string
		err  string
	}{
		{"HTTP/1.1 200 OK\r\nServer: a\r\ncontent-length: 3\r\n\r\nabcHTTP", "HTTP", ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nabc", "", "want 200"},
		{"HTTP/1.1 200 OK\r\nServer: a\r\n\r\nabc", "", "no Content-Length"},
		{"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "", "invalid syntax"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "", "EOF"},
		{"HTTP/1.1 200", "", "EOF"},
	} {
		r := bufio.NewReader(strings.NewReader(tt.text))
		err := skipAnswer(r)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.err)
		}
		if err != nil {
			continue
		}
		rest, _ := r.Peek(r.Buffered())
		if string(rest) != tt.rest {
			t.Errorf("%q: got %q left, want %q", tt.text, rest, tt.rest)
		}
	}
}
