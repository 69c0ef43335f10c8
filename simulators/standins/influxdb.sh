#!/bin/bash
# InfluxDB 1 in place of 2: the same database, and the same users with the passwords of the same files.
set -euo pipefail
data=/var/lib/influxdb2

serve() { # ADDRESS AUTH
    cat >/tmp/influxdb.conf <<SETTINGS
reporting-enabled = false
bind-address = "127.0.0.1:8088"
[meta]
dir = "$data/meta"
[data]
dir = "$data/data"
wal-dir = "$data/wal"
index-version = "tsi1"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "$1"
auth-enabled = $2
log-enabled = false
max-body-size = 0
SETTINGS
}

ask() { # STATEMENT
    printf 'data-urlencode = "q=%s"\n' "${1//\"/\\\"}" |
        curl --fail --silent --show-error --output /dev/null --config - http://127.0.0.1:9999/query
}

secret() { # NAME
    cat "/run/secrets/influxdb_$1"
}

if [ ! -e "$data/set-up" ]; then
    serve 127.0.0.1:9999 false
    influxd -config /tmp/influxdb.conf &
    until curl --silent --output /dev/null http://127.0.0.1:9999/ping; do sleep 0.1; done
    database=$DOCKER_INFLUXDB_INIT_BUCKET
    ask "CREATE USER \"admin\" WITH PASSWORD '$(secret admin_password)' WITH ALL PRIVILEGES"
    ask "CREATE DATABASE \"$database\""
    ask "CREATE USER \"mirror\" WITH PASSWORD '$(secret mirror_password)'"
    ask "GRANT ALL ON \"$database\" TO \"mirror\""
    ask "CREATE USER \"grafana\" WITH PASSWORD '$(secret grafana_password)'"
    ask "GRANT READ ON \"$database\" TO \"grafana\""
    touch "$data/set-up"
    kill %1
    wait %1 || true
fi
serve :8086 true
exec "$@" -config /tmp/influxdb.conf
