# Everything that is done with this repository; `make` alone lists it.
#
# Needed: Go (see go.mod), git, make, a C compiler for the race detector, the
# module proxy that `go env GOPROXY` names and, for the public suite of tests,
# Node.js 18 with npm. The rest installs itself into bin/tools. All targets can be repeated and end on their own.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/tools/golangci-lint-$(GOLANGCI_VERSION)

# FUZZTIME is how long each fuzz target runs, JOBS how many run at a time (none:
# one a processor), STEPS how many random steps test/model judges (fewer within
# make test), TEST_TIMEOUT how long the tests of one package may take,
# SHOW_TIMEOUT how long one show may (seconds).
FUZZTIME ?= 2s
JOBS ?=
STEPS ?= 1000000
TEST_TIMEOUT ?= 10m
SHOW_TIMEOUT ?= 3600

# Tests that measure memory are named ...Alloc... and skipped by the race
# detector, which allocates on its own, and those of hit ratios, which move
# gigabytes, ...HitRatio...; they run a second time without it.
NORACE := Alloc|HitRatio

.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  make show-N-M    one line under \"Shows\" of issue N (docs/shows.md)"

.PHONY: need-go
need-go:
	@command -v go >/dev/null || { echo "make: go is missing: install the version that go.mod names, or a later one, from https://go.dev/dl/" >&2; exit 1; }

.PHONY: need-cc
need-cc: need-go
	@command -v "$$(go env CC)" >/dev/null || { echo "make: $$(go env CC) is missing: the race detector needs a C compiler (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }

##@ use

.PHONY: build
build: need-go ## build bin/opencache
	go build -trimpath -o bin/opencache ./cmd/opencache

.PHONY: run
run: build ## cache in front of a built-in origin, or of ORIGIN=URL; SECONDS=N ends by itself
	@bin/opencache demo $(if $(ORIGIN),--origin '$(ORIGIN)') $(if $(SECONDS),--seconds $(SECONDS))

##@ test

.PHONY: test
test: STEPS := 20000
test: vet lint unit alloc conformance fuzz ## all that must hold: vet, lint, unit tests and plays with -race, allocations, the public suite, a short fuzz
	@echo "make test: ok"

.PHONY: vet
vet: need-go
	go vet ./...
	cd test/library && go vet ./... # a module of its own, with sums of its own

.PHONY: lint
lint: need-go $(GOLANGCI) ## golangci-lint with .golangci.yml
	timeout 600 $(GOLANGCI) run --timeout 9m ./...

$(GOLANGCI):
	@command -v go >/dev/null || { $(MAKE) need-go; exit 1; }
	@echo "installing golangci-lint $(GOLANGCI_VERSION) into bin/tools (about two minutes, once)"
	@mkdir -p bin/tools
	@GOFLAGS= GOBIN=$(CURDIR)/bin/tools timeout 900 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) \
		|| { echo "make: golangci-lint $(GOLANGCI_VERSION) cannot be installed: is the module proxy of 'go env GOPROXY' reachable?" >&2; exit 1; }
	@mv bin/tools/golangci-lint $@

.PHONY: unit
unit: need-cc ## unit tests and plays, with the race detector
	go test -race -json -timeout $(TEST_TIMEOUT) ./... | go run ./test/coverage docs/coverage.tsv docs/seed-003.tsv

.PHONY: alloc
alloc: need-go ## the tests that the race detector skips
	@dirs=$$(grep -rlE '^func Test[A-Za-z0-9_]*($(NORACE))' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); \
	if [[ -z $$dirs ]]; then echo "make: no test is named $(NORACE)" >&2; exit 1; fi; \
	go test -count=1 -timeout $(TEST_TIMEOUT) -run '$(NORACE)' $$dirs

.PHONY: conformance
conformance: need-go ## the public suite http-cache-tests against opencache serve and the library (needs Node.js 18)
	@timeout -k 30 600 test/conformance/run.sh

.PHONY: conformance-peers
conformance-peers: need-go
	@timeout -k 30 900 test/conformance/peers.sh

.PHONY: plays
plays: need-cc ## the scenario plays alone, each by name
	go test -race -timeout $(TEST_TIMEOUT) -v -run '^Test(Edge)?Plays$$' ./cmd/opencache

.PHONY: fuzz
fuzz: need-go ## every fuzz target, FUZZTIME each, JOBS at a time; then STEPS steps of the model
	@FUZZTIME=$(FUZZTIME) JOBS=$(JOBS) test/fuzz.sh
	go test -count=1 -timeout 30m -run '^TestModel$$' ./test/model -steps $(STEPS)

.PHONY: cover
cover: need-go ## coverage of the tests, by package
	go test -timeout $(TEST_TIMEOUT) -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -func=cover.out | tail -1

.PHONY: bench
bench: need-go ## processor time per request beside nginx, Varnish, HAProxy and Traffic Server; QUICK=1: in a minute
	@[[ -x test/bench/run.sh ]] || { echo "make: test/bench/run.sh is missing" >&2; exit 1; }
	timeout 3600 test/bench/run.sh

.PHONY: fresh
fresh: need-go ## clone HEAD elsewhere, with nothing cached, and do make test and make run there
	@test/fresh.sh

##@ shows

.PHONY: shows
shows: ## all shows that docs/shows.md marks with "yes" under ci
	@test/shows/run.sh

.PHONY: always
always:

# Ten minutes for each of some thirty fuzz targets, one or two at a time.
show-3-3: SHOW_TIMEOUT := 28800

show-%: always
	@[[ -x test/shows/$*.sh ]] || { echo "make: there is no show $* (docs/shows.md lists them)" >&2; exit 2; }
	@timeout -k 30 $(SHOW_TIMEOUT) test/shows/$*.sh

##@ rest

.PHONY: clean
clean: ## remove what the other targets have made
	rm -rf bin cover.out
