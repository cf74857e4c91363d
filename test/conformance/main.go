// Conformance judges what the public suite http-cache-tests found: each of its
// tests must end as a committed file expects. It does not run the suite (run.sh
// does) and it decides nothing about HTTP: why a test may fail stands, with the
// section of the RFC, in exceptions.tsv.
//
//	test/conformance/run.sh                                            # run the suite and judge
//	go run ./test/conformance -expect expect.tsv -results FILE         # judge alone
//	go run ./test/conformance -expect expect.tsv -write docs/conformance.md
//
// It exits with 1 when a test ended otherwise than expected, when one that is
// excepted passes, and when the suite and the file have not the same tests.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	var o options
	flag.StringVar(&o.expect, "expect", "test/conformance/expect.tsv", "how each test ends; exceptions.tsv is beside it")
	flag.StringVar(&o.results, "results", "", "judge these results of the suite's client")
	flag.StringVar(&o.write, "write", "", "write the exceptions into this page")
	flag.Parse()
	if err := o.main(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct{ expect, results, write string }

func (o *options) main() error {
	plan, err := readPlan(o.expect, filepath.Join(filepath.Dir(o.expect), "exceptions.tsv"))
	if err != nil {
		return err
	}
	if o.write != "" {
		page, err := os.ReadFile(o.write)
		if err != nil {
			return err
		}
		page, err = plan.into(page)
		if err != nil {
			return fmt.Errorf("%s: %w", o.write, err)
		}
		return os.WriteFile(o.write, page, 0o644)
	}
	b, err := os.ReadFile(o.results)
	if err != nil {
		return err
	}
	var tests []*test
	if err := json.Unmarshal(b, &tests); err != nil {
		return fmt.Errorf("%s: %w", o.results, err)
	}
	faults := plan.judge(tests)
	for _, fault := range faults {
		fmt.Println(fault)
	}
	fmt.Print(summary(plan, tests))
	if len(faults) > 0 {
		return fmt.Errorf("MISSED: %d of %d tests ended otherwise than %s expects", len(faults), len(tests), o.expect)
	}
	return nil
}
