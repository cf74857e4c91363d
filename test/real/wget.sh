#!/usr/bin/env bash
# A real client and a real origin: nginx over a tree of files (/usr/share/doc,
# or the first argument) read with `wget -r`, directly and twice through
# opencache. All three must have the same files; the second pass through the
# cache must not reach the origin.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh

tree=${1:-/usr/share/doc}
[[ -d $tree ]] || die "$tree is no folder"
need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages nginx:nginx-light wget:wget curl:curl
build_opencache
scratch=$(mktemp -d)
on_exit rm -rf "$scratch"
read -r port origin < <(free_ports 2)

sed -e "s|@PORT@|$origin|; s|@TREE@|$tree|; s|@DIR@|$scratch|" test/real/tree.conf.in >"$scratch/nginx.conf"
nginx -p "$scratch" -e stderr -c "$scratch/nginx.conf" 2>"$scratch/nginx.log" &
server=$!
on_exit stop "$server"
await "$server" "$origin" nginx
"$opencache" serve --listen "127.0.0.1:$port" --origin "http://127.0.0.1:$origin" --memory 512M --admin off \
  >"$scratch/cache.log" 2>&1 &
cache=$!
on_exit stop "$cache"
await "$cache" "$port" opencache

# crawl NAME PORT reads the whole tree from the port, and lists the checksums
# of what it got in NAME.sums.
crawl() {
  local status=0
  mkdir "$scratch/$1"
  bounded 600 wget -r -l inf -np -nH -nv -e robots=off --tries=2 --timeout=30 -P "$scratch/$1" \
    "http://127.0.0.1:$2/" >"$scratch/$1.log" 2>&1 || status=$?
  # 8: some answers were errors; pages of documentation link to what is not there.
  ((status == 0 || status == 8)) || {
    tail -5 "$scratch/$1.log" "$scratch/cache.log" >&2
    die "wget ended with $status"
  }
  (cd "$scratch/$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$scratch/$1.sums"
  rm -rf "${scratch:?}/$1"
}

crawl direct "$origin"
crawl first "$port"
asked=$(stat_of "$port" upstream_requests)
hits=$(stat_of "$port" hits)
misses=$(stat_of "$port" misses)
crawl second "$port"
again=$(stat_of "$port" upstream_requests)
again=$((again - asked))
more=$(stat_of "$port" hits)
hits=$((more - hits))
more=$(stat_of "$port" misses)
misses=$((more - misses))
files=$(wc -l <"$scratch/direct.sums")
fault=
((files > 10)) || fault+="; only $files files"
for pass in first second; do
  cmp -s "$scratch/direct.sums" "$scratch/$pass.sums" ||
    fault+="; $(diff "$scratch/direct.sums" "$scratch/$pass.sums" | grep -c '^[<>]') lines of checksums differ in the $pass pass"
done
((again == 0)) || fault+="; the second pass asked the origin $again times"
((misses == 0 && hits >= files)) || fault+="; the second pass had $hits hits and $misses misses"
echo "wget -r: $files files; requests to the origin: $asked, then $again; second pass: $hits hits, $misses misses; checksums equal to the direct read's"
[[ -z $fault ]] || die "MISSED${fault/;/:}"
