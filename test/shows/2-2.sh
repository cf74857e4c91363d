#!/usr/bin/env bash
# Real clients, real origins.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
status=0
bounded 900 test/real/gomod.sh || status=1
bounded 2100 test/real/wget.sh || status=1
bounded 300 test/real/ranges.sh || status=1
exit $status
