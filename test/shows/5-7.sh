#!/usr/bin/env bash
# Purge: a million responses that share ten thousand tags; purges of one tag and
# of a hundred under load.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -o bin/show-purge ./test/shows/purge
bounded 600 bin/show-purge
