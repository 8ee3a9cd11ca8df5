#!/usr/bin/env bash
# etcd 3.4.23 (Debian 12): what listens at /v3/… for JSON, by which Patroni (`etcd3`) speaks with it, is there when the
# settings are flags, and is not when the same settings stand in a file: 404 for each request. No line of the log says
# so. `enable-grpc-gateway: true` in the file brings it back.
#
# This product's deploy/postgresql/etcd.yml has that line (tests/test_deploy.py), and `make stack` runs Patroni with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
apt-get -qq download etcd-server 2>/dev/null  # of Debian; not installed, only unpacked
dpkg-deb -x etcd-server_*.deb .
etcd=usr/bin/etcd
$etcd --version | sed -n 1p
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ask() {  # the status of a read, once it listens
    for _ in $(seq 100); do
        status=$(curl -s -o answer -w '%{http_code}' -d '{"key": "Zm9v"}' "http://127.0.0.1:$1/v3/kv/range" || true)
        [ "$status" = 000 ] || { echo "$status"; return; }
        sleep 0.2
    done
    echo 'no answer'
}
settings() {  # name: value, of a store of its own
    peer=$(free)
    echo "name: one"
    echo "data-dir: $folder/$1"
    echo "listen-client-urls: http://127.0.0.1:$2"
    echo "advertise-client-urls: http://127.0.0.1:$2"
    echo "listen-peer-urls: http://127.0.0.1:$peer"
    echo "initial-advertise-peer-urls: http://127.0.0.1:$peer"
    echo "initial-cluster: one=http://127.0.0.1:$peer"
}
declare -A seen
for way in flags file file-with-gateway; do
    port=$(free)
    settings "$way" "$port" >"$way.yml"
    case $way in
        flags) mapfile -t arguments < <(sed 's/^/--/; s/: /=/' flags.yml) ;;
        file) arguments=(--config-file "$way.yml") ;;
        *) arguments=(--config-file "$way.yml") && echo 'enable-grpc-gateway: true' >>"$way.yml" ;;
    esac
    $etcd "${arguments[@]}" >"$way.log" 2>&1 &
    seen[$way]=$(ask "$port")
    echo "$way: ${seen[$way]}"
    kill $! && wait $! || true
done
[ "${seen[flags]} ${seen[file]} ${seen[file-with-gateway]}" = '200 404 200' ] || { echo 'CHANGED: not as described'; exit 1; }
echo 'As described.'
