#!/usr/bin/env bash
# Hit ratios of the store beside LRU, S3-FIFO item by item and W-TinyLFU, over
# the simulator's generators and sizes; bold where a bound of the design is missed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
bounded 1500 go run ./test/shows/policies -requests "${REQUESTS:-1000000}"
