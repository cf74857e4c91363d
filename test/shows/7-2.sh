#!/usr/bin/env bash
# Three servers behind the real binary, one after the other dying in some way
# and coming back while clients ask by GET and HEAD: no request fails, no answer
# is cut; then all of them gone, and what is stored answers.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -trimpath -o bin/opencache ./cmd/opencache
go build -o bin/show-dying ./test/shows/dying
bounded 180 bin/show-dying -bin bin/opencache
