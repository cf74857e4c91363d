package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary run as opencache.
const asProgram = "OPENCACHE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// opencache returns the program with these arguments and an environment that
// has no other flags than env.
func opencache(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OPENCACHE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, asProgram+"=1"), env...)
	return cmd
}

// run runs the program to its end.
func run(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := opencache(t, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// A program is opencache serve or edge, running.
type program struct {
	cmd           *exec.Cmd
	listen, admin string
	log           chan string // its log, line by line
}

var serving = regexp.MustCompile(`msg=serving listen=(\S+) .*admin=(\S+)`)

// start starts opencache serve on free ports and waits until it listens.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return begin(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--memory", "16M"}, args...)...)
}

// begin starts a command that serves, and waits until it listens.
func begin(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	p := &program{log: make(chan string, 1000)}
	p.cmd = opencache(t, env, args...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.log)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.log <- s.Text()
		}
	}()
	found := serving.FindStringSubmatch(p.await(t, "msg=serving"))
	if found == nil {
		t.Fatal("the log does not say where it listens")
	}
	p.listen, p.admin = "http://"+found[1], "http://"+found[2]
	return p
}

// await returns the next line of the log that holds text.
func (p *program) await(t *testing.T, text string) string {
	t.Helper()
	for line := range p.log {
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("the program ended before it logged %q", text)
	return ""
}

func (p *program) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exit returns the exit code.
func (p *program) exit(t *testing.T) int {
	t.Helper()
	for range p.log {
		continue // the pipe is read to its end before Wait
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}
