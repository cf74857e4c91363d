#!/usr/bin/env bash
# The public suite http-cache-tests against opencache serve with its default
# flags, and against the library, as make test runs it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 590 test/conformance/run.sh || die "MISSED: the lines above say what"
