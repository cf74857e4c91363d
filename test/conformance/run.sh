#!/usr/bin/env bash
# The public suite http-cache-tests, all of it, against opencache serve with
# its default flags: every test must end as expect.tsv says. With arguments,
# those tests alone, with all that client and server send and get.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/conformance/lib.sh

need go "install Go 1.26 or later from https://go.dev/dl/"
install_suite
build_opencache
read -r back front < <(free_ports 2)
start_origin "$back"
"$opencache" serve --listen "127.0.0.1:$front" --origin "http://127.0.0.1:$back" --admin off >"$scratch/log" 2>&1 &
cache=$!
on_exit stop "$cache"
await "$cache" "$front" opencache

if (($#)); then
  run_client "http://127.0.0.1:$front" shared "$@"
  cat "$scratch/origin.log"
  exit
fi
run_client "http://127.0.0.1:$front" shared >"$scratch/results" 2>"$scratch/client.log" || {
  tail -5 "$scratch/client.log" "$scratch/log" >&2
  die "the suite's client did not come to its end"
}
[[ -z ${RESULTS:-} ]] || cp "$scratch/results" "$RESULTS"
go run ./test/conformance -results "$scratch/results"
