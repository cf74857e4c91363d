// Freeports prints as many free TCP ports of loopback as its argument says, in
// one line. They are all different, and nobody holds them: use them soon.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("freeports: expected a number of ports")
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil || n < 1 || n > 100 {
		log.Fatalf("freeports: %q: expected a number from 1 to 100", os.Args[1])
	}
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatalf("freeports: %v", err)
		}
		defer func() { _ = l.Close() }() // held until all are known
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	fmt.Println(strings.Join(ports, " "))
}
