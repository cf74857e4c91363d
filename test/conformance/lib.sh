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
  need node "install Node.js 18 or later: apt-get install nodejs npm, or https://nodejs.org/"
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  ((major >= 18)) || die "node is version $major: install Node.js 18 or later, from https://nodejs.org/"
  [[ ! -d $suite ]] || return 0
  need npm "install it with Node.js 18 or later: apt-get install npm, or https://nodejs.org/"
  echo "installing http-cache-tests 0.4.5 into bin/tools (once)" >&2
  local dir
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
  origin=$!
  on_exit stop "$origin"
  await "$origin" "$1" "the suite's server"
}

# run_client BASE shared|private [ID...] runs the suite's client against the
# cache at BASE and prints what came of each test.
run_client() {
  bounded 240 node --no-warnings test/conformance/client.mjs "$suite" "$@"
}
