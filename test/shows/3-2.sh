#!/usr/bin/env bash
# The smuggling and desync corpus against opencache, nginx, HAProxy and Go's
# reverse proxy: opencache has no desync, forwards nothing ambiguous and treats
# each case as it wants; docs/strictness.md says the same of it. With
# "-write docs/strictness.md" that page is written anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages nginx:nginx-light haproxy:haproxy
build_opencache
go build -o bin/desync ./test/desync || die "test/desync does not build"
(($#)) || set -- -check docs/strictness.md
bounded 600 bin/desync -opencache "$opencache" "$@" || die "MISSED: the lines above say what"
