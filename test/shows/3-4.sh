#!/usr/bin/env bash
# What idle connections take, and that slow clients neither stay nor stand in
# anybody's way.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages openssl:openssl
build_opencache
go build -o bin/bench-idle ./test/bench/idle
ulimit -n "$(ulimit -Hn)"
(($(ulimit -n) >= 17000)) || die "17,000 open files are needed in a process; the hard limit is $(ulimit -n): raise it (ulimit -Hn)"

scratch=$(mktemp -d)
on_exit rm -rf "$scratch"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>"$scratch/log" || die "no certificate: $(cat "$scratch/log")"
origin=$(free_ports 1)
bin/bench-idle origin -listen "127.0.0.1:$origin" &
on_exit stop $!
await $! "$origin" "the origin"

# serve FLAGS... starts a cache and leaves its process in $pid, its port in
# $port and that of its administration in $admin.
serve() {
  read -r port admin < <(free_ports 2 | xargs)
  "$opencache" serve --listen "127.0.0.1:$port" --admin "127.0.0.1:$admin" --origin "http://127.0.0.1:$origin" \
    --log-level error "$@" &
  pid=$!
  on_exit stop "$pid"
  await "$pid" "$port" opencache
}

status=0
secure=(--tls-cert "$scratch/cert.pem" --tls-key "$scratch/key.pem")
serve --idle-timeout 300s
bounded 100 bin/bench-idle hold -addr "127.0.0.1:$port" -pid "$pid" -admin "127.0.0.1:$admin" -conns 15000 -limit 4 || status=1
stop "$pid"
serve --idle-timeout 300s "${secure[@]}"
bounded 100 bin/bench-idle hold -addr "127.0.0.1:$port" -pid "$pid" -admin "127.0.0.1:$admin" -tls -conns 5000 -limit 20 || status=1
stop "$pid"

limits=(--head-timeout 5s --body-timeout 5s --write-timeout 5s)
serve "${limits[@]}" "${secure[@]}"
twin=$port
serve "${limits[@]}"
bounded 100 bin/bench-idle slow -addr "127.0.0.1:$port" -secure "127.0.0.1:$twin" -pid "$pid" || status=1
exit $status
