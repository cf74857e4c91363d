#!/usr/bin/env bash
# The public suite http-cache-tests against nginx, Varnish, HAProxy and Traffic
# Server beside opencache, each as a reverse proxy with its cache on and little
# else said. Nothing is judged: the figures go into docs/conformance.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/conformance/lib.sh

need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages nginx:nginx-light varnishd:varnish haproxy:haproxy traffic_server:trafficserver
install_suite
go build -o bin/conformance ./test/conformance || die "test/conformance does not build"
read -r -a ports < <(free_ports 6)
back=${ports[5]} out=$scratch/results
mkdir "$out"
start_origin "$back"

# run NAME PORT VERSION COMMAND... starts a peer and the suite's client
# against it.
clients=()
run() {
  local name=$1 port=$2
  printf '%s\t%s\n' "$name" "$3" >>"$out/versions.tsv"
  shift 3
  "$@" >"$scratch/$name.log" 2>&1 &
  local pid=$!
  on_exit stop "$pid"
  await "$pid" "$port" "$name"
  run_client shared "http://127.0.0.1:$port" >"$out/$name.json" 2>"$scratch/$name.client" &
  clients+=($!)
  on_exit stop $!
}

build_opencache
run opencache "${ports[0]}" "" \
  "$opencache" serve --listen "127.0.0.1:${ports[0]}" --origin "http://127.0.0.1:$back" --admin off

mkdir -p "$scratch/nginx"
cat >"$scratch/nginx.conf" <<END
daemon off;
user root;
pid $scratch/nginx/pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path $scratch/nginx/body;
  fastcgi_temp_path $scratch/nginx/fastcgi;
  scgi_temp_path $scratch/nginx/scgi;
  uwsgi_temp_path $scratch/nginx/uwsgi;
  proxy_temp_path $scratch/nginx/proxy;
  proxy_cache_path $scratch/nginx/cache keys_zone=suite:8m use_temp_path=off;
  server {
    listen 127.0.0.1:${ports[1]};
    location / {
      proxy_pass http://127.0.0.1:$back;
      proxy_cache suite;
      proxy_cache_revalidate on;
    }
  }
}
END
run nginx "${ports[1]}" "$(nginx -v 2>&1 | sed 's|.*/||')" nginx -e stderr -c "$scratch/nginx.conf"

# It would take what says nothing for fresh for two minutes, serve it stale for
# ten seconds more, and never validate: the suite could tell little.
run varnish "${ports[2]}" "$(varnishd -V 2>&1 | sed -n 's/varnishd (varnish-\([0-9.]*\).*/\1/p')" \
  varnishd -F -a "127.0.0.1:${ports[2]}" -b "127.0.0.1:$back" -n "$scratch/varnish" -s malloc,64m \
  -p default_ttl=0 -p default_grace=0 -p default_keep=60

cat >"$scratch/haproxy.cfg" <<END
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
cache suite
  total-max-size 64
  process-vary on
frontend in
  bind 127.0.0.1:${ports[3]}
  http-request cache-use suite
  http-response cache-store suite
  default_backend origin
backend origin
  server origin 127.0.0.1:$back
END
run haproxy "${ports[3]}" "$(haproxy -v | sed -n '1s/HAProxy version \([0-9.]*\).*/\1/p')" haproxy -db -f "$scratch/haproxy.cfg"

ats=$scratch/ats
mkdir -p "$ats/etc" "$ats/run" "$ats/cache"
cat >"$ats/runroot.yaml" <<END
prefix: $ats
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/bin
sysconfdir: $ats/etc
datadir: /usr/share/trafficserver
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: $ats/run
runtimedir: $ats/run
logdir: $ats
cachedir: $ats/cache
END
cat >"$ats/etc/records.config" <<END
CONFIG proxy.config.http.server_ports STRING ${ports[4]}:ip-in=127.0.0.1
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.http.cache.required_headers INT 1
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.diags.output.diag STRING E
END
echo "map / http://127.0.0.1:$back/" >"$ats/etc/remap.config"
echo "$ats/cache 64M" >"$ats/etc/storage.config"
printf 'ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n' >"$ats/etc/ip_allow.yaml"
: >"$ats/etc/plugin.config"
run trafficserver "${ports[4]}" "$(traffic_server --version 2>/dev/null | sed -n '1s/Traffic Server \([0-9.]*\).*/\1/p')" \
  traffic_server --run-root="$ats/runroot.yaml"

for client in "${clients[@]}"; do
  wait "$client" || die "the suite's client did not come to its end"
done
bin/conformance -compare "$out" -write docs/conformance.md
