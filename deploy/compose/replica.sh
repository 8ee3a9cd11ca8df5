#!/bin/sh
# The replica's first start copies the primary; every start follows it. Run as the user of PostgreSQL.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    until PGPASSWORD=$REPLICATION_PASSWORD pg_basebackup --host="$PRIMARY" --port="${PRIMARY_PORT:-5432}" \
        --username=replicator --pgdata="$PGDATA" --checkpoint=fast --wal-method=stream --write-recovery-conf; do
        rm -rf "${PGDATA:?}"/*
        echo 'The primary cannot be copied yet.' >&2
        sleep 2
    done
    chmod 700 "$PGDATA"
fi
exec postgres "$@"
