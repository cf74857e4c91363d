#!/usr/bin/env bash
# A real client and a real origin: `go mod download` through opencache, twice
# with an emptied module cache. The second time the origin must not be asked,
# and every file must be the same; go itself checks them against go.sum. The
# origin is the first entry of `go env GOPROXY`: it is read here and neither
# printed nor written anywhere.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh

need go "install Go 1.26 or later from https://go.dev/dl/"
need curl "install it: apt-get install curl"
origin=$(go env GOPROXY)
origin=${origin%%[,|]*}
case $origin in
http://*@* | https://*@*) die "the first entry of go env GOPROXY carries a user name, which --origin does not take" ;;
http://* | https://*) ;;
*) die "the first entry of go env GOPROXY is no http or https URL, so there is no origin to try" ;;
esac
host=${origin#*://}
host=${host%%/*}

build_opencache
scratch=$(mktemp -d)
on_exit rm -rf "$scratch"
cp test/real/gomod/{go.mod,go.sum,deps.go} "$scratch/"
read -r port < <(free_ports 1)

# hide passes on what it reads without the origin's name.
hide() {
  local line
  while IFS= read -r line; do
    line=${line//"$origin"/ORIGIN}
    printf '%s\n' "${line//"${host%%:*}"/ORIGIN}"
  done
}

OPENCACHE_ORIGIN=$origin "$opencache" serve --listen "127.0.0.1:$port" --memory 512M --admin off \
  --default-ttl '\.(zip|mod|info)$=24h' > >(hide >"$scratch/log") 2>&1 &
cache=$!
on_exit stop "$cache"
await "$cache" "$port" opencache

# download TREE downloads all modules into an empty module cache, and lists the
# checksums of its files in TREE.sums.
download() {
  local tree=$scratch/$1
  mkdir "$tree"
  bounded 300 env GOMODCACHE="$tree" GOPROXY="http://127.0.0.1:$port" GOPRIVATE= GONOPROXY=none GOSUMDB=off \
    GOFLAGS=-modcacherw GOTOOLCHAIN=local GOWORK=off go -C "$scratch" mod download all > >(hide) 2> >(hide >&2) || {
    tail -5 "$scratch/log" >&2
    die "go mod download failed"
  }
  (cd "$tree/cache/download" && find . -type f ! -name '*.lock' -print0 | sort -z | xargs -0 sha256sum) >"$tree.sums"
}

# asked prints how many requests the origin has got so far.
asked() {
  stat_of "$port" upstream_requests
}

download first
first=$(asked)
download second
second=$(asked)
second=$((second - first))
files=$(grep -cE '\.(zip|mod|info)$' "$scratch/second.sums") || die "nothing was downloaded"
fault=
((first >= files)) || fault+="; the first run asked the origin only $first times"
((second == 0)) || fault+="; the second run asked the origin $second times"
cmp -s "$scratch/first.sums" "$scratch/second.sums" || fault+="; files differ between the runs"
echo "go mod download: $files files (zip, mod, info); requests to the origin: $first, then $second; files equal to the first run's and to go.sum"
[[ -z $fault ]] || die "MISSED${fault/;/:}"
