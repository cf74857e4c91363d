#!/usr/bin/env bash
# What is served while the disk fails: a table for each fault (faults/), and
# for a clock that steps back. 5-3.sh FAULT… shows these: clock, and those that
# 5-3.sh -list names.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
. test/shows/gotest.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
[[ $(id -u) == 0 ]] || die "only root can mount what fails"
build_opencache
go -C test/shows/faults build -o ../../../bin/faults . || die "test/shows/faults does not build"
ulimit -n "$(ulimit -Hn)"
TMPDIR=$(mktemp -d)
export TMPDIR
on_exit tidy

# tidy takes away what faults leaves when it is ended itself.
tidy() {
  local file
  for file in "$TMPDIR"/*/pid; do
    [[ -e $file ]] && kill -9 "$(<"$file")" 2>/dev/null || true
  done
  awk -v dir="$TMPDIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r -n1 umount -l || true
  rm -rf "$TMPDIR"
}

if (($# == 0)) || [[ $* == *clock* ]]; then
  ran '^TestPlays/' 2 "plays with a clock that steps back" bounded 300 go test -count=1 -v -run '^TestPlays/(memory|sockets)/.*clock-back$' ./cmd/opencache
fi
faults=()
for fault; do [[ $fault == clock ]] || faults+=("$fault"); done
if (($# == 0 || ${#faults[@]})); then
  bounded 1500 bin/faults -bin "$opencache" "${faults[@]}" || die "MISSED: the lines above say what"
fi
