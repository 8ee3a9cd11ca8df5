#!/usr/bin/env bash
# Patroni 3.0.2 (of Debian 12): `patroni --validate-config` says nothing about `bootstrap.dcs`, the section with the
# times of a failover. A lease of 3 s (`ttl: 3`), which the process that holds it renews every 10 s (`loop_wait: 10`),
# draws no complaint; 4.1.5 names it. What both ask for besides is a server of the cluster's store that is up.
#
# This product's tests check those times of deploy/postgresql/patroni.yml themselves, by the manual's rules
# (tests/test_deploy.py), beside what the installed Patroni says of the rest.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$store" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m http.server --bind 127.0.0.1 0 >store.log 2>&1 &  # something that accepts connections, in etcd's place
store=$!
for version in 3.0.2 4.1.5; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install --quiet --disable-pip-version-check "patroni==$version" 'psycopg[binary]==3.2.3' 2>/dev/null
done
port=$(python3 - <<'PY'
import re
import time
from pathlib import Path

for _ in range(100):
    if found := re.search(r"port (\d+)", Path("store.log").read_text()):
        print(found[1])
        break
    time.sleep(0.1)
PY
)
write() {  # a file with this lease
    cat >"$2" <<YAML
scope: redirect
name: one
restapi: {listen: "127.0.0.1:0", connect_address: "192.0.2.11:8008"}
etcd3: {hosts: ["127.0.0.1:$port"]}
bootstrap:
  dcs: {ttl: $1, loop_wait: 10, retry_timeout: 10}
postgresql:
  listen: 127.0.0.1:0
  connect_address: 192.0.2.11:5432
  data_dir: $folder/data
  authentication:
    replication: {username: replicator, password: x}
    superuser: {username: postgres, password: x}
YAML
}
write 30 usual.yml
write 3 short.yml
complaints() { "venv-$1/bin/patroni" --validate-config "$2" 2>&1 | sort || true; }
for version in 3.0.2 4.1.5; do
    "venv-$version/bin/patroni" --version
    new=$(comm -13 <(complaints "$version" usual.yml) <(complaints "$version" short.yml))
    echo "of a lease of 3 s it says: ${new:-nothing}"
    case $version in
        3.0.2) [ -z "$new" ] || { echo 'CHANGED: not as described'; exit 1; } ;;
        *) [[ $new == *bootstrap.dcs.ttl* ]] || { echo 'CHANGED: not as described'; exit 1; } ;;
    esac
done
echo 'As described.'
