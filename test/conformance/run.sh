#!/usr/bin/env bash
# The public suite http-cache-tests, at the same time against opencache serve
# with its default flags and against the library's Handler and Transport: every
# test must end as expect.tsv says, but for what expect-handler.tsv and
# expect-transport.tsv say otherwise. With arguments, those tests alone, with
# all that client and server send and get.
#
# AS="serve" (handler, transport) is for some of them only, RESULTS=FOLDER
# keeps what the client found.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/conformance/lib.sh

need go "install Go 1.26 or later from https://go.dev/dl/"
install_suite
read -r -a subjects <<<"${AS:-serve handler transport}"
((!$#)) || subjects=("${subjects[0]}")
read -r -a ports < <(free_ports 4)
origin=http://127.0.0.1:${ports[3]}
go build -o bin/conformance ./test/conformance || die "test/conformance does not build"
start_origin "${ports[3]}"
for i in "${!subjects[@]}"; do
  start_cache "${subjects[i]}" "${ports[i]}" "$origin"
done

if (($#)); then
  (run_client "$(mode_of "${subjects[0]}")" "http://127.0.0.1:${ports[0]}" "$@")
  cat "$scratch/origin.log"
  exit
fi
clients=()
for i in "${!subjects[@]}"; do
  run_client "$(mode_of "${subjects[i]}")" "http://127.0.0.1:${ports[i]}" \
    >"$scratch/${subjects[i]}.json" 2>"$scratch/${subjects[i]}.client" &
  clients+=($!)
  on_exit stop $!
done
missed=()
for i in "${!subjects[@]}"; do
  subject=${subjects[i]} but=()
  wait "${clients[i]}" || {
    tail -5 "$scratch/$subject.client" "$scratch/$subject.log" >&2
    die "the suite's client did not come to its end against $subject"
  }
  [[ -z ${RESULTS:-} ]] || cp "$scratch/$subject.json" "$RESULTS/"
  [[ $subject == serve ]] || but=(-but "test/conformance/expect-$subject.tsv")
  echo "== http-cache-tests 0.4.5 against $subject"
  bin/conformance "${but[@]}" -results "$scratch/$subject.json" || missed+=("$subject")
done
((!${#missed[@]})) || die "MISSED: ${missed[*]}"
