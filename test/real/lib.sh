# shellcheck shell=bash
# What the scripts of test/ share. To be sourced, from the repository's root,
# after set -euo pipefail.

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# need PROGRAM ADVICE ends the script when the program is missing.
need() {
  command -v "$1" >/dev/null || die "$1 is missing: $2"
}

# need_packages PROGRAM:PACKAGE... installs the Debian packages of the
# programs that are missing. Services are kept from starting.
need_packages() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || PATH+=:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  PATH+=:/usr/sbin:/sbin
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]}; there is no apt-get here, so please install them"
  [[ $(id -u) == 0 ]] || die "missing: ${missing[*]}; only root can install them: sudo apt-get install --no-install-recommends ${missing[*]}"
  echo "${0##*/}: installing ${missing[*]}" >&2
  local log
  log=$(mktemp)
  on_exit rm -f "$log"
  if ! { apt_install "${missing[@]}" || { timeout 300 apt-get update -q && apt_install "${missing[@]}"; }; } >"$log" 2>&1; then
    tail -5 "$log" >&2
    die "${missing[*]} could not be installed by apt-get: the lines above say why"
  fi
}

apt_install() {
  local policy=/usr/sbin/policy-rc.d made=
  # Debian starts the services that it installs unless this says no (101).
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=1
    on_exit rm -f "$policy"
  fi
  local status=0
  DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -yq --no-install-recommends "$@" || status=$?
  [[ -z $made ]] || rm -f "$policy"
  return $status
}

# The opencache under test. OPENCACHE=FILE names one that is built already.
opencache=${OPENCACHE:-bin/opencache}
build_opencache() {
  [[ -z ${OPENCACHE:-} ]] || return 0
  go build -o "$opencache" ./cmd/opencache || die "opencache does not build"
}

# earlier_opencache COMMIT builds opencache as it was there and prints where it is.
earlier_opencache() {
  local commit tree
  commit=$(git rev-parse --verify --quiet "$1^{commit}") || die "commit $1 is not here: a whole clone is needed"
  if [[ ! -x bin/opencache-$commit ]]; then
    tree=$(mktemp -d "${TMPDIR:-/tmp}/opencache-before.XXXXXX")
    git archive "$commit" | tar -x -C "$tree"
    (cd "$tree" && go build -trimpath -buildvcs=false -o opencache ./cmd/opencache) || die "opencache of $1 does not build"
    mkdir -p bin
    mv "$tree/opencache" "bin/opencache-$commit"
    rm -rf "$tree"
  fi
  echo "$PWD/bin/opencache-$commit"
}

# on_exit COMMAND ARGUMENTS... runs the command when the script ends, the last
# first.
exits=() running=
on_exit() {
  exits=("$(printf '%q ' "$@")" ${exits[@]+"${exits[@]}"})
}
run_exits() {
  local command
  [[ -z $running ]] || stop "$running"
  for command in ${exits[@]+"${exits[@]}"}; do
    eval "$command" || true
  done
}
trap run_exits EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# bounded SECONDS COMMAND... runs a command for so long at most. The shell
# waits for it in a way that a signal ends, so that traps run at once.
bounded() {
  local status=0
  timeout -k 10 "$@" &
  running=$!
  wait "$running" || status=$?
  running=
  return $status
}

# stop PID ends a process of ours and waits for it, at most 10 s.
stop() {
  kill "$1" 2>/dev/null || return 0
  for _ in {1..100}; do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$1" 2>/dev/null || true
}

# free_ports N prints N free ports of loopback, all different.
free_ports() {
  [[ -x bin/freeports ]] || go build -o bin/freeports ./test/real/freeports
  bin/freeports "$1"
}

# await PID PORT WHAT waits until the port listens, at most 15 s, or the
# process has ended.
await() {
  for _ in {1..150}; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
      return 0
    fi
    kill -0 "$1" 2>/dev/null || die "$3 ended before it listened"
    sleep 0.1
  done
  die "$3 does not listen on port $2"
}

# get URL prints what the URL answers, or fails.
get() {
  curl -fsS --max-time 30 "$1"
}

# stat_of PORT FIELD prints a number of the statistics of the opencache there.
stat_of() {
  local n
  n=$(get "http://127.0.0.1:$1/__admin/stats" | tr '{},' '\n' | sed -n "s/^[[:space:]]*\"$2\":[[:space:]]*\([0-9][0-9]*\).*/\1/p" | head -1)
  [[ -n $n ]] || die "the statistics have no number $2"
  echo "$n"
}
