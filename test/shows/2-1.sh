#!/usr/bin/env bash
# From nothing: make run and make test do everything themselves.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
begin=$SECONDS
bounded 3000 make fresh
echo "make fresh: from nothing to a tested and running cache in $((SECONDS - begin)) s"
