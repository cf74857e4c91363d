#!/usr/bin/env bash
# Reloads under load: the real binary on a folder of documents, RELOADS (100)
# changes while clients ask; then nothing may be left behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -trimpath -o bin/opencache ./cmd/opencache
go build -o bin/show-reload ./test/shows/reload
bounded 300 bin/show-reload -bin bin/opencache -reloads "${RELOADS:-100}" ${SEED:+-seed "$SEED"}
