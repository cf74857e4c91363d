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
# all runs the client against subject number $1, into $2; more arguments are
# the tests.
all() {
  local n=$1 out=$2
  shift 2
  run_client "$(mode_of "${subjects[n]}")" "http://127.0.0.1:${ports[n]}" "$@" >"$out.json" 2>"$out.log"
}

clients=()
for i in "${!subjects[@]}"; do
  all "$i" "$scratch/${subjects[i]}.first" &
  clients+=($!)
  on_exit stop $!
done
missed=()
for i in "${!subjects[@]}"; do
  subject=${subjects[i]} first=$scratch/${subjects[i]}.first judge=(bin/conformance)
  [[ $subject == serve ]] || judge+=(-but "test/conformance/expect-$subject.tsv")
  wait "${clients[i]}" || {
    tail -n 5 "$first.log" "$scratch/$subject.log" >&2
    die "the suite's client did not come to its end against $subject"
  }
  [[ -z ${RESULTS:-} ]] || cp "$first.json" "$RESULTS/$subject.json"
  echo "== http-cache-tests 0.4.5 against $subject"
  judge+=(-results "$first.json" -again "$scratch/again")
  if "${judge[@]}" >"$scratch/judged" 2>&1; then
    cat "$scratch/judged"
    continue
  fi
  # Many tests wait for a second or three; on a busy machine all is late. What
  # ended otherwise is told, and run once more by itself.
  grep -v '^excepted' "$scratch/judged"
  readarray -t again <"$scratch/again"
  ((${#again[@]} <= 20)) || {
    missed+=("$subject")
    continue
  }
  echo "== once more: ${again[*]}"
  (all "$i" "$scratch/second" "${again[@]}") || die "the suite's client did not come to its end against $subject"
  "${judge[@]}" -results "$scratch/second.json" || missed+=("$subject")
done
((!${#missed[@]})) || die "MISSED: ${missed[*]}"
