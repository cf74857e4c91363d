#!/usr/bin/env bash
# Ranges by real clients: curl asks for one and for several, curl and wget go
# on with what they have of a file, each through a cache that fetches the whole
# and through one that passes ranges on (--pass-range). nginx is the origin, and
# curl's own arithmetic says what must come.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh

need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages nginx:nginx-light wget:wget curl:curl
build_opencache
scratch=$(mktemp -d)
on_exit rm -rf "$scratch"
read -r origin whole parts < <(free_ports 3)
size=8000000
mkdir "$scratch/tree"
# A file whose bytes say where they are.
seq -w 1000000 >"$scratch/tree/file"

sed -e "s|@PORT@|$origin|; s|@TREE@|$scratch/tree|; s|@DIR@|$scratch|" test/real/tree.conf.in >"$scratch/nginx.conf"
nginx -p "$scratch" -e stderr -c "$scratch/nginx.conf" 2>"$scratch/nginx.log" &
server=$!
on_exit stop "$server"
await "$server" "$origin" nginx
for port in "$whole" "$parts"; do
  flags=(--admin off)
  ((port == whole)) || flags+=(--pass-range)
  "$opencache" serve --listen "127.0.0.1:$port" --origin "http://127.0.0.1:$origin" "${flags[@]}" >"$scratch/$port.log" 2>&1 &
  cache=$!
  on_exit stop "$cache"
  await "$cache" "$port" opencache
done

# bytes FIRST LAST prints these bytes of the file.
bytes() { dd if="$scratch/tree/file" bs=64K iflag=skip_bytes,count_bytes skip="$1" count="$(($2 - $1 + 1))" status=none; }

# ask PORT RANGES gets the ranges into head and got.
ask() { curl -fsS --max-time 30 -D "$scratch/head" -o "$scratch/got" -r "$2" "http://127.0.0.1:$1/file"; }

# saw PATTERN requires a line of the head.
saw() { grep -qi "$1" "$scratch/head" || die "MISSED: no $1 in $(tr -d '\r' <"$scratch/head")"; }

for port in "$whole" "$parts"; do
  for _ in cold warm; do
    ask "$port" 100-199
    saw "^content-range: bytes 100-199/$size"
    bytes 100 199 | cmp - "$scratch/got" || die "MISSED: 100-199"
    ask "$port" 0-1,5-6 # near ones are one
    saw "^content-range: bytes 0-6/$size"
    bytes 0 6 | cmp - "$scratch/got" || die "MISSED: 0-1,5-6"
    ask "$port" 2000000-2000099,-10,0-9
    boundary=$(sed -n 's/^content-type: multipart\/byteranges; boundary=\(.*\)\r$/\1/Ip' "$scratch/head")
    [[ $boundary ]] || die "MISSED: no multipart answer"
    for range in "2000000 2000099" "$((size - 10)) $((size - 1))" "0 9"; do
      printf -- '\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %s/%s\r\n\r\n' "$boundary" "${range/ /-}" $size
      # shellcheck disable=SC2086
      bytes $range
    done | tail -c +3 >"$scratch/want"
    printf -- '\r\n--%s--\r\n' "$boundary" >>"$scratch/want"
    cmp "$scratch/want" "$scratch/got" || die "MISSED: several ranges"
  done
  for client in curl wget; do
    bytes 0 2999999 >"$scratch/$client"
    case $client in
      curl) curl -fsS --max-time 30 -C - -o "$scratch/curl" "http://127.0.0.1:$port/file" ;;
      wget) wget -q --timeout=30 -c -O "$scratch/wget" "http://127.0.0.1:$port/file" ;;
    esac
    cmp "$scratch/$client" "$scratch/tree/file" || die "MISSED: $client went on with something else"
  done
  for _ in last again; do
    curl -fsS --max-time 30 -D "$scratch/head" "http://127.0.0.1:$port/file" | cmp - "$scratch/tree/file" || die "MISSED: the whole"
  done
  saw '^x-cache-status: hit'
done
echo "curl and wget: one range, several, what was missing of a file, and the whole: as the origin has them, by both caches"
