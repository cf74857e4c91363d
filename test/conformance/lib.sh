# shellcheck shell=bash
# What the scripts of test/conformance share. To be sourced, from the
# repository's root, after set -euo pipefail.

. test/real/lib.sh

suite=bin/tools/http-cache-tests-0.4.5
scratch=$(mktemp -d)
on_exit rm -rf "$scratch"

# install_suite unpacks the suite and the one package that its client needs
# (of its three dependencies; liquidjs and npm are for its web pages) into
# bin/tools, once, when their checksums are those that are committed here.
install_suite() {
  local major dir
  need_packages node:nodejs
  major=$(node -p 'process.versions.node.split(".")[0]')
  ((major >= 18)) || die "node is version $major: install Node.js 18 or later, from https://nodejs.org/"
  [[ ! -d $suite ]] || return 0
  need_packages npm:npm
  echo "installing http-cache-tests 0.4.5 into bin/tools (once)" >&2
  mkdir -p bin/tools
  dir=$(mktemp -d bin/tools/suite.XXXXXX)
  on_exit rm -rf "$dir"
  # What npm says may name the registry, which is this machine's business.
  bounded 300 npm pack --silent --pack-destination "$dir" http-cache-tests@0.4.5 node-fetch@2.6.1 >/dev/null 2>&1 ||
    die "http-cache-tests 0.4.5 cannot be fetched: is the registry of 'npm config get registry' reachable? Once in bin/tools it is not asked again"
  (cd "$dir" && sha512sum --quiet -c ../../../test/conformance/suite.sha512) ||
    die "the registry's http-cache-tests or node-fetch is not what test/conformance/suite.sha512 says"
  mkdir -p "$dir/package/node_modules/node-fetch"
  tar -xzf "$dir/http-cache-tests-0.4.5.tgz" -C "$dir"
  tar -xzf "$dir/node-fetch-2.6.1.tgz" -C "$dir/package/node_modules/node-fetch" --strip-components 1
  mv -T "$dir/package" "$suite" 2>/dev/null || [[ -d $suite ]]
}

# start_origin PORT starts the suite's server on loopback.
start_origin() {
  npm_config_protocol=http npm_config_port=$1 npm_config_pidfile="$scratch/origin.pid" \
    node -r ./test/conformance/loopback.cjs "$suite/server/server.mjs" >"$scratch/origin.log" 2>&1 &
  local pid=$!
  on_exit stop "$pid"
  await "$pid" "$1" "the suite's server"
}

# start_cache serve|handler|transport PORT ORIGIN starts the cache under test.
start_cache() {
  case $1 in
  serve)
    build_opencache
    "$opencache" serve --listen "127.0.0.1:$2" --origin "$3" --admin off >"$scratch/$1.log" 2>&1 &
    ;;
  handler | transport)
    go build -o bin/conformance-library ./test/conformance/library || die "test/conformance/library does not build"
    bin/conformance-library -as "$1" -listen "127.0.0.1:$2" -origin "$3" >"$scratch/$1.log" 2>&1 &
    ;;
  *) die "AS has $1: expected serve, handler or transport" ;;
  esac
  local pid=$!
  on_exit stop "$pid"
  await "$pid" "$2" "$1"
}

# mode_of SUBJECT prints how the suite's client is to take it: a Transport is
# one user's cache, as a browser has it.
mode_of() {
  if [[ $1 == transport ]]; then echo private; else echo shared; fi
}

# run_client shared|private BASE [ID...] runs the suite's client against the
# cache at BASE and prints what came of each test. It ends after 240 s.
run_client() {
  exec timeout -k 10 240 node --no-warnings test/conformance/client.mjs "$suite" "$@"
}
